"""What moves one exchange over one connection, and sends it again where that is safe: generations and calls alike.

Reading happens in the task that asks, and only when it asks: there is no reader task, no queue and no nursery. So a
slow reader pushes back on the socket, cancelling the reader is cancelling the read, and no error is ever in a group.

Two timers watch a read: silence on the wire (`Timeouts.read`) and silence of real events (`Timeouts.event`), since
heartbeats would hide a stalled generation from the first. They count the time that is waited, and that alone: not what
the reader does between two chunks, but also the waits that the reader's own cancel scope ended.

`open_exchange` is the one place that decides about sending twice. A kept connection that dies under the request is
replaced once by a fresh one (silence is no death: it has its timeout), and a failed attempt is followed by another one
as `Retry` says; both only where the request cannot have been billed. After a 2xx head nothing is sent again.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

from nai_trio.deadline import deadline, expiry, timeout_error
from nai_trio.errors import NetworkError, NetworkTimeout, NovelAIError, ProtocolError, StreamInterrupted
from nai_trio.protocol.gather import SHARED
from nai_trio.retrying import Attempts
from nai_trio.transport import Readable
from nai_trio.waiting import tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from nai_trio.client import NovelAI
    from nai_trio.options import Timeouts
    from nai_trio.pool import Connection, ConnectionPool
    from nai_trio.protocol.call import CallExchange
    from nai_trio.protocol.service import ServiceExchange
    from nai_trio.waiting import OnWait

__all__ = ["Driver", "call", "open_exchange"]

T = TypeVar("T")

_MUCH = 32 * 1024
"""Bytes of a read that brought so many that there may be more; in a slow stream to look in vain would cost more."""

_AT_HAND = 1.0
"""Seconds for an answer that waits to be read already; not the whole timeout, for it may be TLS that speaks."""


class Driver(Generic[T]):
    """One exchange on one connection; whoever makes it leaves it.

    Attributes:
        exchange: what is driven.
        ready: what it has brought and nobody has taken yet.
        reused: whether the connection had carried another exchange before.
    """

    def __init__(
        self, exchange: ServiceExchange[T], connection: Connection, pool: ConnectionPool, timeouts: Timeouts
    ) -> None:
        self.exchange = exchange
        self.ready: deque[T] = deque()
        self.reused = connection.reused
        self._connection: Connection | None = connection
        self._pool = pool
        self._timeouts = timeouts
        self._send_failed = False
        self._quiet = 0.0
        self._eventless = 0.0
        self._receive_when_ready = getattr(connection.stream, "receive_when_ready", None)
        self._receive_nowait: Any = getattr(connection.stream, "receive_nowait", None)
        self._more_at_hand = False

    async def start(self) -> None:
        """Send the request and wait for the response's head.

        Raises:
            HTTPStatusError: the service refused.
            NetworkError: the connection failed; `billing_unknown` is False where the request was never sent whole.
            ProtocolError: the answer is not one.
        """
        broken = await self._send()
        if broken is not None:
            self._send_failed = True
            await self._raise_early_answer(broken)
            raise broken
        try:
            await self._wait_for_head(self._timeouts.response)
        except NovelAIError as error:
            raise self.exchange.attach_evidence(error)  # noqa: B904 - the same error, with its evidence

    async def wait(self) -> None:
        """Read until something is ready, or the exchange is complete.

        Raises:
            NovelAIError: the connection failed, fell silent, or brought what it must not; with all that had arrived.
        """
        try:
            while not (self.ready or self.exchange.complete):
                await self._wait_for_bytes()
        except NovelAIError as error:
            raise self.exchange.attach_evidence(error)  # noqa: B904 - the same error, with its evidence
        self._eventless = 0.0

    async def leave(self) -> None:
        """Give the connection back if its exchange has ended cleanly; else close it at once. Keeps an error in flight.

        Not a place where a cancellation lands: what has been paid for and taken is not lost here.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self.exchange.reusable and not self._send_failed:
            await self._pool.release(connection)
        else:
            await self._pool.discard(connection)

    async def _send(self) -> NetworkError | None:
        """Hand the request over; return what broke, for a cancellation of what follows must not have it as context."""
        request = memoryview(self.exchange.data_to_send())  # unlike bytes, its repr does not show the key
        try:
            with deadline("send", self._timeouts.send):
                await self._wire.send_all(request)
        except trio.BrokenResourceError as error:
            broken = NetworkError("the connection broke while the request was sent")
            broken.__cause__ = error
            return broken
        except NetworkTimeout as error:
            return error
        return None

    async def _raise_early_answer(self, broken: NetworkError) -> None:
        """The service may have answered before it took the whole request (413, 401): that says more."""
        stalled = isinstance(broken, NetworkTimeout)
        if stalled and not (isinstance(self._wire, Readable) and self._wire.readable()):
            return
        try:
            await self._wait_for_head(_AT_HAND if stalled else self._timeouts.response)
        except (NetworkError, ProtocolError) as error:
            if error.__cause__ is not None:  # why it broke, where that came to read, e.g. in a TLS alert
                broken.args = (f"{broken}: {error.__cause__}",)
        if self.exchange.status is not None:  # it has begun, whatever became of the request
            self.exchange.attach_evidence(broken)

    async def _wait_for_head(self, seconds: float | None) -> None:
        try:
            with deadline("response", seconds):
                while not self.exchange.accepted:
                    await self._receive()
        except NetworkTimeout:
            self._raise_refusal()
            raise

    async def _wait_for_bytes(self) -> None:
        """One read: of what is at hand, or within both timers.

        These have a scope of their own, since bytes that came undo a deadline that has passed. What is at hand costs no
        time that they count; a flood of it that brings no event ends at `max_body_size`.
        """
        if self._more_at_hand and self.exchange.fault is None:
            await trio.lowlevel.checkpoint()
            if self._read_at_hand():
                self._quiet = 0.0
                return
        read, event = self._timeouts.read, self._timeouts.event
        until_read, until_event = expiry(read) - self._quiet, expiry(event) - self._eventless
        start = trio.current_time()
        with trio.move_on_at(min(until_read, until_event)) as scope:
            try:
                await self._receive()
            finally:
                waited = trio.current_time() - start
                self._quiet, self._eventless = self._quiet + waited, self._eventless + waited
        if not scope.cancelled_caught:
            self._quiet = 0.0
        elif until_read <= until_event:
            self._quiet = 0.0
            raise timeout_error("read", read)
        else:
            self._eventless = 0.0
            raise timeout_error("event", event)

    async def _receive(self) -> None:
        """One read from the wire; an earlier fault is raised first, for nobody would look at those bytes."""
        if self.exchange.fault is not None:
            await trio.lowlevel.checkpoint()
            self.exchange.raise_fault()
        try:
            chunks = await self._read()
        except trio.BrokenResourceError as error:
            raise self._interrupted(error) from error
        self.ready.extend(chunks)

    async def _read(self) -> list[T]:
        """One read, into memory that all streams share where this one can do that."""
        wire, exchange = self._wire, self.exchange
        if self._receive_when_ready is None:
            return exchange.receive_data(await wire.receive_some())
        count = await self._receive_when_ready(exchange.get_buffer)
        self._more_at_hand = count >= _MUCH and self._receive_nowait is not None
        return exchange.buffer_updated(count)

    def _read_at_hand(self) -> bool:
        """Take what is there at once, if anything is: the timers cost as much as all else that belongs to a read."""
        room = SHARED.lend_room()  # not the exchange's, which would keep it while it waits
        try:
            with memoryview(room) as view:
                count = self._receive_nowait(view)
                with view[:count] as data:
                    self.ready.extend(self.exchange.receive_data(data))
        except trio.WouldBlock:
            self._more_at_hand = False
        except trio.BrokenResourceError as error:
            raise self._interrupted(error) from error
        finally:
            SHARED.give_back_room(room)
        return self._more_at_hand

    def _interrupted(self, error: trio.BrokenResourceError) -> StreamInterrupted:
        self._raise_refusal()
        return StreamInterrupted(f"the connection broke: {str(error) or type(error).__name__}")

    def _raise_refusal(self) -> None:
        """A refusal whose body was cut or stalled is still that refusal, with the words that came."""
        if (self.exchange.status or 0) >= 300:
            self.exchange.receive_data(b"")

    @property
    def _wire(self) -> trio.abc.Stream:
        if self._connection is None:
            raise trio.ClosedResourceError("this stream was left")
        return self._connection.stream


