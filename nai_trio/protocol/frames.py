"""Parser of msgpack frames: a four-byte big-endian length, then one msgpack map of that length, repeated to the end.

The service frames its maps so (wire document, section 4.3). A stream of bare maps, without the prefixes, is told apart
by its very first byte: a map begins with 0x80-0x8f, 0xde or 0xdf, which as the first byte of a length would announce
more than 2 GiB.

A length is a claim, never an allocation: it is checked against `max_frame_size` before a byte of payload is kept, and
the buffer grows only with bytes that came. What is in a map is bounded before it is built (msgpack_shape.py).
Broken framing is final: it is never guessed where the next frame might start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgpack

from nai_trio.errors import LimitExceeded, ProtocolError
from nai_trio.protocol.decoder import Buffer, Decoder
from nai_trio.protocol.limits import (
    DEFAULT_MAX_DEPTH,
    DEFAULT_MAX_FRAME_SIZE,
    DEFAULT_MAX_MEMBERS,
    DEFAULT_MAX_TEXT_SIZE,
    Limits,
)
from nai_trio.protocol.msgpack_shape import ValueShape

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Frame", "MsgpackDecoder", "is_map_start"]

_PREFIX = 4
_UNPACK_ERRORS = (ValueError, TypeError, OverflowError, msgpack.UnpackException)
"""All that msgpack raises on bad input; broken UTF-8, bad keys and depth are ValueErrors, OutOfData is not."""


@attrs.frozen
class Frame:
    """One decoded map and where it stood.

    Attributes:
        offset: at which byte of the stream the frame starts, its prefix included, 0-based.
        fields: the map.
    """

    offset: int
    fields: dict[str, Any]


def is_map_start(first: int) -> bool:
    """Whether a byte begins a msgpack map (msgpack specification, "map format family")."""
    return 0x80 <= first <= 0x8F or first in (0xDE, 0xDF)


class MsgpackDecoder:
    """Turns the bytes of a msgpack stream into dicts, however the bytes are cut.

    Args:
        max_frame_size: the most bytes of one map, without its prefix; 64 MiB by default.
        max_text_size: the most bytes of text in one map.
        max_members: the most members of one map and of all that is in it, together.
        max_depth: how deep maps and arrays may be nested; the map itself is one level.
    """

    def __init__(
        self,
        *,
        max_frame_size: int = DEFAULT_MAX_FRAME_SIZE,
        max_text_size: int = DEFAULT_MAX_TEXT_SIZE,
        max_members: int = DEFAULT_MAX_MEMBERS,
        max_depth: int = DEFAULT_MAX_DEPTH,
    ) -> None:
        self._limits = Limits(
            max_frame_size=max_frame_size, max_text_size=max_text_size, max_members=max_members, max_depth=max_depth
        )
        self._decoder: FrameDecoder | None = None

    @property
    def fault(self) -> Exception | None:
        """The error that the next `feed` raises, or None."""
        return None if self._decoder is None else self._decoder.fault

    def feed(self, data: Buffer) -> list[dict[str, Any]]:
        """Take bytes, cut anywhere, and return the maps they complete.

        Raises:
            ProtocolError: a frame is not one msgpack map of the length it claims; maps before it were returned first.
            LimitExceeded: a frame is, or claims to be, larger than `max_frame_size`, or holds more than it may.
        """
        return [frame.fields for frame in self.feed_frames(data)]

    def feed_frames(self, data: Buffer) -> list[Frame]:
        """As `feed`, with the place of each map in the stream."""
        if self._decoder is None:
            if not len(data):
                return []
            kind = BareMapDecoder if is_map_start(data[0]) else PrefixedDecoder
            self._decoder = kind(self._limits)
        return self._decoder.feed(data)

    def raise_fault(self) -> None:
        """Raise the fault, if there is one."""
        if self._decoder is not None:
            self._decoder.raise_fault()

    def close(self) -> None:
        """Say that the stream has ended.

        Raises:
            ProtocolError: bytes of an unfinished frame are left, or an earlier fault was not raised yet.
        """
        if self._decoder is not None:
            self._decoder.raise_fault()
            self._decoder.close()


class FrameDecoder(Decoder[Frame]):
    """What both framings share: the limits, the buffer, the place in the stream, the unpacking and its errors."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._offset = 0

    def close(self) -> None:
        """Raise if an unfinished frame is left."""
        held, wanted = self._held()
        if held:
            fault = ProtocolError.mismatch(
                expected=f"a whole frame ({wanted})",
                received=f"the end of the stream after {held} bytes of it",
                offset=self._offset,
            )
            self.fault = fault
            raise fault

    def _held(self) -> tuple[int, str]:
        """How many bytes of an unfinished frame are held, and in words how many it needs."""
        raise NotImplementedError

    def _unpack(self, start: int, end: int) -> object:
        with memoryview(self._buffer) as view, view[start:end] as payload:
            try:
                return msgpack.unpackb(payload)
            except _UNPACK_ERRORS as error:
                raise self._broken(error) from error

    def _frame(self, value: object) -> Frame:
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return Frame(self._offset, value)
        received = "a map with keys that are not text" if isinstance(value, dict) else type(value).__name__
        raise ProtocolError.mismatch(expected="a msgpack map with text keys", received=received, offset=self._offset)

    def _broken(self, error: Exception) -> ProtocolError:
        detail = str(error) or type(error).__name__
        return ProtocolError.mismatch(
            expected="one msgpack map", received=f"bytes that are not ({detail})", offset=self._offset
        )


