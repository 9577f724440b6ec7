"""The pictures of one generation, from the chunk to the file.

A file that cannot be written does not end the generation: the next may fit elsewhere, and stopping would lose what is
still to come. The first such failure is kept, and decides the exit code.

Files are written in a worker thread, since a disk can take long; cancellation waits for the file at hand.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio

from nai_trio.cli.exit_codes import OutputError
from nai_trio.cli.files import write_atomic
from nai_trio.cli.records import chunk_record
from nai_trio.protocol.chunks import FinalChunk, IntermediateChunk, RetryChunk

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nai_trio.cli.display import Display
    from nai_trio.cli.files import Targets
    from nai_trio.cli.streams import Streams
    from nai_trio.protocol.chunks import Chunk

__all__ = ["Album"]


class Album:
    """Writes pictures and tells about them.

    Args:
        targets: where the files go.
        seed: the first sample's.
        display: shows the progress.
        streams: gets the JSON lines.
        json_lines: whether to write those.

    Attributes:
        pictures: the finished pictures' files, by sample.
        kept: files of last previews, by sample, where no picture came.
        failure: the first file that could not be written, or None.
    """

    def __init__(self, targets: Targets, seed: int, *, display: Display, streams: Streams, json_lines: bool) -> None:
        self.pictures: dict[int, Path] = {}
        self.kept: dict[int, Path] = {}
        self.failure: OutputError | None = None
        self._targets = targets
        self._seed = seed
        self._display = display
        self._streams = streams
        self._json_lines = json_lines

    async def take(self, chunk: Chunk) -> None:
        """Write and show one chunk as it arrives."""
        path = None
        if isinstance(chunk, FinalChunk):
            path = await self._write_final(chunk)
        elif isinstance(chunk, IntermediateChunk):
            path = await self._write(self._targets.preview(chunk), chunk.image)
            self._display.step(chunk)
        elif isinstance(chunk, RetryChunk):
            self._display.notice(f"the service starts over: {chunk.message}")
        if self._json_lines:
            self._streams.record(chunk_record(chunk, path, seed=self._seed))

    async def keep(self, finals: Iterable[FinalChunk], previews: Iterable[IntermediateChunk]) -> None:
        """After an early end: write the pictures that came but were not written, and previews in place of others."""
        for final in finals:
            if final.samp_ix not in self.pictures:
                await self._write_final(final)
        for preview in previews:
            if preview.samp_ix not in self.pictures:
                target = self._targets.kept(preview.samp_ix, preview.image_format)
                if await self._write(target, preview.image) is not None:
                    self.kept[preview.samp_ix] = target

    @property
    def paths(self) -> list[Path]:
        """The files of pictures and kept previews, by sample."""
        files = {**self.kept, **self.pictures}
        return [files[samp_ix] for samp_ix in sorted(files)]

    async def _write_final(self, chunk: FinalChunk) -> Path | None:
        path = await self._write(self._targets.final(chunk.samp_ix, chunk.image_format), chunk.image)
        if path is not None:
            self.pictures[chunk.samp_ix] = path
            self._display.done(chunk.samp_ix)
            renamed = self._targets.renamed(chunk)
            if renamed is not None:
                self._display.notice(renamed)
        return path

    async def _write(self, path: Path | None, data: bytes) -> Path | None:
        """The path when it is written; None when it was not asked for, or failed."""
        if path is None:
            await trio.lowlevel.checkpoint()
            return None
        try:
            await trio.to_thread.run_sync(partial(write_atomic, path, data))
        except OutputError as error:
            self.failure = self.failure or error
            return None
        return path
