"""HTTP as strangers speak it: pipelined, chunked, expecting, broken; over memory and over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nai_trio.emulator import Cut, Emulator, Generation, encode_sse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Body = Callable[..., dict[str, Any]]
    Connect = Callable[[Emulator], Any]

HEAD = b"POST /ai/generate-image-stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer pst-not-a-real-key\r\n"


async def everything(stream: trio.abc.ReceiveStream) -> bytes:
    data = b""
    with contextlib.suppress(trio.BrokenResourceError):
        while part := await stream.receive_some():
            data += part
    return data


async def talk(emulator: Emulator, *parts: bytes) -> bytes:
    """Send the parts, half-close once the emulator has nothing more to do, and return all that came back."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(emulator.serve, theirs)
        for part in parts:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await ours.send_all(part)
            await trio.testing.wait_all_tasks_blocked()
        await ours.send_eof()
        return await everything(ours)


def statuses(answer: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


async def test_pipelined_requests_are_answered_in_order(request_body: Body) -> None:
    emulator = Emulator()
    requests = b""
    for seed in (1, 2, 3):
        body = json.dumps(request_body(seed=seed)).encode()
        requests += HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
    answer = await talk(emulator, requests)
    assert statuses(answer) == [200, 200, 200]
    assert [job.request["parameters"]["seed"] for job in emulator.jobs] == [1, 2, 3]
    assert [job.state for job in emulator.jobs] == ["finished"] * 3


async def test_a_request_pipelined_while_a_job_runs_is_not_lost(
    connect: Connect, request_body: Body, autojump_clock: trio.testing.MockClock
) -> None:
    emulator = Emulator(step_delay=1.0)
    body = json.dumps(request_body(seed=2)).encode()
    async with connect(emulator) as peer:
        await peer.send(request_body(seed=1))
        await trio.sleep(1.5)
        second = HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
        await peer.stream.send_all(second[:50])
        await trio.sleep(1.0)
        await peer.stream.send_all(second[50:])
        await trio.sleep(20)
        assert [job.state for job in emulator.jobs] == ["finished", "finished"]


async def test_a_flood_while_a_job_runs_is_held_back_and_the_job_ends(
    connect: Connect, autojump_clock: trio.testing.MockClock
) -> None:
    emulator = Emulator(step_delay=1.0)
    async with connect(emulator) as peer:
        await peer.send()
        await trio.sleep(0.5)
        await peer.stream.send_all(b"x" * 3_000_000)
        answer = await peer.answer()
        assert (answer.status, answer.complete) == (200, True)
        assert emulator.jobs[0].state == "finished"
        assert statuses(await everything(peer.stream)) == [431]


class Counted(trio.abc.Stream):
    """A stream that counts what is read from it."""

    def __init__(self, inner: trio.abc.Stream) -> None:
        self.inner, self.read = inner, 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = bytes(await self.inner.receive_some(max_bytes))
        self.read += len(data)
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self.inner.aclose()


async def test_no_more_than_a_mebibyte_or_so_is_read_ahead(
    request_body: Body, autojump_clock: trio.testing.MockClock
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    counted = Counted(theirs)
    body = json.dumps(request_body()).encode()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Emulator(step_delay=10.0).serve, counted)
        await ours.send_all(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        await trio.sleep(1)
        await ours.send_all(b"x" * 5_000_000)
        await trio.sleep(1)
        assert 1_000_000 < counted.read < 1_300_000
        await ours.aclose()


async def test_a_large_request_body_is_read_whole(request_body: Body) -> None:
    emulator = Emulator()
    body = json.dumps(request_body(unknown="x" * 3_000_000)).encode()
    answer = await talk(emulator, HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert statuses(answer) == [200]
    assert len(emulator.jobs[0].request["parameters"]["unknown"]) == 3_000_000


async def test_chunked_request_bodies_are_read(request_body: Body) -> None:
    body = json.dumps(request_body()).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:100], body[100:]))
    answer = await talk(Emulator(), HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert statuses(answer) == [200]


async def test_a_request_byte_by_byte_is_the_same(request_body: Body) -> None:
    body = json.dumps(request_body()).encode()
    request = HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
    answer = await talk(Emulator(), *(request[index : index + 1] for index in range(len(request))))
    assert statuses(answer) == [200]
    assert answer.endswith(b"\r\n0\r\n\r\n")


async def test_expect_100_is_answered_before_the_body(connect: Connect, request_body: Body) -> None:
    body = json.dumps(request_body()).encode()
    async with connect(Emulator()) as peer:
        await peer.stream.send_all(HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body))
        assert await peer.stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await peer.stream.send_all(body)
        assert (await peer.stream.receive_some()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_expect_100_is_not_answered_when_the_head_is_refused(connect: Connect) -> None:
    request = b"POST /nowhere HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n"
    async with connect(Emulator()) as peer:
        await peer.stream.send_all(request)
        answer = await everything(peer.stream)
    assert statuses(answer) == [404]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n", 400),
        (HEAD + b"content-length: x\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nlong: " + b"a" * 200_000, 431),
    ],
)
async def test_bad_http_is_refused_and_closed(data: bytes, status: int) -> None:
    emulator = Emulator()
    answer = await talk(emulator, data)
    assert statuses(answer) == [status]
    assert b"connection: close" in answer.lower()
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["statusCode"] == status
    assert emulator.connections == 0


