"""Answers are held to grammars, each row to its own, and no row is in another's way."""

import json
import time
from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from bodega.backends.base import Constraint, Guide, Row, Sampling, TextDecoding, ThinkingBudget
from bodega.backends.lm.guides import Guides
from bodega.backends.lm.schema_place import schema_place
from bodega.errors import InternalError, InvalidRequest
from tests.lm.rows import Rows, decoding, given, guides, held_to, text_of, together, tokens_of
from tests.lm.test_runner import TURN_ENDS

STEPS = 40
WARM = Sampling(temperature=1.5, seed=11)
LETTERS = 'start: /[ab]{12}/ "!"'
CITY = """start: %json {"x-guidance": {"whitespace_flexible": false}, "type": "object",
"properties": {"city": {"enum": ["Oslo", "Rome"]}, "warm": {"type": "boolean"}},
"required": ["city", "warm"], "additionalProperties": false}"""


def ended(tokens: list[int]) -> bool:
    return any(token in TURN_ENDS for token in tokens)


def mixed() -> list[Row]:
    """Return rows with and without guides, greedy and not; guides serve one answer."""
    ask = given()
    return [
        Row(id=0, prompt=ask[0], sampling=Sampling()),
        Row(id=1, prompt=ask[1], sampling=Sampling(), guide=held_to(CITY)),
        Row(id=2, prompt=ask[2], sampling=WARM, guide=held_to(LETTERS)),
        Row(id=3, prompt=ask[3], sampling=replace(WARM, top_p=0.9, min_p=0.01)),
        Row(
            id=4,
            prompt=ask[4],
            sampling=replace(WARM, top_p=0.9, top_k=40, presence_penalty=1.0),
            guide=held_to(CITY),
        ),
    ]


def test_rows_answer_together_as_each_does_alone() -> None:
    ran = together(mixed(), STEPS)
    for row in mixed():
        alone = together([row], STEPS)
        assert ran.tokens(row.id)[:STEPS] == alone.tokens(row.id)[:STEPS]
    for number in (1, 4):
        answer = json.loads(text_of(ran.tokens(number)))
        assert answer["city"] in ("Oslo", "Rome")
        assert isinstance(answer["warm"], bool)
    letters = text_of(ran.tokens(2))
    assert len(letters) == 13
    assert set(letters) == {"a", "b", "!"}


def test_a_row_that_was_paused_goes_on_in_its_grammar() -> None:
    expected = together(mixed(), STEPS)
    paused = Rows(mixed())
    paused.enter(*paused.rows)
    for number in (4, 2, 1):
        paused.step(2)
        paused.runner.leave([number])
        # The token under way comes after the row has left.
        paused.step()
        paused.enter(number)
    paused.step(STEPS)
    for number in paused.rows:
        assert paused.tokens(number)[:STEPS] == expected.tokens(number)[:STEPS]


def test_after_its_end_only_an_end_is_allowed() -> None:
    guide = held_to('start: "ab"')
    for token in tokens_of("ab"):
        guide.push(token)
    allowed = guide.allowed()
    assert allowed is not None
    ends = np.flatnonzero(np.unpackbits(allowed.view(np.uint8), bitorder="little"))
    assert set(ends) == TURN_ENDS
    guide.push(int(ends[0]))
    assert guide.allowed() is guides().stops


LEAF = st.one_of(
    st.sampled_from(
        [
            {"type": "boolean"},
            {"type": "null"},
            {"type": "integer", "minimum": -9, "maximum": 99},
            {"type": "string", "maxLength": 4},
            {"type": "string", "pattern": "^[A-F]{1,3}$"},
        ]
    ),
    st.lists(st.text(max_size=6), min_size=1, max_size=3, unique=True).map(lambda e: {"enum": e}),
)
SCHEMA = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.builds(
            lambda item, most: {"type": "array", "items": item, "maxItems": most},
            inner,
            st.integers(0, 2),
        ),
        st.dictionaries(st.text('ab"é<>', min_size=1, max_size=3), inner, max_size=2).map(
            lambda found: {
                "type": "object",
                "properties": found,
                "required": list(found)[:1],
                "additionalProperties": False,
            }
        ),
        st.lists(inner, min_size=1, max_size=2).map(lambda found: {"anyOf": found}),
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=8)
@for_all(st.lists(SCHEMA, min_size=4, max_size=4), st.integers(0, 1000))
def test_any_schema_is_followed_by_every_answer(schemas: list[dict[str, Any]], seed: int) -> None:
    rows = [
        Row(
            id=number,
            prompt=given()[number],
            sampling=Sampling(temperature=1.0, seed=seed + number),
            guide=held_to(
                "start: %json "
                + json.dumps({**schema, "x-guidance": {"whitespace_flexible": False}})
            ),
        )
        for number, schema in enumerate(schemas)
    ]
    ran = Rows(rows)
    ran.enter(*ran.rows)
    for _ in range(200):
        if all(ended(ran.tokens(row.id)) for row in rows):
            break
        ran.step()
    for row, schema in zip(rows, schemas, strict=True):
        assert ended(ran.tokens(row.id)), schema
        jsonschema.validate(json.loads(text_of(ran.tokens(row.id))), schema)


