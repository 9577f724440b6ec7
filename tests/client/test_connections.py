"""The pool: reuse, and never a dead connection."""

from __future__ import annotations

import contextlib

import pytest
import recorded
import trio
from delegating import DelegatingStream
from scripted import ScriptedTransport, answering, read_request

from nai_trio import Limits, NovelAI, Retry, ServerError, StreamInterrupted, Timeouts
from nai_trio.transport import Origin, Transport
from nai_trio.transports import MemoryTransport

KEY = "pst-not-a-real-key"
RESPONSE = recorded.stream_response("msgpack")


class Counting:
    """Answers requests and counts connections, open and in all."""

    def __init__(self, *, answers_each: int = 10**6) -> None:
        self.opened = 0
        self.open = 0
        self.answers_each = answers_each

    async def __call__(self, stream: trio.abc.Stream) -> None:
        self.opened += 1
        self.open += 1
        try:
            async with stream:
                with contextlib.suppress(EOFError):
                    for _ in range(self.answers_each):
                        await self.answer(stream)
        finally:
            self.open -= 1

    async def answer(self, stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(RESPONSE)


class Half(Counting):
    """Sends the first half of each answer, then waits for the client to leave."""

    async def answer(self, stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(RESPONSE[: len(RESPONSE) // 2])
        if not await stream.receive_some():
            raise EOFError


async def test_a_finished_connection_is_used_again() -> None:
    service = Counting()
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        for _ in range(5):
            await client.image.generate(recorded.params())
    assert (service.opened, service.open) == (1, 0)


async def test_a_connection_left_early_is_closed_at_once_and_not_used_again() -> None:
    service = Half()
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        for opened in (1, 2):
            async with client.image.generate_stream(recorded.params(), stream="msgpack") as stream:
                await anext(stream)
                assert (service.opened, service.open) == (opened, 1)
            await trio.testing.wait_all_tasks_blocked()
            assert service.open == 0


async def test_leaving_after_the_last_final_needs_no_drain() -> None:
    service = Counting()
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        async with client.image.generate_stream(recorded.params(), stream="msgpack") as stream:
            async for chunk in stream:
                if chunk.event_type == "final":
                    break
        assert [final.samp_ix for final in stream.finals] == [0]


async def test_a_connection_that_the_server_closed_while_idle_is_replaced() -> None:
    service = Counting(answers_each=1)
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        for _ in range(3):
            await client.image.generate(recorded.params())
            await trio.testing.wait_all_tasks_blocked()
    assert service.opened == 3


async def test_a_connection_spoken_to_out_of_turn_is_replaced() -> None:
    opened = 0

    async def handler(stream: trio.abc.Stream) -> None:
        nonlocal opened
        opened += 1
        async with stream:
            await read_request(stream)
            await stream.send_all(RESPONSE)
            await trio.testing.wait_all_tasks_blocked()
            await stream.send_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            await trio.sleep_forever()

    async with NovelAI(KEY, transport=MemoryTransport(handler)) as client:
        for _ in range(2):
            await client.image.generate(recorded.params())
            await trio.testing.wait_all_tasks_blocked(0.01)
    assert opened == 2


async def test_a_kept_connection_that_breaks_under_the_request_is_replaced_once() -> None:
    """The server closes between our look and our send: nothing was sent whole, so a fresh one is safe."""
    transport = ScriptedTransport()

    class Blind(ScriptedTransport):
        async def connect(self, origin: Origin) -> trio.abc.Stream:
            return Unseeing(await transport.connect(origin))

    class Unseeing(DelegatingStream):
        """Claims to be quiet whatever happens below."""

        def readable(self) -> bool:
            return False

    async def serve(count: int) -> None:
        for _ in range(count):
            async with await transport.accept() as server:
                await read_request(server)
                await server.send_all(RESPONSE)

    async with NovelAI(KEY, transport=Blind()) as client, trio.open_nursery() as nursery:
        nursery.start_soon(serve, 2)
        await client.image.generate(recorded.params())
        await trio.testing.wait_all_tasks_blocked()
        await client.image.generate(recorded.params())
    assert len(transport.origins) == 2


async def test_a_kept_connection_expires(autojump_clock: object) -> None:
    service = Counting()
    timeouts = Timeouts(keep_alive=30)
    async with NovelAI(KEY, transport=MemoryTransport(service), timeouts=timeouts) as client:
        for pause in (29, 31, 0):
            await client.image.generate(recorded.params())
            await trio.sleep(pause)
    assert service.opened == 2


async def test_a_stream_that_cannot_tell_is_never_kept() -> None:
    class MuteTransport(Transport):
        secure = True

        def __init__(self, inner: Transport) -> None:
            self._inner = inner

        async def connect(self, origin: Origin) -> trio.abc.Stream:
            return DelegatingStream(await self._inner.connect(origin))

    service = Counting()
    async with MemoryTransport(service) as inner, NovelAI(KEY, transport=MuteTransport(inner)) as client:
        await client.image.generate(recorded.params())
        await client.image.generate(recorded.params())
        await trio.testing.wait_all_tasks_blocked()
        assert (service.opened, service.open) == (2, 0)


async def test_only_so_many_idle_connections_are_kept() -> None:
    service = Counting()
    limits = Limits(max_idle_connections=2, max_concurrent_generations=5)
    async with NovelAI(KEY, transport=MemoryTransport(service), limits=limits) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(client.image.generate, recorded.params())
        await trio.testing.wait_all_tasks_blocked()
        assert service.open == 2
    assert service.open == 0


async def test_leaving_the_client_closes_what_is_in_use(autojump_clock: object) -> None:
    async def silent(stream: trio.abc.Stream) -> None:
        async with stream:
            await read_request(stream)
            await stream.send_all(RESPONSE[:200])
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        client = NovelAI(KEY, transport=MemoryTransport(silent))

        async def read() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await client.image.generate(recorded.params())

        async with client:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()


async def test_a_client_is_used_inside_its_block() -> None:
    client = NovelAI(KEY, transport=MemoryTransport(Counting()))
    with pytest.raises(trio.ClosedResourceError, match="async with"):
        await client.image.generate(recorded.params())
    async with client:
        assert "open" in repr(client)
        with pytest.raises(trio.BusyResourceError):
            async with client:
                raise AssertionError("entered twice")
    with pytest.raises(trio.ClosedResourceError):
        await client.image.generate(recorded.params())


async def test_a_client_can_be_entered_again() -> None:
    service = Counting()
    client = NovelAI(KEY, transport=MemoryTransport(service))
    for _ in range(2):
        async with client:
            await client.image.generate(recorded.params())
    assert service.opened == 2


def busy(status: int) -> bytes:
    return recorded.response(b'{"message":"busy"}', "application/json", status=status, framing="length")


def refusing(*statuses: int) -> MemoryTransport:
    queue = list(statuses)

    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            with contextlib.suppress(EOFError):
                while True:
                    await read_request(stream)
                    await stream.send_all(busy(queue.pop(0)) if queue else RESPONSE)

    return MemoryTransport(handler)


async def test_nothing_is_sent_twice_by_default() -> None:
    async with NovelAI(KEY, transport=refusing(503)) as client:
        with pytest.raises(ServerError):
            await client.image.generate(recorded.params())
        await client.image.generate(recorded.params())


async def test_what_cannot_have_been_billed_is_sent_again_when_asked_for(autojump_clock: object) -> None:
    async with NovelAI(KEY, transport=refusing(429, 503), retry=Retry(attempts=3, jitter=0)) as client:
        start = trio.current_time()
        await client.image.generate(recorded.params())
        assert trio.current_time() - start == pytest.approx(2 + 4, abs=0.1)


async def test_a_failed_job_is_never_sent_again(autojump_clock: object) -> None:
    async with NovelAI(KEY, transport=refusing(500), retry=Retry(attempts=5)) as client:
        with pytest.raises(ServerError):
            await client.image.generate(recorded.params())


async def test_nothing_is_sent_again_after_a_2xx_head() -> None:
    requests = 0

    async def handler(stream: trio.abc.Stream) -> None:
        nonlocal requests
        async with stream:
            await read_request(stream)
            requests += 1
            await stream.send_all(RESPONSE[:300])

    async with NovelAI(KEY, transport=MemoryTransport(handler), retry=Retry(attempts=5)) as client:
        with pytest.raises(StreamInterrupted):
            await client.image.generate(recorded.params())
    assert requests == 1


async def test_the_transport_gets_the_origin() -> None:
    transport = ScriptedTransport()
    async with NovelAI(KEY, transport=transport) as client:
        with trio.move_on_after(0.01):
            await client.image.generate(recorded.params())
    assert [str(origin) for origin in transport.origins] == ["https://image.novelai.net"]


def test_answering_is_a_handler() -> None:
    assert callable(answering(b""))
