"""Leaving a generation in other ways than at a step: at a moment, by an error of one's own, as it fails, in the queue.

What is looked for afterwards is the same as in test_cancel_everywhere.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
import recorded
import trio
from answers import ANSWERS, Answer, busy
from sweep import PATIENCE, no_complaints, purely_cancelled_at_step, sweep
from watched import StreamingService, Watch, WatchedTransport
from whole_events import WholeResponse

from nai_trio import (
    GenerationError,
    HTTPStatusError,
    NovelAI,
    NovelAIError,
    ProtocolError,
    QueueWait,
    Retry,
    ServerError,
    StreamInterrupted,
)
from nai_trio.transport import Origin, Transport
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from types import TracebackType

KEY = "pst-not-a-real-key"
BOTH = pytest.mark.parametrize("kind", ["sse", "msgpack"])
Framing = Literal["sse", "msgpack"]


def over_memory(service: StreamingService, **options: Any) -> tuple[NovelAI, WatchedTransport]:
    transport = WatchedTransport(MemoryTransport(service, buffer_size=1000))
    return NovelAI(KEY, transport=transport, **options), transport


async def stream_all(client: NovelAI, **options: Any) -> None:
    async with client.image.generate_stream(recorded.params(), **options) as stream:
        assert len([chunk async for chunk in stream]) == recorded.STEPS


# At a moment: deadlines of the caller's.


class LateStart(Transport):
    """A transport that takes its time."""

    secure = True

    def __init__(self, inner: Transport, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds

    async def connect(self, origin: Origin) -> trio.abc.Stream:
        await trio.sleep(self._seconds)
        return await self._inner.connect(origin)

    async def __aenter__(self) -> LateStart:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._inner.__aexit__(exc_type, exc, traceback)


@BOTH
async def test_a_deadline_of_the_callers_at_every_moment(kind: Framing, autojump_clock: object) -> None:
    """Connecting takes 0.3 s, each of the pieces 0.1 s; it ends to the moment, with all that had come by then."""
    whole = WholeResponse(recorded.stream_response(kind), kind)
    service = StreamingService(whole.wire, piece=100, pause=0.1)
    transport = WatchedTransport(LateStart(MemoryTransport(service), 0.3))
    client = NovelAI(KEY, transport=transport)
    pieces = -(-len(whole.wire) // 100)
    last = 0.3 + 0.1 * pieces
    with no_complaints():
        async with client:
            for moment in range(2 * pieces + 10):
                seconds = 0.025 + moment / 20
                began, chunks = trio.current_time(), []
                with trio.move_on_after(seconds) as scope:
                    async with client.image.generate_stream(recorded.params(), stream=kind) as stream:
                        async for chunk in stream:
                            chunks.append(chunk)
                assert scope.cancelled_caught == (seconds < last)
                assert trio.current_time() - began == pytest.approx(min(seconds, last))
                come = whole.arrived(100 * max(0, round((seconds - 0.3) * 1000) // 100))
                assert len(chunks) == len(come.events)
                assert len(transport.open) == (not scope.cancelled_caught)
                for connection in transport.open:
                    await connection.aclose()
                transport.streams.clear()


async def test_at_every_moment_of_attempts_and_the_waits_between_them(autojump_clock: object) -> None:
    service = StreamingService(busy(503), pause=0.25)
    client, transport = over_memory(service, retry=Retry(attempts=3, first_delay=2, jitter=0))
    with no_complaints():
        async with client:
            for moment in range(40):
                began = trio.current_time()
                with trio.move_on_after(moment / 5) as scope:
                    with pytest.raises(ServerError):
                        await stream_all(client)
                assert scope.cancelled_caught == (moment / 5 < 6.75)
                assert trio.current_time() - began == pytest.approx(min(moment / 5, 6.75))
                transport.assert_closed_once()


# By an error of one's own, in the loop's body.


class OwnError(Exception):
    """The user's own."""


