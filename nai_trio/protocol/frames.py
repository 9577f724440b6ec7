"""Parser of msgpack frames: a four-byte big-endian length, then one msgpack map of that length, repeated to the end.

The service frames its maps so (wire document, section 4.3). A stream of bare maps, without the prefixes, is told apart
by its very first byte: a map begins with 0x80-0x8f, 0xde or 0xdf, which as the first byte of a length would announce
more than 2 GiB.

A length is a claim, never an allocation: it is checked against `max_frame_size` before a byte of payload is kept, and
the buffer grows only with bytes that came. Inside a frame the counts of arrays and maps are bounded likewise.
Broken framing is final: it is never guessed where the next frame might start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgpack

from nai_trio.errors import LimitExceeded, ProtocolError
from nai_trio.protocol.decoder import Buffer, Decoder
from nai_trio.protocol.limits import DEFAULT_MAX_FRAME_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Frame", "MsgpackDecoder", "is_map_start"]

_PREFIX = 4
_SLICE = 64 * 1024
_MAX_MEMBERS = 1024
"""The most members of one array or map; the service's maps have up to eight. msgpack allocates what a count claims."""

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
    """

    def __init__(self, *, max_frame_size: int = DEFAULT_MAX_FRAME_SIZE) -> None:
        self._max_frame_size = max_frame_size
        self._decoder: FrameDecoder | None = None

    @property
    def fault(self) -> Exception | None:
        """The error that the next `feed` raises, or None."""
        return None if self._decoder is None else self._decoder.fault

    def feed(self, data: Buffer) -> list[dict[str, Any]]:
        """Take bytes, cut anywhere, and return the maps they complete.

        Raises:
            ProtocolError: a frame is not one msgpack map of the length it claims; maps before it were returned first.
            LimitExceeded: a frame is, or claims to be, larger than `max_frame_size`.
        """
        return [frame.fields for frame in self.feed_frames(data)]

    def feed_frames(self, data: Buffer) -> list[Frame]:
        """As `feed`, with the place of each map in the stream."""
        if self._decoder is None:
            if not len(data):
                return []
            kind = BareMapDecoder if is_map_start(data[0]) else PrefixedDecoder
            self._decoder = kind(self._max_frame_size)
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
    """What both framings share: the limit, the place in the stream, the unpacking errors."""

    def __init__(self, max_frame_size: int) -> None:
        self._max_frame_size = max_frame_size
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

    def _too_large(self, received: str) -> LimitExceeded:
        return LimitExceeded.of("max_frame_size", self._max_frame_size, received, offset=self._offset)

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

    def __init__(self, max_frame_size: int) -> None:
        super().__init__(max_frame_size)
        self._buffer = bytearray()

    def _parse(self, data: Buffer) -> Iterator[Frame]:
        self._buffer += data
        start = 0
        try:
            while (end := self._frame_end(start)) is not None:
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
        if length > self._max_frame_size:
            raise self._too_large(f"a frame that claims {length} bytes")
        end = start + _PREFIX + length
        return end if end <= len(self._buffer) else None

    def _unpack(self, start: int, end: int) -> object:
        with memoryview(self._buffer) as view, view[start:end] as payload:
            try:
                return msgpack.unpackb(payload, max_array_len=_MAX_MEMBERS, max_map_len=_MAX_MEMBERS)
            except _UNPACK_ERRORS as error:
                raise self._broken(error) from error

    def _held(self) -> tuple[int, str]:
        held = len(self._buffer)
        if held < _PREFIX:
            return held, f"a {_PREFIX}-byte length first"
        return held, f"{int.from_bytes(self._buffer[:_PREFIX], 'big')} bytes after its {_PREFIX}-byte length"


class BareMapDecoder(FrameDecoder):
    """Maps one after another, without lengths."""

    def __init__(self, max_frame_size: int) -> None:
        super().__init__(max_frame_size)
        self._fed = 0
        # Room to spare: the limit is judged here, exactly, not by msgpack's buffer.
        self._unpacker = msgpack.Unpacker(
            max_buffer_size=max_frame_size + 2 * _SLICE, max_array_len=_MAX_MEMBERS, max_map_len=_MAX_MEMBERS
        )

    def _parse(self, data: Buffer) -> Iterator[Frame]:
        view = memoryview(data)
        while view:
            # Never a byte past the limit, so that what stands behind it cannot change the verdict.
            room = self._max_frame_size - (self._fed - self._offset)
            if not room:
                raise self._too_large("a longer map")
            piece = view[: min(room, _SLICE)]
            self._unpacker.feed(piece)
            self._fed += len(piece)
            view = view[len(piece) :]
            yield from self._unpack_all()

    def _unpack_all(self) -> Iterator[Frame]:
        while True:
            try:
                value: object = self._unpacker.unpack()
            except msgpack.OutOfData:
                return
            except _UNPACK_ERRORS as error:
                raise self._broken(error) from error
            yield self._frame(value)
            self._offset = self._unpacker.tell()

    def _held(self) -> tuple[int, str]:
        return self._fed - self._offset, "the rest of its map"
