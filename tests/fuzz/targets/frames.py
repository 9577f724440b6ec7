"""Msgpack frames: the decoder against a reader that has all bytes at once."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import msgpack
from invariants import WORDS_OF_A_FAULT, Outcome, check_held, lent, raise_fault, refuses_more, same_however_cut
from real_bytes import short_events

from nai_trio.errors import LimitExceeded, NovelAIError, ProtocolError
from nai_trio.protocol import Buffers, Frame, MsgpackDecoder, large_binary
from nai_trio.protocol.msgpack_shape import is_map_start

MEASURED = ("nai_trio.protocol.frames", "nai_trio.protocol.large_binary", "nai_trio.protocol.msgpack_shape")
LONGEST = 1200
LIMIT, TEXT, MEMBERS, DEPTH = 200, 80, 12, 4
LIMITS = {"max_frame_size": LIMIT, "max_text_size": TEXT, "max_members": MEMBERS, "max_depth": DEPTH}
WORDS = (
    *(b"\0\0\0" + bytes([size]) for size in (0, 1, 2, 3, 16, LIMIT - 1, LIMIT, LIMIT + 1)), b"\x80", b"\x81\xa1a",
    b"\xde\x00\x01", b"\xdf\x00\x00\x00\x01", b"\xdc\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xc7\x0c\xff", b"\xd6\xff",
    b"\xc1", b"\xc4\x01", b"\xc5\0\x10", b"\xc6\0\0\0\x14", b"\xd9\x01", b"\xca", b"\xcb", b"\x91" * 30,
    b"\xaaevent_type",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any bytes are maps with text keys, or one error; what stands before a fault comes out.

    Of every other input a binary of a few bytes goes the way of those that are larger than a read.
    """
    large = 16 if zlib.crc32(data) & 1 else large_binary._LARGE
    with patch.object(large_binary, "_LARGE", large):
        outcome = same_however_cut(data, _run)
    frames, endings = whole_bare(data) if data and is_map_start(data[0]) else whole_prefixed(data)
    assert [_comparable(frame) for frame in frames] == outcome.items
    assert outcome.error in endings, (outcome, endings)


def _run(pieces: list[bytes]) -> Outcome:
    decoder = MsgpackDecoder(**LIMITS, buffers=Buffers())
    frames: list[Frame] = []
    largest, error = 0, None
    try:
        for piece in pieces:
            with lent(piece) as buffer:
                frames += decoder.feed_frames(buffer)
            largest = max(largest, len(piece))
            gathered = (LIMIT + 4 + largest) * 5 // 4  # it grows by a quarter
            check_held(decoder, gathered + WORDS_OF_A_FAULT)
        raise_fault(decoder)
        decoder.close()
    except NovelAIError as raised:
        error = raised
        refuses_more(decoder, error)
    items = [_comparable(frame) for frame in frames]
    return Outcome(items, type(error) if error else None, str(error or ""))


def _comparable(frame: Frame) -> tuple[int, str]:
    """A frame as text, since not-a-number is not equal to itself."""
    assert all(isinstance(name, str) for name in frame.fields)
    return frame.offset, repr(frame.fields)


Endings = tuple[type[Exception] | None, ...]
WRONG, TOO_MUCH = (ProtocolError,), (LimitExceeded,)
WELL: Endings = (None,)


def whole_prefixed(data: bytes) -> tuple[list[Frame], Endings]:
    """Lengths and maps, and how it may end after the last good one."""
    frames: list[Frame] = []
    start = 0
    while start < len(data):
        length = int.from_bytes(data[start : start + 4], "big")
        payload = data[start + 4 : start + 4 + length]
        if start + 4 > len(data):
            return frames, WRONG
        if length > LIMIT:
            return frames, TOO_MUCH
        if len(payload) < length:
            return frames, WRONG
        fields, _, ending = _map(payload, alone=True)
        if fields is None:
            return frames, ending
        frames.append(Frame(start, fields))
        start += 4 + length
    return frames, WELL


