"""What a generation has brought so far: the last preview of each sample, and the finals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nai_trio.protocol.chunks import FinalChunk, IntermediateChunk

if TYPE_CHECKING:
    from nai_trio.protocol.chunks import Chunk

__all__ = ["Pictures"]


class Pictures:
    """Keeps pictures by sample; holds at most two for each."""

    def __init__(self) -> None:
        self._previews: dict[int, IntermediateChunk] = {}
        self._finals: dict[int, FinalChunk] = {}

    def take(self, chunk: Chunk) -> None:
        """Keep a chunk's picture, if it has one."""
        if isinstance(chunk, IntermediateChunk):
            self._previews[chunk.samp_ix] = chunk
        elif isinstance(chunk, FinalChunk):
            self._finals[chunk.samp_ix] = chunk

    @property
    def previews(self) -> list[IntermediateChunk]:
        """The last preview of each sample, ordered by `samp_ix`; a new list each time."""
        return [chunk for _, chunk in sorted(self._previews.items())]

    @property
    def finals(self) -> list[FinalChunk]:
        """The finished pictures, ordered by `samp_ix`; a new list each time."""
        return [chunk for _, chunk in sorted(self._finals.items())]
