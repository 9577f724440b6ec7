"""A binary of a msgpack frame that is larger than one read: it gathers in memory of its own, which becomes the value.

Gathered with its frame, a picture would be there twice when it is unpacked: in the frame, and as the bytes that msgpack
makes of that part. Here the frame gathers without it: 1.1 times the picture's size at the most, in place of 2.1.

`io.BytesIO` is the one growing buffer of Python whose memory can be had as `bytes` without a copy. It is not left to
grow by itself, in many steps to an odd size: that is fresh memory for each picture (gather.py says what that costs),
while of memory that was asked for in the same size before the allocator has some left.

In the binary's place msgpack gets an empty extension value, and is asked what to make of those. Whatever is not plain
(an extension of the peer's that looks the same, a broken frame, one that is over a limit) makes `unpack` return None:
then the frame is put together and goes the general way.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import msgpack

from nai_trio.errors import LimitExceeded
from nai_trio.protocol.msgpack_shape import ValueShape

if TYPE_CHECKING:
    from nai_trio.protocol.gather import Gather
    from nai_trio.protocol.limits import Limits

__all__ = ["LargeBinary"]

_LARGE: Final = 64 * 1024
"""Smaller ones are copied in less time than this takes."""

_AHEAD: Final = 8
"""How many times of what has come may be allocated."""

_CODE: Final = 0x6E
_STAND_IN: Final = bytes([0xC7, 0, _CODE])
"""An extension value of type 0x6e and no bytes (msgpack specification, "ext format family")."""


class LargeBinary:
    """One binary, from when its frame's beginning has come until the frame is whole.

    Args:
        start: where in the frame's value it starts.
        place: where its content does, which is left out there.
        size: how many bytes that has.

    Attributes:
        size: see above.
        left: how many of them have not come yet.
    """

    def __init__(self, start: int, place: int, size: int) -> None:
        self.size = size
        self.left = size
        self._start = start
        self._place = place
        self._content = io.BytesIO()
        self._room = 0

    @classmethod
    def in_frame(cls, gather: Gather, start: int, length: int, shape: ValueShape) -> LargeBinary | None:
        """The large binary in which the bytes that have come of a frame end; its bytes are taken from there.

        Args:
            gather: what has come of the frame.
            start: where in that its value starts.
            length: of the value.
            shape: of the value, walked over as far as it had come before.
        """
        if start + length - gather.size < _LARGE:
            return None
        with memoryview(gather.memory) as view, view[start : gather.size] as here:
            try:
                shape.walk(here)
            except LimitExceeded:
                return None
            header, place, size = shape.binary
            if not (len(here) <= place + size == shape.size <= length) or size < _LARGE:
                return None
            large = cls(header, place, size)
            large.take(here[place:])
        gather.remove(start + place, gather.size)
        return large

    def take(self, data: memoryview) -> memoryview | None:
        """Take what belongs to the binary; return what follows it, if anything does."""
        left = self.left - len(data)
        mine, rest = (data, None) if left >= 0 else (data[: self.left], data[self.left :])
        self.left = max(0, left)
        if self.size - self.left > self._room:
            self._make_room(self.size - self.left)
        self._content.write(mine)
        return rest

    def _make_room(self, size: int) -> None:
        """Room for all of it, as long as that is not many times what has come: its length is a claim."""
        self._room = min(self.size, _AHEAD * size)
        come = self._content.tell()
        self._content.seek(self._room - 1)
        self._content.write(b"\0")
        self._content.seek(come)

    def unpack(self, payload: memoryview, limits: Limits) -> object:
        """The frame's value, with this binary in it; None where that takes the general way.

        Args:
            payload: the frame's value without the binary's content.
            limits: bounds on what it may hold.
        """
        packed = b"".join((payload[: self._start], _STAND_IN, payload[self._place :]))
        stand_ins: list[bytes] = []

        def value_of(code: int, data: bytes) -> Any:
            if code == _CODE and not data:
                stand_ins.append(data)
                return self._content.getvalue()
            return msgpack.ExtType(code, data)

        try:
            ValueShape(limits, offset=0).walk(packed)
            value: object = msgpack.unpackb(packed, ext_hook=value_of)
        except (LimitExceeded, ValueError, TypeError, OverflowError, msgpack.UnpackException):
            return None
        return value if len(stand_ins) == 1 else None

    def joined(self, payload: memoryview) -> bytes:
        """The frame's value as it came."""
        whole = b"".join((payload[: self._place], self._content.getbuffer(), payload[self._place :]))
        self._content = io.BytesIO()
        return whole
