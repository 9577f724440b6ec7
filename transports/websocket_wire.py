"""The stream below a WebSocket, as trio-websocket is shown it: the same bytes, and what that library leaves undone.

- It says how the wire ended (`fault`, `ended`). trio-websocket takes every end for the same, and an end during the
  handshake for nothing at all: it would wait for ever.
- It keeps what the peer said in the handshake (`greeting`), within a limit. A refusal's status is read from there, also
  where its body is cut, stalls or has no end.
- The two directions fail apart. trio-websocket stops reading when a send fails, and loses an answer that was under way;
  so a failed send is noted here (`send_fault`) and looks like a good one from above.
- After a send that did not finish nothing more is sent: it would be taken for the rest of a frame.
- A message ends, or the connection does: trio-websocket keeps each fragment, also of a message that is nothing but
  empty ones.
- After the peer's close, or after what is no WebSocket, nothing more is read: trio-websocket would go on and keep it.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Final

import trio

from nai_trio.transport import Readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_websocket import CloseReason, WebSocketConnection

__all__ = ["MAX_MESSAGE_ON_WIRE", "Wire"]

_GREETING: Final = 64 * 1024
"""Bytes of a handshake that are read at most, a refusal's body included."""

_GREETING_READ: Final = 16 * 1024

MAX_MESSAGE_ON_WIRE: Final = 2 * 1024 * 1024
"""Bytes that are read at most until a message is whole: the largest that is taken, in fragments of two bytes."""

_REFUSAL_SECONDS: Final = 1.0
"""How long the next bytes of a refusal's body are waited for; its head is what matters."""


class Wire(trio.abc.Stream):
    """The stream below, which it owns.

    Args:
        below: a connected stream on which nothing was sent or read.

    Attributes:
        greeting: what the peer has said until `carries` was called.
        fault: why the connection broke, or None: as yet, or because the peer just left.
        send_fault: why nothing more can be sent, or None.
        ended: set when nothing more will be read.
        closed: set when it is closed, by whomever.
        first_close: how the WebSocket was closed when trio-websocket sent something for the first time after that, or
            None. It closes a message that is too big with 1009, and forgets that at a close of the peer right behind.
        closing: whether we have said goodbye, and wait for the peer to do the same.
    """

    def __init__(self, below: trio.abc.Stream) -> None:
        self.greeting = bytearray()
        self.fault: Exception | None = None
        self.send_fault: Exception | None = None
        self.ended = trio.Event()
        self.closed = trio.Event()
        self.first_close: CloseReason | None = None
        self.closing = False
        self._below = below
        self._connection: WebSocketConnection | None = None
        self._send_lock = trio.StrictFIFOLock()
        self._sending = self._listening = False
        self._watch: tuple[trio.CancelScope, float] | None = None
        self._since_message = 0

    def carries(self, connection: WebSocketConnection) -> None:
        """From here on it carries messages: the handshake is done."""
        self._connection = connection
        self.greeting.clear()

    def fail(self, error: Exception) -> None:
        """Keep `error` as the reason why the connection broke, unless there is one."""
        if self.fault is None and not self.closed.is_set():
            self.fault = error

    def message_came(self) -> None:
        """A message is whole; the next one may take as much."""
        self._since_message = 0

    def readable(self) -> bool:
        """Whether the stream below has something to read, as far as it can tell."""
        return isinstance(self._below, Readable) and self._below.readable()

    @contextlib.contextmanager
    def silence(self, seconds: float) -> Iterator[trio.CancelScope]:
        """A scope that is cancelled when the peer lets so many seconds pass in silence.

        Only time in which we listen and are not sending counts: where our own reader is slow nothing is read, an answer
        neither, and a peer that does not take what we send may have a slow one.
        """
        with trio.CancelScope() as scope:
            self._watch = scope, seconds
            self._pace()
            try:
                yield scope
            finally:
                self._watch = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send; what cannot be sent is dropped in silence, and `send_fault` says why."""
        data = memoryview(data)  # unlike bytes, its repr shows no token in a handshake
        async with self._send_lock:
            if self.closed.is_set():
                raise trio.ClosedResourceError("this WebSocket connection is closed")
            if self.first_close is None and self._connection is not None:
                self.first_close = self._connection.closed
            if self.send_fault is not None:
                return
            self.send_fault = trio.BrokenResourceError("an earlier send did not finish")
            with self._paced_sending():
                try:
                    await self._below.send_all(data)
                except trio.BrokenResourceError as error:
                    self.send_fault = error
                else:
                    self.send_fault = None

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream.wait_send_all_might_not_block`."""
        async with self._send_lock:
            await self._below.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """See `trio.abc.ReceiveStream.receive_some`."""
        data: bytes | bytearray = b""
        try:
            with self._paced_listening():
                if self._connection is None:
                    data = await self._receive_greeting()
                elif self._connection.closed is None or self.closing:
                    data = await self._below.receive_some(max_bytes)
                    self._count(len(data))
                else:
                    await trio.lowlevel.checkpoint()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.fail(error)
            self.ended.set()
            raise
        if not data:
            self.ended.set()
        return data

    async def aclose(self) -> None:
        """Close the stream below, at once."""
        self.closed.set()
        self.ended.set()
        await self._below.aclose()

    def _count(self, size: int) -> None:
        self._since_message += size
        if self._since_message > MAX_MESSAGE_ON_WIRE and not self.closing:  # which has a bound in seconds
            raise trio.BrokenResourceError(f"expected a message within {MAX_MESSAGE_ON_WIRE} bytes, got none")

    async def _receive_greeting(self) -> bytes | bytearray:
        data: bytes | bytearray = b""
        if len(self.greeting) < _GREETING:
            with trio.move_on_after(_REFUSAL_SECONDS if _is_refusal(self.greeting) else math.inf):
                data = await self._below.receive_some(_GREETING_READ)
            self.greeting += data
        else:
            await trio.lowlevel.checkpoint()
        return data

    @contextlib.contextmanager
    def _paced_sending(self) -> Iterator[None]:
        self._sending = True
        self._pace()
        try:
            yield
        finally:
            self._sending = False
            self._pace()

    @contextlib.contextmanager
    def _paced_listening(self) -> Iterator[None]:
        self._listening = True
        self._pace()
        try:
            yield
        finally:
            self._listening = False
            self._pace()

    def _pace(self) -> None:
        """Begin to count the silence anew, or stop counting."""
        if self._watch is not None:
            scope, seconds = self._watch
            counts = self._listening and not self._sending
            scope.deadline = trio.current_time() + seconds if counts else math.inf


def _is_refusal(greeting: bytearray) -> bool:
    """Whether a whole response head other than 101 has come (RFC 6455, 4.1)."""
    return greeting.startswith(b"HTTP/") and b"\r\n\r\n" in greeting and greeting[8:13].strip() != b"101"
