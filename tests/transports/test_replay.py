"""Replays: the same pieces in the same time; another request is told apart, and how."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from recorded import params, stream_response
from scripted import answering, read_request

from nai_trio import (
    ConcurrencyLockedError,
    ConnectError,
    InvalidParamsError,
    Limits,
    NetworkError,
    NetworkTimeout,
    NovelAI,
    ProxyAuthenticationError,
    Retry,
    StreamInterrupted,
    Timeouts,
)
from nai_trio.emulator import Cut, Emulator, Stall
from nai_trio.transport import Origin, Readable, Transport
from nai_trio.transports import MemoryTransport, RecordingTransport, ReplayMismatch, ReplayTransport
from nai_trio.transports.tape import MAGIC
from nai_trio.transports.tape_contents import Tape

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nai_trio import Chunk

KEY = "pst-not-a-real-key"
BASE = "https://service.example"
ORIGIN = Origin("https", "service.example", 443)
HTTP_GET = b"GET / HTTP/1.1\r\nHost: service.example\r\n\r\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.tape"


async def record(path: Path, inner: Transport, use: Callable[[NovelAI], Awaitable[None]], **options: Any) -> None:
    async with NovelAI(KEY, image_base=BASE, transport=RecordingTransport(inner, path), **options) as client:
        await use(client)


def client_of(transport: Transport, **options: Any) -> NovelAI:
    return NovelAI("another key".replace(" ", "-"), image_base=BASE, transport=transport, **options)


async def chunks_with_times(client: NovelAI, **options: Any) -> list[tuple[float, Chunk]]:
    began = trio.current_time()
    found = []
    async with client.image.generate_stream(params(), **options) as stream:
        async for chunk in stream:
            found.append((round(trio.current_time() - began, 6), chunk))
    return found


async def generate(client: NovelAI, **changes: Any) -> None:
    await client.image.generate(params(**changes))


def sse(*, pieces: int = 0, **options: Any) -> MemoryTransport:
    return MemoryTransport(answering(stream_response("msgpack", **options), pieces=pieces))


@pytest.mark.parametrize("kind", ["sse", "msgpack"])
@pytest.mark.parametrize("speed", [1, 4, 0.5, 0, math.inf])
async def test_the_same_chunks_come_after_the_same_time(
    path: Path, kind: Any, speed: float, autojump_clock: trio.testing.MockClock
) -> None:
    emulator = Emulator(step_delay=0.25)
    recorder = RecordingTransport(emulator.transport(), path)
    async with NovelAI(KEY, image_base=BASE, transport=recorder) as client:
        live = await chunks_with_times(client, stream=kind)
    assert [time for time, _ in live] == [0.25, 0.5, 0.75, 1.0]
    async with client_of(ReplayTransport(path, speed=speed)) as client:
        again = await chunks_with_times(client, stream=kind)
    pace = 1 / speed if speed else 0
    assert again == [(round(time * pace, 6), chunk) for time, chunk in live]


async def test_pieces_come_as_they_were_cut(path: Path) -> None:
    async with RecordingTransport(sse(pieces=333), path) as transport:
        stream = await transport.connect(ORIGIN)
        await stream.send_all(HTTP_GET)
        cuts = []
        while sum(map(len, cuts)) < len(stream_response("msgpack")):
            cuts.append(await stream.receive_some())
        await stream.aclose()
    stream = await ReplayTransport(path, speed=0).connect(ORIGIN)
    for start in range(0, len(HTTP_GET), 7):
        await stream.send_all(HTTP_GET[start : start + 7])
    assert [await stream.receive_some() for _ in cuts] == cuts


async def test_a_reader_may_take_less_than_a_piece(path: Path) -> None:
    await record(path, sse(), generate)
    asked = Tape.load(path).exchanges[0].request.body
    whole = Tape.load(path).exchanges[0].events[0].data
    transport = ReplayTransport(path, speed=0, strict=False)
    stream = await transport.connect(ORIGIN)
    head = b"POST /ai/generate-image-stream HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(asked)
    await stream.send_all(head + asked)
    buffer = bytearray(10)
    assert await stream.receive_some(5) == whole[:5]
    assert await stream.receive_into(buffer) == 10
    assert bytes(buffer) == whole[5:15]
    for wrong in (stream.receive_some(0), stream.receive_into(bytearray())):
        with pytest.raises(ValueError, match="at least 1"):
            await wrong


async def test_one_connection_carries_several_requests_again(path: Path) -> None:
    async def twice(client: NovelAI) -> None:
        await generate(client)
        await generate(client, seed=8)

    await record(path, sse(), twice)
    assert [each.connection for each in Tape.load(path).exchanges] == [1, 1]
    transport = ReplayTransport(path, speed=0)
    async with client_of(transport) as client:
        await twice(client)
    assert transport.unused == ()


async def test_tasks_at_once_may_come_in_another_order(path: Path) -> None:
    async def many(client: NovelAI, seeds: list[int]) -> None:
        async with trio.open_nursery() as nursery:
            for seed in seeds:
                nursery.start_soon(partial(generate, client, seed=seed))

    limits = Limits(max_concurrent_generations=3)
    await record(path, sse(), lambda client: many(client, [1, 2, 3]), limits=limits)
    assert len(Tape.load(path).attempts) == 3
    async with client_of(ReplayTransport(path, speed=0), limits=limits) as client:
        await many(client, [3, 1, 2])


async def test_a_retry_meets_the_refusal_and_then_the_answer(path: Path) -> None:
    words = b'{"message":"Concurrent generation is locked"}'
    refused = b"HTTP/1.1 429 No\r\ncontent-length: %d\r\n\r\n%b" % (len(words), words)
    answers = [refused, stream_response("msgpack")]

    async def handler(stream: trio.abc.HalfCloseableStream) -> None:
        while answers:
            await read_request(stream)
            await stream.send_all(answers.pop(0))
        await trio.sleep_forever()

    await record(path, MemoryTransport(handler), generate, retry=Retry(attempts=2, first_delay=0))
    async with client_of(ReplayTransport(path, speed=0), retry=Retry(attempts=2, first_delay=0)) as client:
        await generate(client)
    async with client_of(ReplayTransport(path, speed=0)) as client:
        with pytest.raises(ConcurrencyLockedError):
            await generate(client)


@pytest.mark.parametrize("after", [0, 300, 700])
async def test_a_cut_replays_as_a_cut(path: Path, after: int) -> None:
    emulator = Emulator()
    emulator.inject(Cut(after))
    errors = []

    async def fail(client: NovelAI) -> None:
        with pytest.raises(StreamInterrupted) as caught:
            await generate(client)
        errors.append((str(caught.value), caught.value.previews, caught.value.billing_unknown))

    await record(path, emulator.transport(), fail)
    async with client_of(ReplayTransport(path)) as client:
        await fail(client)
    assert errors[0] == errors[1]


async def test_a_reset_replays_as_a_reset(path: Path) -> None:
    async def reset(stream: trio.abc.HalfCloseableStream) -> None:
        await read_request(stream)
        await stream.send_all(stream_response("msgpack")[:400])
        raise OSError("reset for a test")

    async def fail(client: NovelAI) -> None:
        with pytest.raises(StreamInterrupted, match="the connection broke: the other end of the memory stream failed"):
            await generate(client)

    await record(path, MemoryTransport(reset), fail)
    async with client_of(ReplayTransport(path)) as client:
        await fail(client)


async def test_a_break_while_sending_replays_with_the_answer_that_came_nevertheless(path: Path) -> None:
    class Breaking(trio.abc.Stream):
        def __init__(self) -> None:
            self.left = [b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}", b""]

        async def send_all(self, data: Any) -> None:
            await trio.lowlevel.checkpoint()
            raise trio.BrokenResourceError("broken pipe")

        async def wait_send_all_might_not_block(self) -> None:
            raise NotImplementedError

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            await trio.lowlevel.checkpoint()
            return self.left.pop(0)

        async def aclose(self) -> None:
            await trio.lowlevel.checkpoint()

    class Opening(Transport):
        secure = True

        async def connect(self, origin: Origin) -> trio.abc.Stream:
            await trio.lowlevel.checkpoint()
            return Breaking()

    async def fail(client: NovelAI) -> None:
        with pytest.raises(Exception, match="413"):
            await generate(client)

    await record(path, Opening(), fail)
    async with client_of(ReplayTransport(path)) as client:
        await fail(client)


async def test_a_stall_replays_as_a_stall(path: Path, autojump_clock: trio.testing.MockClock) -> None:
    emulator = Emulator()
    emulator.inject(Stall(700))

    async def fail(client: NovelAI) -> None:
        with pytest.raises(NetworkTimeout, match="60"):
            await generate(client)

    await record(path, emulator.transport(), fail)
    async with client_of(ReplayTransport(path)) as client:
        await fail(client)
    async with client_of(ReplayTransport(path), timeouts=Timeouts(read=100)) as client:
        with pytest.raises(StreamInterrupted, match="the recording ends here: the client closed the connection"):
            await generate(client)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ConnectError("refused for a test"), ConnectError),
        (ProxyAuthenticationError("wants credentials"), ProxyAuthenticationError),
        (OSError("bare"), ConnectError),
    ],
)
async def test_a_connection_that_was_refused_is_refused_again(
    path: Path, raised: Exception, kind: type[ConnectError]
) -> None:
    class Refusing(Transport):
        async def connect(self, origin: Origin) -> trio.abc.Stream:
            await trio.lowlevel.checkpoint()
            raise raised

    async def fail(client: NovelAI) -> None:
        with pytest.raises(kind, match=str(raised)):
            await generate(client)

    await record(path, Refusing(), fail)
    async with client_of(ReplayTransport(path)) as client:
        await fail(client)


async def test_a_connection_that_never_opened_does_not_open_now(
    path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    class Hanging(Transport):
        async def connect(self, origin: Origin) -> trio.abc.Stream:
            await trio.sleep_forever()
            raise AssertionError

    async def fail(client: NovelAI) -> None:
        with pytest.raises(NetworkTimeout) as caught:
            await generate(client)
        assert caught.value.phase == "connect"

    await record(path, Hanging(), fail)
    began = trio.current_time()
    async with client_of(ReplayTransport(path)) as client:
        await fail(client)
    assert trio.current_time() - began == 15


async def test_connecting_takes_as_long_as_it_did(path: Path, autojump_clock: trio.testing.MockClock) -> None:
    class Slow(MemoryTransport):
        async def connect(self, origin: Origin) -> Any:
            await trio.sleep(3)
            return await super().connect(origin)

    await record(path, Slow(answering(stream_response("msgpack"))), generate)
    began = trio.current_time()
    async with client_of(ReplayTransport(path, speed=2)) as client:
        await generate(client)
    assert trio.current_time() - began == pytest.approx(1.5)


async def test_a_peer_that_closed_an_idle_connection_has_closed_it_again(path: Path) -> None:
    async def once(stream: trio.abc.HalfCloseableStream) -> None:
        await answering(stream_response("msgpack"))(_OneRequest(stream))

    class _OneRequest(trio.abc.Stream):
        def __init__(self, inner: Any) -> None:
            self.inner, self.answered = inner, False

        async def send_all(self, data: Any) -> None:
            await self.inner.send_all(data)
            self.answered = True

        async def wait_send_all_might_not_block(self) -> None:
            raise NotImplementedError

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            return b"" if self.answered else await self.inner.receive_some(max_bytes)

        async def aclose(self) -> None:
            await self.inner.aclose()

    async def twice(client: NovelAI) -> None:
        await generate(client, seed=1)
        await trio.testing.wait_all_tasks_blocked()
        await generate(client, seed=2)

    await record(path, MemoryTransport(once), twice)
    assert [each.connection for each in Tape.load(path).exchanges] == [1, 2]
    async with client_of(ReplayTransport(path)) as client:
        await twice(client)


async def test_sending_to_a_peer_that_has_left_breaks_and_uses_nothing_up(path: Path) -> None:
    async def once(stream: trio.abc.HalfCloseableStream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async with RecordingTransport(MemoryTransport(once), path) as recorder:
        for _ in range(2):
            stream = await recorder.connect(ORIGIN)
            await stream.send_all(HTTP_GET)
            while await stream.receive_some():
                pass
            await stream.aclose()
    transport = ReplayTransport(path, speed=0)
    stream = await transport.connect(ORIGIN)
    await stream.send_all(HTTP_GET)
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
    assert stream.readable()
    with pytest.raises(trio.BrokenResourceError, match="the peer had left"):
        await stream.send_all(HTTP_GET)
    assert len(transport.unused) == 1


async def test_what_is_not_on_the_tape_is_told(path: Path) -> None:
    await record(path, sse(), generate)
    async with client_of(ReplayTransport(path, speed=0)) as client:
        await generate(client)
        with pytest.raises(
            ReplayMismatch, match=r"POST /ai/generate-image-stream is not on .*: all 1 requests on it were made before"
        ):
            await generate(client)
        with pytest.raises(ReplayMismatch, match=r"has no connection number 2: 1 were recorded"):
            await generate(client)


async def test_another_endpoint_is_told(path: Path) -> None:
    await record(path, sse(), generate)
    async with client_of(ReplayTransport(path)) as client:
        with pytest.raises(ReplayMismatch, match="expected 'POST /ai/generate-image-stream', got 'GET /user/subscri"):
            await client.account.subscription()


async def test_if_it_need_not_be_the_same_the_next_answer_of_that_endpoint_comes(path: Path) -> None:
    await record(path, sse(), generate)
    transport = ReplayTransport(path, strict=False)
    async with NovelAI(KEY, image_base="https://other.example", transport=transport) as client:
        await generate(client, prompt="quite another one")
        with pytest.raises(ReplayMismatch, match="were made before"):
            await generate(client)
    assert transport.unused == ()


async def test_the_key_is_in_no_error_although_it_is_in_the_request(path: Path) -> None:
    key = "pst-planted-not-a-real-key"
    long = "x" * 40 + key
    await record(path, sse(), partial(generate, prompt="cat"))
    async with NovelAI(key, image_base=BASE, transport=ReplayTransport(path)) as client:
        with pytest.raises(ReplayMismatch) as caught:
            await generate(client, prompt=long, negative_prompt=key)
    assert "planted" not in "".join(caught.value.differences) + str(caught.value) + repr(caught.value)


async def test_what_is_no_http_is_told(path: Path) -> None:
    await record(path, sse(), generate)
    stream = await ReplayTransport(path).connect(ORIGIN)
    with pytest.raises(Exception, match=r"expected an HTTP/1\.1 request"):
        await stream.send_all(b"\x16\x03\x01 TLS\r\n\r\n")


def torn(path: Path, share: float) -> Tape:
    """A tape that ends so far between its first received piece and its end."""
    content = path.read_bytes()
    first = content.index(b"\nreceive ") + 5
    path.write_bytes(content[: int(first + share * (len(content) - first))])
    return Tape.load(path)


@pytest.mark.parametrize("share", [0, 0.3, 0.6, 0.9])
async def test_a_torn_tape_plays_as_far_as_it_goes(path: Path, share: float) -> None:
    await record(path, sse(pieces=300), generate)
    tape = torn(path, share)
    assert tape.torn
    async with client_of(ReplayTransport(tape)) as client:
        with pytest.raises(NetworkError, match="the tape ends here"):
            await generate(client)


def test_a_tape_without_anything_has_nothing_to_play(path: Path) -> None:
    path.write_bytes(MAGIC)
    transport = ReplayTransport(path)
    assert transport.unused == ()
    assert transport.describe() == f"replay of {path}"
    assert repr(transport) == f"ReplayTransport({str(path)!r})"


@pytest.mark.parametrize("speed", [-1, math.nan, "fast", True])
def test_a_speed_that_is_none_is_named(path: Path, speed: Any) -> None:
    path.write_bytes(MAGIC)
    with pytest.raises(InvalidParamsError, match="speed: expected a number of at least 0"):
        ReplayTransport(path, speed=speed)


PATIENT = Timeouts(connect=None, send=None, response=None, read=None, event=None)


@pytest.mark.parametrize("speed", [1e-320, 1e-9, 1e308, math.inf, 10**400])
async def test_any_other_speed_is_one(path: Path, speed: float, autojump_clock: trio.testing.MockClock) -> None:
    await record(path, sse(), generate)
    async with client_of(ReplayTransport(path, speed=speed), timeouts=PATIENT) as client:
        await generate(client)


async def test_its_streams_keep_trios_rules(path: Path) -> None:
    await record(path, sse(), generate)
    stream = await ReplayTransport(path, strict=False).connect(ORIGIN)
    assert isinstance(stream, Readable)
    assert not stream.readable()
    with trio.testing.assert_checkpoints():
        await stream.send_all(b"")
    with trio.testing.assert_checkpoints():
        await stream.wait_send_all_might_not_block()
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await stream.receive_some()

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await stream.receive_some()
        with trio.testing.assert_checkpoints():
            await stream.aclose()
    assert stream.readable()
    for call in (partial(stream.send_all, b"x"), stream.receive_some, stream.wait_send_all_might_not_block):
        with pytest.raises(trio.ClosedResourceError):
            await call()


async def test_a_cancelled_read_loses_nothing(path: Path, autojump_clock: trio.testing.MockClock) -> None:
    expected = []

    async def live(client: NovelAI) -> None:
        expected.extend(await client.image.generate(params()))

    await record(path, Emulator(step_delay=1).transport(), live)
    async with client_of(ReplayTransport(path)) as client:
        async with client.image.generate_stream(params(), stream="msgpack") as stream:
            while len(stream.finals) < 1:
                with trio.move_on_after(0.3):
                    async for _ in stream:
                        pass
    assert stream.finals == expected
