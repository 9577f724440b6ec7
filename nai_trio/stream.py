"""A generation being received: the driver that joins an `ImageExchange` and a connection.

Reading happens in the task that iterates, and only when it asks: there is no reader task, no queue and no nursery. So a
slow reader pushes back on the socket, cancelling the reader is cancelling the read, and no error is ever in a group.

Two timers watch a read: silence on the wire (`Timeouts.read`) and silence of real events (`Timeouts.event`), since
heartbeats would hide a stalled generation from the first. They count the time that is waited, and that alone: not what
the reader does between two chunks, but also the waits that the reader's own cancel scope ended.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING

import trio

from nai_trio.conflict import ConflictGuard
from nai_trio.deadline import deadline, expiry, timeout_error
from nai_trio.errors import NetworkError, NetworkTimeout, NovelAIError, ProtocolError, StreamInterrupted
from nai_trio.protocol.pictures import Pictures
from nai_trio.transport import Readable

if TYPE_CHECKING:
    from typing import Self

    from nai_trio.headers import Headers
    from nai_trio.options import Timeouts
    from nai_trio.pool import Connection, ConnectionPool
    from nai_trio.protocol.chunks import Chunk, FinalChunk, IntermediateChunk
    from nai_trio.protocol.exchange import ImageExchange

__all__ = ["ImageStream"]

_AT_HAND = 1.0
"""Seconds for an answer that waits to be read already; not the whole timeout, for it may be TLS that speaks."""


class ImageStream:
    """The chunks of one generation, as they arrive; made by `client.image.generate_stream(...)`.

    Iterate it with `async for`; leaving the block around it, at any point and for any reason, ends the generation's
    connection at once. One task reads; a second gets `trio.BusyResourceError`.
    """

    def __init__(
        self, exchange: ImageExchange, connection: Connection, pool: ConnectionPool, timeouts: Timeouts
    ) -> None:
        self._exchange = exchange
        self._connection: Connection | None = connection
        self._pool = pool
        self._timeouts = timeouts
        self._ready: deque[Chunk] = deque()
        self._pictures = Pictures()
        self._reading = ConflictGuard("another task is reading this stream")
        self._closed = False
        self._send_failed = False
        self._quiet = 0.0
        self._eventless = 0.0

    @property
    def status(self) -> int:
        """The response's status, 200 or 201."""
        return self._exchange.status or 0

    @property
    def headers(self) -> Headers:
        """The response's headers, a mapping in any case."""
        return self._exchange.headers

    @property
    def previews(self) -> list[IntermediateChunk]:
        """The last preview of each sample that was handed out, ordered by `samp_ix`; kept after the stream is left."""
        return self._pictures.previews

    @property
    def finals(self) -> list[FinalChunk]:
        """The finished pictures that were handed out, ordered by `samp_ix`; kept after the stream is left."""
        return self._pictures.finals

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        """The next chunk.

        Raises:
            StopAsyncIteration: every sample has its final and the response has ended.
            NetworkError: the connection failed, fell silent, or ended too early.
            ProtocolError: the service sent what it must not.
            GenerationError: the service gave up on the job.
            trio.BusyResourceError: another task is reading.
            trio.ClosedResourceError: the stream was left.
        """
        with self._reading:
            try:
                return await self._next_chunk()
            except NovelAIError as error:
                raise self._exchange.attach_evidence(error)  # noqa: B904 - the same error, with its evidence

    async def aclose(self) -> None:
        """End the generation: close its connection at once. What was handed out stays in `previews` and `finals`."""
        await self.leave()
        await trio.lowlevel.checkpoint()

    async def leave(self) -> None:
        """As `aclose`, but never raises, so that an error in flight is kept."""
        self._ready.clear()
        self._closed = True
        await self._let_go()

    async def start(self) -> None:
        """Send the request and wait for the response's head. For `generate_stream` alone.

        The caller leaves the stream if this raises, whatever it raises.

        Raises:
            HTTPStatusError: the service refused.
            NetworkError: the connection failed; `billing_unknown` is False where the request was never sent whole.
            ProtocolError: the answer is not one.
        """
        try:
            await self._send()
        except NetworkError as broken:
            self._send_failed = True
            await self._raise_early_answer(broken)
            raise broken  # noqa: TRY201 - by name: the answer's own failure is not the context
        try:
            await self._wait_for_head(self._timeouts.response)
        except NovelAIError as error:
            raise self._exchange.attach_evidence(error)  # noqa: B904 - the same error, with its evidence

    async def _send(self) -> None:
        request = memoryview(self._exchange.data_to_send())  # unlike bytes, its repr does not show the key
        try:
            with deadline("send", self._timeouts.send):
                await self._wire.send_all(request)
        except trio.BrokenResourceError as error:
            raise NetworkError("the connection broke while the request was sent") from error

    async def _raise_early_answer(self, broken: NetworkError) -> None:
        """The service may have answered before it took the whole request (413, 401): that says more."""
        stalled = isinstance(broken, NetworkTimeout)
        if stalled and not (isinstance(self._wire, Readable) and self._wire.readable()):
            return
        with contextlib.suppress(NetworkError, ProtocolError):
            await self._wait_for_head(_AT_HAND if stalled else self._timeouts.response)
        if self._exchange.status is not None:  # it has begun, whatever became of the request
            self._exchange.attach_evidence(broken)

    async def _wait_for_head(self, seconds: float | None) -> None:
        try:
            with deadline("response", seconds):
                while not self._exchange.accepted:
                    self._ready.extend(await self._receive())
        except NetworkTimeout:
            self._raise_refusal()
            raise

    async def _next_chunk(self) -> Chunk:
        if self._ready:
            await trio.lowlevel.checkpoint_if_cancelled()
            chunk = self._hand_out()
            await trio.lowlevel.cancel_shielded_checkpoint()  # it is taken: cancellation must not lose it now
            return chunk
        if self._closed:
            await trio.lowlevel.checkpoint()
            raise trio.ClosedResourceError("this stream was left")
        if not self._exchange.complete:
            await self._wait_for_chunks()
        if self._ready:
            return self._hand_out()
        await self._let_go()
        await trio.lowlevel.checkpoint()
        raise StopAsyncIteration

    def _hand_out(self) -> Chunk:
        chunk = self._ready.popleft()
        self._pictures.take(chunk)
        return chunk

    async def _wait_for_chunks(self) -> None:
        """Read until there is a chunk, or the generation is complete."""
        while not (self._ready or self._exchange.complete):
            await self._wait_for_bytes()
        self._eventless = 0.0

    async def _wait_for_bytes(self) -> None:
        """One read within both timers; a scope of its own, since bytes that came undo a deadline that has passed."""
        read, event = self._timeouts.read, self._timeouts.event
        until_read, until_event = expiry(read) - self._quiet, expiry(event) - self._eventless
        start = trio.current_time()
        with trio.move_on_at(min(until_read, until_event)) as scope:
            try:
                self._ready.extend(await self._receive())
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

    async def _receive(self) -> list[Chunk]:
        """One read from the wire; an earlier fault is raised first, for nobody would look at those bytes."""
        if self._exchange.fault is not None:
            await trio.lowlevel.checkpoint()
            self._exchange.raise_fault()
        try:
            data = await self._wire.receive_some()
        except trio.BrokenResourceError as error:
            self._raise_refusal()
            raise StreamInterrupted(f"the connection broke: {str(error) or type(error).__name__}") from error
        return self._exchange.receive_data(data)

    def _raise_refusal(self) -> None:
        """A refusal whose body was cut or stalled is still that refusal, with the words that came."""
        if (self._exchange.status or 0) >= 300:
            self._exchange.receive_data(b"")

    @property
    def _wire(self) -> trio.abc.Stream:
        if self._connection is None:
            raise trio.ClosedResourceError("this stream was left")
        return self._connection.stream

    async def _let_go(self) -> None:
        """Give the connection back if its exchange has ended cleanly; else close it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._exchange.reusable and not self._send_failed:
            await self._pool.release(connection)
        else:
            await self._pool.discard(connection)
