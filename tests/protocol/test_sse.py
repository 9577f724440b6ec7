"""Server-sent events against WHATWG HTML, section 9.2: a table of its rules, its examples, and a slow second parser."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio import LimitExceeded, NovelAIError
from nai_trio.protocol import ServerSentEvent, SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BOM = b"\xef\xbb\xbf"


def drive(decoder: SSEDecoder, pieces: Iterable[bytes]) -> tuple[list[ServerSentEvent], NovelAIError | None]:
    """Feed as a driver does: stop at the fault, whether it was raised or left behind events."""
    events: list[ServerSentEvent] = []
    for piece in pieces:
        try:
            events += decoder.feed(piece)
            decoder.raise_fault()
        except NovelAIError as error:
            return events, error
    assert decoder.fault is None
    return events, None


def cuttings(stream: bytes) -> Iterator[list[bytes]]:
    yield [stream]
    yield [stream[i : i + 1] for i in range(len(stream))]
    for place in range(1, len(stream)):
        yield [stream[:place], stream[place:]]


def split_at(stream: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def shown(events: list[ServerSentEvent]) -> list[tuple[str, str, str]]:
    return [(event.event, event.text, event.id) for event in events]


def message(text: str, last_id: str = "") -> tuple[str, str, str]:
    return ("message", text, last_id)


# Each: section and rule, stream, events as (type, data, last id).
RULES: list[tuple[str, bytes, list[tuple[str, str, str]]]] = [
    ("9.2.5 LF", b"data:a\n\n", [message("a")]),
    ("9.2.5 CR", b"data:a\r\r", [message("a")]),
    ("9.2.5 CRLF", b"data:a\r\n\r\n", [message("a")]),
    ("9.2.5 mixed ends: LF CR", b"data:a\n\rdata:b\n\n", [message("a"), message("b")]),
    ("9.2.5 mixed ends: CR CRLF", b"data:a\r\r\ndata:b\r\n\n", [message("a"), message("b")]),
    ("9.2.5 CRLF is one end", b"data:a\r\ndata:b\r\n\r\n", [message("a\nb")]),
    ("9.2.5 LF CR is two ends", b"data:a\n\rdata:b\n\r", [message("a"), message("b")]),
    ("9.2.5 U+2028 is data", "data:a\u2028b\n\n".encode(), [message("a\u2028b")]),
    ("9.2.5 U+2029 is data", "data:a\u2029b\n\n".encode(), [message("a\u2029b")]),
    ("9.2.5 U+0085 is data", "data:a\u0085b\n\n".encode(), [message("a\u0085b")]),
    ("9.2.5 VT, FF, FS are data", b"data:a\vb\fc\x1cd\n\n", [message("a\vb\fc\x1cd")]),
    ("9.2.5 NUL is data", b"data:a\0b\n\n", [message("a\0b")]),
    ("9.2.6 one BOM is dropped", BOM + b"data:a\n\n", [message("a")]),
    ("9.2.6 a second BOM is a name's start", BOM + BOM + b"data:a\n\ndata:b\n\n", [message("b")]),
    ("9.2.6 a later BOM is a name's start", b"data:a\n\n" + BOM + b"data:b\n\n", [message("a")]),
    ("9.2.6 a BOM inside data stays", b"data:" + BOM + b"a\n\n", [message("\ufeffa")]),
    ("9.2.6 a line of BOM alone is blank", BOM + b"\ndata:a\n\n", [message("a")]),
    ("9.2.6 half a BOM is no BOM", BOM[:2] + b"data:a\n\ndata:b\n\n", [message("b")]),
    ("9.2.6 BOM before a comment", BOM + b":x\ndata:a\n\n", [message("a")]),
    ("9.2.6 comments are ignored", b":data:x\ndata:a\n:\n: b\ndata:c\n\n", [message("a\nc")]),
    ("9.2.6 a comment alone is no event", b": keep-alive\n\n", []),
    ("9.2.6 data lines join with LF", b"data:a\ndata:b\ndata:c\n\n", [message("a\nb\nc")]),
    ("9.2.6 data without colon", b"data\n\n", [message("")]),
    ("9.2.6 two data without colon", b"data\ndata\n\n", [message("\n")]),
    ("9.2.6 empty data between", b"data:a\ndata:\ndata:b\n\n", [message("a\n\nb")]),
    ("9.2.6 one space is stripped", b"data: a\n\n", [message("a")]),
    ("9.2.6 only one space is stripped", b"data:  a \n\n", [message(" a ")]),
    ("9.2.6 a tab is not stripped", b"data:\ta\n\n", [message("\ta")]),
    ("9.2.6 only the first colon splits", b"data:a:b: c\n\n", [message("a:b: c")]),
    ("9.2.6 names are case-sensitive", b"Data:a\nDATA:b\ndata:c\n\n", [message("c")]),
    ("9.2.6 a space before the colon is part of the name", b"data :a\n\ndata:b\n\n", [message("b")]),
    ("9.2.6 a space before the name is part of it", b" data:a\n\ndata:b\n\n", [message("b")]),
    ("9.2.6 unknown fields are ignored", b"foo:x\nbar\ndata:a\n\n", [message("a")]),
    ("9.2.6 event names the type", b"event: final\ndata:a\n\n", [("final", "a", "")]),
    ("9.2.6 the last event line counts", b"event:a\nevent:b\ndata:x\n\n", [("b", "x", "")]),
    ("9.2.6 an empty event line is message", b"event:a\nevent\ndata:x\n\n", [message("x")]),
    ("9.2.6 the type is reset", b"event:a\ndata:x\n\ndata:y\n\n", [("a", "x", ""), message("y")]),
    ("9.2.6 the type is reset without data", b"event:a\n\ndata:y\n\n", [message("y")]),
    ("9.2.6 id is sticky", b"id:7\ndata:a\n\ndata:b\n\n", [message("a", "7"), message("b", "7")]),
    ("9.2.6 id without data counts", b"id:7\n\ndata:b\n\n", [message("b", "7")]),
    ("9.2.6 id after data", b"data:a\nid:7\n\n", [message("a", "7")]),
    ("9.2.6 an empty id resets", b"id:7\ndata:a\n\nid\ndata:b\n\n", [message("a", "7"), message("b", "")]),
    ("9.2.6 an id with NULL is ignored", b"id:7\nid:a\0b\ndata:x\n\n", [message("x", "7")]),
    ("9.2.6 blank lines alone are no events", b"\n\r\n\r\n\n", []),
    ("9.2.6 an unfinished event is discarded", b"data:a\n\ndata:b\n", [message("a")]),
    ("9.2.6 an unfinished line is discarded", b"data:a\n\ndata:b", [message("a")]),
    ("UTF-8 decode: broken bytes are replaced", b"data:a\xff\xc3\n\n", [message("a\ufffd\ufffd")]),
    ("UTF-8 decode: a sequence does not swallow a line end", b"data:\xe2\x80\ndata:b\n\n", [message("\ufffd\nb")]),
    ("UTF-8 decode: type and id", b"event:\xff\nid:\xfe\ndata:a\n\n", [("\ufffd", "a", "\ufffd")]),
    ("UTF-8 decode: surrogates are broken", b"data:\xed\xa0\x80\n\n", [message("\ufffd\ufffd\ufffd")]),
    (
        "9.2.6 example: stocks",
        b"data: YHOO\ndata: +2\ndata: 10\n\n",
        [message("YHOO\n+2\n10")],
    ),
    (
        "9.2.6 example: four blocks",
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
        [message("first event", "1"), message("second event")],
    ),
    ("9.2.6 example: two events of nothing", b"data\n\ndata\ndata\n\ndata:", [message(""), message("\n")]),
    ("9.2.6 example: the space is optional", b"data:test\n\ndata: test\n\n", [message("test"), message("test")]),
]


@pytest.mark.parametrize(("stream", "expected"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES])
def test_the_standard_holds_for_every_cut(stream: bytes, expected: list[tuple[str, str, str]]) -> None:
    for pieces in cuttings(stream):
        events, fault = drive(SSEDecoder(), pieces)
        assert (shown(events), fault) == (expected, None), pieces


RETRIES = [
    (b"retry:1500\n", 1500),
    (b"retry: 0\n", 0),
    (b"retry:007\n", 7),
    (b"retry:999999999999999\n", 999_999_999_999_999),
    (b"retry:10\nretry:20\n", 20),
    (b"retry:10\nretry:x\n", 10),
    (b"retry:-5\n", None),
    (b"retry:+5\n", None),
    (b"retry:1_000\n", None),
    (b"retry:1.5\n", None),
    (b"retry:  5\n", None),
    (b"retry:5 \n", None),
    (b"retry:\n", None),
    (b"retry\n", None),
    ("retry:\u0661\u0662\n".encode(), None),
    ("retry:\u00b2\n".encode(), None),
    (b"retry:" + b"9" * 16 + b"\n", None),
    (b"retry:" + b"9" * 5000 + b"\n", None),
    (b"retry:5", None),
]


@pytest.mark.parametrize(("stream", "expected"), RETRIES, ids=lambda value: repr(value)[:24])
def test_retry_is_ascii_digits_alone(stream: bytes, expected: int | None) -> None:
    decoder = SSEDecoder()
    assert decoder.feed(stream) == []
    assert decoder.retry == expected


def test_a_bom_split_anywhere_is_dropped() -> None:
    for pieces in ([BOM[:1], BOM[1:2], BOM[2:], b"data:a\n\n"], [BOM[:2], BOM[2:] + b"data:a\n\n"]):
        assert shown(drive(SSEDecoder(), pieces)[0]) == [message("a")]


def test_an_event_is_out_with_the_chunk_that_completes_it() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data:a\r") == []
    assert shown(decoder.feed(b"\r")) == [message("a")]
    assert decoder.feed(b"\ndata:b\r\n") == []
    assert shown(decoder.feed(b"\r")) == [message("b")]  # the LF of this CRLF is still on its way
    assert decoder.feed(b"\n") == []
    assert shown(decoder.feed(b"data:c\n\n")) == [message("c")]


def test_an_empty_feed_between_cr_and_lf_changes_nothing() -> None:
    decoder = SSEDecoder()
    pieces = [b"data:a\r", b"", b"\n", b"", b"data:b\r\n\r\n"]
    assert shown([event for piece in pieces for event in decoder.feed(piece)]) == [message("a\nb")]


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_any_buffer_is_taken_and_may_be_reused_at_once(wrap: type) -> None:
    decoder = SSEDecoder()
    scratch = bytearray(b"data:first")
    decoder.feed(wrap(scratch))
    scratch[:] = b"XXXXXXXXXX"
    (event,) = decoder.feed(wrap(bytearray(b"\n\n")))
    assert (event.data, type(event.data)) == (b"first", bytes)


def test_offsets_say_where_an_events_first_line_starts() -> None:
    stream = BOM + b"data:a\n\n: comment\nid:1\r\nevent:x\r\ndata:b\r\n\r\n\n\ndata:c\n\n"
    expected = [0, stream.index(b"id:1"), stream.index(b"data:c")]
    for pieces in cuttings(stream):
        assert [event.offset for event in drive(SSEDecoder(), pieces)[0]] == expected


@pytest.mark.parametrize(
    ("stream", "held"),
    [
        (b"", False),
        (b"data:a\n\n", False),
        (b"data:a\r\n\r", False),
        (b": comm", False),
        (BOM + b": comm", False),
        (BOM, False),
        (b": comment\n", False),
        (b"data:a\n", True),
        (b"data", True),
        (b"event:x\n", True),
        (b"event:x\n\n", False),
        (b"da", True),
        (BOM + b"da", True),
    ],
)
def test_unfinished_tells_whether_an_event_is_cut(stream: bytes, held: bool) -> None:
    for pieces in cuttings(stream):
        decoder = SSEDecoder()
        drive(decoder, pieces)
        assert decoder.unfinished is held


# Each: what is limited, the bytes that a limit must leave room for, the stream.
SIZES = [
    ("one line", 9, b"data:abcd\n\n"),
    ("one line without its end", 9, b"data:abcd"),
    ("CRLF does not count", 9, b"data:abcd\r\n\r\n"),
    ("several lines", 14, b"data:a\ndata:bcd\n\n"),
    ("a comment line", 6, b":abcde\n\n"),
    ("a comment line beside data", 12, b"data:a\n:abcde\ndata:b\n\n"),
    ("an unknown field", 7, b"abcdefg\n\n"),
    ("an id line", 9, b"id:abcdef\n"),
    ("a BOM", 9, BOM + b"data:a\n\n"),
    ("the largest of several events", 8, b"data:a\n\ndata:abc\n\ndata:ab\n\n"),
]


@pytest.mark.parametrize(("size", "stream"), [size[1:] for size in SIZES], ids=[size[0] for size in SIZES])
def test_the_limit_is_exact_and_has_one_verdict_for_every_cut(size: int, stream: bytes) -> None:
    free, _ = drive(SSEDecoder(), [stream])
    verdicts = set()
    for pieces in cuttings(stream):
        assert drive(SSEDecoder(max_event_size=size), pieces) == (free, None)
        events, fault = drive(SSEDecoder(max_event_size=size - 1), pieces)
        assert isinstance(fault, LimitExceeded)
        assert (fault.limit, fault.allowed) == ("max_event_size", size - 1)
        verdicts.add((tuple(events), str(fault), fault.offset))
    assert len(verdicts) == 1


def test_events_before_the_fault_come_first_and_the_fault_stays() -> None:
    decoder = SSEDecoder(max_event_size=8)
    assert shown(decoder.feed(b"data:a\n\ndata:b\n\ndata:much too long\n\ndata:c\n\n")) == [message("a"), message("b")]
    fault = decoder.fault
    assert isinstance(fault, LimitExceeded)
    assert (fault.offset, fault.received) == (16, "a larger event")
    for piece in (b"data:d\n\n", b""):
        with pytest.raises(LimitExceeded) as caught:
            decoder.feed(piece)
        assert caught.value is fault


def test_a_line_that_never_ends_is_refused_as_soon_as_it_is_too_long() -> None:
    decoder = SSEDecoder(max_event_size=1000)
    for _ in range(10):
        assert decoder.feed(b"d" * 100) == []
    with pytest.raises(LimitExceeded, match=r"at most 1000 bytes \(max_event_size\)"):
        decoder.feed(b"d")


class CountedSearches(bytes):
    """Bytes that count how many of them are searched."""

    searched = 0

    def find(self, needle: bytes, start: int = 0) -> int:  # type: ignore[override]
        found = super().find(needle, start)
        type(self).searched += (len(self) if found < 0 else found + 1) - start
        return found

    def __bytes__(self) -> bytes:
        return self


def test_each_search_looks_at_each_byte_once() -> None:
    CountedSearches.searched = 0
    stream = CountedSearches(b"data:x\n\n" * 2000)
    assert len(SSEDecoder().feed(stream)) == 2000
    assert 0 < CountedSearches.searched <= 2 * len(stream)  # one search for LF, one for CR


def reference(stream: bytes) -> tuple[list[tuple[str, str, str]], int | None]:
    """The standard's algorithm in its own words, on the whole text at once; a `retry` of over 15 digits is no time."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    *lines, _unfinished = re.split("\r\n|\n|\r", text)
    events = []
    data_buffer = type_buffer = last_id = ""
    retry = None
    for line in lines:
        if line == "":
            if data_buffer != "":
                events.append((type_buffer or "message", data_buffer[:-1], last_id))
            data_buffer = type_buffer = ""
            continue
        field, _, value = line.partition(":")
        value = value[1:] if value[:1] == " " else value
        match field:
            case "event":
                type_buffer = value
            case "data":
                data_buffer += value + "\n"
            case "id" if "\0" not in value:
                last_id = value
            case "retry" if re.fullmatch("[0-9]{1,15}", value):
                retry = int(value)
    return events, retry