@pytest.mark.parametrize("piece", [50, 10_000])
@pytest.mark.parametrize("name", ["sse", "msgpack", "sse-2-samples", "msgpack-2-samples"])
async def test_an_exception_of_the_loop_body_at_every_chunk(name: str, piece: int, autojump_clock: object) -> None:
    """The first to the last; it comes out as it is, and the next generation goes on."""
    answer = ANSWERS[name]
    service = StreamingService(answer.response(), piece=piece)
    client, transport = over_memory(service)

    async def all_of_it() -> None:
        assert len(await client.image.generate(answer.params, stream=answer.delivery)) == answer.n_samples

    chunks = len(WholeResponse.of(answer, answer.response()).ends)
    with no_complaints():
        async with client:
            watch = Watch(transport, service, all_of_it)
            for at in range(chunks):
                await left_with_an_error(client, answer, at)
                await watch()
                await all_of_it()
                await transport.open[0].aclose()
                transport.streams.clear()


async def left_with_an_error(client: NovelAI, answer: Answer, at: int) -> None:
    error = OwnError()
    seen = -1
    with pytest.raises(OwnError) as caught:
        async with client.image.generate_stream(answer.params, stream=answer.delivery) as stream:  # type: ignore[arg-type]
            async for _ in stream:
                seen += 1
                if seen == at:
                    raise error
    assert caught.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    assert not hasattr(error, "__notes__")
    assert len(stream.previews) + len(stream.finals) >= 1


# While it fails.

LARGE = recorded.params(prompt="1girl, " * 1000)
REFUSAL = ANSWERS["ConcurrencyLockedError-429"].response("length")
SSE = ANSWERS["sse"].response()
FAILING = {
    "refused": (StreamingService(REFUSAL, piece=40), HTTPStatusError),
    "refused-in-a-body-that-is-cut": (StreamingService(REFUSAL[:-5], piece=40, hangs_up=True), HTTPStatusError),
    "refused-before-it-was-sent": (StreamingService(REFUSAL, takes=3000, hangs_up=True), HTTPStatusError),
    "cut-while-it-is-sent": (StreamingService(b"", takes=3000, hangs_up=True), NovelAIError),
    "cut-before-the-head": (StreamingService(SSE[:50], hangs_up=True), StreamInterrupted),
    "cut-in-an-event": (StreamingService(SSE[:600], piece=100, hangs_up=True), StreamInterrupted),
    "cut-behind-the-final": (StreamingService(SSE[:-5], piece=100, hangs_up=True), StreamInterrupted),
    "failed-in-the-stream": (StreamingService(ANSWERS["sse-error"].response(), piece=100), GenerationError),
    "garbled": (StreamingService(SSE.replace(b'"sigma"', b'"sigma', 1), piece=100), ProtocolError),
}


@pytest.mark.parametrize("way", FAILING)
async def test_at_every_step_of_a_generation_that_fails(way: str, autojump_clock: object) -> None:
    """Up to its error; then the error is raised, and the cancellation comes at the next checkpoint."""
    service, kind = FAILING[way]
    service.here = service.came = service.left = 0
    params = LARGE if service.takes else ANSWERS["sse"].params
    client, transport = over_memory(service)

    async def run() -> None:
        with pytest.raises(kind):
            await client.image.generate(params, stream="sse")
        await trio.lowlevel.checkpoint()

    with no_complaints():
        async with client:
            assert await sweep(run, Watch(transport, service, run)) > 3


# In the queue: one generation of a key at a time.


@pytest.mark.parametrize("who", ["the one that waits", "the one that runs"])
async def test_at_every_step_in_the_queue(who: str, autojump_clock: object) -> None:
    """Three generations of one key at once; the first or the second is cancelled, and the others come through."""
    service = StreamingService(recorded.stream_response("sse"), piece=1000, pause=0.1)
    client, transport = over_memory(service)
    places: list[Any] = []

    async def late(seconds: float) -> None:
        await trio.sleep(seconds)
        await stream_all(client)

    async def waiting() -> None:
        if who == "the one that waits":
            await trio.sleep(0.05)
        await stream_all(client, on_wait=places.append)

    with no_complaints():
        async with client:
            watch = Watch(transport, service, lambda: stream_all(client))
            step, fired = 1, True
            while fired:
                with trio.fail_after(PATIENCE):
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(late, 0.0 if who == "the one that waits" else 0.03)
                        nursery.start_soon(late, 0.07)
                        fired = await purely_cancelled_at_step(step, waiting)
                await watch()
                step += 1
    assert step > 8
    assert set(places) == ({QueueWait(place=1)} if who == "the one that waits" else set())
    assert len(service.requests) > 2 * step