def whole_bare(data: bytes) -> tuple[list[Frame], Endings]:
    """Maps one after another, none of them longer than the limit."""
    frames: list[Frame] = []
    start = 0
    while start < len(data):
        fields, size, ending = _map(data[start : start + LIMIT + 1], alone=False)
        if fields is None:
            return frames, ending
        frames.append(Frame(start, fields))
        start += size
    return frames, WELL


def _map(data: bytes, *, alone: bool) -> tuple[dict[str, Any] | None, int, Endings]:
    """The map at the beginning of some bytes, its size, and where there is none, how that may end."""
    unpacker = msgpack.Unpacker(object_pairs_hook=_Pairs)  # or a name that comes twice would count once
    unpacker.feed(data)
    try:
        pairs, size = unpacker.unpack(), unpacker.tell()
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException):
        return None, 0, (*WRONG, *TOO_MUCH)  # it may be too much before it is wrong
    if alone and size != len(data):
        return None, 0, (*WRONG, *TOO_MUCH)
    text, members, depth = _measured(pairs)
    if size > LIMIT or text > TEXT or members > MEMBERS or depth > DEPTH:
        return None, 0, TOO_MUCH
    fields = _plain(pairs) if _hashable(pairs) else None
    return (fields, size, WELL) if _is_map(fields) else (None, 0, WRONG)


class _Pairs(tuple[tuple[Any, Any], ...]):
    """A map as it stands there."""

    __slots__ = ()


def _measured(value: object) -> tuple[int, int, int]:
    """Bytes of text, members, and depth of nesting."""
    if isinstance(value, str):
        return len(value.encode()), 0, 0
    if not isinstance(value, list | _Pairs):
        return 0, 0, 0
    inner = [each for pair in value for each in pair] if isinstance(value, _Pairs) else value
    found = [_measured(each) for each in inner]
    depth = 1 + max((depth for _, _, depth in found), default=0)
    return sum(text for text, _, _ in found), len(value) + sum(members for _, members, _ in found), depth


def _hashable(value: object) -> bool:
    """Whether all keys of all maps are text or bytes, as msgpack wants it."""
    if isinstance(value, _Pairs):
        return all(isinstance(key, str | bytes) and _hashable(each) for key, each in value)
    return not isinstance(value, list) or all(map(_hashable, value))


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {key: _plain(each) for key, each in value}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _is_map(fields: object) -> bool:
    return isinstance(fields, dict) and all(isinstance(name, str) for name in fields)


def seeds() -> Iterator[bytes]:
    yield from short_events("msgpack")
    yield b"".join(each[4:] for each in short_events("msgpack"))  # bare maps
    for fields in ({}, {"a": [1, None, True, 1.5, b"\0", "é", {"b": []}]}, {"t": msgpack.Timestamp(1, 2)}):
        packed = msgpack.packb(fields)
        yield len(packed).to_bytes(4, "big") + packed
        yield packed * 2
    for many in ({"a": [0] * 12}, {"a": "b" * 90}, {"a": {"b": {"c": {"d": {}}}}}, {"a": "b" * 79}, {"a": [0] * 11}):
        packed = msgpack.packb(many)
        yield len(packed).to_bytes(4, "big") + packed
        yield packed
    for size in (15, 16, 17, 40, 70):  # as large as a large binary, in three ways to say how large it is
        for start in (b"\xc4", b"\xc5\0", b"\xc6\0\0\0"):
            value = b"\x82\xa1a" + start + bytes([size]) + bytes(range(size)) + b"\xa1b\xa1c"
            yield (b"\0\0\0" + bytes([len(value)]) + value) * 2
    yield b"\0\0\0\x03abc"
    yield b"\0\0\0\0"
    yield b"\x81\xa1a\xc4\xff" + bytes(255)
    yield (LIMIT + 1).to_bytes(4, "big")
