"""A service whose responses are cut on purpose, and what the client makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from cuts import DRIP, Run, check
from scripted import read_request
from watched import WatchedTransport

from nai_trio import NovelAI, NovelAIError
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from answers import Answer
    from cuts import End
    from whole_events import WholeResponse

    from nai_trio import Chunk
    from nai_trio.transports import MemoryStream

KEY = "pst-not-a-real-key"


class CuttingService:
    """Answers a request with some bytes and an end.

    Args:
        piece: how many bytes are sent at once; 0 for all of them.

    Attributes:
        data: all bytes of the response.
        count: how many of them are sent.
        end: what comes behind those.
        requests: how many there were.
        here: connections that are being served.
    """

    def __init__(self, *, piece: int = 0) -> None:
        self.data = b""
        self.count = 0
        self.end: End = "end of file"
        self.requests = self.here = 0
        self._piece = piece

    async def __call__(self, stream: MemoryStream) -> None:
        self.here += 1
        try:
            async with stream:
                goes_on = True
                while goes_on:
                    await read_request(stream)
                    self.requests += 1
                    goes_on = await self._answer(stream)
        except (EOFError, trio.BrokenResourceError):
            pass  # the client left, as it does after an answer that it could use
        finally:
            self.here -= 1

    async def _answer(self, stream: MemoryStream) -> bool:
        """Send it; whether the connection lives on."""
        step = self._piece or max(self.count, 1)
        for start in range(0, self.count, step):
            await stream.send_all(self.data[start : min(start + step, self.count)])
        if self.end == "reset":
            stream.fail(ConnectionResetError("the test's reset"))
        elif self.end == "drip":
            for place in range(self.count, len(self.data)):
                await trio.sleep(DRIP)
                await stream.send_all(self.data[place : place + 1])
        return self.end in {"silence", "drip"}


class CutClient:
    """One client for many generations that are cut; used as an async context manager.

    Args:
        answer: what the service answers.
        whole: its response.
        piece: how many bytes are sent at once; 0 for all of them.
        options: of the client.
    """

    def __init__(self, answer: Answer, whole: WholeResponse, *, piece: int = 0, **options: Any) -> None:
        self._answer = answer
        self._whole = whole
        self._service = CuttingService(piece=piece)
        self._transport = WatchedTransport(MemoryTransport(self._service))
        self._client = NovelAI(KEY, transport=self._transport, **options)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.__aexit__(exc_type, exc, traceback)
        assert not self._transport.open
        assert not self._service.here

    async def check(self, count: int, end: End) -> None:
        """Generate, get so many bytes and that end, and fail unless all is as it must be.

        The request is sent once. The connection is kept only where the response was whole and said where it ends.
        """
        service, transport, whole = self._service, self._transport, self._whole
        service.data, service.count, service.end, service.requests = whole.wire, count, end, 0
        check(self._answer, whole, count, end, await generated(self._client, self._answer))
        assert service.requests == 1, f"sent {service.requests} times"
        keepable = count == len(whole.wire) and whole.framing != "close"
        assert len(transport.open) <= keepable, f"{count} bytes and {end}: the connection is kept"
        transport.assert_closed_once()
        transport.streams[:] = transport.open


async def generated(client: NovelAI, answer: Answer) -> Run:
    """What came of a generation, and after how long."""
    began = trio.current_time()
    chunks: list[Chunk] = []
    error: NovelAIError | None = None
    try:
        if answer.delivery in {"zip", "json"}:
            chunks.extend(await client.image.generate(answer.params, stream=answer.delivery))
        else:
            async with client.image.generate_stream(answer.params, stream=answer.delivery) as stream:
                async for chunk in stream:
                    chunks.append(chunk)
    except NovelAIError as caught:
        error = caught
    return Run(chunks, error, trio.current_time() - began)
