"""A byte stream over the messages of a WebSocket (RFC 6455), for either end.

- Bytes are what counts: how the peer cut them into messages means nothing. An empty message is none.
- What is sent is cut into binary messages of at most `SEND_SIZE` bytes. A cancelled or failed `send_all` leaves a hole,
  so nothing can be sent after it, and closing is no longer polite.
- A WebSocket has no half-close: there is no `send_eof`, and the peer's close ends both directions. What had come before
  it is still read.
- How it ended: after a close with 1000 (normal), 1001 (going away) or no code the end of file; after every other one, a
  close in the middle of a message, a cut, a text message or an unanswered ping `trio.BrokenResourceError`, which says
  which.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

import trio
import trio_websocket

from nai_trio.conflict import ConflictGuard
from nai_trio.transports.websocket_link import CLOSE_SECONDS

if TYPE_CHECKING:
    from trio_websocket import CloseReason, WebSocketConnection

    from nai_trio.transports.websocket_link import Link

__all__ = ["SEND_SIZE", "WebSocketStream"]

SEND_SIZE: Final = 64 * 1024
"""Bytes of one message that is sent."""

_CLEAN: Final = {1000, 1001, 1005}

_CODES: Final = {
    1002: "protocol error",
    1003: "unsupported data",
    1007: "invalid text",
    1008: "policy violation",
    1009: "message too big",
    1010: "an extension is missing",
    1011: "internal error",
    1012: "the service restarts",
    1013: "try again later",
}
"""Close codes in words (RFC 6455, 7.4.1, and its registry at IANA)."""

_CUT: Final = 1006


class WebSocketStream(trio.abc.Stream):
    """The bytes of an open WebSocket connection; made by `WebSocketTransport` and `Tunnel`.

    Args:
        link: the connection's tasks, which run.
        connection: the connection itself, its handshake done, and given to `link.carry`.
    """

    def __init__(self, link: Link[Any], connection: WebSocketConnection) -> None:
        self._link = link
        self._connection = connection
        self._closed = False
        self._hole = False
        self._sending = ConflictGuard("another task is sending on this WebSocket stream")
        self._receiving = ConflictGuard("another task is receiving from this WebSocket stream")

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream.send_all`. A cancelled or failed one leaves the stream unfit for sending."""
        with self._sending:
            self._check_send()
            await trio.lowlevel.checkpoint_if_cancelled()
            if not len(data):
                await trio.lowlevel.cancel_shielded_checkpoint()
                return
            self._hole = True
            with memoryview(data).cast("B") as view:
                for start in range(0, len(view), SEND_SIZE):
                    await self._send_message(bytes(view[start : start + SEND_SIZE]))
            self._hole = False

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream.wait_send_all_might_not_block`."""
        with self._sending:
            self._check_send()
            try:
                await self._link.wire.wait_send_all_might_not_block()
            except trio.ClosedResourceError:
                self._check_send()
                raise

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.abc.ReceiveStream.receive_some`; without `max_bytes`, the rest of a message.

        Raises:
            trio.BrokenResourceError: the connection broke, or was closed with an error; says how.
            trio.ClosedResourceError: this stream is closed, or was closed meanwhile.
            trio.BusyResourceError: another task is receiving.
        """
        with self._receiving:
            if max_bytes is not None and operator.index(max_bytes) < 1:
                raise ValueError(f"max_bytes: expected at least 1, or None, got {max_bytes}")
            return await self._receive(max_bytes)

    async def receive_into(self, buffer: bytearray | memoryview) -> int:
        """Read into `buffer`; returns how many bytes, 0 at the end. Raises as `receive_some`."""
        with self._receiving:
            if len(buffer) == 0:
                raise ValueError("receive_into: expected a buffer of at least 1 byte, got 0")
            data = await self._receive(len(buffer))
            buffer[: len(data)] = data
            return len(data)

    def readable(self) -> bool:
        """Whether a read would return at once.

        "True" may also mean bytes of the WebSocket itself, such as a ping, or of TLS below it.
        """
        return self._closed or self._link.inbox.has_news or self._link.wire.readable()

    async def aclose(self) -> None:
        """Close with code 1000, wait a little for the peer to answer, and close the stream below in any case.

        Where it has failed, is being sent on, or the task is cancelled, the stream below is closed at once.
        """
        await self.close()

    async def close(self, code: int = 1000, reason: str = "", *, seconds: float = CLOSE_SECONDS) -> None:
        """Close with a code of your own.

        Args:
            code: as in RFC 6455, 7.4.
            reason: why, in words; at most 123 bytes of UTF-8 are sent.
            seconds: how long the peer may take to answer.
        """
        if self._closed:
            await trio.lowlevel.checkpoint()
            return
        self._closed = True
        self._link.inbox.end()
        polite = self._connection.closed is None and self._link.wire.fault is None and not self._cannot_send()
        await self._link.say_goodbye(self._connection, code, reason, seconds if polite else 0.0)

    def _cannot_send(self) -> bool:
        return self._hole or self._link.wire.send_fault is not None

    def _check_send(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this WebSocket stream is closed")
        if self._connection.closed is not None or self._link.wire.closed.is_set():
            raise self._broken()
        if self._link.wire.send_fault is not None:
            raise trio.BrokenResourceError(_broke(self._link.wire.send_fault)) from self._link.wire.send_fault
        if self._hole:
            raise trio.BrokenResourceError("an earlier send on this WebSocket stream did not finish")

    async def _send_message(self, message: bytes) -> None:
        try:
            await self._connection.send_message(message)
        except trio_websocket.ConnectionClosed:
            pass
        else:
            if self._link.wire.send_fault is None:
                return
        self._check_send()
        raise self._broken()

    async def _receive(self, size: int | None) -> bytes:
        if not self._closed:
            await self._link.inbox.wait_news()
        if self._closed:
            raise trio.ClosedResourceError("this WebSocket stream is closed")
        if self._link.inbox.has_bytes:
            return self._link.inbox.take(size)
        if not self._ended_well():
            raise self._broken()
        return b""

    def _ended_well(self) -> bool:
        closed = self._close_reason
        clean = closed is not None and closed.code in _CLEAN
        return clean and self._link.wire.fault is None and not self._is_part_left()

    @property
    def _close_reason(self) -> CloseReason | None:
        return self._link.wire.first_close or self._connection.closed

    def _is_part_left(self) -> bool:
        """Whether a message has begun and not ended: its bytes will not be read, so that is no end of file."""
        return bool(self._connection._message_parts)  # noqa: SLF001 - it tells nobody, and drops them

    def _broken(self) -> trio.BrokenResourceError:
        fault, closed = self._link.wire.fault, self._close_reason
        if fault is not None:
            text = _broke(fault)
        elif closed is None or closed.code == _CUT:
            text = "the peer cut the connection without closing the WebSocket (1006)"
        elif closed.code in _CLEAN and self._is_part_left():
            text = f"the peer closed the WebSocket in the middle of a message ({closed.code})"
        else:
            words = _CODES.get(closed.code, "closed by the peer" if closed.code in _CLEAN else "")
            said = f": {_printable(closed.reason)}" if closed.reason else ""
            text = f"the WebSocket was closed with {closed.code}{f' ({words})' if words else ''}{said}"
        error = trio.BrokenResourceError(text)
        error.__cause__ = fault
        return error


def _broke(fault: Exception) -> str:
    return f"the WebSocket connection broke: {str(fault) or type(fault).__name__}"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
