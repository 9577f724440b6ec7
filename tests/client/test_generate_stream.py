"""Streaming a generation through the client, over memory streams and a scripted service."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
import recorded
import trio
from scripted import ScriptedTransport, answering, read_request
from trio.testing import assert_checkpoints

from nai_trio import FinalChunk, ImageParams, IntermediateChunk, InvalidParamsError, NovelAI
from nai_trio.transports import MemoryTransport

KEY = "pst-not-a-real-key"


def serving(response: bytes, **options: Any) -> NovelAI:
    return NovelAI(KEY, transport=MemoryTransport(answering(response, **options)))


@pytest.mark.parametrize("kind", ["sse", "msgpack"])
@pytest.mark.parametrize("n_samples", [1, 3])
async def test_chunks_come_in_order_and_are_the_same_in_both_framings(
    kind: Literal["sse", "msgpack"], n_samples: int
) -> None:
    async with (
        serving(recorded.stream_response(kind, n_samples)) as client,
        client.image.generate_stream(recorded.params(n_samples=n_samples), stream=kind) as stream,
    ):
        chunks = [chunk async for chunk in stream]
    assert chunks == [
        IntermediateChunk(
            samp_ix=event["samp_ix"],
            step_ix=event["step_ix"],
            steps=recorded.STEPS,
            gen_id=recorded.GEN_ID,
            sigma=event["sigma"],
            image=event["image"],
        )
        if event["event_type"] == "intermediate"
        else FinalChunk(
            samp_ix=event["samp_ix"], gen_id=recorded.GEN_ID, image=event["image"], seed=7 + event["samp_ix"]
        )
        for event in recorded.events(n_samples)
    ]


async def test_previews_and_finals_follow_the_stream_and_outlive_it() -> None:
    async with (
        serving(recorded.stream_response("sse", 2)) as client,
        client.image.generate_stream(recorded.params(n_samples=2)) as stream,
    ):
        async for chunk in stream:
            if isinstance(chunk, IntermediateChunk):  # also where one read brought several
                assert stream.previews[chunk.samp_ix] is chunk
                assert stream.finals == []
    assert [preview.samp_ix for preview in stream.previews] == [0, 1]
    assert {preview.step_ix for preview in stream.previews} == {recorded.STEPS - 2}
    assert [final.samp_ix for final in stream.finals] == [0, 1]


async def test_status_and_headers_are_there_before_the_first_chunk() -> None:
    response = recorded.stream_response("sse", extra="x-test: one\r\nX-Test: two\r\n", status=201)
    async with (
        serving(response) as client,
        client.image.generate_stream(recorded.params()) as stream,
    ):
        assert stream.status == 201
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert stream.headers.get_all("x-test") == ("one", "two")
        async for _ in stream:
            pass


async def test_entering_returns_with_the_head_and_does_not_wait_for_a_preview(autojump_clock: object) -> None:
    response = recorded.stream_response("sse")
    head = response[: response.index(b"\r\n\r\n") + 4]
    transport = ScriptedTransport()

    async def serve() -> None:
        stream = await transport.accept()
        await read_request(stream)
        await stream.send_all(head)

    async with trio.open_nursery() as nursery, NovelAI(KEY, transport=transport) as client:
        nursery.start_soon(serve)
        with trio.fail_after(1):
            async with client.image.generate_stream(recorded.params()) as stream:
                assert stream.status == 200


async def test_a_chunk_is_out_as_soon_as_its_bytes_are(autojump_clock: object) -> None:
    first, *rest = recorded.events()
    transport = ScriptedTransport()
    got: list[str] = []

    async def serve(ready: trio.Event) -> None:
        stream = await transport.accept()
        await read_request(stream)
        content = recorded.sse(first)
        start = recorded.response(content, "text/event-stream")
        await stream.send_all(start.removesuffix(b"0\r\n\r\n"))
        await ready.wait()
        assert got == ["intermediate"]
        content = recorded.sse(*rest)
        await stream.send_all(b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))

    async with trio.open_nursery() as nursery, NovelAI(KEY, transport=transport) as client:
        ready = trio.Event()
        nursery.start_soon(serve, ready)
        async with client.image.generate_stream(recorded.params()) as stream:
            async for chunk in stream:
                got.append(chunk.event_type)
                ready.set()
    assert got == ["intermediate"] * 3 + ["final"]


async def test_the_request_is_what_the_wire_document_says() -> None:
    seen: list[tuple[Any, bytes]] = []

    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            seen.append(await read_request(stream))
            await stream.send_all(recorded.stream_response("msgpack"))

    params = recorded.params()
    async with (
        NovelAI(KEY, image_base="http://localhost:8123/some/prefix/", transport=MemoryTransport(handler)) as client,
        client.image.generate_stream(params, stream="msgpack") as stream,
    ):
        async for _ in stream:
            pass
    head, body = seen[0]
    headers = dict(head.headers)
    assert (head.method, head.target) == (b"POST", b"/some/prefix/ai/generate-image-stream")
    assert headers[b"host"] == b"localhost:8123"
    assert headers[b"authorization"] == f"Bearer {KEY}".encode()
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"accept-encoding"] == b"identity"
    assert headers[b"user-agent"].startswith(b"nai-trio/")
    assert json.loads(body) == params.to_wire(stream="msgpack")


@pytest.mark.parametrize(
    ("arguments", "fields", "words"),
    [
        ((), {}, "prompt"),
        ((), {"prompt": "x", "stepz": 3}, "steps"),
        ((), {"prompt": "x", "steps": 51}, "from 1 to 50"),
        (({"prompt": "x"},), {}, "ImageParams"),
        ((ImageParams("x"),), {"steps": 3}, "both"),
        ((ImageParams("x"),), {"stream": "xml"}, "stream"),
        ((ImageParams("x"),), {"stream": None}, "stream"),
        ((ImageParams("x"),), {"stream": "zip"}, "'sse' or 'msgpack'"),
        ((ImageParams("x"),), {"stream": []}, "'sse' or 'msgpack'"),
        ((ImageParams("x", model="nai-diffusion-3"),), {}, "nai-diffusion-3"),
    ],
)
async def test_wrong_parameters_are_refused_before_any_connection(
    arguments: tuple[Any, ...], fields: dict[str, Any], words: str
) -> None:
    transport = ScriptedTransport()
    async with NovelAI(KEY, transport=transport) as client:
        with pytest.raises(InvalidParamsError, match=words):
            client.image.generate_stream(*arguments, **fields)
    assert transport.origins == []


async def test_a_second_reader_is_refused_and_the_first_unharmed(autojump_clock: object) -> None:
    transport = ScriptedTransport()
    response = recorded.stream_response("sse")
    split = response.index(b"\r\n\r\n") + 4

    async with trio.open_nursery() as nursery, NovelAI(KEY, transport=transport) as client:

        async def serve() -> None:
            server = await transport.accept()
            await read_request(server)
            await server.send_all(response[:split])
            await trio.sleep(1)
            await server.send_all(response[split:])

        nursery.start_soon(serve)
        chunks: list[object] = []
        async with client.image.generate_stream(recorded.params()) as stream:

            async def read() -> None:
                chunks.extend([chunk async for chunk in stream])

            async with trio.open_nursery() as readers:
                readers.start_soon(read)
                await trio.testing.wait_all_tasks_blocked()
                with pytest.raises(trio.BusyResourceError):
                    await anext(stream)
    assert len(chunks) == recorded.STEPS


async def test_every_call_is_a_checkpoint() -> None:
    async with serving(recorded.stream_response("sse")) as client:
        generation = client.image.generate_stream(recorded.params())
        with assert_checkpoints():
            stream = await generation.__aenter__()
        for _ in range(recorded.STEPS):
            with assert_checkpoints():
                await anext(stream)
        with assert_checkpoints(), pytest.raises(StopAsyncIteration):
            await anext(stream)
        with assert_checkpoints(), pytest.raises(StopAsyncIteration):
            await anext(stream)
        with assert_checkpoints():
            await stream.aclose()
        with assert_checkpoints():
            await generation.__aexit__(None, None, None)
        with assert_checkpoints(), pytest.raises(trio.ClosedResourceError):
            await anext(stream)


async def test_a_stream_that_was_left_says_so() -> None:
    async with serving(recorded.stream_response("sse")) as client:
        async with client.image.generate_stream(recorded.params()) as stream:
            await anext(stream)
        with pytest.raises(trio.ClosedResourceError):
            await anext(stream)
        await stream.aclose()


async def test_a_block_is_entered_once() -> None:
    async with serving(recorded.stream_response("sse")) as client:
        generation = client.image.generate_stream(recorded.params())
        async with generation:
            pass
        with pytest.raises(RuntimeError, match="again"):
            async with generation:
                raise AssertionError("entered twice")


async def test_generate_returns_the_finals_in_order() -> None:
    backwards = recorded.events(3)
    backwards[-3:] = reversed(backwards[-3:])
    response = recorded.response(recorded.frames(*backwards), "application/msgpack")
    async with serving(response) as client:
        finals = await client.image.generate(recorded.params(n_samples=3))
    assert [final.samp_ix for final in finals] == [0, 1, 2]


async def test_generate_asks_v3_for_a_zip() -> None:
    import io  # noqa: PLC0415
    import zipfile  # noqa: PLC0415

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("image_0.png", recorded.picture("PNG", 9))
    targets: list[bytes] = []

    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            head, body = await read_request(stream)
            targets.append(head.target)
            assert "stream" not in json.loads(body)["parameters"]
            await stream.send_all(recorded.response(archive.getvalue(), "binary/octet-stream", framing="length"))

    async with NovelAI(KEY, transport=MemoryTransport(handler)) as client:
        finals = await client.image.generate(prompt="1girl", model="nai-diffusion-3", size=(64, 64))
    assert targets == [b"/ai/generate-image"]
    assert [final.image for final in finals] == [recorded.picture("PNG", 9)]


async def test_a_slow_reader_holds_the_sender_back(autojump_clock: object) -> None:
    big = {**recorded.events()[0], "image": recorded.picture("JPEG", 1) + bytes(300_000)}
    content = recorded.frames(big, big, *recorded.events()[-1:])
    response = recorded.response(content, "application/msgpack")
    sent = 0

    async def handler(stream: trio.abc.Stream) -> None:
        nonlocal sent
        async with stream:
            await read_request(stream)
            for start in range(0, len(response), 1000):
                await stream.send_all(response[start : start + 1000])
                sent = start

    async with (
        NovelAI(KEY, transport=MemoryTransport(handler)) as client,
        client.image.generate_stream(recorded.params(), stream="msgpack") as stream,
    ):
        await trio.sleep(10)
        assert sent < 200_000
        assert len([chunk async for chunk in stream]) == 3


async def test_iterating_without_entering_says_what_to_write() -> None:
    async with serving(recorded.stream_response("sse")) as client:
        with pytest.raises(TypeError, match="async with"):
            async for _ in client.image.generate_stream(recorded.params()):  # type: ignore[attr-defined]
                pass