class Broken:
    """A guide that fails at its third token, in one way or another."""

    def __init__(self, failure: Exception | None) -> None:
        self._failure = failure
        self._pushed = 0

    def allowed(self) -> Any:
        if self._pushed < 2:
            return None
        if self._failure is not None:
            raise self._failure
        return np.zeros(guides().words, np.uint32)

    def push(self, token: int) -> None:
        self._pushed += 1


@pytest.mark.parametrize("failure", [InvalidRequest("too much"), RuntimeError("a fault"), None])
def test_a_guide_that_fails_ends_its_row_alone(failure: Exception | None) -> None:
    broken: Guide = Broken(failure)
    rows = [*mixed()[:3], Row(id=9, prompt=given()[3], sampling=Sampling(), guide=broken)]
    ran = Rows(rows)
    ran.enter(*ran.rows)
    while ran.chosen[9][-1].failure is None:
        ran.step()
    ran.runner.leave([9])
    ran.step(STEPS)
    told = ran.chosen[9][2].failure
    assert told is failure if isinstance(failure, InvalidRequest) else type(told) is InternalError
    expected = together(mixed()[:3], STEPS)
    for number in range(3):
        assert ran.tokens(number)[:STEPS] == expected.tokens(number)[:STEPS]


@pytest.mark.parametrize(
    ("grammar", "told"),
    [
        ("start: nothing", 'at 1(8): unknown name: "nothing"'),
        ("start: /(/", "unclosed group"),
        ("start: <nope>", 'unknown special token: "<nope>".'),
        ('start: "a', "lexer error"),
        ("start: %json false", "Unsatisfiable schema"),
        ("start: A\nA: /a/ & /b/", "nothing can come next"),
        ('start: "' + "a" * 600_000 + '"', "600009 characters"),
        ("start: " + "(" * 5000 + '"a"' + ")" * 5000, "too deeply nested"),
    ],
    ids=range(8),
)
def test_what_is_no_grammar_is_refused_with_a_reason(grammar: str, told: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        held_to(grammar)
    assert told in caught.value.message
    assert len(caught.value.message) < 600
    assert caught.value.param == "response_format"


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "strin"}, "Invalid type: strin."),
        ({"items": {"type": "strin"}}, "Invalid type: strin, at 'items' of the schema."),
        (
            {"properties": {"a": {}, "b": {"anyOf": [{"type": "null"}, {"type": "strin"}]}}},
            "Invalid type: strin, at 'properties.b.anyOf[1]' of the schema.",
        ),
        (
            {
                "properties": {"a": {"$ref": "#/$defs/one"}},
                "$defs": {"one": {"items": {"if": {}}}},
            },
            "Unimplemented keys: [\"if\"], at '$defs.one.items' of the schema.",
        ),
    ],
    ids=range(4),
)
def test_what_is_wrong_with_a_schema_is_told_with_its_place(
    schema: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        held_to(f'start: "a" text\ntext: %json {json.dumps(schema)}')
    assert caught.value.message.endswith(told)


def test_the_place_of_what_is_wrong_is_looked_for_in_bounded_time() -> None:
    schema = '{"items": {"type": "strin"}}'

    def wrong(grammar: str) -> str:
        return "wrong"

    def place(until_s: float) -> str | None:
        return schema_place(f"start: %json {schema}", "wrong", wrong, until_s)

    assert place(time.monotonic() + 60) == "items"
    assert place(time.monotonic() - 1) is None


def test_oneof_whose_options_cannot_be_told_apart_is_refused_with_advice() -> None:
    apart = {"oneOf": [{"type": "string"}, {"type": "null"}]}
    assert held_to(f"start: %json {json.dumps(apart)}")
    alike = {"oneOf": [{"type": "string"}, {"type": "string", "maxLength": 3}]}
    with pytest.raises(InvalidRequest, match=r"not supported\. Write anyOf"):
        held_to(f"start: %json {json.dumps(alike)}")


def test_rules_that_nest_deeply_do_not_end_the_process() -> None:
    chain = "\n".join(f"r{at}: r{at + 1}" for at in range(10_000))
    guide = held_to(f'start: r0\n{chain}\nr10000: "ab"')
    assert guide.allowed() is not None


def test_markers_are_tokens_in_grammars_whatever_their_brackets() -> None:
    table = list(decoding().token_bytes)
    table[645], table[646] = b"[TOOL_CALLS]", b"TOOLS"
    other = Guides(TextDecoding(token_bytes=table, markers=decoding().markers), TURN_ENDS)
    grammar = "start: <[TOOL_CALLS]> <TOOLS> <think>"
    guide = other.make(Constraint(grammar=grammar, param="response_format"), None)
    for token in (645, 646, 643):
        allowed = guide.allowed()
        assert allowed is not None
        assert np.flatnonzero(np.unpackbits(allowed.view(np.uint8), bitorder="little")) == [token]
        guide.push(token)


OPEN, CLOSE = 643, 644


def thinking(budget: ThinkingBudget, grammar: str | None, prompt: list[int]) -> list[int]:
    """Return the tokens of a row whose thinking has a budget."""
    guide = held_to(grammar, budget) if grammar else guides().make(None, budget)
    row = Row(id=0, prompt=[*given()[0], *prompt], sampling=WARM, guide=guide)
    return together([row], 60).tokens(0)


@pytest.mark.parametrize("most", [0, 1, 7])
@pytest.mark.parametrize("grammar", [None, '(.|\\n)*/ </think> /\\n{1,2}/? "yes"'])
def test_thinking_that_has_had_its_tokens_is_closed(most: int, grammar: str | None) -> None:
    budget = ThinkingBudget(tokens=most, opening=None, closing="\n</think>\n\n")
    tokens = thinking(budget, grammar and f"start: /{grammar}", [OPEN])
    closed = tokens.index(CLOSE)
    # A character may end first, and what closes begins with a token of its own.
    assert most + 1 <= closed <= most + 4
    rest = text_of(tokens[closed + 1 :])
    assert rest.startswith("\n\n")
    assert grammar is None or rest == "\n\nyes"


def test_thinking_that_the_model_opens_counts_from_there() -> None:
    budget = ThinkingBudget(tokens=4, opening="<think>", closing="</think>")
    grammar = 'start: "so" (<think> /(.|\\n)*/ </think>) /[xy]{3}/'
    tokens = thinking(budget, grammar, [])
    opened, closed = tokens.index(OPEN), tokens.index(CLOSE)
    assert text_of(tokens[:opened]) == "so"
    assert 4 < closed - opened <= 8
    assert len(text_of(tokens[closed + 1 :])) == 3


def test_thinking_that_ends_in_time_is_left_alone() -> None:
    guide = guides().make(None, ThinkingBudget(tokens=3, opening="<think>", closing="\n</think>\n"))
    for token in [*tokens_of("a b c d e"), OPEN, *tokens_of("f"), CLOSE, *tokens_of("g h i j")]:
        assert guide.allowed() is None
        guide.push(token)


def test_thinking_in_plain_text_is_found_and_closed() -> None:
    budget = ThinkingBudget(tokens=2, opening="[[think", closing="[/think]]")
    guide = guides().make(None, budget)
    for token in tokens_of("[[think"):
        assert guide.allowed() is None
        guide.push(token)
    for token in tokens_of("a")[:1] * 2:
        assert guide.allowed() is None
        guide.push(token)
    for byte in b"[/think]]":
        mask = guide.allowed()
        assert mask is not None
        token = decoding().token_bytes.index(bytes([byte]))
        assert mask[token // 32] >> (token % 32) & 1
        guide.push(token)
    assert guide.allowed() is None
