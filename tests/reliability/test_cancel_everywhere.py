"""Cancelling a generation at every step it takes, over every kind of route: nothing is left, and nothing is said.

A sweep runs a generation again and again, cancelled after its first step, its second, and so on until it is through
before; one client lives through all of it, so that what one run leaves is met by the next. After each run the service
saw the close, each stream was closed once, no task is left, and what came out is `trio.Cancelled`, bare.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal

import pytest
import recorded
import trio
import trio.testing
import trustme
from answers import ANSWERS, busy
from conformance import Entered, Site, opened
from conformance_rows import Row
from sweep import no_complaints, purely_cancelled_at_step, sweep
from watched import StreamingService, Watch, WatchedTransport

from nai_trio import ControlNet, NovelAI, Retry, Vibe, VibeCache
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import h11

KEY = "pst-not-a-real-key"
BOTH = pytest.mark.parametrize("kind", ["sse", "msgpack"])
ROUTES = [
    Row(("memory", "tls")),
    Row(("tcp",)),
    Row(("tcp", "tls")),
    Row(("http",)),
    Row(("http+auth", "tls")),
    Row(("https+auth", "tls")),
    Row(("socks",)),
    Row(("socks+auth", "tls")),
    Row(("ws",)),
    Row(("wss+auth", "tls")),
]
Framing = Literal["sse", "msgpack"]


@functools.cache
def authority() -> trustme.CA:
    """Making keys is the slow part."""
    return trustme.CA()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(authority(), tmp_path)


async def stream_all(client: NovelAI, kind: Framing = "sse", **changes: Any) -> None:
    async with client.image.generate_stream(recorded.params(**changes), stream=kind) as stream:
        count = len([chunk async for chunk in stream])
    assert count == recorded.STEPS * changes.get("n_samples", 1), "a generation that was not cancelled is whole"


def over_memory(service: StreamingService, **options: Any) -> tuple[NovelAI, WatchedTransport]:
    transport = WatchedTransport(MemoryTransport(service))
    return NovelAI(KEY, transport=transport, **options), transport


async def swept(
    client: NovelAI,
    transport: WatchedTransport,
    service: StreamingService,
    run: Callable[[], Awaitable[object]],
) -> int:
    """Sweep `run` in a client that is entered here."""
    await trio.testing.wait_all_tasks_blocked()  # the servers on the way have begun
    before = Watch(transport, service, run)
    async with client:
        watch = Watch(transport, service, run)
        steps = await sweep(run, watch)
    await before.all_gone()
    return steps


# A stream, over every route.


@BOTH
@pytest.mark.parametrize("n_samples", [1, 2])
async def test_at_every_step_over_memory(kind: Framing, n_samples: int, autojump_clock: object) -> None:
    service = StreamingService(recorded.stream_response(kind, n_samples), piece=100 * n_samples)
    client, transport = over_memory(service)
    with no_complaints():
        steps = await swept(client, transport, service, lambda: stream_all(client, kind, n_samples=n_samples))
    assert steps > 30
    assert service.came == service.left > 30


@BOTH
@pytest.mark.parametrize("row", ROUTES, ids=str)
async def test_at_every_step_over_every_route(row: Row, kind: Framing, site: Site) -> None:
    """Over a real socket, or in TLS: connecting, handshakes, what is said to the hops, and the generation."""
    service = StreamingService(recorded.stream_response(kind), piece=800)
    with no_complaints():
        async with opened(row, site, service) as route:
            transport = WatchedTransport(Entered(route.transport))
            client = route.client(transport=transport)
            steps = await swept(client, transport, service, lambda: stream_all(client, kind))
            await route.all_gone()
    assert steps > 8
    assert service.came == service.left


@BOTH
@pytest.mark.parametrize("row", [Row(("memory",)), Row(("tcp", "tls"))], ids=str)
async def test_at_every_step_of_a_generation_on_a_kept_connection(row: Row, kind: Framing, site: Site) -> None:
    service = StreamingService(recorded.stream_response(kind), piece=800)
    with no_complaints():
        async with opened(row, site, service) as route:
            transport = WatchedTransport(Entered(route.transport))
            client = route.client(transport=transport)

            async def run() -> None:
                await stream_all(client, kind)

            await trio.testing.wait_all_tasks_blocked()
            async with client:
                watch = Watch(transport, service, run)
                step, fired = 1, True
                while fired:
                    await run()
                    fired = await purely_cancelled_at_step(step, run)
                    await watch()
                    step += 1
            await route.all_gone()
    assert step > 8
    assert service.came > 5, "a generation that was cancelled gives its connection back"


async def test_at_every_step_of_the_clients_whole_life(autojump_clock: object) -> None:
    service = StreamingService(recorded.stream_response("sse"))
    transport = WatchedTransport(MemoryTransport(service))

    async def session() -> None:
        async with NovelAI(KEY, transport=transport) as client:
            await stream_all(client)
            await stream_all(client)

    watch = Watch(transport, service, session)
    with no_complaints():
        steps = await sweep(session, watch.all_gone)
    assert steps > 20


@pytest.mark.parametrize("row", [Row(("tcp", "tls")), Row(("ws",))], ids=str)
async def test_at_every_step_of_the_clients_whole_life_over_sockets(row: Row, site: Site) -> None:
    service = StreamingService(recorded.stream_response("msgpack"), piece=800)
    with no_complaints():
        async with opened(row, site, service) as route:
            transport = WatchedTransport(Entered(route.transport))

            async def session() -> None:
                async with route.client(transport=transport) as client:
                    await stream_all(client, "msgpack")

            await trio.testing.wait_all_tasks_blocked()
            watch = Watch(transport, service, session)
            steps = await sweep(session, watch.all_gone)
            await route.all_gone()
    assert steps > 8


# Everything else that generates.


@pytest.mark.parametrize("row", [Row(("memory",)), Row(("tcp", "tls"))], ids=str)
@pytest.mark.parametrize("name", ["sse-2-samples", "msgpack-2-samples", "zip", "json"])
async def test_at_every_step_of_generate(row: Row, name: str, site: Site) -> None:
    answer = ANSWERS[name]
    service = StreamingService(answer.response(), piece=150)

    async def run() -> None:
        assert len(await client.image.generate(answer.params, stream=answer.delivery)) == 2

    with no_complaints():
        async with opened(row, site, service) as route:
            transport = WatchedTransport(Entered(route.transport))
            client = route.client(transport=transport)
            assert await swept(client, transport, service, run) > 8
            await route.all_gone()


async def test_at_every_step_of_attempts_and_the_waits_between_them(autojump_clock: object) -> None:
    """Each run is refused twice, on a connection that is kept: it waits, and sends again."""
    turn = 0

    def answer(_request: h11.Request, _place: int) -> bytes:
        nonlocal turn
        turn += 1
        return {1: busy(503), 2: busy(429)}.get(turn, recorded.stream_response("sse"))

    service = StreamingService(answer)
    client, transport = over_memory(service, retry=Retry(attempts=3, first_delay=5))

    async def run() -> None:
        nonlocal turn
        turn = 0
        await stream_all(client)

    with no_complaints():
        assert await swept(client, transport, service, run) > 15


async def test_at_every_step_with_a_vibe_that_is_encoded_before() -> None:
    """The vibe is paid for once it has come; a run that was cancelled before encodes it again."""
    token = recorded.response(bytes(range(256)), "application/binary", framing="length")

    def answer(request: h11.Request, _place: int) -> bytes:
        return token if request.target == b"/ai/encode-vibe" else recorded.stream_response("msgpack")

    service = StreamingService(answer)
    params = recorded.params(controlnet=ControlNet([Vibe(recorded.picture("PNG", 7))]))
    client, transport = over_memory(service)

    async def run() -> None:
        client.vibe_cache = VibeCache()
        assert len(await client.image.generate(params)) == 1

    with no_complaints():
        assert await swept(client, transport, service, run) > 15
    assert service.requests.count("/ai/encode-vibe") > 5
    assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