TRICKY = [b"\n", b"\r", b"\r\n", b":", b" ", b"data", b"event", b"id", b"retry", b"data:", b"data: ", b"id:", b"event:"]
TRICKY += [b"retry:", b"1", b"9", b"-", b"a", b"\0", BOM, b"\xef", b"\xbb", b"\xff", b"\xe2\x80", b"\xa8", b"\xc2\x85"]
TRICKY += [b"\v", b"\f", b"\t", "\u0661".encode(), "\U0001f642".encode()]
streams = st.lists(st.sampled_from(TRICKY), max_size=60).map(b"".join)
places = st.lists(st.integers(0, 1000), max_size=12)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(streams, places)
def test_any_stream_in_any_cut_reads_as_the_reference_reads_it(stream: bytes, cuts: list[int]) -> None:
    decoder = SSEDecoder()
    events, fault = drive(decoder, split_at(stream, cuts))
    assert fault is None
    assert (shown(events), decoder.retry) == reference(stream)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(streams, places, st.integers(1, 40))
def test_limits_give_one_verdict_for_any_cut(stream: bytes, cuts: list[int], limit: int) -> None:
    whole_events, whole_fault = drive(SSEDecoder(max_event_size=limit), [stream])
    events, fault = drive(SSEDecoder(max_event_size=limit), split_at(stream, cuts))
    assert events == whole_events
    assert (type(fault), str(fault)) == (type(whole_fault), str(whole_fault))
    assert sum(len(event.data) for event in events) <= len(stream)


def test_an_event_is_a_frozen_record() -> None:
    event = ServerSentEvent(data=b"x")
    assert (event.event, event.id, event.offset, event.text) == ("message", "", 0, "x")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.data = b"y"  # type: ignore[misc]
