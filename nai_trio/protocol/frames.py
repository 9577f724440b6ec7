"""Parser of msgpack frames: a four-byte big-endian length, then one msgpack map of that length, repeated to the end.

The service frames its maps so (wire document, section 4.3). A stream of bare maps, without the prefixes, is told apart
by its very first byte: a map begins with 0x80-0x8f, 0xde or 0xdf, which as the first byte of a length would announce
more than 2 GiB.

A length is a claim, never an allocation: it is checked against `max_frame_size` before a byte of payload is kept, and
the buffer grows only with bytes that came. What is in a map is bounded before it is built (msgpack_shape.py).
Broken framing is final: it is never guessed where the next frame might start.

A picture that comes in many reads does not gather with its frame, but in memory that becomes the picture itself: it is
allocated once and never there twice (large_binary.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgpack

from nai_trio.errors import LimitExceeded, ProtocolError
from nai_trio.protocol.decoder import Buffer, Decoder, slices
from nai_trio.protocol.gather import SHARED, Buffers, Gather
from nai_trio.protocol.large_binary import LargeBinary
from nai_trio.protocol.limits import (
    DEFAULT_MAX_DEPTH,
    DEFAULT_MAX_FRAME_SIZE,
    DEFAULT_MAX_MEMBERS,
    DEFAULT_MAX_TEXT_SIZE,
    Limits,
)
from nai_trio.protocol.msgpack_shape import ValueShape, is_map_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Frame", "MsgpackDecoder"]

_PREFIX = 4
_ONLY_TEXT = frozenset([str])
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


class MsgpackDecoder:
    """Turns the bytes of a msgpack stream into dicts, however the bytes are cut.

    Args:
        max_frame_size: the most bytes of one map, without its prefix; 64 MiB by default.
        max_text_size: the most bytes of text in one map.
        max_members: the most members of one map and of all that is in it, together.
        max_depth: how deep maps and arrays may be nested; the map itself is one level.
        buffers: where memory for an unfinished frame comes from; by default what all parsers of this process share.
    """

    def __init__(
        self,
        *,
        max_frame_size: int = DEFAULT_MAX_FRAME_SIZE,
        max_text_size: int = DEFAULT_MAX_TEXT_SIZE,
        max_members: int = DEFAULT_MAX_MEMBERS,
        max_depth: int = DEFAULT_MAX_DEPTH,
        buffers: Buffers | None = None,
    ) -> None:
        self._limits = Limits(
            max_frame_size=max_frame_size, max_text_size=max_text_size, max_members=max_members, max_depth=max_depth
        )
        self._buffers = buffers or SHARED
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
        decoder = self._decoder_of(data)
        return [] if decoder is None else decoder.feed(data)

    @property
    def sink(self) -> Callable[[memoryview], None]:
        """Takes bytes without looking at them; `read` does, and after it ask anew."""
        return self._take_first if self._decoder is None else self._decoder.sink

    def _take_first(self, data: memoryview) -> None:
        decoder = self._decoder_of(data)
        if decoder is not None:
            decoder.sink(data)

    def read(self) -> Iterator[Frame]:
        """The frames that have come, one by one; to be run to its end.

        Raises:
            ProtocolError: as `feed` does.
        """
        return iter(()) if self._decoder is None else self._decoder.read()

    def _decoder_of(self, data: Buffer) -> FrameDecoder | None:
        """What reads the stream, told by its first byte; None before that."""
        if self._decoder is None and len(data):
            kind = BareMapDecoder if is_map_start(data[0]) else PrefixedDecoder
            self._decoder = kind(self._limits, self._buffers)
        return self._decoder

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
    """What both framings share: the limits, the place in the stream, the unpacking and its errors."""

    def __init__(self, limits: Limits, buffers: Buffers) -> None:
        self._limits = limits
        self._gather = Gather(buffers)
        self._offset = 0

    @property
    def sink(self) -> Callable[[memoryview], None]:
        """Takes bytes without looking at them; `read` does, and after it ask anew."""
        return self._gather.write

    def read(self) -> Iterator[Frame]:
        """The frames that have come; to be run to its end."""
        raise NotImplementedError

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

    def _parse(self, data: Buffer) -> Iterator[Frame]:
        for piece in slices(data):
            self.sink(piece)
            yield from self.read()

    def _unpack(self, payload: memoryview | bytes) -> object:
        try:
            return msgpack.unpackb(payload)
        except _UNPACK_ERRORS as error:
            raise self._broken(error) from error

    def _frame(self, value: object) -> Frame:
        if isinstance(value, dict) and _ONLY_TEXT.issuperset(map(type, value)):
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

    def __init__(self, limits: Limits, buffers: Buffers) -> None:
        super().__init__(limits, buffers)
        self._large: LargeBinary | None = None
        self._shape: ValueShape | None = None  # of the frame that is not here whole

    @property
    def sink(self) -> Callable[[memoryview], None]:
        """See `FrameDecoder.sink`; the bytes of a large binary go their own way."""
        return self._gather.write if self._large is None else self._take_apart

    def _take_apart(self, data: memoryview) -> None:
        assert self._large is not None  # noqa: S101 - asked for in `sink`
        rest = self._large.take(data)
        if rest is not None:
            self._gather.write(rest)

    def read(self) -> Iterator[Frame]:
        """See `FrameDecoder.read`."""
        start = 0
        while (end := self._frame_end(start)) is not None:
            frame = self._frame(self._value(start + _PREFIX, end))
            self._offset += end - start + self._apart
            self._large = self._shape = None
            start = end
            yield frame
        self._gather.remove(0, start)
        if self._large is None and self._gather.size > _PREFIX:
            self._shape = self._shape or ValueShape(self._limits, offset=self._offset)
            self._large = LargeBinary.in_frame(self._gather, _PREFIX, self._length(0), self._shape)

    @property
    def _apart(self) -> int:
        """How many bytes of the frame at hand are not in `_gather`."""
        return 0 if self._large is None else self._large.size

    def _length(self, start: int) -> int:
        return int.from_bytes(self._gather.memory[start : start + _PREFIX], "big")

    def _frame_end(self, start: int) -> int | None:
        """Where the frame at `start` ends, or None while it is not here whole."""
        if self._gather.size - start < _PREFIX:
            return None
        length = self._length(start)
        allowed = self._limits.max_frame_size
        if length > allowed:
            claim = f"a frame that claims {length} bytes"
            raise LimitExceeded.of("max_frame_size", allowed, claim, offset=self._offset)
        end = start + _PREFIX + length - self._apart
        whole = end <= self._gather.size and (self._large is None or not self._large.left)
        return end if whole else None

    def _value(self, start: int, end: int) -> object:
        with memoryview(self._gather.memory) as view, view[start:end] as payload:
            if self._large is None:
                return self._checked_value(payload)
            fields = self._large.unpack(payload, self._limits)
            return self._checked_value(self._large.joined(payload)) if fields is None else fields

    def _checked_value(self, payload: memoryview | bytes) -> object:
        shape = self._shape or ValueShape(self._limits, offset=self._offset)
        shape.walk(payload)
        return self._unpack(payload)

    def _held(self) -> tuple[int, str]:
        held = self._gather.size + (0 if self._large is None else self._large.size - self._large.left)
        if held < _PREFIX:
            return held, f"a {_PREFIX}-byte length first"
        return held, f"{self._length(0)} bytes after its {_PREFIX}-byte length"


class BareMapDecoder(FrameDecoder):
    """Maps one after another, without lengths: where one ends is found by walking over it."""

    def __init__(self, limits: Limits, buffers: Buffers) -> None:
        super().__init__(limits, buffers)
        self._shape = ValueShape(limits, offset=0)

    def read(self) -> Iterator[Frame]:
        """See `FrameDecoder.read`."""
        start = 0
        while (end := self._map_end(start)) is not None:
            with memoryview(self._gather.memory) as view, view[start:end] as payload:
                frame = self._frame(self._unpack(payload))
            self._offset += end - start
            self._shape = ValueShape(self._limits, offset=self._offset)
            start = end
            yield frame
        self._gather.remove(0, start)

    def _map_end(self, start: int) -> int | None:
        """Where the map at `start` ends, or None while it is not here whole."""
        if start == self._gather.size:
            return None
        with memoryview(self._gather.memory) as view, view[start : self._gather.size] as here:
            self._shape.walk(here)
        end = start + self._shape.size
        return end if self._shape.whole and end <= self._gather.size else None

    def _held(self) -> tuple[int, str]:
        return self._gather.size, "the rest of its map"
