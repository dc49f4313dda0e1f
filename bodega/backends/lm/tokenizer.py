"""Conversations and texts to tokens.

What a user writes in a conversation never becomes a control token, which a tokenizer by itself
does not see to: in what the template makes the control tokens get private spellings, which the
tokenizer knows; the same characters in a user's text keep theirs, which it does not.
"""

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Final

from tokenizers import Tokenizer

from bodega.backends.base import Message, RenderedChat
from bodega.backends.lm.template import ChatTemplate, Tools, map_strings
from bodega.errors import ChatTemplateError

_PRIVATE: Final = range(0xE010, 0xF8FF)
"""Characters that no text is written with; those below them begin and end private spellings."""

_LONGEST_TAG: Final = 64


class ChatTokenizer:
    """Turns conversations into the tokens of one model. Used from any thread.

    Control tokens are the tokenizer's special ones and those the template writes, such as
    <think>. Other added tokens are vocabulary, whoever writes them.
    """

    def __init__(self, definition: Mapping[str, Any], template: ChatTemplate) -> None:
        """Build one.

        Args:
            definition: the content of a tokenizer.json.
            template: the model's chat template.
        """
        self._template = template
        added = definition.get("added_tokens", [])
        special = {token["content"] for token in added if token["special"]}
        written = {token["content"] for token in added if token["content"] in template.source}
        control = {text for text in special | written if text.strip()}
        nonce = secrets.token_hex(8)
        self._private = {
            token["content"]: f"\ue000{nonce}{token['id']:x}\ue001"
            for token in added
            if token["content"] in control
        }
        self._tokenizer = Tokenizer.from_str(json.dumps(_respelled(definition, self._private)))
        self._ids = {
            ours: token["id"]
            for token in added
            if (ours := self._id_of(self._private.get(token["content"], token["content"])))
            != token["id"]
        }
        self._control = _any_of(control)
        self._special = _any_of(special & control)
        self._opening = _opening_tokens(definition)

    def render_chat(
        self,
        messages: Sequence[Message],
        arguments: Mapping[str, Any],
        *,
        tools: Tools | None = None,
        goes_on: bool = False,
    ) -> RenderedChat:
        """Return a conversation's tokens up to where the model goes on, and how its text ends.

        Raises:
            ChatTemplateError, InvalidRequest: as `ChatTemplate.render`, or the template leaves
                out the message that the answer is to go on with.
        """
        written = json.dumps([messages, arguments, tools], ensure_ascii=False)
        marks = (char for code in _PRIVATE if (char := chr(code)) not in written)
        apart, end = next(marks), next(marks)
        if self._control is not None and self._control.search(written.replace('\\"', '"')):
            messages = [self._guarded(message, apart) for message in messages]
            arguments = map_strings(arguments, _apart(self._control, apart))
            tools = map_strings(tools, _apart(self._control, apart))
        if goes_on:
            last = {**messages[-1], "content": messages[-1]["content"] + end}
            text = self._template.render(
                [*messages[:-1], last], arguments, tools=tools, opens_answer=False
            )
            text = _up_to(end, text)
            messages = messages[:-1]
        else:
            text = self._template.render(messages, arguments, tools=tools)
        ending = self._ending(text, messages, arguments, tools)
        text = self._with_private(text)
        # A template may have escaped it.
        for mark in (apart, json.dumps(apart)[1:-1]):
            text, ending = text.replace(mark, ""), ending.replace(mark, "")
        return RenderedChat(self._encode(text), ending)

    def encode_text(self, text: str) -> list[int]:
        """Return the tokens of a text, with what the tokenizer puts before any.

        Control tokens in the text are tokens. What is put before is not put there twice.
        """
        tokens = self._encode(self._with_private(text))
        opening = self._opening
        return tokens if tokens[: len(opening)] == opening else [*opening, *tokens]

    def _with_private(self, text: str) -> str:
        if self._control is None:
            return text
        return self._control.sub(lambda found: self._private[found.group()], text)

    def _encode(self, text: str) -> list[int]:
        # The batch's form lets the interpreter go meanwhile: a long text takes seconds.
        ids: list[int] = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids
        return [self._ids.get(token, token) for token in ids] if self._ids else ids

    def _ending(
        self,
        text: str,
        messages: Sequence[Message],
        arguments: Mapping[str, Any],
        tools: Tools | None,
    ) -> str:
        """Return what a text has after some messages, the last of the conversation."""
        try:
            before = self._template.render(messages, arguments, tools=tools, opens_answer=False)
        except ChatTemplateError:  # as may be for no message at all
            return text
        if ending := _difference(text, before):
            return ending
        # The template does the same whether or not it is to open the answer.
        content = messages[-1]["content"].strip() if messages else ""
        return text.rpartition(content)[2] if content and content in text else ""

    def _id_of(self, spelling: str) -> int | None:
        token: int | None = self._tokenizer.token_to_id(spelling)
        return token

    def _guarded(self, message: Message, mark: str) -> Message:
        # What the model itself said may hold its markers, such as </think>, which its template
        # looks for; only the special ones would forge a turn.
        pattern = self._special if message["role"] == "assistant" else self._control
        return {**map_strings(message, _apart(pattern, mark)), "role": message["role"]}


