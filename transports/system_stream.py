"""A connected socket of the operating system, whatever its family.

`trio.SocketStream` is final and can neither tell whether it is readable nor read into a buffer, so this one is composed
around it.
"""

from __future__ import annotations

import errno
import os
import select
import sys
from typing import TYPE_CHECKING, ClassVar

import trio

from nai_trio.conflict import ConflictGuard

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DEFAULT_READ_SIZE", "SystemStream"]

DEFAULT_READ_SIZE = 128 * 1024
"""Bytes asked for by one read. On loopback 128 KiB took about 60 % of the CPU time of 64 KiB, trio's default; more
gained nothing."""

_CLOSED_BY_US = {errno.EBADF, getattr(errno, "ENOTSOCK", errno.EBADF)}


class SystemStream(trio.abc.HalfCloseableStream):
    """A connected socket that can also tell whether it is readable, and read into the caller's buffer.

    Args:
        stream: the trio stream to take over; from here on only this object may be used.
    """

    _kind: ClassVar[str]
    """What errors call it."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._receiving = ConflictGuard(f"another task is receiving from this {self._kind} stream")

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream.send_all`."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream.wait_send_all_might_not_block`."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """See `trio.abc.HalfCloseableStream.send_eof`."""
        await self._stream.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.abc.ReceiveStream.receive_some`; without `max_bytes`, up to `DEFAULT_READ_SIZE` bytes."""
        with self._receiving:
            return await self._stream.receive_some(DEFAULT_READ_SIZE if max_bytes is None else max_bytes)

    async def receive_into(self, buffer: bytearray | memoryview) -> int:
        """Read into `buffer`.

        Returns:
            How many bytes came, at least 1; 0 at end of file.

        Raises:
            ValueError: `buffer` has no room, so 0 would have two meanings.
            trio.BrokenResourceError: the connection broke.
            trio.ClosedResourceError: this stream is closed, or was closed meanwhile.
            trio.BusyResourceError: another task is receiving.
        """
        if len(buffer) == 0:
            raise ValueError("receive_into: expected a buffer of at least 1 byte, got 0")
        with self._receiving:
            try:
                return await self._stream.socket.recv_into(buffer)
            except OSError as error:
                raise self._error(error) from error

    if sys.platform != "win32":  # which has no readv

        async def receive_when_ready(self, get_buffer: Callable[[], bytearray | memoryview]) -> int:
            """As `receive_into`, but ask for the buffer when bytes are there, and await nothing after that.

            Args:
                get_buffer: called without arguments; gives a buffer of at least 1 byte.
            """
            with self._receiving:
                while (fd := self._stream.socket.fileno()) != -1:
                    await trio.lowlevel.wait_readable(fd)
                    try:
                        return self._read(fd, get_buffer())
                    except trio.WouldBlock:  # Linux warns of that (select(2), "BUGS")
                        continue
                await trio.lowlevel.checkpoint()
                raise self._closed()

        def receive_nowait(self, buffer: bytearray | memoryview) -> int:
            """As `receive_into`, with what is there at once.

            Raises:
                trio.WouldBlock: nothing is.
            """
            with self._receiving:
                fd = self._stream.socket.fileno()
                if fd == -1:
                    raise self._closed()
                return self._read(fd, buffer)

        def _read(self, fd: int, buffer: bytearray | memoryview) -> int:
            try:
                return os.readv(fd, [buffer])
            except BlockingIOError:
                raise trio.WouldBlock from None
            except OSError as error:
                raise self._error(error) from error

    def readable(self) -> bool:
        """Whether a read would return at once: bytes, the end of file or an error wait, or this stream is closed."""
        return self._stream.socket.fileno() == -1 or _poll(self._stream.socket.fileno())

    async def aclose(self) -> None:
        """Close the socket; pending calls of other tasks raise `trio.ClosedResourceError`."""
        await self._stream.aclose()

    def _closed(self) -> trio.ClosedResourceError:
        return trio.ClosedResourceError(f"this {self._kind} stream is closed")

    def _error(self, error: OSError) -> trio.ClosedResourceError | trio.BrokenResourceError:
        if error.errno in _CLOSED_BY_US:
            return self._closed()
        return trio.BrokenResourceError(f"{self._kind} connection broken: {error}")


if sys.platform == "win32":

    def _poll(fd: int) -> bool:
        # Windows has no poll(); its select() bounds how many sockets there are, not their numbers.
        return bool(select.select([fd], [], [], 0)[0])

else:

    def _poll(fd: int) -> bool:
        # Not select(): it fails on descriptors above 1024. Errors and hang-ups are reported unasked.
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(0))
