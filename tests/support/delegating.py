"""A stream that passes everything on: the base of streams that differ in one thing."""

from __future__ import annotations

import trio


class DelegatingStream(trio.abc.Stream):
    """All of `trio.abc.Stream` and nothing more, so it cannot tell whether it is readable.

    Attributes:
        stream: the stream below.
        closed: how often this one was closed.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.closed = 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        self.closed += 1
        await self.stream.aclose()
