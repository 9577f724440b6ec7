"""A bounded duplex byte stream inside the process.

trio's own `memory_stream_pair` buffers without bound, so a sender never waits: nothing that is tested over it shows
back-pressure. Here each direction is a `_Pipe` of fixed capacity, and a sender waits until its last byte is in it.

Rules:

- Each call first passes a checkpoint, then waits for its condition, then takes or puts bytes without another await. So
  a cancelled read loses nothing, and a cancelled `send_all` has put in a prefix of its data: whole buffers of it.
- Whoever changes a pipe wakes everybody who waits on it (one reader and one writer at most); they look again.
- What was sent before an end or a failure is read before the end or the failure is met.
"""

from __future__ import annotations

import operator

import trio

from nai_trio.conflict import ConflictGuard
from nai_trio.errors import InvalidParamsError

__all__ = ["DEFAULT_BUFFER_SIZE", "MemoryStream", "PeerClosedError", "memory_stream_pair"]

DEFAULT_BUFFER_SIZE = 64 * 1024
"""Unread bytes that one direction holds; about what a socket buffers, so that back-pressure is met as in the field."""


class PeerClosedError(trio.BrokenResourceError):
    """The other end of the memory stream is closed, so nobody will read what was to be sent."""


class MemoryStream(trio.abc.HalfCloseableStream):
    """One end of a stream inside the process; made in pairs by `memory_stream_pair`."""

    def __init__(self, incoming: _Pipe, outgoing: _Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._closed = False
        self._sending = ConflictGuard("another task is sending on this memory stream")
        self._receiving = ConflictGuard("another task is receiving from this memory stream")

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`, waiting while the other end has a full buffer to read.

        Cancelled, it has sent a prefix of `data`.

        Raises:
            trio.BrokenResourceError: the other end is closed or failed; then the failure is the cause.
            trio.ClosedResourceError: this end is closed, or `send_eof` was called.
            trio.BusyResourceError: another task is sending.
        """
        with self._sending, memoryview(data).cast("B") as view:
            await trio.lowlevel.checkpoint()
            self._check_send()
            sent = self._put(view)
            while sent < len(view):
                await self._wait_room()
                with view[sent:] as rest:
                    sent += self._put(rest)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the buffer has room; raises as `send_all` does."""
        with self._sending:
            await trio.lowlevel.checkpoint()
            self._check_send()
            await self._wait_room()

    async def send_eof(self) -> None:
        """End this direction: the other end reads what was sent, then the end of file. Receiving goes on."""
        with self._sending:
            await trio.lowlevel.checkpoint()
            if self._closed:
                raise trio.ClosedResourceError("this memory stream is closed")
            self._outgoing.ended = True
            self._outgoing.changed.unpark_all()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for bytes and take up to `max_bytes` of them, all that wait when None; b"" at end of file.

        Raises:
            trio.BrokenResourceError: the other end failed; the failure is the cause.
            trio.ClosedResourceError: this end is closed, or was closed meanwhile.
            trio.BusyResourceError: another task is receiving.
        """
        size = self._incoming.capacity if max_bytes is None else operator.index(max_bytes)
        if size < 1:
            raise ValueError(f"max_bytes: expected at least 1, got {size}")
        with self._receiving:
            await self._wait_bytes()
            return self._incoming.take(size)

    async def receive_into(self, buffer: bytearray | memoryview) -> int:
        """Wait for bytes and put them into `buffer`; returns how many, 0 at end of file. Raises as `receive_some`."""
        with memoryview(buffer).cast("B") as view:
            if view.readonly:
                raise TypeError("receive_into: expected a buffer that can be written, got a read-only one")
            if len(view) == 0:
                raise ValueError("receive_into: expected a buffer of at least 1 byte, got 0")
            with self._receiving:
                await self._wait_bytes()
                taken = self._incoming.take(len(view))
                view[: len(taken)] = taken
                return len(taken)

    def readable(self) -> bool:
        """Whether a read would return at once: bytes, the end of file or an error wait, or this end is closed."""
        return self._closed or self._incoming.has_news

    async def aclose(self) -> None:
        """Close both directions; bytes that this end has not read are dropped. Waiting calls of other tasks raise."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """What `aclose` does, without its checkpoint."""
        if self._closed:
            return
        self._closed = True
        self._outgoing.ended = True
        self._incoming.abandoned = True
        self._incoming.data.clear()
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Close this end as broken by `error`; also after `close`, for an error that was met while closing.

        The other end reads what was sent; its next receive after that, and each send from now on, raises
        `trio.BrokenResourceError` with `error` as the cause.
        """
        self._outgoing.failure = self._incoming.failure = _Failure(error)
        self.close()
        self._wake()

    def failure_seen(self) -> bool:
        """Whether the other end has met the error that was given to `fail`; False when there is none."""
        return self._outgoing.failure is not None and self._outgoing.failure.seen

    def _wake(self) -> None:
        self._incoming.changed.unpark_all()
        self._outgoing.changed.unpark_all()

    async def _wait_bytes(self) -> None:
        """Wait until something is to be read; on return at least a byte is, or the end of file."""
        pipe = self._incoming
        await trio.lowlevel.checkpoint()
        while not self._closed and not pipe.has_news:
            await pipe.changed.park()
        if self._closed:
            raise trio.ClosedResourceError("this memory stream is closed")
        if pipe.failure is not None and not pipe.data:
            raise pipe.failure.met()

    async def _wait_room(self) -> None:
        while not self._outgoing.room:
            await self._outgoing.changed.park()
            self._check_send()

    def _check_send(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this memory stream is closed")
        if self._outgoing.failure is not None:
            raise self._outgoing.failure.met()
        if self._outgoing.ended:
            raise trio.ClosedResourceError("the sending direction was ended by send_eof")
        if self._outgoing.abandoned:
            raise PeerClosedError("the other end of the memory stream is closed")

    def _put(self, view: memoryview) -> int:
        with view[: self._outgoing.room] as part:
            self._outgoing.data += part
            self._outgoing.changed.unpark_all()
            return len(part)


def memory_stream_pair(*, buffer_size: int = DEFAULT_BUFFER_SIZE) -> tuple[MemoryStream, MemoryStream]:
    """Two connected ends: what one sends, the other receives.

    Args:
        buffer_size: how many unread bytes each direction holds before its sender waits; at least 1.

    Raises:
        InvalidParamsError: a `buffer_size` that is no such number.
    """
    check_buffer_size(buffer_size)
    one, other = _Pipe(buffer_size), _Pipe(buffer_size)
    return MemoryStream(one, other), MemoryStream(other, one)


def check_buffer_size(buffer_size: int) -> None:
    """Raise `InvalidParamsError` unless `buffer_size` is an integer of at least 1."""
    if not isinstance(buffer_size, int) or isinstance(buffer_size, bool) or buffer_size < 1:
        raise InvalidParamsError.for_field("buffer_size", buffer_size, "an integer of at least 1 (bytes)")


class _Failure:
    """Why a stream broke, and whether the other end was told."""

    __slots__ = ("error", "seen")

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.seen = False

    def met(self) -> trio.BrokenResourceError:
        """The error to raise for it; a new one each time, so that tracebacks do not pile up."""
        self.seen = True
        broken = trio.BrokenResourceError("the other end of the memory stream failed")
        broken.__cause__ = self.error
        return broken


class _Pipe:
    """One direction: the bytes under way and what became of its two ends.

    Attributes:
        data: sent and not read, never more than `capacity`.
        ended: no more will be sent.
        abandoned: no more will be read.
        failure: set when an end failed; shared by both directions.
        changed: where waiting readers and writers park.
    """

    __slots__ = ("abandoned", "capacity", "changed", "data", "ended", "failure")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.data = bytearray()
        self.ended = False
        self.abandoned = False
        self.failure: _Failure | None = None
        self.changed = trio.lowlevel.ParkingLot()

    @property
    def room(self) -> int:
        return self.capacity - len(self.data)

    @property
    def has_news(self) -> bool:
        return bool(self.data) or self.ended or self.failure is not None

    def take(self, size: int) -> bytes:
        with memoryview(self.data) as whole, whole[:size] as part:
            taken = bytes(part)
        del self.data[: len(taken)]
        self.changed.unpark_all()
        return taken
