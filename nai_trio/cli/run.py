"""The generation itself: from a job to the exit code.

Failures are values here (`Ending`), so that whatever ends the generation early takes one way: what arrived is written,
and one line says how it ended. Nothing is written under a cancelled scope: the scope that signals cancel encloses the
generation alone.

What arrived is known from three sides: what was taken here, what the stream handed out, and what hangs on the error.
None of them always has all.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs
import trio

from nai_trio.errors import NetworkTimeout, NovelAIError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nai_trio.cli.album import Album
    from nai_trio.cli.job import Job
    from nai_trio.cli.stopping import StopSignals
    from nai_trio.protocol.chunks import FinalChunk, IntermediateChunk
    from nai_trio.stream import ImageStream

__all__ = ["Ending", "run_job", "too_slow"]


@attrs.frozen(kw_only=True)
class Ending:
    """How a generation ended.

    Attributes:
        error: what ended it early, or None: it is complete, or was stopped.
        stopped: whether it was stopped from outside.
        billing_unknown: whether the account may have been charged for an incomplete answer.
        seconds: how long it took.
    """

    error: NovelAIError | None
    stopped: bool
    billing_unknown: bool
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every picture arrived."""
        return self.error is None and not self.stopped


async def run_job(job: Job, album: Album, stop: StopSignals) -> Ending:
    """Generate; write everything that arrives, also when it ends early.

    Args:
        job: what to do.
        album: takes the chunks.
        stop: the signals that end it.
    """
    began = trio.current_time()
    generation = _Generation(job, album)
    with stop.scope() as scope:
        await generation.run()
    await album.keep(generation.finals, generation.previews)
    error = generation.error
    return Ending(
        error=error,
        stopped=scope.cancelled_caught,
        billing_unknown=generation.started if error is None else error.billing_unknown,
        seconds=trio.current_time() - began,
    )


class _Generation:
    """One run of the client, and what is known of it at any moment."""

    def __init__(self, job: Job, album: Album) -> None:
        self.error: NovelAIError | None = None
        self.started = False
        self._job = job
        self._album = album
        self._stream: ImageStream | None = None
        self._finals: list[FinalChunk] = []

    @property
    def finals(self) -> Iterable[FinalChunk]:
        return [*self._finals, *(chunk for source in self._sources for chunk in source.finals)]

    @property
    def previews(self) -> Iterable[IntermediateChunk]:
        return [chunk for source in self._sources for chunk in source.previews]

    @property
    def _sources(self) -> list[ImageStream | NovelAIError]:
        return [source for source in (self._stream, self.error) if source is not None]

    async def run(self) -> None:
        limit = self._job.timeout
        with trio.move_on_after(math.inf if limit is None else limit) as scope:
            try:
                await self._generate()
            except NovelAIError as error:
                self.error = error
        if scope.cancelled_caught:
            self.error = too_slow(limit, billing_unknown=self.started)

    async def _generate(self) -> None:
        async with self._job.service.client() as client:
            self.started = True
            params, delivery = self._job.params, self._job.stream
            if delivery not in {"sse", "msgpack"}:
                self._finals = await client.image.generate(params, stream=delivery, on_wait=self._album.wait)
                for picture in self._finals:
                    await self._album.take(picture)
                return
            async with client.image.generate_stream(params, stream=delivery, on_wait=self._album.wait) as stream:
                self._stream = stream
                async for chunk in stream:
                    await self._album.take(chunk)


def too_slow(limit: float | None, *, billing_unknown: bool) -> NetworkTimeout:
    """The error for a command that `--timeout` ended."""
    error = NetworkTimeout(f"not finished within {limit:g} s (--timeout)")
    error.phase, error.seconds = "total", limit or 0.0
    error.billing_unknown = billing_unknown
    return error
