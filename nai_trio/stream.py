"""A generation being received: what a driver's exchange brings, handed out one by one to the task that iterates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from nai_trio.conflict import ConflictGuard
from nai_trio.protocol.pictures import Pictures

if TYPE_CHECKING:
    from typing import Self

    from nai_trio.driver import Driver
    from nai_trio.headers import Headers
    from nai_trio.protocol.chunks import Chunk, FinalChunk, IntermediateChunk
    from nai_trio.turns import Turn

__all__ = ["ImageStream"]


class ImageStream:
    """The chunks of one generation, as they arrive; made by `client.image.generate_stream(...)`.

    Iterate it with `async for`; leaving the block around it, at any point and for any reason, ends the generation's
    connection at once. One task reads; a second gets `trio.BusyResourceError`.
    """

    def __init__(self, driver: Driver[Chunk], turn: Turn | None = None) -> None:
        self._driver = driver
        self._turn = turn
        self._pictures = Pictures()
        self._reading = ConflictGuard("another task is reading this stream")
        self._closed = False

    @property
    def status(self) -> int:
        """The response's status, 200 or 201."""
        return self._driver.exchange.status or 0

    @property
    def headers(self) -> Headers:
        """The response's headers, a mapping in any case."""
        return self._driver.exchange.headers

    @property
    def previews(self) -> list[IntermediateChunk]:
        """The last preview of each sample that was handed out, ordered by `samp_ix`.

        Kept after the stream is left, and then with those that had arrived but that nobody had asked for yet.
        """
        return self._pictures.previews

    @property
    def finals(self) -> list[FinalChunk]:
        """The finished pictures that were handed out, ordered by `samp_ix`; for the rest as `previews`."""
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
            return await self._next_chunk()

    async def aclose(self) -> None:
        """End the generation: close its connection at once. What had arrived stays in `previews` and `finals`."""
        await self.leave()
        await trio.lowlevel.checkpoint()

    async def leave(self) -> None:
        """As `aclose`, but never raises, so that an error in flight is kept."""
        while self._driver.ready:  # paid for, though nobody has asked for them
            self._hand_out()
        self._closed = True
        await self._end()

    async def _end(self) -> None:
        """Give the connection back or close it; then, and not before, the next generation of this key may go."""
        try:
            await self._driver.leave()
        finally:
            if self._turn is not None:
                self._turn.give_back()

    async def _next_chunk(self) -> Chunk:
        driver = self._driver
        if driver.ready:
            await trio.lowlevel.checkpoint_if_cancelled()
            chunk = self._hand_out()
            await trio.lowlevel.cancel_shielded_checkpoint()  # it is taken: cancellation must not lose it now
            return chunk
        if self._closed:
            await trio.lowlevel.checkpoint()
            raise trio.ClosedResourceError("this stream was left")
        if not driver.exchange.complete:
            await driver.wait()
        if driver.ready:
            return self._hand_out()
        await self._end()
        await trio.lowlevel.checkpoint()
        raise StopAsyncIteration

    def _hand_out(self) -> Chunk:
        chunk = self._driver.ready.popleft()
        self._pictures.take(chunk)
        return chunk
