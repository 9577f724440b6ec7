"""A service that drips: each single byte looks like life, none of them leads anywhere. On virtual time.

A timer that any byte resets waits for ever for such a peer. Here each wait ends at a time that can be said beforehand,
whatever drips, with everything that had arrived; and the caller's own cancel scope bounds all of it together.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import recorded
import trio
from scripted import read_request

from nai_trio import (
    ConcurrencyLockedError,
    GenerationError,
    LimitExceeded,
    Limits,
    NetworkTimeout,
    NovelAI,
    NovelAIError,
    ServerError,
    Timeouts,
)
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KEY = "pst-not-a-real-key"
PREVIEW, *_, FINAL = recorded.events()

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n"
SSE, FRAMES = HEAD % b"text/event-stream", HEAD % b"application/msgpack"
RESPONSE, READ, EVENT, SEND = 120, 60, 180, 60
"""The defaults of `Timeouts`."""


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def single(data: bytes) -> Iterator[bytes]:
    """Byte by byte."""
    return (data[place : place + 1] for place in range(len(data)))


def chunks(data: bytes) -> Iterator[bytes]:
    """Byte by byte, each one a chunk of its own."""
    return map(chunk, single(data))


class Dripping:
    """A service that says something at once and then a piece of something else now and then.

    Attributes:
        left: set when the client has left.
    """

    def __init__(self, first: bytes, drips: Iterable[bytes], every: float) -> None:
        self.left = trio.Event()
        self._first = first
        self._drips = drips
        self._every = every

    async def __call__(self, stream: trio.abc.Stream) -> None:
        async with stream:
            await read_request(stream)
            try:
                await stream.send_all(self._first)
                for drip in self._drips:
                    await trio.sleep(self._every)
                    await stream.send_all(drip)
                await stream.receive_some()
            except trio.BrokenResourceError:
                pass
            self.left.set()


@attrs.frozen
class Ended:
    """How a generation ended, and when."""

    error: NovelAIError
    seconds: float
    items: list[Any]


async def generate(service: Dripping, *, way: Any = "sse", **options: Any) -> Ended:
    """Stream one picture until it fails; the connection must be closed then."""
    start = trio.current_time()
    items: list[Any] = []
    async with NovelAI(KEY, transport=MemoryTransport(service), **options) as client:
        with pytest.raises(NovelAIError) as caught, trio.fail_after(10_000):
            if way in ("zip", "json"):
                await client.image.generate(recorded.params(), stream=way)
            elif way == "account":
                await client.account.subscription()
            else:
                async with client.image.generate_stream(recorded.params(), stream=way) as stream:
                    async for item in stream:
                        items.append(item)
        seconds = trio.current_time() - start
        with trio.fail_after(60):
            await service.left.wait()
    return Ended(caught.value, seconds, items)


LETTERS = itertools.repeat(b"x")

IN_THE_HEAD: dict[str, tuple[bytes, Iterable[bytes]]] = {
    "a byte of the status line": (b"HTTP/1.1 200 ", LETTERS),
    "a byte of a header": (b"HTTP/1.1 200 OK\r\nx: ", LETTERS),
    "a header line": (b"HTTP/1.1 200 OK\r\n", itertools.repeat(b"a: b\r\n")),
    "an interim response": (b"", itertools.repeat(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")),
    "a byte of a body that is no answer": (HEAD % b"text/plain", itertools.repeat(chunk(b"x"))),
    "a byte of JSON that is no answer": (HEAD % b"application/json", itertools.repeat(chunk(b" "))),
    "a byte of framing before a body that may be anything": (HEAD % b"application/octet-stream" + b"5;", LETTERS),
}


@pytest.mark.parametrize("name", IN_THE_HEAD)
@pytest.mark.parametrize("every", [1, 59])
async def test_an_answer_that_never_begins_ends_with_the_time_for_the_response(
    autojump_clock: object, name: str, every: float
) -> None:
    first, drips = IN_THE_HEAD[name]
    ended = await generate(Dripping(first, drips, every))
    assert isinstance(ended.error, NetworkTimeout)
    assert (ended.error.phase, ended.error.seconds) == ("response", RESPONSE)
    assert ended.seconds == pytest.approx(RESPONSE)
    assert ended.error.billing_unknown


IN_THE_BODY: dict[str, tuple[bytes, Iterable[bytes]]] = {
    "heartbeats": (SSE, itertools.repeat(chunk(b":\n\n"))),
    "a byte of a comment": (SSE + chunk(b":"), itertools.repeat(chunk(b"x"))),
    "a byte of an event": (SSE + chunk(b"data: {"), itertools.repeat(chunk(b" "))),
    "a data line": (SSE, itertools.repeat(chunk(b"data: \n"))),
    "an id": (SSE, itertools.repeat(chunk(b"id: 7\n\n"))),
    "a retry time": (SSE, itertools.repeat(chunk(b"retry: 7\n\n"))),
    "an event's name without data": (SSE, itertools.repeat(chunk(b"event: final\n\n"))),
    "an unknown field": (SSE, itertools.repeat(chunk(b"weather: fine\n"))),
    "a blank line": (SSE, itertools.repeat(chunk(b"\n"))),
    "a byte of a chunk's extension": (SSE + b"5;", LETTERS),
    "a byte of a trailer": (SSE + b"0\r\nx: ", LETTERS),
    "a byte of a frame": (FRAMES + chunk(b"\x02\0\0\0\x81\xa1a\xc6\x01\0\0\0"), itertools.repeat(chunk(b"x"))),
    "a byte of a bare map": (FRAMES + chunk(b"\x81\xa1a\xc6\x01\0\0\0"), itertools.repeat(chunk(b"x"))),
}


@pytest.mark.parametrize("name", IN_THE_BODY)
@pytest.mark.parametrize("every", [7, 59])
async def test_bytes_that_complete_no_event_do_not_keep_the_stream_alive(
    autojump_clock: object, name: str, every: float
) -> None:
    first, drips = IN_THE_BODY[name]
    ended = await generate(Dripping(first, drips, every))
    assert isinstance(ended.error, NetworkTimeout)
    assert (ended.error.phase, ended.error.seconds) == ("event", EVENT)
    assert ended.seconds == pytest.approx(EVENT)
    assert ended.error.billing_unknown


async def test_what_drips_slower_than_the_wire_may_be_silent_ends_sooner(autojump_clock: object) -> None:
    ended = await generate(Dripping(SSE, itertools.repeat(chunk(b":\n\n")), 61))
    assert isinstance(ended.error, NetworkTimeout)
    assert (ended.error.phase, ended.seconds) == ("read", pytest.approx(READ))


@pytest.mark.parametrize("framing", ["sse", "msgpack"])
async def test_an_event_gives_the_next_one_its_time_and_what_arrived_is_kept(
    autojump_clock: object, framing: str
) -> None:
    """A preview that drips for 170 seconds is in time; the event behind it, which drips for ever, is not."""
    make, head, start = (
        (recorded.sse, SSE, b"data: {") if framing == "sse" else (recorded.frames, FRAMES, b"\x02\0\0\0")
    )
    preview = make(PREVIEW)
    pieces = itertools.chain(chunks(preview), [chunk(start)], itertools.repeat(chunk(b" ")))
    ended = await generate(Dripping(head, pieces, 170 / len(preview)), way=framing)
    assert isinstance(ended.error, NetworkTimeout)
    assert (ended.error.phase, ended.seconds) == ("event", pytest.approx(170 + EVENT))
    assert [item.event_type for item in ended.items] == ["intermediate"]
    assert [preview.image for preview in ended.error.previews] == [PREVIEW["image"]]


AFTER_THE_FINAL: dict[str, tuple[Iterable[bytes], str, float]] = {
    "silence": ([], "read", READ),
    "heartbeats": (itertools.repeat(chunk(b":\n\n")), "event", EVENT),
    "trailers": (itertools.chain([b"0\r\n"], itertools.repeat(b"a: b\r\n")), "event", EVENT),
}


@pytest.mark.parametrize("name", AFTER_THE_FINAL)
async def test_an_end_that_never_comes_loses_no_picture(autojump_clock: object, name: str) -> None:
    drips, phase, seconds = AFTER_THE_FINAL[name]
    ended = await generate(Dripping(SSE + chunk(recorded.sse(FINAL)), drips, 10))
    assert isinstance(ended.error, NetworkTimeout)
    assert (ended.error.phase, ended.seconds) == (phase, pytest.approx(seconds))
    assert [final.image for final in ended.error.finals] == [FINAL["image"]]
    assert [item.event_type for item in ended.items] == ["final"]


REFUSED = b"HTTP/1.1 %d No\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("every", [1, 59])
async def test_a_refusal_whose_body_drips_is_that_refusal_with_the_words_that_came(
    autojump_clock: object, every: float
) -> None:
    words = b'{"statusCode":429,"message":"Concurrent generation is locked"}'
    for drips in (itertools.repeat(chunk(b" ")), itertools.repeat(b"0")):
        ended = await generate(Dripping(REFUSED % 429 + chunk(words), drips, every))
        assert isinstance(ended.error, ConcurrencyLockedError)
        assert ended.seconds <= RESPONSE + 1
        assert not ended.error.billing_unknown


async def test_a_refusal_whose_words_drip_ends_with_the_time_for_the_response(autojump_clock: object) -> None:
    words = json.dumps({"message": "x" * 1000}).encode()
    ended = await generate(Dripping(REFUSED % 502, chunks(words), 10))
    assert isinstance(ended.error, ServerError)
    assert ended.seconds == pytest.approx(RESPONSE)
    assert ended.error.message.startswith('{"message":')


@pytest.mark.parametrize(
    ("way", "media_type", "start"),
    [
        ("zip", b"application/zip", b"PK\x03\x04"),
        ("json", b"application/json", b'{"images": ['),
        ("zip", b"image/png", b"\x89PNG\r\n\x1a\n"),
        ("account", b"application/json", b"{"),
    ],
)
async def test_an_answer_that_is_read_whole_has_the_time_of_one_event(
    autojump_clock: object, way: str, media_type: bytes, start: bytes
) -> None:
    ended = await generate(Dripping(HEAD % media_type + chunk(start), itertools.repeat(chunk(b" ")), 20), way=way)
    assert isinstance(ended.error, NetworkTimeout)
    assert (ended.error.phase, ended.seconds) == ("event", pytest.approx(EVENT))
    assert ended.error.billing_unknown == (way != "account")


ALIVE: dict[str, dict[str, Any]] = {
    "unknown events": {"event_type": "weather"},
    "retry notices": {"event_type": "retry", "message": "again"},
    "previews of one sample": PREVIEW,
    "finals of one sample": FINAL,
}


@pytest.mark.parametrize("name", ALIVE)
@pytest.mark.parametrize("framing", ["sse", "msgpack"])
async def test_events_that_keep_both_timers_alive_are_counted(autojump_clock: object, name: str, framing: str) -> None:
    """So that no service can hold a client longer than `max_events` times `Timeouts.event`."""
    make, head = (recorded.sse, SSE) if framing == "sse" else (recorded.frames, FRAMES)
    heartbeats = b":\n\n" if framing == "sse" else b""
    service = Dripping(head, itertools.repeat(chunk(make(ALIVE[name]) + heartbeats)), 50)
    ended = await generate(service, way=framing, limits=Limits(max_events=100))
    assert isinstance(ended.error, LimitExceeded)
    assert ended.error.limit == "max_events"
    assert ended.seconds == pytest.approx(101 * 50)
    assert len(ended.items) == 100
    assert len(ended.error.previews) <= 1
    assert ended.error.billing_unknown


async def test_the_callers_own_scope_bounds_it_all(autojump_clock: object) -> None:
    service = Dripping(SSE, itertools.repeat(chunk(recorded.sse({"event_type": "weather"}))), 50)
    start = trio.current_time()
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        with trio.move_on_after(330) as scope:
            await client.image.generate(recorded.params(), stream="sse")
        assert scope.cancelled_caught
        assert trio.current_time() - start == pytest.approx(330)
        await service.left.wait()


async def test_timers_that_are_off_wait_for_a_drip_as_long_as_it_takes(autojump_clock: object) -> None:
    """So the timers are what ends the waits above, and a slow honest service can be waited for."""
    content = recorded.body("sse")
    service = Dripping(SSE, itertools.chain(chunks(content), [b"0\r\n\r\n"]), 500)
    timeouts = Timeouts(read=None, event=None)
    async with NovelAI(KEY, transport=MemoryTransport(service), timeouts=timeouts) as client:
        (picture,) = await client.image.generate(recorded.params(), stream="sse")
    assert picture.image == FINAL["image"]


# While the request is sent


@pytest.mark.parametrize("every", [0.5, 59])
async def test_a_service_that_takes_the_request_by_the_byte_has_the_time_for_sending(
    autojump_clock: object, every: float
) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        while await stream.receive_some(1):  # noqa: ASYNC110 - not what the rule means
            await trio.sleep(every)

    start = trio.current_time()
    async with NovelAI(KEY, transport=MemoryTransport(handler, buffer_size=16)) as client:
        with pytest.raises(NetworkTimeout) as caught:
            await client.image.generate(recorded.params())
    assert (caught.value.phase, caught.value.seconds) == ("send", SEND)
    assert trio.current_time() - start == pytest.approx(SEND)
    assert not caught.value.billing_unknown


async def test_a_service_that_talks_and_does_not_listen_has_that_time_too(autojump_clock: object) -> None:
    """It answers without end while the request is under way, and takes none of it."""

    async def handler(stream: trio.abc.Stream) -> None:
        try:
            for piece in itertools.chain([b"HTTP/1.1 200 OK\r\nx: "], itertools.repeat(b"y" * 10)):
                await trio.sleep(1)
                await stream.send_all(piece)
        except trio.BrokenResourceError:
            pass

    start = trio.current_time()
    async with NovelAI(KEY, transport=MemoryTransport(handler, buffer_size=16)) as client:
        with pytest.raises(NetworkTimeout) as caught:
            await client.image.generate(recorded.params())
    assert caught.value.phase == "send"
    assert trio.current_time() - start == pytest.approx(SEND, abs=2)


async def test_a_refusal_that_comes_while_the_request_is_stuck_is_heard(autojump_clock: object) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        await stream.send_all(recorded.response(b'{"message":"no"}', "application/json", status=500, framing="length"))
        await trio.sleep_forever()

    async with NovelAI(KEY, transport=MemoryTransport(handler, buffer_size=400)) as client:
        with pytest.raises(ServerError, match="no"):
            await client.image.generate(recorded.params(prompt="cat " * 500))


async def test_an_error_in_the_stream_does_not_wait_for_the_streams_end(autojump_clock: object) -> None:
    content = recorded.sse(PREVIEW, {"event_type": "error", "message": "boom"})
    ended = await generate(Dripping(SSE + chunk(content), itertools.repeat(chunk(b":\n\n")), 1))
    assert isinstance(ended.error, GenerationError)
    assert ended.seconds < 1
