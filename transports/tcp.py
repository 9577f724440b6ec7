"""TCP: trio opens the connection (happy eyeballs, no delay), this file adds what an HTTP client needs on top.

`trio.SocketStream` is final and can neither tell whether it is readable nor read into a buffer, so `TCPStream` is
composed around one. Ownership: whatever fails between opening the socket and returning the stream closes the socket.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import sys
from typing import TYPE_CHECKING

import trio

from nai_trio.closing import close_now
from nai_trio.conflict import ConflictGuard
from nai_trio.errors import ConnectError
from nai_trio.transport import Transport
from nai_trio.transports.reasons import connect_reason

if TYPE_CHECKING:
    from nai_trio.transport import Origin

__all__ = ["DEFAULT_READ_SIZE", "TCPStream", "TCPTransport"]

DEFAULT_READ_SIZE = 128 * 1024
"""Bytes asked for by one read. On loopback 128 KiB took about 60 % of the CPU time of 64 KiB, trio's default; more
gained nothing."""

_KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPALIVE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""Probe after 60 s of silence, give up after 4 probes 15 s apart; TCP_KEEPALIVE is what macOS calls TCP_KEEPIDLE.

A picture can take longer than a home router remembers an idle connection, and the system's default is two hours.
"""

_CLOSED_BY_US = {errno.EBADF, getattr(errno, "ENOTSOCK", errno.EBADF)}


class TCPTransport(Transport):
    """Opens TCP connections straight to the origin.

    Args:
        local_address: the address of this machine to connect from; None leaves the choice to the system.
    """

    def __init__(self, *, local_address: str | None = None) -> None:
        self._local_address = local_address

    def __repr__(self) -> str:
        chosen = "" if self._local_address is None else f"local_address={self._local_address!r}"
        return f"{type(self).__name__}({chosen})"

    async def connect(self, origin: Origin) -> TCPStream:
        """Open a TCP connection to `origin.host`, `origin.port`; addresses are raced as in RFC 8305.

        Raises:
            ConnectError: "connect to https://host:443: ..." with the reason and the `OSError` as its cause.
        """
        # The system would take such a port modulo 65536 and connect elsewhere.
        if not 1 <= origin.port <= 65535:
            raise ConnectError(f"connect to {_where(origin)}: expected a port from 1 to 65535")
        try:
            opened = await trio.open_tcp_stream(origin.host, origin.port, local_address=self._local_address)
        except (OSError, UnicodeError) as error:
            raise ConnectError(f"connect to {_where(origin)}: {connect_reason(error)}") from error
        try:
            _keep_alive(opened)
            return TCPStream(opened)
        except BaseException:
            await close_now(opened)
            raise


class TCPStream(trio.abc.HalfCloseableStream):
    """A connected socket that can also tell whether it is readable, and read into the caller's buffer.

    Args:
        stream: the trio stream to take over; from here on only this object may be used.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._receiving = ConflictGuard("another task is receiving from this TCP stream")

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
                raise _stream_error(error) from error

    def readable(self) -> bool:
        """Whether a read would return at once: bytes, the end of file or an error wait, or this stream is closed."""
        return self._stream.socket.fileno() == -1 or _poll(self._stream.socket.fileno())

    async def aclose(self) -> None:
        """Close the socket; pending calls of other tasks raise `trio.ClosedResourceError`."""
        await self._stream.aclose()


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


def _keep_alive(stream: trio.SocketStream) -> None:
    with contextlib.suppress(OSError):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE:
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _stream_error(error: OSError) -> trio.ClosedResourceError | trio.BrokenResourceError:
    if error.errno in _CLOSED_BY_US:
        return trio.ClosedResourceError("this TCP stream is closed")
    return trio.BrokenResourceError(f"TCP connection broken: {error}")


def _where(origin: Origin) -> str:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return f"{origin.scheme}://{host}:{origin.port}"
