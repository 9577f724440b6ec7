"""The emulator over memory streams: statuses, bodies, framings, lock, disconnects."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import trio
import trio.testing
from PIL import Image

from nai_trio.emulator import Emulator, Generation, encode_msgpack, encode_sse
from nai_trio.transport import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    Body = Callable[..., dict[str, Any]]
    Ask = Callable[..., Any]
    Connect = Callable[[Emulator], Any]


async def test_sse_is_the_generations_events_under_the_services_headers(ask: Ask, request_body: Body) -> None:
    answer = await ask(Emulator(), request_body())
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["date"].endswith(" GMT")
    assert answer.complete
    assert answer.body == b"".join(map(encode_sse, Generation(request_body()).events()))


async def test_msgpack_is_the_generations_events(ask: Ask, request_body: Body) -> None:
    request = request_body(stream="msgpack", n_samples=2)
    answer = await ask(Emulator(), request)
    assert answer.headers["content-type"] == "application/msgpack"
    assert answer.body == b"".join(map(encode_msgpack, Generation(request).events()))


async def test_both_framings_carry_the_same_pictures(ask: Ask, request_body: Body) -> None:
    emulator = Emulator()
    sse = await ask(emulator, request_body())
    packed = await ask(emulator, request_body(stream="msgpack"))
    from_sse = [
        base64.b64decode(json.loads(line.removeprefix(b"data: "))["image"])
        for line in sse.body.split(b"\n")
        if line.startswith(b"data: ")
    ]
    from_msgpack, rest = [], packed.body
    while rest:
        size = int.from_bytes(rest[:4])
        from_msgpack.append(msgpack.unpackb(rest[4 : 4 + size])["image"])
        rest = rest[4 + size :]
    assert from_sse == from_msgpack
    assert len(from_sse) == 3


async def test_a_stream_request_without_framing_is_answered_in_sse(ask: Ask, request_body: Body) -> None:
    answer = await ask(Emulator(), request_body(stream=None))
    assert answer.headers["content-type"] == "text/event-stream"


async def test_plain_endpoint_answers_with_a_zip_of_finals(ask: Ask, request_body: Body) -> None:
    emulator = Emulator()
    answer = await ask(emulator, request_body(n_samples=2, stream=None), path="/ai/generate-image")
    assert answer.headers["content-type"] == "binary/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename=images.zip"
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.namelist() == ["image_0.png", "image_1.png"]
        pictures = [Image.open(io.BytesIO(archive.read(name))) for name in archive.namelist()]
    assert [json.loads(picture.text["Comment"])["seed"] for picture in pictures] == [7, 8]
    assert [(job.stream, job.path, job.state) for job in emulator.jobs] == [("zip", "/ai/generate-image", "finished")]


async def test_plain_endpoint_answers_in_json_to_who_accepts_it(ask: Ask, request_body: Body) -> None:
    emulator = Emulator()
    accept = (("accept", "text/html, application/json;q=0.9"),)
    answer = await ask(emulator, request_body(n_samples=2), path="/ai/generate-image", headers=accept)
    assert answer.headers["content-type"].startswith("application/json")
    images = answer.json["images"]
    assert [(image["index"], image["seed"]) for image in images] == [(0, 7), (1, 8)]
    assert base64.b64decode(images[0]["image"]).startswith(b"\x89PNG")
    assert emulator.jobs[0].stream == "json"


@pytest.mark.parametrize("path", ["/ai/generate-image", "/ai/generate-image-stream"])
async def test_without_a_token_nothing_is_done(ask: Ask, path: str) -> None:
    emulator = Emulator()
    for headers in ((), (("authorization", "Bearer"),), (("authorization", "Basic abc"),)):
        answer = await ask(emulator, path=path, key=None, headers=headers)
        assert (answer.status, answer.body) == (401, b'{"statusCode":401,"message":"Unauthorized"}\n')
        assert answer.headers["content-length"] == str(len(answer.body))
    assert emulator.jobs == []


async def test_with_keys_given_only_those_are_known(ask: Ask) -> None:
    emulator = Emulator(api_keys=["pst-one", "pst-two"])
    assert (await ask(emulator, key="pst-two")).status == 200
    assert (await ask(emulator, key="pst-three")).status == 401


def test_one_string_is_no_collection_of_keys_and_is_not_repeated() -> None:
    with pytest.raises(TypeError, match="expected a collection of tokens") as caught:
        Emulator(api_keys="pst-secret")
    assert "pst-secret" not in str(caught.value)


@pytest.mark.parametrize("delay", [-1, float("nan")])
def test_a_negative_delay_is_refused(delay: float) -> None:
    with pytest.raises(ValueError, match="step_delay: expected seconds of at least 0"):
        Emulator(step_delay=delay)


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/ai/generate-image-stream", "GET", 405), ("/ai/generate-image", "PUT", 405), ("/", "GET", 404),
     ("/ai/generate-image-stream/x", "POST", 404), ("*", "OPTIONS", 404)],
)  # fmt: skip
async def test_wrong_paths_and_methods(ask: Ask, path: str, method: str, status: int) -> None:
    answer = await ask(Emulator(), b"", path=path, method=method)
    assert (answer.status, answer.json["statusCode"]) == (status, status)
    assert (answer.headers.get("allow") == "POST") == (status == 405)


async def test_head_gets_the_head_alone(connect: Connect) -> None:
    async with connect(Emulator()) as peer:
        answer = await peer.ask(b"", method="HEAD")
        assert (answer.status, answer.body) == (405, b"")
        assert (await peer.ask(b"", method="GET", path="/nowhere")).status == 404


async def test_a_query_does_not_change_the_endpoint(ask: Ask) -> None:
    assert (await ask(Emulator(), path="/ai/generate-image-stream?x=1")).status == 200


async def test_validation_errors_are_the_services_json(ask: Ask, request_body: Body) -> None:
    emulator = Emulator()
    answer = await ask(emulator, request_body() | {"model": "nai-diffusion-2"})
    assert answer.status == 400
    assert answer.body == b'{"statusCode":400,"message":"Validation error: model nai-diffusion-2 doesn\'t exist"}\n'
    assert answer.headers["content-type"].startswith("application/json")
    assert emulator.jobs == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"NaN", b'{"a":Infinity}', b"[" * 100_000, b"1" * 5000])
async def test_what_is_no_json_is_a_400(ask: Ask, body: bytes) -> None:
    answer = await ask(Emulator(), body)
    assert answer.status == 400
    assert answer.json["message"].startswith("Validation error: ")


async def test_a_job_beyond_the_balance_is_a_402(ask: Ask, request_body: Body) -> None:
    assert (await ask(Emulator(anlas=1), request_body())).json == {"statusCode": 402, "message": "Not enough Anlas"}
    assert (await ask(Emulator(anlas=2), request_body())).status == 200
    assert (await ask(Emulator(anlas=0, opus=True), request_body())).status == 200


async def test_a_job_that_breaks_is_an_error_event_in_sse(ask: Ask, request_body: Body) -> None:
    emulator = Emulator()
    answer = await ask(emulator, request_body(width=100))
    assert answer.status == 200
    assert answer.body == (
        b'event: error\ndata: {"event_type":"error","code":500,'
        b'"message":"Error generating image, an internal error occurred"}\n\n'
    )
    assert emulator.jobs[0].state == "failed"


async def test_a_v4_job_without_its_prompt_retries_and_then_breaks(ask: Ask, request_body: Body) -> None:
    answer = await ask(Emulator(), request_body(v4_prompt=None, stream="msgpack"))
    first = int.from_bytes(answer.body[:4])
    assert msgpack.unpackb(answer.body[4 : 4 + first])["event_type"] == "retry"
    assert msgpack.unpackb(answer.body[8 + first :]) == {
        "event_type": "error",
        "code": 500,
        "message": "Error generating image, an internal error occurred",
    }


async def test_a_job_that_breaks_on_the_plain_endpoint_is_a_500(ask: Ask, request_body: Body) -> None:
    emulator = Emulator()
    answer = await ask(emulator, request_body(width=100), path="/ai/generate-image")
    assert (answer.status, answer.json["statusCode"]) == (500, 500)
    assert emulator.jobs[0].state == "failed"


async def test_jobs_keep_what_was_asked_as_received(ask: Ask, request_body: Body) -> None:
    emulator = Emulator()
    request = request_body(stream="msgpack") | {"unknown": [1, None]}
    await ask(emulator, request)
    (job,) = emulator.jobs
    assert job.request == request
    assert (job.path, job.stream, job.state) == ("/ai/generate-image-stream", "msgpack", "finished")
    assert (job.cost, job.pieces_sent, job.fault) == (2, 3, None)
    assert job.done.is_set()


async def test_only_the_last_thousand_jobs_are_kept(connect: Connect, request_body: Body) -> None:
    emulator = Emulator()
    async with connect(emulator) as peer:
        for seed in range(1003):
            await peer.ask(request_body(width=100, seed=seed))
    assert [job.request["parameters"]["seed"] for job in emulator.jobs] == list(range(3, 1003))


async def test_a_connection_serves_many_requests_and_is_counted(connect: Connect, request_body: Body) -> None:
    emulator = Emulator()
    async with connect(emulator) as peer:
        for seed in range(3):
            answer = await peer.ask(request_body(seed=seed))
            assert answer.complete
        assert (await peer.ask(key=None)).status == 401
        assert (await peer.ask()).status == 200
        assert emulator.connections == 1
    assert emulator.connections == 0


async def test_connection_close_is_honoured(connect: Connect) -> None:
    emulator = Emulator()
    async with connect(emulator) as peer:
        answer = await peer.ask(headers=(("connection", "close"),))
        assert answer.complete
        assert await peer.stream.receive_some() == b""
    assert emulator.connections == 0


async def test_step_delay_paces_the_steps_of_all_samples(
    connect: Connect, request_body: Body, autojump_clock: trio.testing.MockClock
) -> None:
    async with connect(Emulator(step_delay=2.0)) as peer:
        start = trio.current_time()
        await peer.send(request_body(steps=4, n_samples=2))
        await peer.head()
        assert trio.current_time() - start < 0.1
        await peer.rest()
        assert trio.current_time() - start == pytest.approx(8.0)


async def test_plain_jobs_take_as_long(
    connect: Connect, request_body: Body, autojump_clock: trio.testing.MockClock
) -> None:
    async with connect(Emulator(step_delay=2.0)) as peer:
        start = trio.current_time()
        assert (await peer.ask(request_body(steps=4), path="/ai/generate-image")).status == 200
        assert trio.current_time() - start == pytest.approx(8.0)


async def test_a_second_generation_on_one_key_is_locked_out(
    connect: Connect, autojump_clock: trio.testing.MockClock
) -> None:
    emulator = Emulator(step_delay=1.0)
    async with connect(emulator) as first, connect(emulator) as second:
        await first.send()
        await first.head()
        locked = await second.ask()
        assert locked.status == 429
        assert locked.body == b'{"statusCode":429,"message":"Concurrent generation is locked"}\n'
        assert "retry-after" not in locked.headers
        assert (await second.ask(key="pst-another-key")).status == 200
        await first.rest()
        assert (await second.ask()).status == 200
    assert [job.state for job in emulator.jobs] == ["finished"] * 3


@pytest.mark.parametrize("path", ["/ai/generate-image", "/ai/generate-image-stream"])
async def test_a_leaving_client_stops_the_job_and_frees_the_lock(
    connect: Connect, path: str, autojump_clock: trio.testing.MockClock
) -> None:
    emulator = Emulator(step_delay=1000.0)
    async with connect(emulator) as first:
        await first.send(path=path)
        await trio.testing.wait_all_tasks_blocked()
        (job,) = emulator.jobs
        assert job.state == "running"
    await job.done.wait()
    assert (job.state, emulator.connections) == ("disconnected", 0)
    assert trio.current_time() < 1000
    emulator.step_delay = 0
    async with connect(emulator) as second:
        assert (await second.ask()).status == 200


@pytest.mark.parametrize("pieces", [0, 1, 2, 3, 5])
async def test_leaving_after_any_event_ends_the_job_there(
    connect: Connect, request_body: Body, pieces: int, autojump_clock: trio.testing.MockClock
) -> None:
    emulator = Emulator(step_delay=1.0)
    async with connect(emulator) as peer:
        await peer.send(request_body(steps=8))
        await trio.sleep(pieces + 0.5)
    assert (emulator.jobs[0].state, emulator.jobs[0].pieces_sent) == ("disconnected", pieces)
    assert emulator.connections == 0


async def test_a_client_that_reads_nothing_holds_the_job_back_and_can_still_leave() -> None:
    emulator = Emulator()
    ours, theirs = trio.testing.lockstep_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(emulator.serve, theirs)
        body = json.dumps(
            {"input": "x", "model": "nai-diffusion-3", "parameters": {"width": 64, "height": 64}}
        ).encode()
        await ours.send_all(
            b"POST /ai/generate-image-stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )
        await trio.testing.wait_all_tasks_blocked()
        assert emulator.jobs[0].state == "running"
        await ours.aclose()
    assert (emulator.jobs[0].state, emulator.jobs[0].pieces_sent) == ("disconnected", 0)


async def test_cancelling_the_server_closes_its_streams_and_ends_its_jobs(
    request_body: Body, autojump_clock: trio.testing.MockClock
) -> None:
    emulator = Emulator(step_delay=1000.0)
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(emulator.serve, theirs)
        body = json.dumps(request_body()).encode()
        await ours.send_all(
            b"POST /ai/generate-image-stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert (emulator.jobs[0].state, emulator.connections) == ("failed", 0)
    with contextlib.suppress(trio.BrokenResourceError):
        while await ours.receive_some():
            pass


async def test_the_transport_reaches_the_emulator(request_body: Body) -> None:
    emulator = Emulator()
    async with emulator.transport() as transport:
        stream = await transport.connect(Origin("https", "image.novelai.net", 443))
        await stream.send_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 404 Not Found\r\n")
        assert emulator.connections == 1
        await stream.aclose()
