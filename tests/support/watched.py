"""What is looked at while generations are cancelled and cut: the client's streams, and the service's connections."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import h11
import trio
from delegating import DelegatingStream
from scripted import read_request
from sweep import PATIENCE, settled

from nai_trio.transport import Origin, Transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Any, Self


class WatchedStream(DelegatingStream):
    """Keeps count of what passes, and how often it was closed; tells whether it is readable as the stream below does.

    Attributes:
        sent: bytes that were handed over whole.
        received: bytes that were read.
    """

    stream: Any

    def __init__(self, stream: trio.abc.Stream) -> None:
        super().__init__(stream)
        self.sent = 0
        self.received = 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await super().send_all(data)
        self.sent += len(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await super().receive_some(max_bytes)
        self.received += len(data)
        return data

    async def receive_into(self, buffer: bytearray | memoryview) -> int:
        count: int = await self.stream.receive_into(buffer)
        self.received += count
        return count

    def readable(self) -> bool:
        return bool(self.stream.readable())


class WatchedTransport(Transport):
    """Keeps every stream that it opened.

    Attributes:
        streams: all of them, in order.
    """

    def __init__(self, inner: Transport) -> None:
        self.secure = inner.secure
        self.streams: list[WatchedStream] = []
        self._inner = inner

    @property
    def open(self) -> list[WatchedStream]:
        """Those that nobody has closed."""
        return [stream for stream in self.streams if not stream.closed]

    def describe(self) -> str:
        return self._inner.describe()

    async def connect(self, origin: Origin) -> trio.abc.Stream:
        stream = WatchedStream(await self._inner.connect(origin))
        self.streams.append(stream)
        return stream

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._inner.__aexit__(exc_type, exc, traceback)

    def assert_closed_once(self) -> None:
        """Each stream was closed once, or is open."""
        assert {stream.closed for stream in self.streams} <= {0, 1}, [stream.closed for stream in self.streams]


class StreamingService:
    """Answers each request as it is told, in small pieces, and keeps count of who is there and who was seen to leave.

    Args:
        answers: the whole response to a request with that place in the order of all.
        piece: bytes sent at once.
        pause: seconds before each piece.
        takes: bytes of a request to read before it is answered; 0 for all of them.
        hangs_up: whether it closes the connection behind an answer.

    Attributes:
        here: connections that are being served.
        came: connections that there were in all.
        left: connections whose end, or break, was seen, or that were hung up.
        requests: the targets of all requests, in order.
    """

    def __init__(
        self,
        answer: Callable[[h11.Request | None, int], bytes] | bytes,
        *,
        piece: int = 700,
        pause: float = 0,
        takes: int = 0,
        hangs_up: bool = False,
    ) -> None:
        self.here = self.came = self.left = 0
        self.requests: list[str] = []
        self._answer = answer
        self._piece = piece
        self._pause = pause
        self.takes = takes
        self._hangs_up = hangs_up

    async def __call__(self, stream: trio.abc.Stream) -> None:
        self.here += 1
        self.came += 1
        try:
            async with stream:
                with contextlib.suppress(EOFError, trio.BrokenResourceError, h11.RemoteProtocolError):
                    await self._serve(stream)
                    while not self._hangs_up:
                        await self._serve(stream)
                self.left += 1
        finally:
            self.here -= 1

    async def _serve(self, stream: trio.abc.Stream) -> None:
        request = await self._read(stream)
        self.requests.append("" if request is None else request.target.decode())
        response = self._answer if isinstance(self._answer, bytes) else self._answer(request, len(self.requests) - 1)
        for start in range(0, len(response), self._piece):
            await trio.sleep(self._pause)
            await stream.send_all(response[start : start + self._piece])

    async def _read(self, stream: trio.abc.Stream) -> h11.Request | None:
        if not self.takes:
            return (await read_request(stream))[0]
        left = self.takes
        while left:
            data = await stream.receive_some(left)
            if not data:
                raise EOFError
            left -= len(data)
        return None


class Watch:
    """Looks, after each run of a sweep, for what it left.

    Make it before the first connection: what runs then is what may run when all connections are closed.

    Args:
        transport: the client's.
        service: where that leads to.
        again: a whole generation with the same client, which shows that a connection is kept for it.
    """

    def __init__(
        self, transport: WatchedTransport, service: StreamingService, again: Callable[[], Awaitable[object]]
    ) -> None:
        self._transport = transport
        self._service = service
        self._again = again
        self._tasks = _tasks()

    async def __call__(self) -> None:
        """Nothing is left but one connection, at most, which the next generation takes."""
        transport, service = self._transport, self._service
        assert len(transport.open) <= 1, "connections that nobody uses"
        await self.noticed()
        if transport.open:
            (kept,) = transport.open
            with trio.fail_after(PATIENCE):
                await self._again()
            assert transport.streams[-1] is kept, "a connection was left open, and not in the pool"
            assert transport.open == [kept]
        else:
            await settled(lambda: _tasks() == self._tasks, lambda: f"{_tasks() - self._tasks} tasks left running")
        seen = len(transport.open)
        await settled(lambda: service.left + seen == service.came, lambda: "a close that the service did not see")

    async def noticed(self) -> None:
        """The service sees each closed connection closed; none was closed twice."""
        transport, service = self._transport, self._service
        transport.assert_closed_once()
        await settled(
            lambda: service.here == len(transport.open),
            lambda: f"the service has {service.here} connections, the client {len(transport.open)}",
        )

    async def all_gone(self) -> None:
        """Nothing is left at all: for when the client was left."""
        assert not self._transport.open
        await self.noticed()
        await settled(lambda: _tasks() == self._tasks, lambda: f"{_tasks() - self._tasks} tasks left running")


def _tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living
