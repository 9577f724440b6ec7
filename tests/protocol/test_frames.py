"""Msgpack frames as the service sends them, and what `MsgpackDecoder` promises: limits, faults, buffers, memory.

The specification's formats are held by tests/conformance/test_msgpack_specification.py.
"""

from __future__ import annotations

import gc
import struct
import tracemalloc
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from cuttings import cuttings, split_at
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio import LimitExceeded, NovelAIError, ProtocolError
from nai_trio.protocol import Frame, MsgpackDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable

JPEG = b"\xff\xd8\xff\xe0" + b"j" * 300
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 70_000

PREVIEW_MAP = (
    b"\x86\xaaevent_type\xacintermediate\xa7samp_ix\x00\xa7step_ix\x03\xa6gen_id\xce\x00\x2a\xd5\x8c"
    b"\xa5sigma\xcb\x40\xd3\x88\x00\x00\x00\x00\x00\xa5image\xc5\x01\x30" + JPEG
)
FINAL_MAP = (
    b"\x84\xaaevent_type\xa5final\xa7samp_ix\x00\xa6gen_id\xce\x00\x2a\xd5\x8c"
    b"\xa5image\xc6" + struct.pack(">I", len(PNG)) + PNG
)
PREVIEW = {"event_type": "intermediate", "samp_ix": 0, "step_ix": 3, "gen_id": 2807180, "sigma": 20000.0, "image": JPEG}
FINAL = {"event_type": "final", "samp_ix": 0, "gen_id": 2807180, "image": PNG}


