"""Events that have no end, claim what they like or are built to fill the memory, in both framings.

Each limit is met exactly, and one over it refused, at every cut of the bytes.
"""

from __future__ import annotations

import struct
import tracemalloc
from functools import partial

import msgpack
import pytest
import recorded
from hostile import FINAL, check_limit, ending, event_of, frame, generation, stream, with_member
from hypothesis import given
from hypothesis import strategies as st

from nai_trio import FinalChunk, LimitExceeded, Limits, UnknownChunk

SSE_FINAL, FRAME_FINAL = recorded.sse(FINAL), recorded.frames(FINAL)
FRAME_TYPES = ["application/msgpack", "application/octet-stream"]
NOTICE = {"event_type": "weather", "sky": "blue"}

as_frames = partial(generation, delivery="msgpack")


# Server-sent events

LONG_EVENTS: dict[str, tuple[bytes, int]] = {
    "one data line": (event_of(with_member(b'"%s"' % (b"x" * 900))), 0),
    "data lines": (b"data: {\n" + b"data:   \n" * 150 + b"data: " + with_member(b"1")[1:] + b"\n\n", 0),
    "empty data lines": (b"data: {\n" + b"data\n" * 300 + b"data: " + with_member(b"1")[1:] + b"\n\n", 0),
    "a comment": (b":" + b"c" * 999 + b"\n" + SSE_FINAL, 1000),
    "an unknown field": (b"weather: " + b"c" * 991 + b"\n" + SSE_FINAL, 1000),
    "a retry time": (b"retry: " + b"9" * 993 + b"\n" + SSE_FINAL, 1000),
    "a line that is nothing but a name": (b"d" * 1000 + b"\n" + SSE_FINAL, 1000),
    "an id with NULL": (b"id: \0" + b"i" * 995 + b"\n" + SSE_FINAL, 1000),
}


@pytest.mark.parametrize("name", LONG_EVENTS)
def test_an_event_has_so_many_bytes_and_no_more(name: str) -> None:
    content, size = LONG_EVENTS[name]
    lines = content.removesuffix(b"\n\n").split(b"\n")
    check_limit(generation, stream(content), "max_event_size", size or sum(map(len, lines)))


def test_each_event_may_be_as_large_as_the_limit() -> None:
    event = event_of(b'{"event_type": "x", "more": "%s"}' % (b"x" * 500))
    allowed = len(event.removesuffix(b"\n\n"))
    check_limit(generation, stream(event * 5 + SSE_FINAL), "max_event_size", allowed)
    frames = recorded.frames({"event_type": "x", "more": "x" * 500}) * 5 + FRAME_FINAL
    check_limit(
        as_frames, stream(frames, "application/msgpack"), "max_frame_size", (len(frames) - len(FRAME_FINAL)) // 5 - 4
    )


@pytest.mark.parametrize("field", [b"event", b"id"])
@pytest.mark.parametrize("behind", [event_of(b'{"a": 1}'), b"\n"], ids=["with data", "without data"])
def test_a_name_or_an_id_has_so_many_bytes_and_no_more(field: bytes, behind: bytes) -> None:
    line = field + b": " + b"x" * 200
    kind = b"" if field == b"event" or behind == b"\n" else b"event: y\n"  # an event needs one
    check_limit(generation, stream(line + b"\n" + kind + behind + SSE_FINAL), "max_field_size", len(line))


def test_an_enormous_id_is_not_kept_beside_an_enormous_event() -> None:
    limits = Limits()
    assert limits.max_field_size * 100 < limits.max_event_size
    content = b"id: " + b"\xff" * limits.max_field_size + b"\n"
    outcome = ending(generation, stream(content + SSE_FINAL), steps=(5000,))
    assert isinstance(outcome.error, LimitExceeded)
    assert outcome.error.limit == "max_field_size"


@pytest.mark.parametrize("unit", [b"data: x\n", b"x", b":", b"data:"], ids=["lines", "a field", "a comment", "data"])
def test_an_event_without_end_is_refused_at_the_limit(unit: bytes) -> None:
    limits = Limits(max_event_size=1000)
    outcome = ending(lambda: generation(limits), stream(b"data: " + unit * 2000))
    assert isinstance(outcome.error, LimitExceeded)
    assert outcome.fed <= len(stream(unit * 2000)) - len(unit * 2000) + 1000 + 1000 // len(unit) + 20


def test_many_short_data_lines_take_no_more_than_their_bytes() -> None:
    """Two bytes in a `bytes` of their own are forty."""
    lines = 50_000
    content = stream(b"data: xx\n" * lines + b"\n").removesuffix(b"\n")
    exchange = generation()
    exchange.data_to_send()
    tracemalloc.start()
    try:
        for start in range(0, len(content), 4096):
            assert exchange.receive_data(content[start : start + 4096]) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(b"xx\n") * lines


# msgpack frames


@pytest.mark.parametrize("bare", [False, True], ids=["prefixed", "bare"])
def test_a_frame_has_so_many_bytes_and_no_more(bare: bool) -> None:
    payload = msgpack.packb(FINAL)
    content = payload if bare else frame(payload)
    check_limit(as_frames, stream(content, "application/msgpack"), "max_frame_size", len(payload))