async def test_a_body_beyond_the_bound_is_refused_as_soon_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nai_trio.emulator.http.MAX_BODY", 1000)
    framing = b"content-length: 5000\r\nauthorization: Bearer pst-not-a-real-key\r\n\r\n"
    answer = await talk(Emulator(), HEAD + framing + bytes(1001))
    assert statuses(answer) == [413]
    assert b"Request body is too large" in answer


async def test_a_target_that_is_no_path_is_not_found() -> None:
    request = b"GET //[ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer pst-not-a-real-key\r\n\r\n"
    assert statuses(await talk(Emulator(), request)) == [404]


async def test_leaving_in_the_middle_of_a_request_is_survived() -> None:
    emulator = Emulator()
    for part in (b"", b"PO", HEAD, HEAD + b"content-length: 10\r\n\r\n123"):
        ours, theirs = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(emulator.serve, theirs)
            if part:
                await ours.send_all(part)
            await trio.testing.wait_all_tasks_blocked()
            await ours.aclose()
        assert emulator.connections == 0
    assert emulator.jobs == []


async def test_http_1_0_is_answered_until_close(request_body: Body) -> None:
    body = json.dumps(request_body()).encode()
    head = HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"content-length: %d\r\n\r\n" % len(body)
    head_bytes, _, answer = (await talk(Emulator(), head + body)).partition(b"\r\n\r\n")
    assert b"chunked" not in head_bytes
    assert answer == b"".join(map(encode_sse, Generation(request_body()).events()))


