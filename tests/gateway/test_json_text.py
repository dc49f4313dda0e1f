"""JSON text is read strictly, and whatever is wrong is refused with its place."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodega import limits
from bodega.errors import InvalidRequest
from bodega.gateway.json_text import parse

REFUSED = [
    (b"", "body", "not valid JSON"),
    (b"  ", "body", "not valid JSON"),
    (b'{"a": 1', "body", "line 1, column 8"),
    (b"{'a': 1}", "body", "not valid JSON"),
    (b'{"a": 1} x', "body", "extra data"),
    (b'{"a": 01}', "body", "not valid JSON"),
    (b'{"a": "\x01"}', "body", "not valid JSON"),
    (b"\xef\xbb\xbf{}", "body", "byte order mark"),
    ('{"a": 1}'.encode("utf-16"), "body", "not UTF-8"),
    (b'{"a": "\xff"}', "body", "not UTF-8 at byte 7"),
    (b'{"a": "\xed\xa0\x80"}', "body", "not UTF-8"),
    (b'{"a": NaN}', "a", "NaN is not a JSON value"),
    (b'{"a": [1, -Infinity]}', "a[1]", "-Infinity is not a JSON value"),
    (b'{"a": {"b": Infinity}}', "a.b", "Infinity is not a JSON value"),
    (b'{"a": 1e999}', "a", "out of range"),
    (b'{"a": ' + b"9" * 5000 + b"}", "a", "out of range"),
    (b'{"a": {"b": 1, "b": 2}}', "a", "a name stands twice"),
    (b'{"b": 1, "b": 1}', "body", "a name stands twice"),
    (b'{"a": ["x", "\\ud800"]}', "a[1]", "half of a surrogate pair"),
    (b'{"a": {"\\udc00": 1}}', "a", "half of a surrogate pair"),
    (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", "a" + "[0]" * 63, "more than 64 deep"),
    (b"[" * 100_000, "body", "more than 64 deep"),
    (b'{"a":' * 100_000, "body", "more than 64 deep"),
]


@pytest.mark.parametrize(("body", "param", "reason"), REFUSED)
def test_what_is_not_json_is_refused_with_its_place(body: bytes, param: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(body)
    assert caught.value.param == param
    assert reason in caught.value.message
    assert caught.value.message.startswith(f"{param}: ")


def test_the_deepest_nesting_taken_is_the_limit() -> None:
    deepest = b"[" * limits.MAX_JSON_DEPTH + b"]" * limits.MAX_JSON_DEPTH
    assert parse(deepest)
    with pytest.raises(InvalidRequest):
        parse(b"[" + deepest + b"]")


def test_a_place_in_an_error_is_printable_and_short() -> None:
    body = json.dumps({"a\r\nb" + "x" * 10_000: [float("nan")]}).encode()
    with pytest.raises(InvalidRequest) as caught:
        parse(body)
    assert len(caught.value.message) < 500
    assert caught.value.message.isprintable()


def test_pairs_of_surrogates_are_characters() -> None:
    assert parse(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_any_json_value_is_read_as_it_was_written(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\u0dDeE+-.19 ntf').map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(InvalidRequest):
        json.dumps(parse(body), allow_nan=False).encode()