@pytest.mark.parametrize("media_type", FRAME_TYPES)
@pytest.mark.parametrize("claim", [0x7FFFFFFF, 0x04000001])
def test_a_length_prefix_is_refused_with_its_fourth_byte(media_type: str, claim: int) -> None:
    content = struct.pack(">I", claim) + bytes(1000)
    response = stream(content, media_type)
    outcome = ending(as_frames, response)
    assert isinstance(outcome.error, LimitExceeded)
    assert (outcome.error.limit, outcome.error.allowed) == ("max_frame_size", 64 * 1024 * 1024)
    assert f"a frame that claims {claim} bytes" in str(outcome.error)
    assert outcome.fed == len(response) - 1000


@pytest.mark.parametrize("start", [b"\xff\xff\xff\xff", b"\xff\xff\xff\xfe" + FRAME_FINAL[4:]])
def test_a_length_prefix_of_four_gigabytes_behind_a_good_frame(start: bytes) -> None:
    response = stream(recorded.frames(NOTICE) + start, "application/msgpack")
    outcome = ending(as_frames, response)
    assert isinstance(outcome.error, LimitExceeded)
    assert "a frame that claims 42949672" in str(outcome.error)
    assert [type(item) for item in outcome.items] == [UnknownChunk]


CLAIMS = {
    "binary": ("c6 ffffffff", "max_frame_size"),
    "text": ("db ffffffff", "max_frame_size"),
    "extension": ("c9 ffffffff 05", "max_frame_size"),
    "array": ("dd ffffffff", "max_members"),
    "map": ("df ffffffff", "max_members"),
}


@pytest.mark.parametrize("bare", [False, True], ids=["prefixed", "bare"])
@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_inside_of_a_frame_is_no_allocation(name: str, bare: bool) -> None:
    claim, limit = CLAIMS[name]
    payload = b"\x81\xa1x" + bytes.fromhex(claim)
    tracemalloc.start()
    try:
        outcome = ending(as_frames, stream(payload if bare else frame(payload), "application/msgpack"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(outcome.error, LimitExceeded)
    assert outcome.error.limit == limit
    assert peak < 1_000_000


# How many


def tiny(count: int, framing: str) -> bytes:
    if framing == "sse":
        return b'data: {"event_type":"x"}\n\n' * count
    payload = msgpack.packb({"event_type": "x"})
    return (payload if framing == "bare" else frame(payload)) * count


@pytest.mark.parametrize("framing", ["sse", "prefixed", "bare"])
def test_ten_thousand_tiny_events_are_taken_and_one_more_is_not(framing: str) -> None:
    last = SSE_FINAL if framing == "sse" else msgpack.packb(FINAL) if framing == "bare" else FRAME_FINAL
    make = generation if framing == "sse" else as_frames
    media_type = "text/event-stream" if framing == "sse" else "application/msgpack"
    for count, fits in ((9_999, True), (10_000, False)):
        outcome = ending(make, stream(tiny(count, framing) + last, media_type), steps=(4096,))
        assert len(outcome.items) == 10_000
        if fits:
            assert outcome.error is None
            assert isinstance(outcome.items[-1], FinalChunk)
        else:
            assert isinstance(outcome.error, LimitExceeded)
            assert (outcome.error.limit, outcome.error.allowed) == ("max_events", 10_000)
            assert "expected at most 10000 events (max_events)" in str(outcome.error)


def test_the_default_takes_the_largest_generation_many_times_over() -> None:
    assert Limits().max_events >= 20 * 50 * 8


@pytest.mark.parametrize("kind", ["retry", "intermediate", "final", "unknown"])
def test_events_of_every_kind_count(kind: str) -> None:
    preview = recorded.events()[0]
    event = {
        "retry": {"event_type": "retry", "message": "again"},
        "intermediate": preview,
        "final": FINAL,
        "unknown": NOTICE,
    }[kind]
    for make, content, media_type in (
        (generation, recorded.sse(*[event] * 9, FINAL), "text/event-stream"),
        (as_frames, recorded.frames(*[event] * 9, FINAL), "application/msgpack"),
    ):
        check_limit(make, stream(content, media_type), "max_events", 10, steps=(1, 50))


def test_what_dispatches_no_event_does_not_count() -> None:
    nothing = b": heartbeat\n\n" + b"event: x\n\n" + b"id: 7\n\n" + b"retry: 5\n\n" + b"\n\n"
    outcome = ending(lambda: generation(Limits(max_events=1)), stream(nothing * 500 + SSE_FINAL), steps=(4096,))
    assert outcome.error is None
    assert len(outcome.items) == 1


def test_previews_without_end_leave_one_behind() -> None:
    """What hangs on the error is the last preview, not ten thousand of them."""
    preview = recorded.events()[0]
    error = ending(lambda: generation(Limits(max_events=100)), stream(recorded.sse(*[preview] * 200)), steps=()).error
    assert isinstance(error, LimitExceeded)
    assert len(error.previews) == 1
    assert error.billing_unknown


@given(st.integers(1, 12), st.integers(1, 12), st.lists(st.integers(0, 3000), max_size=5))
def test_the_count_is_exact_for_any_cut(count: int, allowed: int, cuts: list[int]) -> None:
    content = recorded.sse(*[NOTICE] * (count - 1), FINAL)
    limits = Limits(max_events=allowed)
    outcome = ending(lambda: generation(limits), stream(content), steps=tuple(1 + cut for cut in cuts))
    assert len(outcome.items) == min(count, allowed)
    assert (outcome.error is None) == (count <= allowed)
