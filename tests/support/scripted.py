"""A transport whose peer is a script: what the server side does is written in the test."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import h11
import trio

from nai_trio.transport import Origin, Transport
from nai_trio.transports import MemoryStream, memory_stream_pair

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class ScriptedTransport(Transport):
    """Hands out memory streams; the test takes the server's ends with `accept`.

    Attributes:
        origins: what was asked for.
    """

    secure = True

    def __init__(self) -> None:
        self.origins: list[Origin] = []
        self._accepting, self._accepted = trio.open_memory_channel[MemoryStream](math.inf)

    async def connect(self, origin: Origin) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        ours, theirs = memory_stream_pair()
        self.origins.append(origin)
        self._accepting.send_nowait(theirs)
        return ours

    async def accept(self) -> MemoryStream:
        """Wait for the next connection; return the server's end of it."""
        return await self._accepted.receive()


class GivenStream(Transport):
    """Hands out one stream, which the test has made."""

    secure = True

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def connect(self, origin: Origin) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return self._stream


async def read_request(stream: trio.abc.Stream) -> tuple[h11.Request, bytes]:
    """Read one whole request.

    Raises:
        EOFError: the client left instead.
    """
    connection = h11.Connection(h11.SERVER)
    head, body = None, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some())
        elif isinstance(event, h11.ConnectionClosed):
            raise EOFError("the client left")
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            return head, body


def answering(response: bytes, *, pieces: int = 0) -> Callable[[trio.abc.Stream], Awaitable[None]]:
    """A handler for `MemoryTransport` that answers every request with the same bytes, in pieces of that size."""

    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            while True:
                try:
                    await read_request(stream)
                except EOFError:
                    return
                step = pieces or len(response)
                for start in range(0, len(response), step):
                    await stream.send_all(response[start : start + step])

    return handler
