"""Recording: what is on the tape, when, and that nothing secret is."""

from __future__ import annotations

import contextlib
import gc
import logging
import ssl
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import trio
import trio.testing
from recorded import params, stream_response
from scripted import answering, read_request
from sweep import cancelled_at_step
from taped import bytes_of, echo, kinds_of, records_of

from nai_trio import AuthenticationError, ConnectError, InvalidParamsError, NovelAI, NovelAIError, StreamInterrupted
from nai_trio.closing import close_now
from nai_trio.emulator import Cut, Emulator
from nai_trio.transport import Origin, Readable, Transport
from nai_trio.transports import MemoryTransport, RecordingTransport, TCPTransport
from nai_trio.transports.tape_contents import Tape, facts_of

if TYPE_CHECKING:
    from conftest import Certificates


KEY = "pst-planted-not-a-real-key"
HTTP = Origin("http", "localhost", 80)
HTTPS = Origin("https", "service.example", 443)
BASE = "https://service.example"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.tape"


@pytest.mark.parametrize("kind", ["sse", "msgpack"])
async def test_a_generation_is_recorded_and_comes_out_the_same(path: Path, kind: Any) -> None:
    transport = MemoryTransport(answering(stream_response(kind), pieces=700))
    async with NovelAI(KEY, image_base=BASE, transport=transport) as client:
        expected = await client.image.generate(params(), stream=kind)
    recorder = RecordingTransport(MemoryTransport(answering(stream_response(kind), pieces=700)), path)
    async with NovelAI(KEY, image_base=BASE, transport=recorder) as client:
        assert await client.image.generate(params(), stream=kind) == expected
    assert bytes_of(path, "receive") == stream_response(kind)
    assert kinds_of(path)[:3] == ["tape", "open", "send"]
    assert kinds_of(path)[-1] == "close"
    (exchange,) = Tape.load(path).exchanges
    assert exchange.request.body == params().to_json(stream=kind)


async def test_times_are_those_of_trios_clock(path: Path, autojump_clock: trio.testing.MockClock) -> None:
    async def slow(stream: trio.abc.HalfCloseableStream) -> None:
        await read_request(stream)
        for piece in (b"HTTP/1.1 200 OK\r\n", b"\r\nx"):
            await trio.sleep(1.5)
            await stream.send_all(piece)

    async with RecordingTransport(MemoryTransport(slow), path) as transport:
        await trio.sleep(2)
        stream = await transport.connect(HTTP)
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while await stream.receive_some():
            pass
        await stream.aclose()
    found = [(record.kind, record.time) for record in records_of(path)]
    assert found == [
        ("tape", 0),
        ("open", 2_000_000_000),
        ("send", 2_000_000_000),
        ("receive", 3_500_000_000),
        ("receive", 5_000_000_000),
        ("end", 5_000_000_000),
        ("close", 5_000_000_000),
    ]


async def test_several_connections_share_a_tape(path: Path) -> None:
    async with RecordingTransport(MemoryTransport(echo), path) as transport:
        streams = [await transport.connect(HTTP) for _ in range(3)]
        for stream in reversed(streams):
            await stream.aclose()
    assert [(record.kind, record.connection) for record in records_of(path)] == [
        ("tape", 0),
        *(("open", number) for number in (1, 2, 3)),
        *(("close", number) for number in (3, 2, 1)),
    ]


async def test_a_connection_that_is_refused_is_on_the_tape(path: Path) -> None:
    class Refusing(Transport):
        async def connect(self, origin: Origin) -> trio.abc.Stream:
            await trio.lowlevel.checkpoint()
            raise ConnectError("refused for a test")

    async with RecordingTransport(Refusing(), path) as transport:
        with pytest.raises(ConnectError, match="refused for a test"):
            await transport.connect(HTTPS)
    facts = facts_of(records_of(path)[1])
    assert facts.pop("nanoseconds") >= 0
    assert facts == {
        "origin": "https://service.example:443",
        "route": "Refusing",
        "error": "ConnectError",
        "message": "refused for a test",
    }


