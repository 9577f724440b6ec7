"""What goes wrong on the way: each with the right error of ours, and with everything that had arrived."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import recorded
import trio
from scripted import ScriptedTransport, answering, read_request

from nai_trio import (
    AuthenticationError,
    ConcurrencyLockedError,
    ConnectError,
    GenerationError,
    HTTPStatusError,
    NetworkError,
    NetworkTimeout,
    NovelAI,
    NovelAIError,
    ProtocolError,
    RetryChunk,
    ServerError,
    StreamInterrupted,
    Timeouts,
    UnknownChunk,
)
from nai_trio.transport import Origin, Transport
from nai_trio.transports import MemoryTransport

KEY = "pst-not-a-real-key"
PREVIEW, *_, FINAL = recorded.events()


def serving(response: bytes, **options: Any) -> NovelAI:
    return NovelAI(KEY, transport=MemoryTransport(answering(response)), **options)


async def collect(client: NovelAI, **changes: Any) -> tuple[list[Any], NovelAIError]:
    """Stream until it fails; return what came and the error."""
    chunks: list[Any] = []
    with pytest.raises(NovelAIError) as caught:
        async with client, client.image.generate_stream(recorded.params(**changes)) as stream:
            async for chunk in stream:
                chunks.append(chunk)
    return chunks, caught.value


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"statusCode":401,"message":"Unauthorized"}\n', AuthenticationError),
        (429, b'{"statusCode":429,"message":"Concurrent generation is locked"}\n', ConcurrencyLockedError),
        (500, b'{"statusCode":500,"message":"Internal Server Error"}\n', ServerError),
        (403, b"<html><title>Attention</title></html>", HTTPStatusError),
    ],
)
async def test_a_refusal_raises_on_entering_and_costs_nothing(
    status: int, body: bytes, kind: type[HTTPStatusError]
) -> None:
    response = recorded.response(body, "application/json", status=status, framing="length")
    chunks, error = await collect(serving(response))
    assert type(error) is kind
    assert isinstance(error, HTTPStatusError)
    assert (chunks, error.status, error.billing_unknown) == ([], status, False)


async def test_a_refused_connection_is_kept_for_the_next_request() -> None:
    connections = 0

    async def handler(stream: trio.abc.Stream) -> None:
        nonlocal connections
        connections += 1
        async with stream:
            for response in (
                recorded.response(b'{"message":"no"}', "application/json", status=400, framing="length"),
                recorded.stream_response("sse"),
            ):
                await read_request(stream)
                await stream.send_all(response)
            await stream.receive_some()

    async with NovelAI(KEY, transport=MemoryTransport(handler)) as client:
        with pytest.raises(HTTPStatusError, match="no"):
            await client.image.generate(recorded.params())
        await client.image.generate(recorded.params())
    assert connections == 1


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
async def test_a_cut_stream_carries_what_arrived(framing: Literal["chunked", "length", "close"]) -> None:
    whole = recorded.stream_response("sse", 2, framing=framing, chunk=10**6)
    cut = whole[: whole.rindex(b'{"event_type":"final"') + 30]

    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            await read_request(stream)
            await stream.send_all(cut)

    chunks, error = await collect(NovelAI(KEY, transport=MemoryTransport(handler)), n_samples=2)
    assert isinstance(error, StreamInterrupted)
    assert error.billing_unknown
    assert [final.samp_ix for final in error.finals] == [0]
    assert [(preview.samp_ix, preview.step_ix) for preview in error.previews] == [(0, 2), (1, 2)]
    assert str(error).endswith(
        " (known: the request was sent, answered with 200, 1 of 2 pictures finished, previews of 2;"
        " not known: whether it was billed)"
    )
    assert len(chunks) == 7


async def test_a_reset_is_an_interruption_with_its_cause() -> None:
    whole = recorded.stream_response("sse")

    async def handler(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(whole[:1500])
        raise OSError("the cable was cut")

    client = NovelAI(KEY, transport=MemoryTransport(handler))
    chunks, error = await collect(client)
    assert isinstance(error, StreamInterrupted)
    assert isinstance(error.__cause__, trio.BrokenResourceError)
    assert len(error.previews) == min(1, len(chunks))


async def test_events_before_a_fault_are_delivered_first_though_they_came_in_one_read() -> None:
    content = recorded.sse(PREVIEW) + b"data: {not json\n\n"
    response = recorded.response(content, "text/event-stream").removesuffix(b"0\r\n\r\n")

    async def handler(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(response)
        await trio.sleep_forever()  # the fault must be raised without waiting for more

    chunks, error = await collect(NovelAI(KEY, transport=MemoryTransport(handler)))
    assert isinstance(error, ProtocolError)
    assert error.offset == len(recorded.sse(PREVIEW))
    assert len(chunks) == 1
    assert len(error.previews) == 1
    assert error.billing_unknown


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (recorded.sse({"event_type": "error", "message": "boom", "code": 500}), GenerationError, "boom"),
        (recorded.sse({**PREVIEW, "image": "%%%"}), ProtocolError, "base64"),
        (recorded.sse({"event_type": "intermediate", "samp_ix": 0}), ProtocolError, "step_ix"),
        (recorded.sse({**PREVIEW, "samp_ix": 5}), ProtocolError, "samp_ix"),
        (recorded.sse(PREVIEW), StreamInterrupted, "0 of 1"),
    ],
)
async def test_a_bad_event_is_the_matching_error(content: bytes, kind: type[NovelAIError], words: str) -> None:
    _, error = await collect(serving(recorded.response(content, "text/event-stream")))
    assert type(error) is kind
    assert words in str(error)
    assert error.billing_unknown


async def test_retry_notices_and_unknown_events_come_out() -> None:
    content = recorded.sse(
        {"event_type": "retry", "message": "again"},
        {"event_type": "weather", "sky": "blue"},
        *recorded.events(),
    )
    response = recorded.response(content, "text/event-stream")
    async with serving(response) as client, client.image.generate_stream(recorded.params()) as stream:
        chunks = [chunk async for chunk in stream]
    assert chunks[:2] == [
        RetryChunk(message="again"),
        UnknownChunk(event_type="weather", fields={"event_type": "weather", "sky": "blue"}),
    ]


async def stalling(stream: trio.abc.Stream, response: bytes, heartbeat: float = 0) -> None:
    await read_request(stream)
    await stream.send_all(response)
    while heartbeat:
        await trio.sleep(heartbeat)
        await stream.send_all(b"3\r\n:\n\n\r\n")
    await trio.sleep_forever()


@pytest.mark.parametrize(
    ("sent", "heartbeat", "phase", "seconds"),
    [
        ("nothing", 0, "response", 120),
        ("head", 0, "read", 60),
        ("preview", 0, "read", 60),
        ("preview", 20, "event", 180),
    ],
)
async def test_silence_ends_in_our_timeout(
    autojump_clock: object, sent: str, heartbeat: float, phase: str, seconds: float
) -> None:
    content = recorded.sse(PREVIEW) if sent == "preview" else b""
    head = recorded.response(content, "text/event-stream").removesuffix(b"0\r\n\r\n")
    response = b"" if sent == "nothing" else head

    async def handler(stream: trio.abc.Stream) -> None:
        await stalling(stream, response, heartbeat)

    start = trio.current_time()
    _, error = await collect(NovelAI(KEY, transport=MemoryTransport(handler)))
    assert isinstance(error, NetworkTimeout)
    assert (error.phase, error.seconds) == (phase, seconds)
    assert trio.current_time() - start == pytest.approx(seconds, abs=1)
    assert error.billing_unknown
    assert len(error.previews) == (sent == "preview")
    assert "not known: whether it was billed" in str(error)
    progress = (
        "no answer had begun" if sent == "nothing" else f"0 of 1 pictures finished, previews of {sent == 'preview':d}"
    )
    assert progress in str(error)


async def test_a_slow_reader_never_times_its_own_stream_out(autojump_clock: object) -> None:
    async with (
        serving(recorded.stream_response("sse")) as client,
        client.image.generate_stream(recorded.params()) as stream,
    ):
        count = 0
        async for _ in stream:
            count += 1
            await trio.sleep(10_000)
    assert count == recorded.STEPS


async def test_no_limit_means_no_limit(autojump_clock: object) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await trio.sleep(10**6)
        await stream.send_all(recorded.stream_response("sse"))

    timeouts = Timeouts(response=None, read=None, event=None, send=None, connect=None)
    async with NovelAI(KEY, transport=MemoryTransport(handler), timeouts=timeouts) as client:
        assert len(await client.image.generate(recorded.params())) == 1


async def test_a_refusal_that_stalls_is_still_that_refusal(autojump_clock: object) -> None:
    response = recorded.response(b'{"message":"not for you', "application/json", status=402, framing="length")
    response = response.replace(b"content-length: 23", b"content-length: 99")

    async def handler(stream: trio.abc.Stream) -> None:
        await stalling(stream, response)

    _, error = await collect(NovelAI(KEY, transport=MemoryTransport(handler)))
    assert isinstance(error, HTTPStatusError)
    assert error.status == 402
    assert "not for you" in str(error)


class Unreachable(Transport):
    def __init__(self, error: BaseException | None) -> None:
        self.error = error

    async def connect(self, origin: Origin) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if self.error is None:
            await trio.sleep_forever()
        assert self.error is not None
        raise self.error


@pytest.mark.parametrize("error", [OSError("no route"), trio.BrokenResourceError("gone"), ConnectError("refused")])
async def test_no_connection_is_a_connect_error(error: Exception) -> None:
    _, caught = await collect(NovelAI(KEY, transport=Unreachable(error)))
    assert type(caught) is ConnectError
    assert str(error) in str(caught)
    assert not caught.billing_unknown


@pytest.mark.parametrize("error", [OSError("no route"), ConnectError("refused"), KeyError("a bug")])
async def test_a_transport_that_leaks_its_nursery_raises_no_group(error: Exception) -> None:
    class Leaky(Transport):
        async def connect(self, origin: Origin) -> trio.abc.Stream:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                raise error

    expected = KeyError if isinstance(error, KeyError) else ConnectError
    async with NovelAI(KEY, transport=Leaky()) as client:
        with pytest.raises(expected) as caught:
            await client.image.generate(recorded.params())
    assert type(caught.value) is expected
    assert error in (caught.value, caught.value.__cause__)


async def test_meeting_a_fault_again_does_not_grow_its_traceback() -> None:
    content = recorded.sse(PREVIEW) + b"data: {not json\n\n"
    lengths = []
    async with (
        serving(recorded.response(content, "text/event-stream")) as client,
        client.image.generate_stream(recorded.params()) as stream,
    ):
        await anext(stream)
        for _ in range(3):
            with pytest.raises(ProtocolError) as caught:
                await anext(stream)
            lengths.append(len(caught.traceback))
    assert lengths == [lengths[0]] * 3


async def test_a_connection_that_never_stands_times_out(autojump_clock: object) -> None:
    _, error = await collect(NovelAI(KEY, transport=Unreachable(None)))
    assert isinstance(error, NetworkTimeout)
    assert (error.phase, error.billing_unknown) == ("connect", False)


async def test_a_send_that_hangs_times_out_and_costs_nothing(autojump_clock: object) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    transport = MemoryTransport(handler, buffer_size=16)
    _, error = await collect(NovelAI(KEY, transport=transport))
    assert isinstance(error, NetworkTimeout)
    assert (error.phase, error.billing_unknown) == ("send", False)


async def test_an_answer_that_comes_before_the_request_was_sent_says_more_than_the_broken_send() -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            await stream.receive_some(10)
            await stream.send_all(
                recorded.response(b'{"message":"too large"}', "application/json", status=413, framing="length")
            )

    transport = MemoryTransport(handler, buffer_size=200)
    _, error = await collect(NovelAI(KEY, transport=transport))
    assert isinstance(error, HTTPStatusError)
    assert error.status == 413


async def test_a_broken_send_without_an_answer_was_not_billed() -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        await stream.receive_some(10)
        await stream.aclose()

    transport = MemoryTransport(handler, buffer_size=16)
    _, error = await collect(NovelAI(KEY, transport=transport))
    assert type(error) is NetworkError
    assert not error.billing_unknown


async def test_plain_http_never_leaves_this_machine_unasked() -> None:
    with pytest.raises(ValueError, match="allow_plain_http"):
        NovelAI(KEY, image_base="http://image.novelai.net")
    NovelAI(KEY, image_base="http://image.novelai.net", allow_plain_http=True)
    transport = ScriptedTransport()
    async with NovelAI(KEY, image_base="http://127.0.0.2:1", transport=transport):
        pass
