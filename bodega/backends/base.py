"""What the engine and a backend say to each other, in plain values.

The engine decides; a backend does. Nothing here knows a device, a clock or a
request: a plan could be sent to another rank as it is.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from bodega.backends.cache_cost import CacheCost
from bodega.errors import BodegaError

Message = Mapping[str, Any]
"""A chat message as templates know it: role, content, name, tool_calls, tool_call_id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token of one row is chosen.

    Attributes:
        temperature: divides the logits; 0 is the likeliest token. Applied before the filters.
        top_p: keep the fewest likeliest tokens with this much probability; 1 keeps all.
        top_k: keep this many likeliest tokens, and those as likely as the last; 0 keeps all.
        min_p: keep tokens at least this fraction as likely as the likeliest; 0 keeps all.
        repetition_penalty: divides (or multiplies, if negative) logits of tokens seen; 1 is none.
        presence_penalty: taken once from the logit of a generated token.
        frequency_penalty: taken from it as often as it was generated.
        seed: 64 bits; the row's noise is a function of seed, position and token id alone.
        biases: pairs of token id and what is added to its logit.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int = 0
    biases: tuple[tuple[int, float], ...] = ()

    @property
    def greedy(self) -> bool:
        """Whether only the likeliest token can be chosen."""
        return self.temperature < 1e-5 or self.top_p <= 0.0 or self.top_k == 1

    @property
    def penalizes(self) -> bool:
        """Whether earlier tokens change the logits."""
        return (
            self.repetition_penalty != 1.0
            or self.presence_penalty != 0.0
            or self.frequency_penalty != 0.0
        )


