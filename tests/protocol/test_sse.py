"""What `SSEDecoder` promises beyond the standard: offsets, limits, faults, buffers, cost.

The standard itself is held by tests/conformance/test_event_stream_standard.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
from cuttings import byte_by_byte, cuttings, split_at
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nai_trio import LimitExceeded, NovelAIError
from nai_trio.protocol import Buffers, ServerSentEvent, SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def shown(events: list[ServerSentEvent]) -> list[tuple[str, str, str]]:
    return [(event.event, event.text, event.id) for event in events]


def message(text: str, last_id: str = "") -> tuple[str, str, str]:
    return ("message", text, last_id)


def test_an_empty_feed_between_cr_and_lf_changes_nothing() -> None:
    decoder = SSEDecoder()
    pieces = [b"data:a\r", b"", b"\n", b"", b"data:b\r\n\r\n"]
    assert shown([event for piece in pieces for event in decoder.feed(piece)]) == [message("a\nb")]


def test_retry_is_none_until_a_time_comes_and_keeps_the_last() -> None:
    decoder = SSEDecoder()
    for stream, retry in ((b"data:a\n", None), (b"retry:10\n", 10), (b"retry:soon\n", 10), (b"retry:20\n", 20)):
        decoder.feed(stream)
        assert decoder.retry == retry


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


class CountedSearches(bytearray):
    """Memory that counts how many of its bytes are searched."""

    searched = 0

    def find(self, needle: bytes, start: int, end: int) -> int:  # type: ignore[override]
        found = super().find(needle, start, end)
        type(self).searched += (end if found < 0 else found + 1) - start
        return found


class CountedMemory(Buffers):
    def lend(self) -> bytearray:
        return CountedSearches()


@pytest.mark.parametrize("size", [1, 7, 1000, 16000])
def test_each_search_looks_at_each_byte_once(size: int) -> None:
    CountedSearches.searched = 0
    stream = b"data:x\n\n" * 2000
    decoder = SSEDecoder(buffers=CountedMemory())
    assert sum(len(decoder.feed(stream[start : start + size])) for start in range(0, len(stream), size)) == 2000
    assert 0 < CountedSearches.searched <= 3 * len(stream)  # one search for LF, one for CR, one for the colon


TRICKY = [b"\n", b"\r", b"\r\n", b":", b" ", b"data", b"event", b"id", b"retry", b"data:", b"data: ", b"id:", b"event:"]
TRICKY += [b"retry:", b"1", b"9", b"-", b"a", b"\0", BOM, b"\xef", b"\xbb", b"\xff", b"\xe2\x80", b"\xa8", b"\xc2\x85"]
TRICKY += [b"\v", b"\f", b"\t", "\u0661".encode(), "\U0001f642".encode()]
streams = st.lists(st.sampled_from(TRICKY), max_size=60).map(b"".join)
places = st.lists(st.integers(0, 1000), max_size=12)


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


@pytest.mark.parametrize("name", [b"event", b"id"])
def test_a_line_that_is_kept_beside_the_data_has_a_bound_of_its_own(name: bytes) -> None:
    line = name + b": " + b"x" * 50
    assert SSEDecoder(max_field_size=len(line)).feed(line + b"\ndata: 1\n\n")[0].data == b"1"
    decoder = SSEDecoder(max_field_size=len(line) - 1)
    with pytest.raises(LimitExceeded) as caught:
        decoder.feed(b":\n" + line + b"\n")
    assert (caught.value.limit, caught.value.offset) == ("max_field_size", 2)


def test_any_number_of_data_lines_is_one_text() -> None:
    lines = [b"a", b"", b" b", b"c"]
    [event] = SSEDecoder().feed(b"".join(b"data:" + line + b"\n" for line in lines) + b"\n")
    assert event.data == b"a\n\nb\nc"


class GeneralWay(SSEDecoder):
    """Takes every line by itself."""

    def _next_usual(self) -> None:
        return None


def all_of(decoder: SSEDecoder, pieces: Iterable[bytes]) -> tuple[object, ...]:
    """All that a stream leaves behind."""
    events, fault = drive(decoder, pieces)
    place = fault.offset if isinstance(fault, LimitExceeded) else None
    return events, type(fault), str(fault), place, decoder.retry, decoder.unfinished if fault is None else None


usual_events = st.builds(
    lambda name, space, data: b"event:%s%s\ndata:%s%s\n\n" % (space, name, space, data),
    st.sampled_from([b"final", b"x", b"\xff", b" ", b"", b"a:b", b"y" * 31, b"y" * 32, b"y" * 33, b"data"]),
    st.sampled_from([b" ", b" ", b"", b"  "]),
    st.sampled_from([b"", b"1", b"{}", b"data", b":", BOM, b"x" * 40, b"a\rb"]),
)
SURPRISES = [b"\n", b"\r", b"\r\n", b": c\n", b"data: 1\n", b"data\n", b"id: 5\n", b"id\n", b"event: z\n", b"event\n"]
SURPRISES += [b"retry: 7\n", BOM, b"event: z\r\ndata: 1\r\n\r\n", b"event: z\ndata: 1\n\r\n", b"event: z\ndata: 1\r\n"]
SURPRISES += [b"foo", b"event: z\ndata: 1\ndata: 2\n\n", b"event: z\nid: 1\ndata: 3\n\n", b"event: z\ndata: 4"]
mixed = st.lists(st.one_of(usual_events, usual_events, st.sampled_from(SURPRISES)), max_size=7).map(b"".join)
sizes = st.one_of(st.just(10_000), st.integers(1, 110))


@settings(max_examples=500)
@given(mixed, places, sizes, st.one_of(st.just(64), sizes))
@example(b"event: \ndata: 1\n\n", [], 100, 100)
@example(b"event: z\ndata: 12\n\n", [], 8, 64)
@example(BOM + b"event: z\ndata: 1\n\n", [], 8, 64)
def test_usual_events_and_the_general_way_give_the_same_in_any_cut(
    stream: bytes, cuts: list[int], event_size: int, field_size: int
) -> None:
    limits = {"max_event_size": event_size, "max_field_size": field_size}
    expected = all_of(GeneralWay(**limits), [stream])
    assert all_of(SSEDecoder(**limits), [stream]) == expected
    assert all_of(SSEDecoder(**limits), split_at(stream, cuts)) == expected
    assert all_of(SSEDecoder(**limits), byte_by_byte(stream)) == expected


def test_usual_events_that_come_whole_are_taken_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = b"event: intermediate\ndata: {}\n\n" * 1000 + b"event:final\ndata:" + b"x" * 200_000 + b"\n\n"
    monkeypatch.delattr(SSEDecoder, "_take_line")
    events = SSEDecoder().feed(stream)
    assert [(event.event, len(event.data)) for event in events] == [("intermediate", 2)] * 1000 + [("final", 200_000)]
    with pytest.raises(AttributeError, match="_take_line"):
        SSEDecoder().feed(b"data: 1\n\n")


def test_the_callers_buffer_may_change_its_size_after_a_fault() -> None:
    for stream in (b"data: too long\n\n", b"data:a\n\ndata: too long\n\n"):
        decoder, scratch = SSEDecoder(max_event_size=8), bytearray(stream)
        assert isinstance(drive(decoder, [scratch])[1], LimitExceeded)
        scratch.clear()
        assert decoder.fault is not None