def framed(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


def drive(decoder: MsgpackDecoder, pieces: Iterable[bytes]) -> tuple[list[dict[str, Any]], NovelAIError | None]:
    """Feed as a driver does, and close at the end where no fault came."""
    maps: list[dict[str, Any]] = []
    raised = None
    try:
        for piece in pieces:
            maps += decoder.feed(piece)
        decoder.close()
    except NovelAIError as error:
        raised = error
    assert raised is decoder.fault
    return maps, raised


def verdict(fault: NovelAIError | None) -> tuple[object, ...]:
    offset = fault.offset if isinstance(fault, ProtocolError) else None
    return type(fault), str(fault), offset


def test_the_services_frames_byte_for_byte() -> None:
    preview, final = framed(PREVIEW_MAP), framed(FINAL_MAP)
    assert (len(preview), len(final)) == (83 + len(JPEG), 54 + len(PNG))  # wire document, section 4.3
    maps, fault = drive(MsgpackDecoder(), [preview + final])
    assert (maps, fault) == ([PREVIEW, FINAL], None)
    assert [list(fields) for fields in maps] == [list(PREVIEW), list(FINAL)]
    assert isinstance(maps[0]["sigma"], float)
    assert type(maps[1]["image"]) is bytes


@pytest.mark.parametrize("frame", [framed, bytes], ids=["prefixed", "bare"])
def test_both_framings_read_the_same_in_every_cut(frame: Any) -> None:
    stream = frame(PREVIEW_MAP) * 2 + frame(b"\x80") + frame(b"\xde\x00\x01\xa1a\x01")
    expected = [PREVIEW, PREVIEW, {}, {"a": 1}]
    for pieces in cuttings(stream):
        assert drive(MsgpackDecoder(), pieces) == (expected, None)


def test_feed_frames_tells_where_each_frame_stands() -> None:
    small = b"\x81\xa1a\x01"
    prefixed = MsgpackDecoder().feed_frames(framed(small) + framed(PREVIEW_MAP) + framed(small))
    assert [frame.offset for frame in prefixed] == [0, 8, 8 + 83 + len(JPEG)]
    assert prefixed[0] == Frame(0, {"a": 1})
    bare = MsgpackDecoder().feed_frames(small + PREVIEW_MAP + small)
    assert [frame.offset for frame in bare] == [0, 4, 4 + 79 + len(JPEG)]


def test_large_frames_that_cross_the_decoders_own_slices() -> None:
    for frame in (framed, bytes):
        stream = frame(FINAL_MAP) * 5
        for size in (len(stream), 65536, 65537, 1000):
            pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
            assert drive(MsgpackDecoder(), pieces) == ([FINAL] * 5, None)


GOOD = {"a": 1}
GOOD_MAP = b"\x81\xa1a\x01"


def test_after_a_fault_every_call_raises_the_same_error() -> None:
    decoder = MsgpackDecoder()
    assert decoder.feed(framed(GOOD_MAP) + framed(b"\x01")) == [GOOD]
    fault = decoder.fault
    assert isinstance(fault, ProtocolError)
    for call in (lambda: decoder.feed(framed(GOOD_MAP)), lambda: decoder.feed(b""), decoder.close, decoder.raise_fault):
        with pytest.raises(ProtocolError) as caught:
            call()
        assert caught.value is fault


@pytest.mark.parametrize("frame", [framed, bytes], ids=["prefixed", "bare"])
def test_the_limit_is_exact_in_every_cut(frame: Any) -> None:
    payload = msgpack.packb({"image": b"x" * 60})
    stream = frame(GOOD_MAP) + frame(payload) + frame(GOOD_MAP)
    verdicts = set()
    for pieces in cuttings(stream):
        at_limit = MsgpackDecoder(max_frame_size=len(payload))
        assert drive(at_limit, pieces) == ([GOOD, {"image": b"x" * 60}, GOOD], None)
        maps, fault = drive(MsgpackDecoder(max_frame_size=len(payload) - 1), pieces)
        assert maps == [GOOD]
        assert isinstance(fault, LimitExceeded)
        assert (fault.limit, fault.allowed) == ("max_frame_size", len(payload) - 1)
        verdicts.add(verdict(fault))
    assert len(verdicts) == 1


def test_what_stands_behind_the_limit_of_a_bare_map_does_not_change_the_verdict() -> None:
    stream = b"\x82\xa1a\xc4\x10" + b"x" * 16 + b"\xc1"  # a broken key, but only behind 20 bytes
    faults = [drive(MsgpackDecoder(max_frame_size=20), pieces)[1] for pieces in cuttings(stream)]
    assert {verdict(fault) for fault in faults} == {verdict(faults[0])}
    assert isinstance(faults[0], LimitExceeded)


def test_a_bare_map_that_claims_as_much_as_the_limit_waits_and_one_over_is_refused() -> None:
    start = b"\x81\xa1a\xc6"
    decoder = MsgpackDecoder(max_frame_size=100)
    assert decoder.feed(start + struct.pack(">I", 92) + b"x" * 91) == []
    assert decoder.feed(b"x") == [{"a": b"x" * 92}]
    for claim in (93, 0xFFFFFFFF):
        with pytest.raises(LimitExceeded, match="max_frame_size"):
            MsgpackDecoder(max_frame_size=100).feed(start + struct.pack(">I", claim))


@pytest.mark.parametrize("claim", [64 * 1024 * 1024 + 1, 0x7FFFFFFF])
def test_a_length_over_the_limit_is_refused_when_it_is_read(claim: int) -> None:
    decoder = MsgpackDecoder()
    with pytest.raises(LimitExceeded, match=f"claims {claim} bytes"):
        decoder.feed(struct.pack(">I", claim))


@pytest.mark.parametrize(
    "stream",
    [
        struct.pack(">I", 60 * 1024 * 1024) + b"\x81",
        framed(GOOD_MAP) + b"\xff\xff\xff\xff",
        framed(b"\x81\xa1a\xdd\xff\xff\xff\xff"),
        framed(b"\xdf\xff\xff\xff\xff"),
        framed(b"\x81\xa1a\xc6\xff\xff\xff\xff"),
        b"\x81\xa1a\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xa1a\xc6\xff\xff\xff\xff",
    ],
)
def test_a_claim_is_never_an_allocation(stream: bytes) -> None:
    gc.collect()
    tracemalloc.start()
    try:
        drive(MsgpackDecoder(), [stream])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * 1024 * 1024


@pytest.mark.parametrize("held", range(1, 4 + len(GOOD_MAP)))
def test_close_reports_what_is_left_of_a_prefixed_frame(held: int) -> None:
    decoder = MsgpackDecoder()
    assert decoder.feed(framed(GOOD_MAP) + framed(GOOD_MAP)[:held]) == [GOOD]
    wanted = "a 4-byte length first" if held < 4 else "4 bytes after its 4-byte length"
    with pytest.raises(ProtocolError, match=f"{wanted}.* after {held} bytes of it at byte 8") as caught:
        decoder.close()
    with pytest.raises(ProtocolError) as again:
        decoder.feed(framed(GOOD_MAP))
    assert again.value is caught.value


@pytest.mark.parametrize("held", range(1, len(GOOD_MAP)))
def test_close_reports_what_is_left_of_a_bare_map(held: int) -> None:
    decoder = MsgpackDecoder()
    assert decoder.feed(GOOD_MAP + GOOD_MAP[:held]) == [GOOD]
    with pytest.raises(ProtocolError, match=f"after {held} bytes of it at byte 4"):
        decoder.close()


@pytest.mark.parametrize("stream", [b"", framed(GOOD_MAP), GOOD_MAP])
def test_close_between_frames_says_nothing(stream: bytes) -> None:
    decoder = MsgpackDecoder()
    decoder.feed(stream)
    decoder.close()
    assert decoder.fault is None


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("frame", [framed, bytes], ids=["prefixed", "bare"])
def test_any_buffer_is_taken_and_may_be_reused_at_once(wrap: type, frame: Any) -> None:
    stream = frame(PREVIEW_MAP)
    decoder = MsgpackDecoder()
    scratch = bytearray(stream[:100])
    assert decoder.feed(wrap(scratch)) == []
    scratch[:] = bytes(100)
    (fields,) = decoder.feed(wrap(bytearray(stream[100:])))
    assert fields == PREVIEW


texts = st.text(max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
maps_of_fields = st.lists(st.dictionaries(texts, values, max_size=4), max_size=5)
pieces_of_streams = st.one_of(
    st.binary(max_size=8),
    st.sampled_from([b"\x00\x00\x00", b"\x04", GOOD_MAP, framed(GOOD_MAP), b"\x80", b"\xc1", b"\xdf", b"\xdd\0\0\0\2"]),
    st.dictionaries(texts, values, max_size=3).map(msgpack.packb),
    st.binary(max_size=12).map(framed),
)
any_stream = st.lists(pieces_of_streams, max_size=8).map(b"".join)
places = st.lists(st.integers(0, 2000), max_size=10)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(maps_of_fields, places, st.booleans())
def test_what_was_packed_comes_out(maps: list[dict[str, Any]], cuts: list[int], bare: bool) -> None:
    stream = b"".join(msgpack.packb(fields) if bare else framed(msgpack.packb(fields)) for fields in maps)
    assert drive(MsgpackDecoder(), split_at(stream, cuts)) == (maps, None)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(any_stream, places, st.integers(1, 64))
def test_any_bytes_give_maps_or_one_of_our_errors_in_any_cut(stream: bytes, cuts: list[int], limit: int) -> None:
    whole_maps, whole_fault = drive(MsgpackDecoder(max_frame_size=limit), [stream])
    maps, fault = drive(MsgpackDecoder(max_frame_size=limit), split_at(stream, cuts))
    assert repr(maps) == repr(whole_maps)  # NaN is not equal to itself
    assert all(type(key) is str for fields in maps for key in fields)
    assert verdict(fault) == verdict(whole_fault)
    assert fault is None or isinstance(fault, ProtocolError)


def test_before_the_first_byte_there_is_no_fault_and_no_end_that_is_too_early() -> None:
    decoder = MsgpackDecoder()
    assert (decoder.feed(b""), decoder.fault) == ([], None)
    decoder.raise_fault()


@pytest.mark.parametrize("frame", [framed, bytes], ids=["prefixed", "bare"])
def test_the_callers_buffer_may_change_its_size_after_a_fault(frame: Any) -> None:
    for stream in (frame(b"\x81\x01\x01"), frame(GOOD_MAP) + frame(b"\x81\x01\x01")):
        decoder, scratch = MsgpackDecoder(), bytearray(stream)
        assert isinstance(drive(decoder, [scratch])[1], ProtocolError)
        scratch.clear()
        assert decoder.fault is not None


@pytest.mark.parametrize("prefixed", [True, False])
def test_frames_can_be_taken_first_and_read_later(prefixed: bool) -> None:
    decoder, stream = MsgpackDecoder(), b"".join(map(framed if prefixed else bytes, (PREVIEW_MAP, FINAL_MAP)))
    assert list(decoder.read()) == []
    decoder.sink(memoryview(b""))
    for start in range(0, len(stream), 100):
        decoder.sink(memoryview(stream[start : start + 100]))
    assert [frame.fields for frame in decoder.read()] == [PREVIEW, FINAL]
    assert list(decoder.read()) == []