class Guide(Protocol):
    """What may come next in one row, token by token. Used by the engine thread alone.

    A row with a guide gets its next token only after the one before has been read.
    """

    def allowed(self) -> "npt.NDArray[np.uint32] | None":
        """Return the tokens that may come next, a bit each, the lowest first; None for all.

        Raises:
            BodegaError: none may, or it costs too much to tell. The row ends with that.
        """

    def push(self, token: int) -> None:
        """Take in the token that was chosen; after the end of what is allowed, any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """What an answer must be.

    Attributes:
        grammar: Lark in the dialect of llguidance; `start` is all that is generated. A marker is
            in it as it is written, in angle brackets if it has none itself: `<[TOOL_CALLS]>`.
        param: the request's field that asks for it, for errors.
    """

    grammar: str
    param: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingBudget:
    """When thinking is closed for the model.

    Attributes:
        tokens: most tokens of thinking.
        opening: the tag that opens it; None if the prompt has opened it.
        closing: what is generated then.
    """

    tokens: int
    opening: str | None
    closing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One sequence of a batch: its prompt and how to go on from it.

    Attributes:
        guide: what may come next; None for anything.
        top_logprobs: how many of the likeliest tokens to tell of beside each; None to tell no
            probabilities at all.
        keep_prompt: others with the same prompt come soon, so its cache is kept however short.
        generated: tokens of its answer that were chosen before it was paused. They are prefilled
            like the prompt, and its next token is chosen as if it had never been away.
    """

    id: int
    prompt: Sequence[int]
    sampling: Sampling
    guide: Guide | None = None
    top_logprobs: int | None = None
    keep_prompt: bool = False
    generated: Sequence[int] = ()

    @property
    def tokens(self) -> Sequence[int]:
        """What is prefilled: the prompt and what was generated."""
        return [*self.prompt, *self.generated] if self.generated else self.prompt


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of a row's tokens to prefill: ``start`` up to ``stop``."""

    row: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What one step does, in this order.

    Attributes:
        leave: rows to forget; they may be in prefill, in the batch, or gone already.
        pause: those of them that come back later, with what they have generated.
        prefill: slices to run. A row whose prompt ends with its slice joins the batch.
        decode: whether to decode one token for every row of the batch.
        prefix_bytes: memory that prefixes may take beside the rows, whatever their own budget is.
    """

    leave: tuple[int, ...] = ()
    pause: tuple[int, ...] = ()
    prefill: tuple[Slice, ...] = ()
    decode: bool = False
    prefix_bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.leave or self.prefill or self.decode)


class Logprobs(NamedTuple):
    """Natural logarithms of probabilities in one place, by the raw logits.

    Attributes:
        chosen: that of the token that was chosen.
        top: the likeliest token ids with theirs, the likeliest first.
    """

    chosen: float
    top: tuple[tuple[int, float], ...]


class Chosen(NamedTuple):
    """A token that was chosen for a row, or why none could be.

    Attributes:
        failure: why its guide allows none; then `token` means nothing, and the row is to leave.
    """

    row: int
    token: int
    logprobs: Logprobs | None = None
    failure: BodegaError | None = None


Tokens = list[Chosen]
"""In the order they were generated."""


class TextRunner(Protocol):
    """Runs the rows of one language model. Used by the engine thread alone.

    ``decode`` submits a step before it reads the one before: it returns the
    tokens of the earlier step, and a row that has left since may be among them.
    """

    def add(self, row: Row) -> int:
        """Take a row in; return how many of its prompt's first tokens need no prefill.

        The rest, at least one token, is prefilled slice by slice.
        """

    def leave(self, rows: Sequence[int]) -> None:
        """Forget rows and free their caches. Unknown ids are passed over."""

    def prefill(self, slices: Sequence[Slice]) -> Tokens:
        """Run slices of prompts; return the first token of each row whose prompt ended."""

    def decode(self) -> Tokens:
        """Submit one token for each row of the batch; return those submitted before."""

    def limit_prefixes(self, size_bytes: int) -> None:
        """Drop prefixes until they take at most this much memory, and keep no more from now on."""

    def close(self) -> None:
        """Drop all rows and caches."""

    @property
    def prefix_stats(self) -> "PrefixStats":
        """What reusing prefixes did; a copy, which any thread may read."""


@dataclass(slots=True)
class PrefixStats:
    """What a model's prefix cache did since the model was loaded.

    Attributes:
        hits: prompts that found a prefix.
        misses: prompts that found none.
        hit_tokens: prompt tokens that were not computed again.
        evictions: entries dropped for others.
        entries: entries there are.
        size_bytes: memory they take.
    """

    hits: int = 0
    misses: int = 0
    hit_tokens: int = 0
    evictions: int = 0
    entries: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TextModelInfo:
    """What is known of a loaded language model.

    Attributes:
        architecture: the model_type of its configuration.
        context_length: most tokens of prompt and answer together, in force.
        weight_bytes: memory of the weights.
        cache_cost: what the caches of its rows take.
        cache_bytes: memory for them, and for prefixes that may be used again.
        stop_tokens: token ids that end an answer.
        vocabulary_size: token ids are below it.
        markers: the texts of the tokens that stand for themselves and are never part of others:
            control tokens, and tags such as <think> where the vocabulary has them.
        template: the chat template's source; empty without one.
        template_names: the names that it uses of what a caller may give it, such as tools,
            enable_thinking and reasoning_effort.
        warnings: what differs from the request or the files, for people.
    """

    architecture: str
    context_length: int
    weight_bytes: int
    cache_cost: CacheCost
    cache_bytes: int
    stop_tokens: frozenset[int]
    vocabulary_size: int = 0
    markers: frozenset[str] = frozenset()
    template: str = ""
    template_names: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDecoding:
    """How a model's tokens become text.

    Attributes:
        token_bytes: the bytes each token id adds; a control token's are its own text.
        markers: the ids of the tokens that `TextModelInfo.markers` tells of.
        drops_first_space: a space at the very start of a text is the tokenizer's own.
    """

    token_bytes: Sequence[bytes]
    markers: frozenset[int] = frozenset()
    drops_first_space: bool = False


@dataclass(frozen=True, slots=True)
class RenderedChat:
    """A conversation as the model sees it.

    Attributes:
        tokens: its tokens.
        ending: the end of its text, from where the last message of the conversation ends: what
            opens the answer, perhaps its thinking too.
    """

    tokens: list[int]
    ending: str


class TextModel(Protocol):
    """A loaded language model."""

    @property
    def info(self) -> TextModelInfo:
        """What is known of it."""

    @property
    def decoding(self) -> TextDecoding:
        """How its tokens become text."""

    def render_chat(
        self,
        messages: Sequence[Message],
        arguments: Mapping[str, Any],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        goes_on: bool = False,
    ) -> "RenderedChat":
        """Render a conversation with the chat template and tokenize it. From any thread.

        Args:
            messages: the conversation.
            arguments: the caller's own, for the template.
            tools: the tools to tell the model of, as OpenAI's API has them.
            goes_on: the answer goes on with the last message, which is the assistant's.

        Raises:
            ChatTemplateError: the template refuses the conversation or fails on it, or knows no
                tools and there are some.
            InvalidRequest: an argument is not one of the template's.
        """

    def encode_text(self, text: str) -> list[int]:
        """Return the tokens of a text, with what the tokenizer puts before any. Any thread.

        Markers in the text are tokens, as whoever writes plain prompts expects.
        """

    def token_text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens. From any thread."""

    def compile(self, constraint: Constraint | None, budget: ThinkingBudget | None = None) -> Guide:
        """Return what holds one answer to a constraint and a budget. From any thread; bounded.

        Raises:
            InvalidRequest: the grammar is none, or too costly; the message tells the place.
        """

    @property
    def active_bytes(self) -> int:
        """Memory that the device has given out, to this model and beside it. From any thread."""

    def warm_up(self) -> Generator["Piece", None, None]:
        """Run the model once, so that what its device prepares at first use is there."""

    def new_runner(self) -> TextRunner:
        """Return a runner without rows. Engine thread only."""

    def close(self) -> None:
        """Give the memory back. Engine thread only."""


class TextLoading(Protocol):
    """A language model on its way from its files into memory, in two jobs."""

    def check_memory(self, *, freed_bytes: int) -> None:
        """Refuse a model whose weights do not fit in the memory, before a byte is read.

        Args:
            freed_bytes: memory that will be given back before.

        Raises:
            ModelTooLarge: it does not fit.
        """

    def build(self) -> Generator["Piece", None, None]:
        """Build the model around its files, without reading its weights.

        Raises:
            InvalidModel: the files do not make up the model.
            UnsupportedModel: it is of a build that cannot be served.
        """

    def read(self) -> Generator["Piece", None, TextModel]:
        """Read the weights of the built model and return it."""

    def discard(self) -> None:
        """Give back what was built and read, of which nothing is used. Engine thread only."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A promise of the work to come: the next piece of a job ends within ``limit_s``.

    Attributes:
        done: how much of the job is done, from 0 to 1.
    """

    limit_s: float
    done: float = 0.0


Job = Iterator[Piece]
"""Device work in bounded pieces: before each one it says how long that may take."""