async def open_exchange(
    client: NovelAI, make: Callable[[], ServiceExchange[T]], *, on_wait: OnWait | None = None
) -> Driver[T]:
    """Send a request until its response has begun, as often as is safe and `Retry` allows.

    Args:
        client: whose connections and settings are used.
        make: makes the exchange, anew for each time that it is sent.
        on_wait: is told of every attempt that failed and is followed by another one.

    Raises:
        NovelAIError: the last attempt's error; those before it are its `earlier`.
    """
    attempts = Attempts(client.retry)
    while True:
        try:
            return await _attempt(client, make)
        except NovelAIError as error:
            wait = attempts.after(error)
            if wait is None:
                raise
        tell(wait, on_wait)
        await trio.sleep(wait.delay)


async def _attempt(client: NovelAI, make: Callable[[], ServiceExchange[T]]) -> Driver[T]:
    """One attempt. A kept connection that dies under the request is replaced once: nothing can have been billed."""
    pool = client.pool  # of this attempt: when it is over, the client may have another
    driver = Driver(make(), await pool.acquire(), pool, client.timeouts)
    try:
        return await _start(driver)
    except NetworkError as error:
        if error.billing_unknown or isinstance(error, NetworkTimeout) or not driver.reused:
            raise
    return await _start(Driver(make(), await pool.acquire(fresh=True), pool, client.timeouts))


async def _start(driver: Driver[T]) -> Driver[T]:
    try:
        await driver.start()
    except BaseException:
        await driver.leave()
        raise
    return driver


async def call(client: NovelAI, make: Callable[[], CallExchange[T]]) -> T:
    """Make a short call and return its answer.

    Raises:
        NovelAIError: it was refused, failed, or the answer is not what it must be.
    """
    driver = await open_exchange(client, make)
    try:
        await driver.wait()
        return driver.ready.popleft()
    finally:
        await driver.leave()
