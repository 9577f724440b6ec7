"""The pictures of one generation, from the chunk to the file.

A file that cannot be written does not end the generation: the next may fit, and stopping would lose what is still to
come. The first such failure is kept, and decides the exit code. A picture whose folder is full, gone or closed by now
was paid for all the same: it goes into a folder of the system's temporary one.

Files are written in a worker thread, since a disk can take long; cancellation waits for the file at hand. Only when the
process is about to end by force is there no time and no trio left for that (`keep_at_once`).
"""

from __future__ import annotations

import contextlib
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import trio

from nai_trio.cli.exit_codes import OutputError
from nai_trio.cli.files import write_atomic
from nai_trio.cli.records import chunk_record
from nai_trio.protocol.chunks import FinalChunk, IntermediateChunk, RetryChunk
from nai_trio.protocol.pictures import Pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nai_trio.cli.display import Display
    from nai_trio.cli.files import Targets
    from nai_trio.cli.streams import Streams
    from nai_trio.protocol.chunks import Chunk
    from nai_trio.waiting import Wait

__all__ = ["Album"]

T = TypeVar("T")


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
        self._seen = Pictures()
        self._refuge: Path | None = None

    def wait(self, wait: Wait) -> None:
        """Show what is waited for."""
        self._display.notice(str(wait))

    async def take(self, chunk: Chunk) -> None:
        """Write and show one chunk as it arrives."""
        self._seen.take(chunk)
        path = None
        if isinstance(chunk, FinalChunk):
            path = await _in_thread(self._write_final, chunk)
            self._show(chunk, path)
        elif isinstance(chunk, IntermediateChunk):
            path = await self._write_preview(chunk)
            self._display.step(chunk)
        elif isinstance(chunk, RetryChunk):
            self._display.notice(f"the service starts over: {chunk.message}")
        if self._json_lines:
            self._streams.record(chunk_record(chunk, path, seed=self._seed))

    async def keep(self, finals: Iterable[FinalChunk], previews: Iterable[IntermediateChunk]) -> None:
        """After an early end: write the pictures that came but were not written, and previews in place of others."""
        self._see(finals, previews)
        for chunk in self._unwritten():
            if isinstance(chunk, FinalChunk):
                self._show(chunk, await _in_thread(self._write_final, chunk))
            else:
                await _in_thread(self._write_kept, chunk)

    def keep_at_once(self) -> None:
        """As `keep`, of what was taken, here and now; for when the process ends by force."""
        for chunk in self._unwritten():
            if isinstance(chunk, FinalChunk):
                self._write_final(chunk)
            else:
                self._write_kept(chunk)

    @property
    def paths(self) -> list[Path]:
        """The files of pictures and kept previews, by sample."""
        files = {**self.kept, **self.pictures}
        return [files[samp_ix] for samp_ix in sorted(files)]

    @property
    def elsewhere(self) -> list[Path]:
        """Those of them that are not where they should be."""
        return [path for path in self.paths if path.parent == self._refuge]

    def _see(self, finals: Iterable[FinalChunk], previews: Iterable[IntermediateChunk]) -> None:
        for final in finals:
            self._seen.take(final)
        for preview in previews:
            self._seen.take(preview)

    def _unwritten(self) -> Iterator[FinalChunk | IntermediateChunk]:
        """Pictures that are on no disk; then, for each sample that is not there even so, its last preview."""
        yield from (chunk for chunk in self._seen.finals if chunk.samp_ix not in self.pictures)
        yield from (
            chunk for chunk in self._seen.previews if chunk.samp_ix not in self.pictures.keys() | self.kept.keys()
        )

    async def _write_preview(self, chunk: IntermediateChunk) -> Path | None:
        path = self._targets.preview(chunk)
        if path is None:
            await trio.lowlevel.checkpoint()
            return None
        return await _in_thread(self._write, path, chunk.image)

    def _write_final(self, chunk: FinalChunk) -> Path | None:
        path = self._save(self._targets.final(chunk.samp_ix, chunk.image_format), chunk.image)
        if path is not None:
            self.pictures[chunk.samp_ix] = path
        return path

    def _write_kept(self, chunk: IntermediateChunk) -> None:
        path = self._save(self._targets.kept(chunk.samp_ix, chunk.image_format), chunk.image)
        if path is not None:
            self.kept[chunk.samp_ix] = path

    def _show(self, chunk: FinalChunk, path: Path | None) -> None:
        if path is None:
            return
        self._display.done(chunk.samp_ix)
        renamed = self._targets.renamed(chunk)
        if renamed is not None:
            self._display.notice(renamed)

    def _save(self, path: Path, data: bytes) -> Path | None:
        """Where it is written, there or in the refuge; None when it is nowhere."""
        return self._write(path, data) or self._write_elsewhere(path, data)

    def _write(self, path: Path, data: bytes) -> Path | None:
        try:
            write_atomic(path, data)
        except OutputError as error:
            self.failure = self.failure or error
            return None
        return path

    def _write_elsewhere(self, path: Path, data: bytes) -> Path | None:
        try:
            refuge = self._refuge or Path(tempfile.mkdtemp(prefix="nai-trio-"))
        except OSError:
            return None
        written = self._write(refuge / path.name, data)
        if written is not None:
            self._refuge = refuge
        elif refuge != self._refuge:
            with contextlib.suppress(OSError):
                refuge.rmdir()
        return written


async def _in_thread(function: Callable[..., T], *arguments: object) -> T:
    return await trio.to_thread.run_sync(partial(function, *arguments))
