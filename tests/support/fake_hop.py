"""A hop that is a transcript: what it says is fixed, cut as the test wants, and what it hears is kept.

No second task is needed, so properties over any bytes and any cut run fast.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal

import trio

from nai_trio.transport import Origin, Transport

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

End = Literal["eof", "reset", "hang"]


class TranscriptStream(trio.abc.Stream):
    """Says its pieces, one per read at most, and then ends.

    Attributes:
        heard: what was sent to it.
        closed: how often it was closed.
        end: how it ends: cleanly, broken, or never.
    """

    def __init__(self, pieces: Iterable[bytes], end: End = "eof") -> None:
        self._pieces = [piece for piece in pieces if piece]
        self.end: End = end
        self.heard = b""
        self.closed = 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise trio.ClosedResourceError
        self.heard += data

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise trio.ClosedResourceError
        if self._pieces:
            piece = self._pieces.pop(0)
            size = len(piece) if max_bytes is None else max_bytes
            self._pieces[:0] = [piece[size:]] if piece[size:] else []
            return piece[:size]
        if self.end == "hang":
            await trio.sleep_forever()
        if self.end == "reset":
            raise trio.BrokenResourceError("connection reset by peer")
        return b""

    async def aclose(self) -> None:
        self.closed += 1
        await trio.lowlevel.checkpoint()


class TranscriptTransport(Transport):
    """Connects to a transcript.

    Args:
        said: what the hop says.
        cuts: where it is cut, as indices.
        end: how it ends.
        error: what connecting raises instead.

    Attributes:
        streams: every stream that was handed out.
        origins: where they were to lead.
        entered: how often it was entered and not left.
        turns: how often it was entered.
    """

    def __init__(
        self, said: bytes = b"", *, cuts: Iterable[int] = (), end: End = "eof", error: BaseException | None = None
    ) -> None:
        places = [0, *sorted(cuts), len(said)]
        self._pieces = [said[start:stop] for start, stop in itertools.pairwise(places)]
        self._end: End = end
        self._error = error
        self.streams: list[TranscriptStream] = []
        self.origins: list[Origin] = []
        self.entered = self.turns = 0

    def describe(self) -> str:
        return "tape"

    async def connect(self, origin: Origin) -> TranscriptStream:
        await trio.lowlevel.checkpoint()
        self.origins.append(origin)
        if self._error is not None:
            raise self._error
        stream = TranscriptStream(self._pieces, self._end)
        self.streams.append(stream)
        return stream

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint()
        if self._error is not None:
            raise self._error
        self.entered += 1
        self.turns += 1
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.entered -= 1

    @property
    def stream(self) -> TranscriptStream:
        """The only stream that was handed out."""
        (stream,) = self.streams
        return stream