@given(data=st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: HEAD + b"\r\n" + data))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_survived(data: bytes) -> None:
    async def main() -> None:
        emulator = Emulator()
        answer = await talk(emulator, data)
        assert emulator.connections == 0
        assert all(400 <= status < 500 for status in statuses(answer))
        assert statuses(await talk(emulator, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")) == [404]

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.sampled_from(
    ["steps", "seed", "n_samples", "scale", "sampler", "v4_prompt", "image", "stream", "characterPrompts",
     "image_format", "noise_schedule", "negative_prompt", "v4_negative_prompt", "strength",
     "tag_hint_qt", "skip_cfg_above_sigma"]
)  # fmt: skip
REQUESTS = st.builds(
    lambda text, model, action, parameters: {
        "input": text, "model": model, "action": action, "parameters": {"width": 64, "height": 64} | parameters,
    },
    st.text(min_size=1),
    st.sampled_from(["nai-diffusion-4-5-full", "nai-diffusion-3", "nai-diffusion-5-full", "other"]),
    st.sampled_from(["generate", "img2img", None]),
    st.dictionaries(MEMBERS, JSON, max_size=3),
)  # fmt: skip


@given(body=JSON | REQUESTS, path=st.sampled_from(["/ai/generate-image-stream", "/ai/generate-image"]))
@example(
    body={"input": "\ud800", "model": "nai-diffusion-3", "parameters": {"width": 64, "height": 64}},
    path="/ai/generate-image",
)
@example(body={"input": "x", "model": "\ud800", "parameters": {}}, path="/ai/generate-image")
@settings(max_examples=80, deadline=None)
def test_any_json_gets_an_http_answer_and_the_server_lives_on(body: object, path: str) -> None:
    async def main() -> None:
        emulator = Emulator()
        data = json.dumps(body).encode()
        head = HEAD.replace(b"/ai/generate-image-stream", path.encode())
        answer = await talk(emulator, head + b"content-length: %d\r\n\r\n" % len(data) + data)
        assert statuses(answer)[0] in {200, 400, 500}
        assert emulator.connections == 0
        assert all(job.done.is_set() for job in emulator.jobs)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@contextlib.asynccontextmanager
async def loopback(emulator: Emulator) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, emulator.serve, 0, host="127.0.0.1"))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def foreign_answers(port: int, bodies: list[bytes]) -> list[tuple[int, bytes]]:
    """Ask with the standard library's client, everything on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    answers = []
    try:
        for body in bodies:
            headers = {"Authorization": "Bearer pst-not-a-real-key", "Content-Type": "application/json"}
            connection.request("POST", "/ai/generate-image-stream", body, headers)
            response = connection.getresponse()
            answers.append((response.status, response.read()))
    finally:
        connection.close()
    return answers


async def test_a_foreign_client_streams_over_a_real_socket(request_body: Body) -> None:
    request = request_body(n_samples=2)
    async with loopback(Emulator()) as port:
        answers = await trio.to_thread.run_sync(foreign_answers, port, [json.dumps(request).encode(), b"{"])
    assert answers[0] == (200, b"".join(map(encode_sse, Generation(request).events())))
    assert answers[1][0] == 400


def cut_answer(port: int, body: bytes) -> tuple[bytes, bool]:
    """The body as far as it came, and whether it ended in order."""
    received = b""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/ai/generate-image-stream", body, {"Authorization": "Bearer x"})
        response = connection.getresponse()
        while part := response.read1(1000):
            received += part
    except http.client.IncompleteRead:
        return received, False
    finally:
        connection.close()
    return received, True


async def test_a_cut_over_a_real_socket_delivers_every_byte_before_it(request_body: Body) -> None:
    emulator = Emulator()
    emulator.inject(Cut(5000))
    async with loopback(emulator) as port:
        received, in_order = await trio.to_thread.run_sync(cut_answer, port, json.dumps(request_body()).encode())
    assert not in_order
    assert received == b"".join(map(encode_sse, Generation(request_body()).events()))[:5000]


async def test_a_reset_over_a_real_socket_ends_the_job(request_body: Body) -> None:
    emulator = Emulator(step_delay=3600)
    body = json.dumps(request_body()).encode()
    async with loopback(emulator) as port:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 OK\r\n")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await stream.aclose()
        await emulator.jobs[0].done.wait()
    assert emulator.jobs[0].state == "disconnected"


async def test_bad_http_over_a_real_socket_is_answered_before_the_close() -> None:
    async with loopback(Emulator()) as port, await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nhost: x\r\nlong: " + b"a" * 300_000)
        answer = await everything(stream)
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_an_idle_connection_is_closed_after_its_time_and_not_before(
    connect: Connect, request_body: Body, autojump_clock: trio.testing.MockClock
) -> None:
    emulator = Emulator(keep_alive=5.0, step_delay=100.0)
    async with connect(emulator) as peer:
        await trio.sleep(1000)  # before the first request it may take its time
        for _ in range(2):
            assert (await peer.ask()).status == 200
            await trio.sleep(4.9)
        assert emulator.connections == 1
        await trio.sleep(0.2)
        assert emulator.connections == 0
        assert await peer.stream.receive_some(1) == b""


async def test_a_request_that_has_begun_is_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    emulator = Emulator(keep_alive=5.0)
    ours, theirs = trio.testing.memory_stream_pair()
    get = b"GET /user/subscription HTTP/1.1\r\nhost: x\r\nauthorization: Bearer pst-not-a-real-key\r\n\r\n"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(emulator.serve, theirs)
        await ours.send_all(get + get[:10])
        await trio.sleep(60)
        await ours.send_all(get[10:] + get[:1])
        await trio.sleep(60)
        await ours.send_all(get[1:])
        assert statuses(await everything(ours)) == [200, 200, 200]
    assert trio.current_time() == pytest.approx(125.0)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")], ids=repr)
def test_an_idle_time_is_more_than_none(seconds: float) -> None:
    with pytest.raises(ValueError, match="keep_alive: expected seconds greater than 0, or None, got"):
        Emulator(keep_alive=seconds)