async def test_a_cut_is_on_the_tape_and_is_the_same_error_as_without(path: Path) -> None:
    emulator = Emulator()
    emulator.inject(Cut(700))
    async with NovelAI(KEY, image_base=BASE, transport=RecordingTransport(emulator.transport(), path)) as client:
        with pytest.raises(StreamInterrupted):
            await client.image.generate(params())
    assert kinds_of(path)[-2:] == ["end", "close"]


async def test_a_stream_that_breaks_says_so_on_the_tape(path: Path) -> None:
    async def failing(stream: trio.abc.HalfCloseableStream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200")
        raise OSError(f"with {KEY} in it")

    async with RecordingTransport(MemoryTransport(failing), path) as transport:
        stream = await transport.connect(HTTP)
        await stream.send_all(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
        assert await stream.receive_some() == b"HTTP/1.1 200"
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        await stream.aclose()
    assert kinds_of(path)[3:] == ["receive", "error", "close"]
    facts = facts_of(records_of(path)[4])
    assert (facts["during"], facts["error"]) == ("receive", "BrokenResourceError")


async def test_a_failed_send_does_not_lose_sight_of_the_head_that_is_coming(path: Path) -> None:
    async def refusing(stream: trio.abc.HalfCloseableStream) -> None:
        await stream.send_all(b"HTTP/1.1 413 Too Large\r\nserver: x\r\n")
        await trio.testing.wait_all_tasks_blocked()
        await stream.send_all(b"set-cookie: a-cookie\r\n\r\n")

    class HalfDeaf(MemoryTransport):
        async def connect(self, origin: Origin) -> Any:
            stream = await super().connect(origin)

            async def broken(data: object) -> None:
                await trio.lowlevel.checkpoint()
                raise trio.BrokenResourceError("broken pipe")

            stream.send_all = broken  # type: ignore[method-assign]
            return stream

    async with RecordingTransport(HalfDeaf(refusing), path) as transport:
        stream = await transport.connect(HTTP)
        first = await stream.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        second = await stream.receive_some()
        await stream.aclose()
    assert b"a-cookie" in second
    assert bytes_of(path, "receive") == (first + second).replace(b"a-cookie", b"********")
    assert kinds_of(path).index("error") < kinds_of(path).index("receive")


@pytest.mark.parametrize("secure", [False, True])
async def test_tls_is_below_the_recorder_where_it_is_needed(
    path: Path, certificates: Certificates, secure: bool
) -> None:
    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        if secure:
            await answering(stream_response("sse"))(stream)
        else:
            wrapped = trio.SSLStream(stream, certificates.server(), server_side=True, https_compatible=True)
            await answering(stream_response("sse"))(wrapped)

    inner = MemoryTransport(serve, secure=secure)
    recorder = RecordingTransport(inner, path, ssl_context=certificates.client())
    async with NovelAI(KEY, image_base=BASE, transport=recorder) as client:
        assert len(await client.image.generate(params(), stream="sse")) == 1
    assert bytes_of(path, "send").startswith(b"POST /ai/generate-image-stream HTTP/1.1\r\n")
    assert bytes_of(path, "receive") == stream_response("sse")
    assert facts_of(records_of(path)[1])["tls"] is not secure


async def test_tls_above_the_recorder_is_refused_before_anything_is_sent(
    path: Path, certificates: Certificates
) -> None:
    seen = []

    async def handler(stream: trio.abc.HalfCloseableStream) -> None:
        seen.append(await stream.receive_some())

    recorder = RecordingTransport(MemoryTransport(handler), path)
    async with NovelAI(KEY, image_base=BASE, transport=recorder, ssl_context=certificates.client()) as client:
        with pytest.raises(ConnectError, match="give ssl_context to RecordingTransport"):
            await client.image.generate(params())
    assert seen == [b""]


async def test_a_certificate_that_is_not_accepted_is_a_connect_error(path: Path, certificates: Certificates) -> None:
    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        wrapped = trio.SSLStream(stream, certificates.server("other.example"), server_side=True)
        with contextlib.suppress(trio.BrokenResourceError):
            await wrapped.do_handshake()

    recorder = RecordingTransport(MemoryTransport(serve, secure=False), path, ssl_context=certificates.client())
    async with recorder:
        with pytest.raises(ConnectError, match="certificate"):
            await recorder.connect(HTTPS)
    assert kinds_of(path) == ["tape", "refused"]


def files_with(folder: Path, needle: bytes) -> list[str]:
    return [file.name for file in folder.iterdir() if needle in file.read_bytes()]


async def test_a_planted_key_is_nowhere(
    tmp_path: Path, path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []

    async def echoing(stream: trio.abc.HalfCloseableStream) -> None:
        async with stream:
            while True:
                try:
                    head, _ = await read_request(stream)
                except EOFError:
                    return
                key = dict(head.headers)[b"authorization"]
                body = b'{"message": "not known: ' + key + b'"}'
                answer = b"HTTP/1.1 401 No\r\nx-key: %b\r\ncontent-length: %d\r\n\r\n%b" % (key, len(body), body)
                for start in range(0, len(answer), 7):
                    await stream.send_all(answer[start : start + 7])

    recorder = RecordingTransport(MemoryTransport(echoing), path)
    async with NovelAI(KEY, image_base=BASE, transport=recorder) as client:
        for stream in ("sse", "msgpack"):
            with pytest.raises(AuthenticationError) as caught:
                await client.image.generate(params(), stream=stream)
            assert KEY in str(caught.value)  # the service's own words are the user's; the tape's are not
        said += [repr(recorder), recorder.describe(), repr(client), repr(Tape.load(path))]
        said += [repr(each) for each in records_of(path)]
    assert records_of(path)
    assert files_with(tmp_path, KEY.encode()) == []
    assert not any(KEY in text for text in [*said, caplog.text, *capfd.readouterr()])


async def test_a_traceback_with_locals_from_the_recorder_shows_no_key(path: Path) -> None:
    class Breaking(trio.abc.Stream):
        async def send_all(self, data: Any) -> None:
            await trio.lowlevel.checkpoint()
            raise trio.BrokenResourceError("broken for a test")

        async def wait_send_all_might_not_block(self) -> None:
            raise NotImplementedError

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            await trio.lowlevel.checkpoint()
            raise trio.BrokenResourceError("broken for a test")

        async def aclose(self) -> None:
            await trio.lowlevel.checkpoint()

    class Opening(Transport):
        secure = True

        async def connect(self, origin: Origin) -> trio.abc.Stream:
            await trio.lowlevel.checkpoint()
            return Breaking()

    async with NovelAI(KEY, image_base=BASE, transport=RecordingTransport(Opening(), path)) as client:
        with pytest.raises(NovelAIError) as caught:
            await client.image.generate(params())
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "recording.py" in frame.filename or "tape" in frame.filename]
    cause = shown.__cause__
    assert cause is not None
    ours += [frame for frame in cause.stack if "recording.py" in frame.filename]
    assert ours
    assert not any(KEY in value for frame in ours for value in (frame.locals or {}).values())


async def test_secrets_can_be_named(path: Path) -> None:
    recorder = RecordingTransport(MemoryTransport(echo), path, secrets=["another-secret"])
    async with recorder:
        stream = await recorder.connect(HTTP)
        body = b"with another-secret in it"
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await stream.aclose()
    assert bytes_of(path, "send").endswith(b"with ************** in it")


async def test_entered_again_it_goes_on_with_its_tape(path: Path) -> None:
    recorder = RecordingTransport(MemoryTransport(echo), path)
    for _ in range(2):
        async with recorder:
            with pytest.raises(RuntimeError, match="entered already"):
                await recorder.__aenter__()
            await (await recorder.connect(HTTP)).aclose()
    found = records_of(path)
    assert [(record.kind, record.connection) for record in found] == [
        *(("tape", 0), ("open", 1), ("close", 1)),
        *(("tape", 0), ("open", 2), ("close", 2)),
    ]
    assert [record.time for record in found] == sorted(record.time for record in found)
    with pytest.raises(RuntimeError, match="not entered"):
        await recorder.connect(HTTP)


async def maker(path: Path) -> tuple[trio.abc.Stream, trio.abc.Stream]:
    """Two ends, both of them recorded."""
    found: list[trio.abc.Stream] = []

    class Pair(Transport):
        secure = True

        async def connect(self, origin: Origin) -> trio.abc.Stream:
            await trio.lowlevel.checkpoint()
            if not found:
                found.extend(trio.testing.memory_stream_pair())
            return found.pop()

    transport = RecordingTransport(Pair(), path.with_name(f"{uuid4()}.tape"))
    await transport.__aenter__()
    return await transport.connect(HTTP), await transport.connect(HTTP)


async def test_it_is_a_stream_as_trio_wants_one(path: Path) -> None:
    await trio.testing.check_two_way_stream(partial(maker, path), None)
    gc.collect()


async def test_it_can_tell_readable_exactly_when_the_stream_below_can(path: Path) -> None:
    one, _ = await maker(path)
    assert not isinstance(one, Readable)
    async with RecordingTransport(MemoryTransport(echo), path, overwrite=True) as transport:
        stream = await transport.connect(HTTP)
        assert isinstance(stream, Readable)
        assert not stream.readable()
        await stream.send_all(b"x")
        await trio.testing.wait_all_tasks_blocked()
        assert stream.readable()
        await stream.aclose()


@pytest.mark.parametrize("below", [True, False])
async def test_it_reads_into_a_buffer_whether_or_not_the_stream_below_can(path: Path, below: bool) -> None:
    asked = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    if below:
        recorder = RecordingTransport(MemoryTransport(echo), path)
        await recorder.__aenter__()
        stream: Any = await recorder.connect(HTTP)
        await stream.send_all(asked)
    else:
        stream, other = await maker(path)
        await other.send_all(asked)
        await other.aclose()
    buffer = bytearray(1000)
    with pytest.raises(ValueError, match="at least 1 byte"):
        await stream.receive_into(bytearray())
    assert await stream.receive_into(buffer) == len(asked)
    assert bytes(buffer[: len(asked)]) == asked
    await stream.aclose()
    if below:
        await recorder.__aexit__(None, None, None)


async def test_cancelled_at_every_step_the_tape_has_what_was_handed_out(tmp_path: Path) -> None:
    answer = stream_response("msgpack")
    for step in range(1, 400):
        path = tmp_path / f"{step}.tape"

        async def generate(path: Path = path) -> None:
            recorder = RecordingTransport(MemoryTransport(answering(answer, pieces=900)), path)
            async with NovelAI(KEY, image_base=BASE, transport=recorder) as client:
                await client.image.generate(params())

        cancelled = await cancelled_at_step(step, generate)
        if path.exists():
            assert answer.startswith(bytes_of(path, "receive"))
            kinds = kinds_of(path)
            assert kinds.count("open") == kinds.count("close")
        if not cancelled:
            break
    assert not cancelled
    assert step > 5


async def test_over_a_real_socket_with_tls(path: Path, certificates: Certificates) -> None:
    context: ssl.SSLContext = certificates.server("localhost")
    serve = answering(stream_response("sse"))
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            partial(trio.serve_ssl_over_tcp, serve, 0, context, host="127.0.0.1", https_compatible=True)
        )
        port = listeners[0].transport_listener.socket.getsockname()[1]
        recorder = RecordingTransport(TCPTransport(), path, ssl_context=certificates.client())
        async with NovelAI(KEY, image_base=f"https://localhost:{port}", transport=recorder) as client:
            assert len(await client.image.generate(params(), stream="sse")) == 1
        nursery.cancel_scope.cancel()
    for listener in listeners:
        await close_now(listener)
    facts = facts_of(records_of(path)[1])
    assert (facts["origin"], facts["route"], facts["tls"]) == (f"https://localhost:{port}", "tcp", True)
    assert bytes_of(path, "receive") == stream_response("sse")
    assert files_with(path.parent, b"planted") == []


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(InvalidParamsError, match="inner: expected a transport"):
        RecordingTransport("tcp", "a.tape")  # type: ignore[arg-type]
    with pytest.raises(InvalidParamsError, match="path: expected the path of a file"):
        RecordingTransport(TCPTransport(), "")


def test_the_route_goes_on_below() -> None:
    recorder = RecordingTransport(TCPTransport(), "a.tape")
    assert recorder.describe() == "recorder via tcp"
    assert recorder.secure
    assert repr(recorder) == "RecordingTransport(TCPTransport(), 'a.tape')"
