"""Memory in which the bytes of something unfinished gather, and which is used again.

A megabyte that is freshly allocated costs more than one that is copied: the system maps and clears each page when it is
first touched (for 2 MB about 1.2 ms, where copying them takes 0.1 ms; benchmarks/tricks.py). So the events of a
generation gather in memory that is kept from one to the next, and each picture is allocated once.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SHARED", "SLICE", "Buffers", "Gather"]

SLICE: Final = 256 * 1024
"""Bytes looked at in one go: what a read brings at most, and what a large input is cut into. Small enough for the
processor's cache, large enough that the cost of a go does not count."""

_MAX_SPARES: Final = 2
_MAX_SPARE_SIZE: Final = 8 * 1024 * 1024


class Buffers:
    """Memory that exchanges use one after another: rooms to receive into, and spares to gather in.

    Each piece has one user at a time, in whatever thread: a list's `pop` and `append` are atomic. What is unfinished is
    never in a room, so streams that only wait hold nothing. 17 MiB are kept at the most.
    """

    def __init__(self) -> None:
        self._rooms: list[bytearray] = []
        self._spares: list[bytearray] = []

    def lend_room(self) -> bytearray:
        """Room for one read, of `SLICE` bytes, never of another size, and with anything in it."""
        try:
            return self._rooms.pop()
        except IndexError:
            return bytearray(SLICE)

    def give_back_room(self, room: bytearray) -> None:
        """Take back such a room; nobody looks at it any longer."""
        if len(self._rooms) < _MAX_SPARES:
            self._rooms.append(room)

    def lend(self) -> bytearray:
        """Memory to gather in, of any size, 0 included, and with anything in it."""
        try:
            return self._spares.pop()
        except IndexError:
            return bytearray()

    def give_back(self, memory: bytearray) -> None:
        """Take back what was lent, larger or not; nobody uses it any longer."""
        if len(self._spares) < _MAX_SPARES and len(memory) <= _MAX_SPARE_SIZE:
            self._spares.append(memory)


SHARED: Final = Buffers()
"""What all exchanges and parsers of this process use that were given nothing else."""


class Gather:
    """Bytes that gather at the end and are dropped once they were understood.

    Positions count from the first byte that is held. No view of `memory` may be left when bytes are added.

    Args:
        buffers: where memory comes from, and goes back to whenever no byte is held.

    Attributes:
        memory: the bytes are `memory[:size]`.
        size: how many bytes are held.
    """

    def __init__(self, buffers: Buffers) -> None:
        self.memory = bytearray()
        self.size = 0
        self._view = memoryview(self.memory)  # kept, for making one takes as long as copying some kilobytes
        self._room = 0
        self._buffers = buffers

    def write(self, data: memoryview) -> None:
        """Add bytes."""
        end = self.size + len(data)
        if end > self._room:
            self._grow(end)
        self._view[self.size : end] = data  # memory[a:b] = data would copy the data once more
        self.size = end

    def remove(self, start: int, end: int) -> None:
        """Drop the bytes from `start` to `end`; those behind them move up."""
        if end > start:
            left = self.size - end
            if left:
                self._view[start : start + left] = self._view[end : self.size]
            self.size = start + left
        if not self.size and self.memory:
            self.release()

    def release(self) -> None:
        """Drop all bytes, and the memory with them."""
        self._view.release()
        self._buffers.give_back(self.memory)
        self.memory = bytearray()
        self.size = self._room = 0
        self._view = memoryview(self.memory)

    def _grow(self, size: int) -> None:
        """Make room, and a quarter more: what grows byte by byte is seldom moved, and little is left unused."""
        self._view.release()
        if not self.memory:
            self.memory = self._buffers.lend()
        missing = size - len(self.memory)
        if missing > 0:
            self.memory += bytes(missing + size // 4)
        self._room = len(self.memory)
        self._view = memoryview(self.memory)
