"""What is sent a second time and what is not, and which connection carries the next request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import recorded
import trio
import trio.testing
from scripted import read_request

from nai_trio import HTTPStatusError, NetworkTimeout, NovelAI, Retry, StreamInterrupted, Timeouts
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KEY = "pst-not-a-real-key"
PICTURE = recorded.picture("PNG", 7)
ACCOUNT = json.dumps(recorded.ACCOUNT).encode()
ANSWERS = {
    b"/ai/encode-vibe": recorded.response(b"token", "application/binary", framing="length"),
    b"/ai/generate-image-stream": recorded.stream_response("msgpack"),
    b"/user/subscription": recorded.response(ACCOUNT, "application/json", framing="length"),
}


async def encode(client: NovelAI) -> object:
    return await client.image.encode_vibe(PICTURE)


async def generate(client: NovelAI) -> object:
    return await client.image.generate(recorded.params())


async def ask_account(client: NovelAI) -> object:
    return await client.account.subscription()


each_billed = pytest.mark.parametrize("act", [encode, generate])


class Service:
    """Answers the first request of its life; what it does with each later one the test says.

    Attributes:
        connections: how many were opened.
        requests: how many were read whole.
    """

    def __init__(self, later: Callable[[trio.abc.Stream], Awaitable[None]]) -> None:
        self.connections = 0
        self.requests = 0
        self._later = later

    async def __call__(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        async with stream:
            while True:
                try:
                    head, _ = await read_request(stream)
                except EOFError:
                    return
                self.requests += 1
                if self.requests > 1:
                    await self._later(stream)
                    return
                await stream.send_all(ANSWERS[head.target])


async def close(stream: trio.abc.Stream) -> None:
    await stream.aclose()


async def be_silent(stream: trio.abc.Stream) -> None:
    await trio.sleep_forever()


@each_billed
async def test_a_request_that_a_kept_connection_took_whole_is_not_sent_again_by_itself(act: Any) -> None:
    service = Service(close)
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        await ask_account(client)
        with pytest.raises(StreamInterrupted) as caught:
            await act(client)
    assert caught.value.billing_unknown
    assert (service.connections, service.requests) == (1, 2)


@each_billed
async def test_nor_as_often_as_retry_would_allow(act: Any) -> None:
    service = Service(close)
    retry = Retry(attempts=5, first_delay=0)
    async with NovelAI(KEY, transport=MemoryTransport(service), retry=retry) as client:
        await ask_account(client)
        with pytest.raises(StreamInterrupted):
            await act(client)
    assert service.requests == 2


async def test_silence_on_a_kept_connection_takes_one_timeout_and_not_two(autojump_clock: object) -> None:
    service = Service(be_silent)
    timeouts = Timeouts(response=50)
    async with NovelAI(KEY, transport=MemoryTransport(service), timeouts=timeouts) as client:
        await ask_account(client)
        start = trio.current_time()
        with pytest.raises(NetworkTimeout) as caught:
            await ask_account(client)
        assert trio.current_time() - start == pytest.approx(50, abs=0.1)
    assert (caught.value.phase, caught.value.billing_unknown) == ("response", False)
    assert (service.connections, service.requests) == (1, 2)


async def test_a_connection_that_took_half_a_request_carries_no_other_one(autojump_clock: object) -> None:
    """Its answer was whole and in time, but the rest of the request would be read as the next one."""
    connections = 0
    refusal = recorded.response(b'{"message":"too large"}', "application/json", status=413, framing="length")

    async def handler(stream: trio.abc.Stream) -> None:
        nonlocal connections
        connections += 1
        async with stream:
            if connections == 1:
                await stream.receive_some(10)
                await stream.send_all(refusal)
                await trio.sleep_forever()
            await read_request(stream)
            await stream.send_all(ANSWERS[b"/ai/encode-vibe"])

    async with NovelAI(KEY, transport=MemoryTransport(handler, buffer_size=200)) as client:
        with pytest.raises(HTTPStatusError, match="too large"):
            await client.image.encode_vibe(PICTURE + bytes(1000))
        await encode(client)
    assert connections == 2


async def test_each_event_gives_the_next_one_its_whole_time(autojump_clock: object) -> None:
    answer = recorded.stream_response("sse", chunk=100_000)
    start = answer.index(b"\r\n\r\n") + 4

    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            await read_request(stream)
            await stream.send_all(answer[:start])
            body = recorded.body("sse").replace(b"\n\n", b"\n\n|").rstrip(b"|").split(b"|")
            for event in body:
                await trio.sleep(100)
                await stream.send_all(b"%x\r\n%s\r\n" % (len(event), event))
            await stream.send_all(b"0\r\n\r\n")

    timeouts = Timeouts(read=None, event=110)
    async with NovelAI(KEY, transport=MemoryTransport(handler), timeouts=timeouts) as client:
        async with client.image.generate_stream(recorded.params()) as stream:
            assert len([chunk async for chunk in stream]) == recorded.STEPS
            assert trio.current_time() > 4 * 90


def test_what_exchanges_are_made_with_shows_no_key() -> None:
    assert KEY not in repr(NovelAI(KEY).service)