def _up_to(end: str, text: str) -> str:
    if end not in text:
        raise ChatTemplateError(
            "The model's chat template leaves out the last message, so it cannot be carried on.",
            param="messages",
        )
    return text[: text.rindex(end)]


def _difference(text: str, other: str) -> str:
    """Return what a text has after its beginning that another has too, tags kept whole."""
    if text.startswith(other):
        return text[len(other) :]
    same, most = 0, min(len(text), len(other))
    while same < most:
        middle = (same + most + 1) // 2
        if text[same:middle] == other[same:middle]:
            same = middle
        else:
            most = middle - 1
    for opening, closing in ("<>", "[]"):
        at = text.rfind(opening, max(0, same - _LONGEST_TAG), same)
        if at >= 0 and closing not in text[at:same]:
            same = at
    return text[same:]


def _opening_tokens(definition: Mapping[str, Any]) -> list[int]:
    """Return what a tokenizer puts before a text, such as the token for its beginning."""
    last = definition.get("post_processor") or {}
    for processor in last.get("processors", [last]):
        if processor.get("type") == "TemplateProcessing":
            tokens: list[int] = []
            for piece in processor["single"]:
                if "SpecialToken" not in piece:
                    break
                tokens += processor["special_tokens"][piece["SpecialToken"]["id"]]["ids"]
            return tokens
        if processor.get("type") in ("BertProcessing", "RobertaProcessing"):
            return [processor["cls"][1]]
    return []


def _respelled(definition: Mapping[str, Any], private: Mapping[str, str]) -> dict[str, Any]:
    """Return the definition with its control tokens spelt privately, also in the vocabulary."""
    added = [
        {**token, "content": private[token["content"]], "normalized": False}
        if token["content"] in private
        else token
        for token in definition.get("added_tokens", [])
    ]
    model = dict(definition["model"])
    vocabulary = model.get("vocab")
    if isinstance(vocabulary, Mapping):
        model["vocab"] = {private.get(piece, piece): at for piece, at in vocabulary.items()}
    elif isinstance(vocabulary, list):
        model["vocab"] = [[private.get(piece, piece), score] for piece, score in vocabulary]
    if model.get("unk_token") in private:
        model["unk_token"] = private[model["unk_token"]]
    # Post-processors only add tokens around a text, which the template does itself, and
    # `_opening_tokens` for a text without one.
    return {**definition, "added_tokens": added, "model": model, "post_processor": None}


def _any_of(texts: Set[str]) -> re.Pattern[str] | None:
    if not texts:
        return None
    return re.compile("|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True)))


def _apart(pattern: re.Pattern[str] | None, mark: str) -> Callable[[str], str]:
    def apart(text: str) -> str:
        if pattern is None:
            return text
        return pattern.sub(lambda found: found.group()[0] + mark + found.group()[1:], text)

    return apart