class PrefixedDecoder(FrameDecoder):
    """Maps with a length in front of each."""

    def _parse(self, data: Buffer) -> Iterator[Frame]:
        self._buffer += data
        start = 0
        try:
            while (end := self._frame_end(start)) is not None:
                self._check_shape(start + _PREFIX, end)
                yield self._frame(self._unpack(start + _PREFIX, end))
                self._offset += end - start
                start = end
        finally:
            del self._buffer[:start]

    def _frame_end(self, start: int) -> int | None:
        """Where the frame at `start` ends, or None while it is not here whole."""
        if len(self._buffer) - start < _PREFIX:
            return None
        length = int.from_bytes(self._buffer[start : start + _PREFIX], "big")
        allowed = self._limits.max_frame_size
        if length > allowed:
            claim = f"a frame that claims {length} bytes"
            raise LimitExceeded.of("max_frame_size", allowed, claim, offset=self._offset)
        end = start + _PREFIX + length
        return end if end <= len(self._buffer) else None

    def _check_shape(self, start: int, end: int) -> None:
        with memoryview(self._buffer) as view, view[start:end] as payload:
            ValueShape(self._limits, offset=self._offset).walk(payload)

    def _held(self) -> tuple[int, str]:
        held = len(self._buffer)
        if held < _PREFIX:
            return held, f"a {_PREFIX}-byte length first"
        return held, f"{int.from_bytes(self._buffer[:_PREFIX], 'big')} bytes after its {_PREFIX}-byte length"


class BareMapDecoder(FrameDecoder):
    """Maps one after another, without lengths: where one ends is found by walking over it."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._shape = ValueShape(limits, offset=0)

    def _parse(self, data: Buffer) -> Iterator[Frame]:
        self._buffer += data
        while self._buffer and self._is_whole():
            yield self._frame(self._unpack(0, self._shape.size))
            self._offset += self._shape.size
            del self._buffer[: self._shape.size]
            self._shape = ValueShape(self._limits, offset=self._offset)

    def _is_whole(self) -> bool:
        self._shape.walk(self._buffer)
        return self._shape.whole and self._shape.size <= len(self._buffer)

    def _held(self) -> tuple[int, str]:
        return len(self._buffer), "the rest of its map"
