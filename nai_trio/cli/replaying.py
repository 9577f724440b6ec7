"""The replay itself, and the audience that writes no files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from nai_trio.cli.records import chunk_record
from nai_trio.cli.run import Ending
from nai_trio.client import NovelAI
from nai_trio.driver import open_exchange
from nai_trio.errors import NovelAIError
from nai_trio.options import Timeouts
from nai_trio.protocol.chunks import FinalChunk, IntermediateChunk, RetryChunk
from nai_trio.stream import ImageStream
from nai_trio.transports.replay import ReplayTransport

if TYPE_CHECKING:
    from pathlib import Path

    from nai_trio.cli.album import Album
    from nai_trio.cli.display import Display
    from nai_trio.cli.exit_codes import OutputError
    from nai_trio.cli.recorded_job import RecordedJob
    from nai_trio.cli.stopping import StopSignals
    from nai_trio.cli.streams import Streams
    from nai_trio.protocol.chunks import Chunk
    from nai_trio.transports.tape_contents import Tape

__all__ = ["Viewer", "run_replay"]

_KEY = "no-key-is-needed-for-a-tape"
_PATIENT = Timeouts(connect=None, send=None, response=None, read=None, event=None)
"""What was waited for then is waited for now, also at a tenth of the speed."""


class Viewer:
    """Shows what arrives, as `Album` does, and writes nothing.

    Attributes:
        paths: none.
        failure: none.
    """

    def __init__(self, seed: int, *, display: Display, streams: Streams, json_lines: bool) -> None:
        self.paths: list[Path] = []
        self.failure: OutputError | None = None
        self._seed = seed
        self._display = display
        self._streams = streams
        self._json_lines = json_lines

    async def take(self, chunk: Chunk) -> None:
        """Show one chunk."""
        await trio.lowlevel.checkpoint()
        match chunk:
            case IntermediateChunk():
                self._display.step(chunk)
            case FinalChunk():
                self._display.done(chunk.samp_ix)
            case RetryChunk():
                self._display.notice(f"the service starts over: {chunk.message}")
            case _:
                pass
        if self._json_lines:
            self._streams.record(chunk_record(chunk, None, seed=self._seed))

    async def keep(self, finals: object, previews: object) -> None:
        """Nothing is kept."""
        del finals, previews
        await trio.lowlevel.checkpoint()


async def run_replay(
    tape: Tape, job: RecordedJob, audience: Album | Viewer, stop: StopSignals, *, speed: float
) -> Ending:
    """Play one generation of a tape.

    Args:
        tape: where it is.
        job: which.
        audience: takes the chunks.
        stop: the signals that end it.
        speed: how much faster than it was; 0 for at once.
    """
    began = trio.current_time()
    error: NovelAIError | None = None
    seen: ImageStream | None = None
    with stop.scope() as scope:
        try:
            client = NovelAI(
                _KEY,
                image_base=job.base,
                allow_plain_http=True,
                timeouts=_PATIENT,
                # Not strict, since other clients send other headers; there is but one answer to give.
                transport=ReplayTransport(tape.only(job.exchange), speed=speed, strict=False),
            )
            async with client:
                seen = ImageStream(await open_exchange(client, lambda: job.image_exchange(client)))
                await _watch(seen, audience)
        except NovelAIError as failed:
            error = failed
    source = error or seen
    if source is not None:
        await audience.keep(source.finals, source.previews)
    return Ending(
        error=error, stopped=scope.cancelled_caught, billing_unknown=False, seconds=trio.current_time() - began
    )


async def _watch(stream: ImageStream, audience: Album | Viewer) -> None:
    try:
        async for chunk in stream:
            await audience.take(chunk)
    finally:
        await stream.leave()
