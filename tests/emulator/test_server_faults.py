"""Every fault as a client meets it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import trio
import trio.testing

from nai_trio.emulator import (
    BadBase64,
    BadJSON,
    Cut,
    Emulator,
    Generation,
    HugePrefix,
    MissingField,
    MissingFinal,
    Refuse,
    Stall,
    StreamError,
    StreamRetry,
    WrongType,
    encode_msgpack,
    encode_sse,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Body = Callable[..., dict[str, Any]]
    Ask = Callable[..., Any]
    Connect = Callable[[Emulator], Any]

ENCODERS = {"sse": encode_sse, "msgpack": encode_msgpack}
FRAMINGS = pytest.mark.parametrize("framing", ["sse", "msgpack"])


def frames(request: dict[str, Any]) -> list[bytes]:
    encode = ENCODERS[request["parameters"]["stream"]]
    return [encode(event) for event in Generation(request).events()]


def whole(request: dict[str, Any]) -> bytes:
    return b"".join(frames(request))


@FRAMINGS
@pytest.mark.parametrize("share", [0.0, 0.01, 0.04, 0.5, 1.0])
async def test_cut_delivers_exactly_so_many_bytes_and_closes(
    ask: Ask, request_body: Body, framing: str, share: float
) -> None:
    request = request_body(stream=framing)
    emulator, count = Emulator(), int(len(whole(request)) * share)
    emulator.inject(Cut(count))
    answer = await ask(emulator, request)
    assert (answer.status, answer.complete) == (200, False)
    assert answer.body == whole(request)[:count]
    assert (emulator.jobs[0].state, emulator.jobs[0].fault) == ("failed", Cut(count))


async def test_a_cut_beyond_the_end_does_not_strike(ask: Ask, request_body: Body) -> None:
    emulator = Emulator()
    emulator.inject(Cut(10**9))
    answer = await ask(emulator, request_body())
    assert answer.complete
    assert emulator.jobs[0].state == "finished"


async def test_cut_strikes_a_zip_too(ask: Ask, request_body: Body) -> None:
    emulator = Emulator()
    emulator.inject(Cut(100))
    answer = await ask(emulator, request_body(), path="/ai/generate-image")
    assert (len(answer.body), answer.complete) == (100, False)


@FRAMINGS
@pytest.mark.parametrize("count", [0, 700])
async def test_stall_delivers_so_many_bytes_and_then_nothing_until_the_peer_leaves(
    connect: Connect, request_body: Body, framing: str, count: int, autojump_clock: trio.testing.MockClock
) -> None:
    request = request_body(stream=framing)
    emulator = Emulator()
    emulator.inject(Stall(count))
    async with connect(emulator) as peer:
        await peer.send(request)
        await peer.head()
        body = b""
        with trio.move_on_after(1_000_000) as patience:
            while True:
                body += (await peer.event()).data
        assert patience.cancelled_caught
        assert body == whole(request)[:count]
        assert emulator.jobs[0].state == "running"
    assert (emulator.jobs[0].state, emulator.connections) == ("disconnected", 0)


@FRAMINGS
@pytest.mark.parametrize("count", [0, 2, 9])
async def test_stream_error_comes_after_so_many_events(ask: Ask, request_body: Body, framing: str, count: int) -> None:
    request = request_body(stream=framing)
    emulator = Emulator()
    emulator.inject(StreamError(count, "Out of luck", code=None if count == 2 else 503))
    answer = await ask(emulator, request)
    error = {"event_type": "error", "code": 503, "message": "Out of luck"}
    if count == 2:
        del error["code"]
    assert answer.complete
    assert answer.body == b"".join(frames(request)[:count]) + ENCODERS[framing](error)
    assert emulator.jobs[0].state == "failed"


async def test_stream_error_is_the_status_of_the_plain_endpoint(ask: Ask, request_body: Body) -> None:
    emulator = Emulator()
    emulator.inject(StreamError(message="Out of luck", code=503))
    answer = await ask(emulator, request_body(), path="/ai/generate-image")
    assert (answer.status, answer.json["message"]) == (503, "Out of luck")


@FRAMINGS
async def test_stream_retry_informs_and_the_job_goes_on(ask: Ask, request_body: Body, framing: str) -> None:
    request = request_body(stream=framing)
    emulator = Emulator()
    emulator.inject(StreamRetry(1, "Once more"))
    answer = await ask(emulator, request)
    retry = ENCODERS[framing]({"event_type": "retry", "message": "Once more"})
    first, *rest = frames(request)
    assert answer.body == first + retry + b"".join(rest)
    assert emulator.jobs[0].state == "finished"


@pytest.mark.parametrize(
    ("kind", "content_type", "start"),
    [
        ("html", "text/html", b"<!DOCTYPE html>"), ("json", "application/json", b'{"statusCode":500,'),
        ("zip", "binary/octet-stream", b"PK\x03\x04"), ("image", "image/png", b"\x89PNG"),
        ("sse", "text/event-stream", b"event: intermediate\n"), ("msgpack", "application/msgpack", b"\x00\x00"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/ai/generate-image", "/ai/generate-image-stream"])
async def test_wrong_type_answers_200_with_something_else(
    ask: Ask, request_body: Body, kind: Any, content_type: str, start: bytes, path: str
) -> None:
    emulator = Emulator()
    emulator.inject(WrongType(kind))
    answer = await ask(emulator, request_body(), path=path)
    assert (answer.status, answer.complete) == (200, True)
    assert answer.headers["content-type"].startswith(content_type)
    assert answer.body.startswith(start)
    assert emulator.jobs[0].state == "failed"


async def test_wrong_type_image_follows_the_format(ask: Ask, request_body: Body) -> None:
    emulator = Emulator()
    emulator.inject(WrongType("image"))
    answer = await ask(emulator, request_body(image_format="webp"))
    assert (answer.headers["content-type"], answer.body[:4]) == ("image/webp", b"RIFF")


async def test_refuse_speaks_the_services_json(ask: Ask) -> None:
    emulator = Emulator()
    emulator.inject(Refuse(429, retry_after=1.5), Refuse(500))
    locked = await ask(emulator)
    assert (locked.status, locked.headers["retry-after"]) == (429, "1.5")
    assert locked.json["message"] == "Concurrent generation is locked"
    assert (await ask(emulator)).json == {"statusCode": 500, "message": "Internal Server Error"}
    assert [job.state for job in emulator.jobs] == ["failed", "failed"]


@pytest.mark.parametrize("status", [403, 429, 502])
async def test_refuse_with_html_is_a_cdn_page(ask: Ask, status: int) -> None:
    emulator = Emulator()
    emulator.inject(Refuse(status, html=True))
    answer = await ask(emulator)
    assert answer.status == status
    assert answer.headers["content-type"].startswith("text/html")
    assert "retry-after" not in answer.headers
    assert answer.body.startswith(b"<!DOCTYPE html>")


async def test_huge_prefix_claims_four_gigabytes(ask: Ask, request_body: Body) -> None:
    request = request_body(stream="msgpack")
    emulator = Emulator()
    emulator.inject(HugePrefix(1))
    answer = await ask(emulator, request)
    first = frames(request)[0]
    assert answer.body[: len(first)] == first
    assert answer.body[len(first) : len(first) + 4] == b"\xff\xff\xff\xff"
    assert (len(answer.body) - len(first), answer.complete) == (20, True)


async def test_huge_prefix_is_an_endless_line_in_sse(ask: Ask, request_body: Body) -> None:
    emulator = Emulator()
    emulator.inject(HugePrefix())
    answer = await ask(emulator, request_body())
    lines = answer.body.split(b"\n")
    assert lines[0] == b"event: final"
    assert len(lines) == 2
    assert len(lines[1]) > 65536


@FRAMINGS
async def test_missing_final_ends_in_order_after_the_previews(ask: Ask, request_body: Body, framing: str) -> None:
    request = request_body(stream=framing)
    emulator = Emulator()
    emulator.inject(MissingFinal())
    answer = await ask(emulator, request)
    assert answer.complete
    assert answer.body == b"".join(frames(request)[:-1])


async def test_missing_final_empties_the_archive(ask: Ask, request_body: Body) -> None:
    emulator = Emulator()
    emulator.inject(MissingFinal())
    answer = await ask(emulator, request_body(), path="/ai/generate-image")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.namelist() == []


async def test_bad_base64_spoils_one_event(ask: Ask, request_body: Body) -> None:
    request = request_body()
    emulator = Emulator()
    emulator.inject(BadBase64(1))
    events = (await ask(emulator, request)).body.split(b"\n\n")
    data = json.loads(events[1].split(b"data: ")[1])
    assert data["step_ix"] == 1
    assert data["image"] == "!!! not base64 !!!"
    good = whole(request).split(b"\n\n")
    assert (events[0], events[2]) == (good[0], good[2])


@FRAMINGS
async def test_bad_json_spoils_one_event_in_a_whole_frame(ask: Ask, request_body: Body, framing: str) -> None:
    request = request_body(stream=framing)
    emulator = Emulator()
    emulator.inject(BadJSON(1))
    first, _, last = frames(request)
    body = (await ask(emulator, request)).body
    spoilt = body[len(first) : len(body) - len(last)]
    assert body == first + spoilt + last
    if framing == "sse":
        text = spoilt.decode().split("data: ")[1]
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
        assert spoilt.endswith(b"\n\n")
    else:
        assert int.from_bytes(spoilt[:4]) == len(spoilt) - 4
        with pytest.raises(msgpack.FormatError):
            msgpack.unpackb(spoilt[4:])


@FRAMINGS
@pytest.mark.parametrize("name", ["image", "samp_ix", "gen_id", "event_type"])
async def test_missing_field_is_in_no_event(ask: Ask, request_body: Body, framing: str, name: str) -> None:
    emulator = Emulator()
    emulator.inject(MissingField(name))
    answer = await ask(emulator, request_body(stream=framing))
    assert answer.complete
    assert name.encode() not in answer.body


async def test_faults_are_taken_in_turn_by_accepted_generations_alone(ask: Ask, request_body: Body) -> None:
    emulator = Emulator()
    emulator.inject(Refuse(502), MissingFinal())
    assert (await ask(emulator, key=None)).status == 401
    assert (await ask(emulator, request_body(steps=99))).status == 400
    assert (await ask(emulator)).status == 502
    assert b"event: final" not in (await ask(emulator)).body
    assert b"event: final" in (await ask(emulator)).body
    assert [job.fault for job in emulator.jobs] == [Refuse(502), MissingFinal(), None]
