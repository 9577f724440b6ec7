"""Cancelling at every step: the server sees the close, nothing is left, and only `trio.Cancelled` is raised."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Literal

import pytest
import recorded
import trio
import trustme
from scripted import read_request
from sweep import cancelled_at_step

from nai_trio import NovelAI
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "pst-not-a-real-key"


class Service:
    """Streams the recorded generation in small pieces and keeps count of who is connected."""

    def __init__(self, response: bytes, piece: int = 700) -> None:
        self.response = response
        self.piece = piece
        self.open = 0
        self.opened = 0

    async def __call__(self, stream: trio.abc.Stream) -> None:
        self.open += 1
        self.opened += 1
        try:
            async with stream:
                with contextlib.suppress(EOFError, trio.BrokenResourceError):
                    while True:
                        await read_request(stream)
                        await self._answer(stream)
        finally:
            self.open -= 1

    async def _answer(self, stream: trio.abc.Stream) -> None:
        for start in range(0, len(self.response), self.piece):
            await stream.send_all(self.response[start : start + self.piece])
            await trio.lowlevel.checkpoint()

    async def wait_left(self) -> None:
        while self.open:
            await trio.testing.wait_all_tasks_blocked(0.001)


async def stream_all(client: NovelAI, kind: Literal["sse", "msgpack"]) -> None:
    async with client.image.generate_stream(recorded.params(), stream=kind) as stream:
        async for _ in stream:
            pass


@pytest.mark.parametrize("kind", ["sse", "msgpack"])
async def test_cancelling_a_generation_at_every_step(kind: Literal["sse", "msgpack"]) -> None:
    """One client lives through all of it, so a leaked connection or a poisoned pool would show in a later round."""
    service = Service(recorded.stream_response(kind))
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        step = 0
        cancelled = True
        while cancelled:
            step += 1
            cancelled = await cancelled_at_step(step, lambda: stream_all(client, kind))
            await trio.testing.wait_all_tasks_blocked()
            assert service.open <= 1, "at most the one idle connection in the pool"
        await stream_all(client, kind)
    assert service.open == 0
    assert step > 10


async def test_cancelling_the_whole_client_at_every_step() -> None:
    service = Service(recorded.stream_response("sse"), piece=2000)

    async def session() -> None:
        async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
            await stream_all(client, "sse")
            await stream_all(client, "sse")

    step = 0
    cancelled = True
    tasks = trio.lowlevel.current_statistics().tasks_living
    while cancelled:
        step += 1
        cancelled = await cancelled_at_step(step, session)
        assert service.open == 0
        assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert step > 20


@contextlib.asynccontextmanager
async def tcp_server(service: Service, context: ssl.SSLContext | None) -> AsyncIterator[str]:
    """The service behind a real socket on loopback."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]

    async def handler(stream: trio.SocketStream) -> None:
        wrapped: trio.abc.Stream = stream
        if context is not None:
            wrapped = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        with contextlib.suppress(trio.BrokenResourceError):
            await service(wrapped)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handler, [listener])
        yield f"{'https' if context else 'http'}://localhost:{port}".replace("localhost", "127.0.0.1")
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_cancelling_over_real_sockets_at_every_step(tls: bool) -> None:
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    service = Service(recorded.stream_response("msgpack"), piece=2000)

    async with tcp_server(service, server_context if tls else None) as url:

        async def session() -> None:
            async with NovelAI(KEY, image_base=url, ssl_context=client_context) as client:
                await stream_all(client, "msgpack")

        step = 0
        cancelled = True
        while cancelled:
            step += 1
            cancelled = await cancelled_at_step(step, session)
            await service.wait_left()
    assert service.open == 0
    assert step > 10


class LoopError(Exception):
    """The user's own."""


@pytest.mark.parametrize("at", range(recorded.STEPS - 1))
async def test_an_exception_of_the_loop_body_comes_out_bare_and_closes(at: int) -> None:
    service = Service(recorded.stream_response("sse"), piece=100)
    error = LoopError()
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        with pytest.raises(LoopError) as caught:
            async with client.image.generate_stream(recorded.params()) as stream:
                index = 0
                async for _ in stream:
                    if index == at:
                        raise error
                    index += 1
        await trio.testing.wait_all_tasks_blocked()
        assert service.open == 0
    assert caught.value is error
    assert error.__cause__ is None


async def test_an_exception_of_the_client_block_comes_out_bare() -> None:
    error = LoopError()
    service = Service(recorded.stream_response("sse"))
    with pytest.raises(LoopError) as caught:
        async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
            async with client.image.generate_stream(recorded.params()) as stream:
                await anext(stream)
                raise error
    assert caught.value is error
    assert service.open == 0


async def test_move_on_after_stops_the_data_at_once_and_keeps_what_came(autojump_clock: object) -> None:
    first = recorded.response(recorded.sse(recorded.events()[0]), "text/event-stream").removesuffix(b"0\r\n\r\n")
    left = trio.Event()

    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            await read_request(stream)
            await stream.send_all(first)
            assert await stream.receive_some() == b""
            left.set()

    async with NovelAI(KEY, transport=MemoryTransport(handler)) as client:
        start = trio.current_time()
        with trio.move_on_after(5) as scope:
            async with client.image.generate_stream(recorded.params()) as stream:
                async for _ in stream:
                    pass
        assert scope.cancelled_caught
        assert trio.current_time() - start == pytest.approx(5)
        assert len(stream.previews) == 1
        with trio.fail_after(0.001):
            await left.wait()


async def test_a_read_that_was_cancelled_loses_nothing(autojump_clock: object) -> None:
    response = recorded.stream_response("sse")

    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            await read_request(stream)
            for start in range(0, len(response), 50):
                await stream.send_all(response[start : start + 50])
                await trio.sleep(0.1)

    chunks: list[object] = []
    async with NovelAI(KEY, transport=MemoryTransport(handler)) as client:
        async with client.image.generate_stream(recorded.params()) as stream:
            ended = False
            while not ended:
                with trio.move_on_after(0.07):
                    try:
                        chunks.append(await anext(stream))
                    except StopAsyncIteration:
                        ended = True
    assert [chunk.event_type for chunk in chunks] == ["intermediate"] * 3 + ["final"]  # type: ignore[attr-defined]


async def test_a_cancellation_while_chunks_are_at_hand_loses_none() -> None:
    """All chunks come in one read; each further one is taken in a scope that is cancelled after its first step."""
    service = Service(recorded.stream_response("sse"), piece=10**6)
    chunks: list[object] = []
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        async with client.image.generate_stream(recorded.params()) as stream:

            async def take() -> None:
                chunks.append(await anext(stream))

            await take()
            for _ in range(20):
                if len(chunks) < recorded.STEPS:
                    await cancelled_at_step(1, take)
    assert [chunk.event_type for chunk in chunks] == ["intermediate"] * 3 + ["final"]  # type: ignore[attr-defined]
