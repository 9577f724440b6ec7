"""Binaries that are larger than a read: equal to what is unpacked at once, one time in memory, and as strict.

The other way, that of small frames, is the judge: it sees the whole frame (`at_once`).
"""

from __future__ import annotations

import gc
import struct
import tracemalloc
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from cuttings import byte_by_byte, split_at
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio import LimitExceeded, NovelAIError, ProtocolError
from nai_trio.protocol import Frame, MsgpackDecoder, large_binary
from nai_trio.protocol.large_binary import LargeBinary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

KIB, MIB = 1024, 1024 * 1024
EVENT = {"event_type": "final", "samp_ix": 0, "gen_id": 2807180}
LIKE_OURS = b"\xc7\x00\x6e"
"""The extension value that takes a large binary's place."""


def picture(size: int) -> bytes:
    return bytes(range(251)) * (size // 251) + bytes(size % 251)


def framed(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


def pack(value: Any) -> bytes:
    """As msgpack does, but with longer headers for some binaries."""
    if isinstance(value, bytes):
        first, width = ((0xC6, ">I"), (0xC5, ">H"), (0xC4, ">B"))[len(value) % 3 if len(value) < 2**8 else 0]
        return bytes([first]) + struct.pack(width, len(value)) + value
    if isinstance(value, list):
        return bytes([0x90 + len(value)]) + b"".join(map(pack, value))
    if isinstance(value, dict):
        return bytes([0x80 + len(value)]) + b"".join(pack(part) for item in value.items() for part in item)
    packed: bytes = msgpack.packb(value)
    return packed


Results = tuple[list[Frame], tuple[object, ...]]


def results(pieces: Iterable[bytes | memoryview], **limits: int) -> Results:
    """The frames, and type, words and offset of the error."""
    decoder, frames = MsgpackDecoder(**limits), []
    try:
        for piece in pieces:
            frames += decoder.feed_frames(piece)
        decoder.close()
    except NovelAIError as error:
        return frames, (type(error), str(error), error.offset if isinstance(error, ProtocolError) else None)
    return frames, ()


def at_once(stream: bytes, **limits: int) -> Results:
    """What comes of the stream where nothing counts as large."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_binary, "_LARGE", 2**40)
        return results([stream], **limits)


def reads(stream: bytes, first: int, size: int = 64 * KIB) -> Iterator[memoryview]:
    view = memoryview(stream)
    yield view[:first]
    for start in range(first, len(stream), size):
        yield view[start : start + size]


each_first_read = pytest.mark.parametrize("first", [1, 10, 64, 100, 65_600, 300_000])


@pytest.fixture
def never_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that goes the general way fails."""
    monkeypatch.delattr(LargeBinary, "joined")


@pytest.mark.usefixtures("never_joined")
@each_first_read
@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 200_000, 3 * MIB + 1])
def test_a_picture_of_any_size_comes_out_equal(size: int, first: int) -> None:
    events = [{**EVENT, "image": picture(size)}, {"image": picture(size), **EVENT, "more": {"text": "behind it"}}]
    payloads = [msgpack.packb(event) for event in events]
    stream = b"".join(map(framed, payloads)) + framed(b"\x80")
    frames, fault = results(reads(stream, first))
    assert ([frame.fields for frame in frames], fault) == ([*events, {}], ())
    assert [list(frame.fields) for frame in frames[:2]] == [list(event) for event in events]
    assert type(frames[0].fields["image"]) is bytes
    ends = [4 + len(payloads[0]), 8 + len(payloads[0] + payloads[1])]
    assert [frame.offset for frame in frames] == [0, *ends]


