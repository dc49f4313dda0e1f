"""Makes guides for one model's answers: grammars are compiled here, within bounds."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Set
from concurrent.futures import Future
from typing import Final

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from bodega.backends.base import Constraint, Guide, TextDecoding, ThinkingBudget
from bodega.backends.lm.guide import (
    GrammarGuide,
    Mask,
    compute_mask,
    is_of_schema,
    plain_reason,
    refused,
)
from bodega.backends.lm.schema_place import schema_place
from bodega.backends.lm.thinking import BudgetGuide, closing_grammar
from bodega.errors import InvalidRequest
from bodega.limits import MAX_COMPILED_CHARS, MAX_COMPILED_GRAMMARS

_LIMITS: Final = LLParserLimits(
    max_grammar_size=50_000,
    max_lexer_states=50_000,
    step_max_items=5_000,
    verbose_errors=False,
)
"""A second or two of compiling, 20 ms or so for a mask, and 100 MB, all at the very worst: an
object of some thousand properties that may all be left out."""

_PLACE_S: Final = 1.0
"""How long it may take until the place of what is wrong is found: it may be that a schema is
large, and each part is compiled anew."""

_STACK_BYTES: Final = 512 * 1024 * 1024
"""Address space, of which only what is used is taken: rules are compiled recursively, and the
longest grammar may be one chain of them."""

_FREE_TOKENS: Final = '\n%llguidance {"no_forcing": true}\n'
"""Text that has to come is written in the tokens that the model likes."""

_starting = threading.Lock()


class Guides:
    """Makes guides. Used from any thread."""

    def __init__(self, decoding: TextDecoding, stop_tokens: Set[int]) -> None:
        """Make one; nothing is compiled yet.

        Args:
            decoding: how the model's tokens become text.
            stop_tokens: token ids that end an answer.
        """
        self._decoding = decoding
        self.stop_tokens: Set[int] = {
            token for token in stop_tokens if token < len(decoding.token_bytes)
        }
        self.words = (len(decoding.token_bytes) + 31) // 32
        self.stops = _mask_of(self.stop_tokens, self.words)
        self._lock = threading.Lock()
        self._tokenizer: LLTokenizer | None = None
        self._compiled: OrderedDict[str, LLMatcher] = OrderedDict()

    def make(self, constraint: Constraint | None, budget: ThinkingBudget | None) -> Guide:
        """Return what holds one answer to a constraint and a budget.

        Raises:
            InvalidRequest: the grammar is none, or too costly; the message tells the place.
        """
        held = None
        if constraint is not None:
            matcher = self._matcher(constraint.grammar, constraint.param)
            held = GrammarGuide(matcher, self, constraint.param)
        if budget is not None:
            grammar = closing_grammar(budget.closing, self._decoding)
            closing = self._matcher(grammar, "thinking_budget_tokens")
            return BudgetGuide(budget, closing, held, self, self._decoding)
        if held is None:
            raise ValueError("there is nothing to hold an answer to")
        return held

    def _matcher(self, grammar: str, param: str) -> LLMatcher:
        """Return a matcher of a grammar, fresh."""
        with self._lock:
            if (known := self._compiled.get(grammar)) is not None:
                self._compiled.move_to_end(grammar)
                return known.deep_copy()
        if not self.stop_tokens:
            raise InvalidRequest(
                f"{param!r} cannot be honoured: the model's files name no token that ends an "
                "answer.",
                param=param,
            )
        if len(grammar) > MAX_COMPILED_CHARS:
            raise InvalidRequest(
                f"{param!r} makes a grammar of {len(grammar)} characters, and at most "
                f"{MAX_COMPILED_CHARS} are compiled. Make schemas and descriptions shorter.",
                param=param,
            )
        matcher = _on_deep_stack(lambda: self._compile(grammar, param))
        with self._lock:
            self._compiled[grammar] = matcher
            if len(self._compiled) > MAX_COMPILED_GRAMMARS:
                self._compiled.popitem(last=False)
            return matcher.deep_copy()

    def _compile(self, grammar: str, param: str) -> LLMatcher:
        until_s = time.monotonic() + _PLACE_S
        matcher = self._new_matcher(grammar)
        # What nothing can begin, or what costs too much to begin, is told before it is asked.
        mask = compute_mask(matcher, self.words)
        if matcher.is_error():
            reason = matcher.get_error()
            place = None
            if is_of_schema(reason):
                place = schema_place(grammar, plain_reason(reason), self._fault, until_s)
            raise refused(param, reason, place)
        if not mask.any():
            raise refused(param, "nothing can come first")
        return matcher

    def _new_matcher(self, grammar: str) -> LLMatcher:
        text = self._with_ids(grammar) + _FREE_TOKENS
        return LLMatcher(self._known_tokenizer(), text, log_level=0, limits=_LIMITS)

    def _fault(self, grammar: str) -> str | None:
        matcher = self._new_matcher(grammar)
        return plain_reason(matcher.get_error()) if matcher.is_error() else None

    def _with_ids(self, grammar: str) -> str:
        """Return a grammar in which markers in square brackets are numbers.

        llguidance would read their names as numbers.
        """
        for token in self._decoding.markers:
            marker = self._decoding.token_bytes[token].decode()
            if marker.startswith("["):
                grammar = grammar.replace(f"<{marker}>", f"<[{token}]>")
        return grammar

    def _known_tokenizer(self) -> LLTokenizer:
        """Return the vocabulary as llguidance has it: a second of work for a large one, once."""
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = LLTokenizer(
                    _Tokens(self._decoding, self.stop_tokens),  # type: ignore[arg-type]
                    eos_token=sorted(self.stop_tokens),
                )
            return self._tokenizer


class _Tokens:
    """A vocabulary in the form that llguidance asks for: by the names that it reads.

    It is never asked to tokenize, as no text is forced into tokens.
    """

    is_tokenizer_wrapper = True
    bos_token_id = None

    def __init__(self, decoding: TextDecoding, stop_tokens: Set[int]) -> None:
        self.tokens = list(decoding.token_bytes)
        self.special_token_ids = sorted(decoding.markers | stop_tokens)
        for token in self.special_token_ids:
            # Grammars have them in angle brackets, whether or not these are their own.
            if not (name := self.tokens[token]).startswith(b"<"):
                self.tokens[token] = b"<" + name + b">"
        self.eos_token_id = min(stop_tokens)

    def __call__(self, text: str) -> list[int]:
        return []


def _mask_of(tokens: Set[int], words: int) -> Mask:
    mask = np.zeros(words, np.uint32)
    for token in tokens:
        mask[token // 32] |= np.uint32(1 << (token % 32))
    return mask


def _on_deep_stack(function: Callable[[], LLMatcher]) -> LLMatcher:
    """Return what a function returns on a thread with a stack of its own, or raise the same."""
    outcome: Future[LLMatcher] = Future()

    def run() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:  # noqa: BLE001 - boundary: whoever waits for it is told
            outcome.set_exception(error)

    with _starting:
        usual = threading.stack_size(_STACK_BYTES)
        try:
            threading.Thread(target=run, name="bodega-grammar").start()
        finally:
            threading.stack_size(usual)
    return outcome.result()
