"""The tasks of one WebSocket connection, and the one message that waits for its reader.

trio-websocket reads in a task of its own, which answers pings and closes. Beside it, here, one task takes the messages
and one sends pings. All of them live in one nursery, which ends when the wire is closed: whoever holds the stream ends
its tasks by closing it. What they raise is kept as a value (`Wire.fault`), so that nobody meets an exception group.

Back-pressure: a message is taken from trio-websocket only when the last one has been read, and trio-websocket reads the
wire only when its message was taken. So one message is here, one is being put together there, and the rest is with the
peer.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import trio
import trio_websocket

from nai_trio.closing import close_now, reraise

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio_websocket import WebSocketConnection

    from nai_trio.transports.websocket_wire import Wire

__all__ = ["CLOSE_SECONDS", "MAX_MESSAGE_SIZE", "Inbox", "Link"]

MAX_MESSAGE_SIZE: Final = 1024 * 1024
"""Bytes of a message from the peer; a bigger one closes the connection with 1009. Relays cut far below that."""

CLOSE_SECONDS: Final = 1.0
"""How long the peer may take to answer our close."""

_UNSUPPORTED_DATA: Final = 1003

T = TypeVar("T")


class Inbox:
    """The message that has come and is not read yet, if there is one; then the end."""

    def __init__(self) -> None:
        self._message = b""
        self._start = 0
        self._ended = False
        self._changed = trio.lowlevel.ParkingLot()

    @property
    def has_bytes(self) -> bool:
        """Whether bytes wait."""
        return self._start < len(self._message)

    @property
    def has_news(self) -> bool:
        """Whether bytes or the end wait."""
        return self.has_bytes or self._ended

    def put(self, message: bytes) -> None:
        """Put a message in; only when there is none."""
        self._message, self._start = message, 0
        self._changed.unpark_all()

    def end(self) -> None:
        """No more will come."""
        self._ended = True
        self._changed.unpark_all()

    async def wait_room(self) -> None:
        """Wait until everything is read."""
        while self.has_bytes:
            await self._changed.park()

    async def wait_news(self) -> None:
        """Wait for bytes or the end. Always a checkpoint; cancelled, it has taken nothing."""
        await trio.lowlevel.checkpoint()
        while not self.has_news:
            await self._changed.park()

    def take(self, size: int | None) -> bytes:
        """Up to `size` of the bytes that wait, all of them when None."""
        end = len(self._message) if size is None else self._start + size
        taken = self._message[self._start : end]  # all of a bytes object is itself, not a copy
        self._start += len(taken)
        if not self.has_bytes:
            self._message, self._start = b"", 0
            self._changed.unpark_all()
        return taken


class Link(Generic[T]):
    """One connection's tasks.

    Args:
        wire: carries it.

    Attributes:
        wire: the same.
        inbox: what the peer has sent.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.inbox = Inbox()
        self._nursery: trio.Nursery | None = None
        self._greeted: T | None = None
        self._decided = trio.Event()

    async def run(self, shake_hands: Callable[[trio.Nursery], Awaitable[T]]) -> None:
        """Run the tasks until the wire is closed, and close it on every other way out.

        Args:
            shake_hands: begins the handshake, with a nursery for trio-websocket's task.
        """
        try:
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                self._nursery = nursery
                nursery.start_soon(self._shake_hands, shake_hands)
                nursery.start_soon(self._notice_the_end)
                await self.wire.closed.wait()
                nursery.cancel_scope.cancel(reason="the WebSocket stream was closed")
        except BaseExceptionGroup as group:
            self._keep(group)
        finally:
            self._nursery = None
            self._decided.set()
            self.inbox.end()
            await close_now(self.wire)

    async def opened(self) -> T | None:
        """Wait for the handshake; None when it has failed."""
        await self._decided.wait()
        return self._greeted

    def carry(self, connection: WebSocketConnection, *, ping_interval: float | None, ping_timeout: float) -> None:
        """Begin to take messages, and to send pings unless the interval is None. Seconds."""
        self.wire.carries(connection)
        if self._nursery is None:  # over already
            return
        self._nursery.start_soon(self._take_messages, connection)
        if ping_interval is not None:
            self._nursery.start_soon(self._keep_alive, connection, ping_interval, ping_timeout)

    async def say_goodbye(self, connection: WebSocketConnection, code: int, reason: str, seconds: float) -> None:
        """Close with a code, give the peer some seconds to answer, then close the wire."""
        self.wire.closing = True
        try:
            with trio.move_on_after(seconds):
                await connection.aclose(code, reason)
        finally:
            await self.wire.aclose()

    def _keep(self, group: BaseExceptionGroup[BaseException]) -> None:
        ours, others = group.split(Exception)
        if ours is not None:
            first: Exception = ours
            while isinstance(first, ExceptionGroup):
                first = first.exceptions[0]
            self.wire.fail(first)
        if others is not None:
            reraise(others)

    async def _shake_hands(self, shake_hands: Callable[[trio.Nursery], Awaitable[T]]) -> None:
        assert self._nursery is not None  # noqa: S101 - it runs there
        self._greeted = await shake_hands(self._nursery)
        self._decided.set()

    async def _notice_the_end(self) -> None:
        await self.wire.ended.wait()
        self._decided.set()

    async def _take_messages(self, connection: WebSocketConnection) -> None:
        with contextlib.suppress(trio_websocket.ConnectionClosed):
            while True:
                await self.inbox.wait_room()
                message = await connection.get_message()
                self.wire.message_came()
                if isinstance(message, str):
                    self.wire.fail(trio.BrokenResourceError("expected binary messages, got a text message"))
                    break
                self.inbox.put(message)
        self.inbox.end()
        if self.wire.fault is not None:
            await self.say_goodbye(connection, _UNSUPPORTED_DATA, "expected binary messages", CLOSE_SECONDS)

    async def _keep_alive(self, connection: WebSocketConnection, interval: float, patience: float) -> None:
        with contextlib.suppress(trio_websocket.ConnectionClosed):
            while True:
                await trio.sleep(interval)
                with self.wire.silence(patience) as scope:
                    await connection.ping()
                if scope.cancelled_caught:
                    self.wire.fail(trio.BrokenResourceError(f"no answer to a ping within {patience:g} s"))
                    await close_now(self.wire)
                    return
