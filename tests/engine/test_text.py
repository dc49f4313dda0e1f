"""Tokens to text, and stops in it: however the text is cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bodega.backends.base import Logprobs, Sampling, TextDecoding
from bodega.engine.answer import Answer
from bodega.engine.request import Delta, Finish, Generation
from bodega.engine.text.detokenizer import Detokenizer
from bodega.engine.text.stops import StopMatcher

BYTES = TextDecoding(token_bytes=[bytes([byte]) for byte in range(256)])
SHORT = st.text(alphabet="ab", min_size=1, max_size=4)


def cut(text: str, places: list[int]) -> list[str]:
    edges = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[start:stop] for start, stop in pairwise(edges)]


def first_stop(text: str, stops: list[str]) -> int | None:
    """Return where the stop begins that is complete first, by trying every end."""
    for end in range(1, len(text) + 1):
        complete = [len(stop) for stop in stops if text[:end].endswith(stop)]
        if complete:
            return end - max(complete)
    return None


@given(st.text(alphabet="ab", max_size=40), st.lists(SHORT, max_size=4), st.lists(st.integers(0)))
def test_stops_are_found_as_in_the_whole_text(
    text: str, stops: list[str], places: list[int]
) -> None:
    matcher, out, stopped = StopMatcher(stops), "", False
    for piece in cut(text, places):
        passed = matcher.push(piece)
        out, stopped = out + passed.text, passed.stopped
        if stopped:
            break
    if not stopped:
        out += matcher.finish().text
    place = first_stop(text, stops)
    assert stopped == (place is not None)
    assert out == text[:place]


@given(st.text(alphabet="ab", max_size=40), st.lists(SHORT, min_size=1, max_size=4))
def test_no_part_of_a_stop_is_ever_shown(text: str, stops: list[str]) -> None:
    shown_most = text[: first_stop(text, stops)]
    matcher, out = StopMatcher(stops), ""
    for char in text:
        passed = matcher.push(char)
        out += passed.text
        assert shown_most.startswith(out)
        if passed.stopped:
            break


@given(st.text(max_size=30), st.binary(max_size=8))
def test_characters_are_never_broken(text: str, rest: bytes) -> None:
    detokenizer = Detokenizer(BYTES)
    pieces = [detokenizer.push(byte) for byte in text.encode() + rest]
    whole = "".join(pieces) + detokenizer.finish()
    assert whole == (text.encode() + rest).decode("utf-8", "replace")
    assert "".join(pieces[: len(text.encode())]) == text


def test_the_space_that_a_tokenizer_writes_first_is_dropped_once() -> None:
    decoding = TextDecoding(token_bytes=[b" a", b" b", b""], drops_first_space=True)
    detokenizer = Detokenizer(decoding)
    assert [detokenizer.push(token) for token in (2, 0, 1)] == ["", "a", " b"]


def answer(*, max_tokens: int, stops: tuple[str, ...] = ()) -> Answer:
    request = Generation(prompt=[1], sampling=Sampling(), max_tokens=max_tokens, stops=stops)
    return Answer(request, BYTES, frozenset({0}))


def run(one: Answer, text: bytes) -> tuple[str, Finish | None]:
    out = ""
    for byte in text:
        delta = one.push(byte)
        out += delta.text
        if delta.finish is not None:
            return out, delta.finish
    return out, None


def test_an_answer_ends_by_a_stop_token_without_showing_it() -> None:
    assert run(answer(max_tokens=9), b"ab\0") == ("ab", Finish.STOP)


def test_an_answer_ends_by_its_length_with_what_was_held_back() -> None:
    assert run(answer(max_tokens=3, stops=("bcd",)), b"abc") == ("abc", Finish.LENGTH)


def test_a_stop_that_ends_with_the_last_token_allowed_is_a_stop() -> None:
    assert run(answer(max_tokens=3, stops=("bc",)), b"abc") == ("a", Finish.STOP)


def test_half_a_character_at_the_end_is_told_as_such() -> None:
    assert run(answer(max_tokens=3), "aé…".encode()[:3] + b"") == ("aé", Finish.LENGTH)
    assert run(answer(max_tokens=2), "aé".encode()) == ("a\ufffd", Finish.LENGTH)


MARKED = TextDecoding(
    token_bytes=[*BYTES.token_bytes, b"<think>", b"</think>"], markers=frozenset({256, 257})
)


def deltas(tokens: list[int], *, stops: tuple[str, ...] = (), most: int = 99) -> list[Delta]:
    """Return what is told of tokens, each a tenth less likely than the one before."""
    request = Generation(
        prompt=[1], sampling=Sampling(), max_tokens=most, stops=stops, top_logprobs=1
    )
    one, told = Answer(request, MARKED, frozenset({0})), []
    for at, token in enumerate(tokens):
        told.append(one.push(token, Logprobs(-at / 10, ((token, -at / 10),))))
        if told[-1].finish is not None:
            break
    return told


def markers(told: list[Delta]) -> list[str]:
    return [delta.text[begin:end] for delta in told for begin, end in delta.markers]


@given(
    st.lists(st.sampled_from([*b"<think>ok", 0xC3, 0xA9, 256, 257]), max_size=12),
    st.lists(st.sampled_from(["k<", ">o", "hin", "</think>o", "zz"]), max_size=3, unique=True),
)
def test_markers_are_told_where_they_are_whatever_is_held_back(
    tokens: list[int], stops: list[str]
) -> None:
    told = deltas(tokens, stops=tuple(stops), most=max(len(tokens), 1))
    text = "".join(delta.text for delta in told)
    # The same without markers: characters that one breaks off are U+FFFD.
    pieces, pending, spans = [""], b"", []
    for token in tokens[: len(told)]:
        if token < 256:
            pending += bytes([token])
            continue
        pieces += [pending.decode("utf-8", "replace"), MARKED.token_bytes[token].decode()]
        pending = b""
        end = sum(map(len, pieces))
        spans.append((end - len(pieces[-1]), end))
    whole = "".join(pieces) + pending.decode("utf-8", "replace")
    place = first_stop(whole, stops)
    assert text == whole[:place]
    expected = [span for span in spans if span[1] <= len(text)]
    at, found = 0, []
    for delta in told:
        found += [(at + start, at + stop) for start, stop in delta.markers]
        at += len(delta.text)
    assert found == expected


def test_probabilities_leave_with_the_text_of_their_tokens() -> None:
    told = deltas([*b"abcd", 256, 0xC3, 0xA9, 0], stops=("bcx",))
    assert [delta.text for delta in told] == ["a", "", "", "bcd", "<think>", "", "é", ""]
    tokens = [[one.token for one in delta.logprobs] for delta in told]
    assert tokens == [[b"a"], [], [], [b"b", b"c", b"d"], [b"<think>"], [b"\xc3"], [b"\xa9"], []]
    assert told[4].logprobs[0].top == ((b"<think>", -0.4),)
    assert markers(told) == ["<think>"]


def test_no_probabilities_are_told_of_what_a_stop_cuts_off() -> None:
    told = deltas([*b"ab", 257, *b"xy"], stops=("ink>x",))
    assert "".join(delta.text for delta in told) == "ab</th"
    assert markers(told) == []
    assert [one.token for delta in told for one in delta.logprobs] == [b"a", b"b", b"</think>"]
    assert told[-1].finish is Finish.STOP