@pytest.fixture
def taken_apart(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the binaries that gather apart from their frame."""
    sizes: list[int] = []
    begin = LargeBinary.__init__

    def recorded(large: LargeBinary, start: int, place: int, size: int) -> None:
        sizes.append(size)
        begin(large, start, place, size)

    monkeypatch.setattr(LargeBinary, "__init__", recorded)
    return sizes


ONE = 4 + len(b"\x81\xa1i\xc6....")
"""Where the content of a frame's first binary starts."""


@pytest.mark.parametrize(
    ("sizes", "first", "apart"),
    [
        ([200_000], ONE + 50, [200_000]),
        ([65_536], ONE, [65_536]),  # its header alone has come
        ([65_536], ONE - 1, []),
        ([65_536], ONE + 1, []),  # less than what is large is missing
        ([65_537], ONE + 1, [65_537]),
        ([65_535, 90_000], ONE, []),
        ([65_535, 90_000], ONE - 2 + 65_535 + 2 + 5, [90_000]),  # two bytes of key, five of header
        ([65_536, 90_000], ONE + 65_536, [65_536]),  # it has come whole, but not its frame
        ([65_536, 90_000], ONE + 65_536 + 1, []),
        ([80_000, 90_000], ONE, [80_000]),
    ],
)
def test_only_a_large_binary_that_is_being_read_gathers_apart_and_one_for_each_frame(
    taken_apart: list[int], sizes: list[int], first: int, apart: list[int]
) -> None:
    fields = {name: picture(size) for name, size in zip("ij", sizes, strict=False)}
    stream = framed(msgpack.packb(fields))
    assert results(split_at(stream, [first])) == ([Frame(0, fields)], ())
    assert taken_apart == apart


HERE = [
    ("not the picture", {"thumbnail": picture(100_000), **EVENT, "image": b"small"}),
    ("inside of others", {"a": [1, {"b": [picture(100_000), "x"]}, None], **EVENT}),
    ("two", {"a": picture(150_000), "b": picture(70_000), **EVENT}),
    ("two, one in two reads", {"a": picture(66_000), "b": [picture(400_000)], **EVENT}),
    ("other extensions", {"a": picture(90_000), "b": msgpack.ExtType(0x6E, b"x"), "c": msgpack.ExtType(5, b"")}),
    ("a time", {"a": picture(90_000), "b": msgpack.Timestamp(1, 2)}),
    ("beside an empty binary", {"e": b"", "a": picture(90_000), "f": b""}),
]


@pytest.mark.usefixtures("never_joined")
@each_first_read
@pytest.mark.parametrize("fields", [fields for _, fields in HERE], ids=[name for name, _ in HERE])
def test_a_large_binary_may_stand_anywhere(fields: dict[str, Any], first: int) -> None:
    frames, fault = results(reads(framed(msgpack.packb(fields)) * 2, first))
    assert ([frame.fields for frame in frames], fault) == ([fields, fields], ())


@each_first_read
def test_an_extension_that_looks_like_the_stand_in_stays_what_it_is(first: int) -> None:
    large, small = (
        (b"\xa1a" + pack(picture(90_000)), picture(90_000)),
        (b"\xa1b" + LIKE_OURS, msgpack.ExtType(0x6E, b"")),
    )
    for (one, _), (other, _) in ((large, small), (small, large)):
        [frame], fault = results(reads(framed(b"\x82" + one + other), first))
        assert (frame.fields, fault) == ({"a": large[1], "b": small[1]}, ())
        assert {type(value) for value in frame.fields.values()} == {bytes, msgpack.ExtType}


LARGE = pack(picture(100_000))
BROKEN = [
    ("a key", b"\x82\xa1a\x01" + LARGE + b"\x01"),
    ("all of the frame", LARGE),
    ("in an array", b"\x92" + LARGE + b"\x01"),
    ("a member is missing", b"\x82\xa1a" + LARGE),
    ("a member is cut", b"\x82\xa1a" + LARGE + b"\xa1b\xa5text"),
    ("a member too many", b"\x81\xa1a" + LARGE + b"\xa1b"),
    ("an unused byte", b"\x82\xa1a" + LARGE + b"\xa1b\xc1"),
    ("text that is no UTF-8", b"\x82\xa1a" + LARGE + b"\xa1b\xa1\xff"),
    ("a number as key", b"\x82\xa1a" + LARGE + b"\x01\x01"),
    ("an extension as key", b"\x82\xa1a" + LARGE + LIKE_OURS + b"\x01"),
    ("a text that claims too much", b"\x82\xa1a" + LARGE + b"\xa1b\xdb\xff\xff\xff\xff"),
    ("a list that claims too much", b"\x82\xa1a" + LARGE + b"\xa1b\xdd\xff\xff\xff\xff"),
    ("a second one that claims more than there is", b"\x82\xa1a" + LARGE + b"\xa1b\xc6\0\1\0\0" + b"x" * 9),
    ("it claims more than its frame", b"\x81\xa1a\xc6\0\2\0\0" + picture(100_000)),
]


@each_first_read
@pytest.mark.parametrize("payload", [payload for _, payload in BROKEN], ids=[name for name, _ in BROKEN])
def test_a_broken_frame_gives_the_error_that_it_gives_as_a_whole(payload: bytes, first: int) -> None:
    stream = framed(msgpack.packb({"image": picture(70_000)})) + framed(payload)
    expected = at_once(stream)
    assert (len(expected[0]), expected[1][0] in {ProtocolError, LimitExceeded}, expected[1][2]) == (1, True, 70_016)
    assert results(reads(stream, first)) == expected
    assert results(reads(stream, 70_016 + first)) == expected


LIMITS = [
    ("max_members", b"\x82\xa1a" + LARGE + b"\xa1b\x93\1\2\3", 4),
    ("max_members", b"\x82\xa1b\x93\1\2\3\xa1a" + LARGE, 4),
    ("max_depth", b"\x82\xa1a" + LARGE + b"\xa1b\x91\x91\1", 2),
    ("max_depth", b"\x82\xa1b\x91\x91\1\xa1a" + LARGE, 2),
    ("max_text_size", b"\x82\xa1a" + LARGE + b"\xa1b\xa3xyz", 4),
    ("max_text_size", b"\x82\xa1b\xa3xyz\xa1a" + LARGE, 4),
]


@each_first_read
@pytest.mark.parametrize(("limit", "payload", "most"), LIMITS)
def test_limits_hold_before_and_behind_a_large_binary(limit: str, payload: bytes, most: int, first: int) -> None:
    expected = at_once(framed(payload), **{limit: most})
    assert expected[1][0] is LimitExceeded
    assert f"({limit})" in str(expected[1][1])
    assert results(reads(framed(payload), first), **{limit: most}) == expected
    assert len(results(reads(framed(payload), first), **{limit: most + 1})[0]) == 1


values = st.recursive(
    st.integers(-9, 999) | st.text("aé", max_size=3) | st.binary(max_size=12) | st.just(msgpack.ExtType(0x6E, b"")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", b"b", 1]), inner, max_size=2),
    max_leaves=4,
)
members = st.dictionaries(
    st.text("ab", max_size=2), values | st.binary(min_size=8, max_size=20), min_size=1, max_size=4
)
odd = st.sampled_from([b"", b"\xc1", b"\x81", LIKE_OURS, b"\xc6\0\0\0\5"])
changes = st.lists(st.tuples(st.integers(0, 300), odd), max_size=2)
places = st.lists(st.integers(0, 300), max_size=6)
limits = st.dictionaries(st.sampled_from(["max_members", "max_depth", "max_text_size"]), st.integers(1, 9), max_size=1)


@settings(max_examples=200)
@given(st.lists(members, min_size=1, max_size=3), changes, places, limits, st.integers(1, 5))
def test_any_frame_in_any_cut_comes_out_as_it_does_at_once(
    maps: list[dict[str, Any]], changed: list[tuple[int, bytes]], cuts: list[int], bounds: dict[str, int], large: int
) -> None:
    """With binaries of a few bytes taken as large ones."""
    payloads = [pack(fields) for fields in maps]
    for place, piece in changed:
        start = place % (len(payloads[-1]) + 1)
        payloads[-1] = payloads[-1][:start] + piece + payloads[-1][start + 1 :]
    whole = b"".join(map(framed, payloads))
    for stream in (whole, whole[:-1]):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(large_binary, "_LARGE", large)
            came = [results(pieces, **bounds) for pieces in (split_at(stream, cuts), byte_by_byte(stream))]
        assert repr(came) == repr([at_once(stream, **bounds)] * 2)


def peak(run: Callable[[], object]) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_picture_is_in_memory_once() -> None:
    size = 6 * MIB
    stream = framed(msgpack.packb({**EVENT, "image": picture(size)})) * 2
    decoder = MsgpackDecoder()
    pieces = list(reads(stream, 64 * KIB))
    came: list[int] = []
    top = peak(lambda: [came.extend(len(fields["image"]) for fields in decoder.feed(piece)) for piece in pieces])
    assert came == [size, size]
    assert size < top < 1.5 * size


@pytest.mark.parametrize("come", [0, 10, 1000, 64 * KIB])
def test_a_length_that_is_claimed_is_not_allocated(come: int) -> None:
    stream = struct.pack(">I", 64 * MIB) + b"\x81\xa5image\xc6" + struct.pack(">I", 63 * MIB) + bytes(come)
    decoder = MsgpackDecoder()
    assert peak(lambda: decoder.feed(stream)) < 10 * come + 64 * KIB


@pytest.mark.parametrize("cut", [1, 4, 5, 16, 17, 1000, 150_000, 200_015])
def test_close_says_how_much_of_the_frame_had_come(cut: int) -> None:
    stream = framed(msgpack.packb({"a": picture(200_000), "b": 1}))
    assert len(stream) == 200_015
    decoder = MsgpackDecoder()
    for piece in [b"", *reads(stream[:cut], 100, 9999)] if cut < len(stream) else [stream[:-1]]:
        assert decoder.feed(piece) == []
    with pytest.raises(ProtocolError, match=f"after {min(cut, len(stream) - 1)} bytes of it at byte 0") as caught:
        decoder.close()
    assert decoder.fault is caught.value
