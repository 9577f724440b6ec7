"""Cancelling, and what a reader keeps; at every step, chunk and moment: tests/reliability/test_cancel_everywhere.py."""

from __future__ import annotations

import pytest
import recorded
import trio
from scripted import read_request
from sweep import cancelled_at_step
from watched import StreamingService

from nai_trio import NovelAI
from nai_trio.transports import MemoryTransport

KEY = "pst-not-a-real-key"


class LoopError(Exception):
    """The user's own."""


async def test_an_exception_of_the_client_block_comes_out_bare() -> None:
    error = LoopError()
    service = StreamingService(recorded.stream_response("sse"))
    with pytest.raises(LoopError) as caught:
        async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
            async with client.image.generate_stream(recorded.params()) as stream:
                await anext(stream)
                raise error
    assert caught.value is error
    assert service.left == 1


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
    service = StreamingService(recorded.stream_response("sse"), piece=10**6)
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
