"""A generation's events in both framings: the exchange against its own parts, put together by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs
from any_answers import FRAMINGS, LIMITS, PARAMS, answered, comparable, framed, options
from invariants import same_however_cut
from real_bytes import short_body, short_events

from nai_trio.errors import LimitExceeded, NovelAIError
from nai_trio.protocol import Chunk, Delivery, FinalChunk, MsgpackDecoder, SSEDecoder
from nai_trio.protocol.events import EventReader

MEASURED = (
    *("nai_trio.protocol.bodies", "nai_trio.protocol.events", "nai_trio.protocol.members"),
    *("nai_trio.protocol.pictures", "nai_trio.protocol._json", "nai_trio.protocol._base64"),
    *("nai_trio.protocol.picture_json",),
)
LONGEST = 1300
WORDS = (
    b"event: final\n", b"event: intermediate\n", b"event: error\n", b"event: retry\n", b"data: {}\n\n", b"\n\n",
    b'"event_type":"final"', b'"samp_ix":1', b'"step_ix":', b'"gen_id":', b'"sigma":', b'"image":"aGk="', b"1e999",
    b"\xaaevent_type", b"\xa5final", b"\xacintermediate", b"\xa7samp_ix", b"\xa6gen_id", b"\xa5image", b"\xc4\x02hi",
    b"\xa5error", b"\xa5retry", b"\xa7message", b"\xa4code", b"NaN", b"null", b"true", b"\xcb\x7f\xf0" + bytes(6),
)  # fmt: skip


def check(data: bytes) -> None:
    """Any body of an event stream gives the chunks of its events, up to the first that is wrong.

    The first byte says which framings, how many samples, and whether the response is cut.
    """
    choice, body = options(data)
    delivery: Delivery = "msgpack" if choice & 1 else "sse"
    samples, cut = 1 + (choice >> 1) % 2, bool(choice & 4)
    media_type = "application/msgpack" if choice & 1 else "text/event-stream"
    response = framed(body, media_type, FRAMINGS[(choice >> 3) % 3], cut=cut)
    answer = same_however_cut(response, lambda pieces: answered(pieces, delivery=delivery, samples=samples))
    expected = _with_seeds(by_hand(body, delivery, samples))
    assert comparable(answer.chunks) == comparable(expected[: len(answer.chunks)])
    if len(answer.chunks) < len(expected) and answer.error is not LimitExceeded:
        assert answer.error is not None
        assert answer.chunks == []
        assert not _begins_well(body, delivery), "what came before the fault is lost"


def by_hand(body: bytes, delivery: Delivery, samples: int) -> list[Chunk]:
    """The chunks of a body that is there whole."""
    reader = EventReader(steps=PARAMS[samples].steps_taken, n_samples=samples)
    chunks: list[Chunk] = []
    try:
        for fields, offset in _events(body[: LIMITS.max_body_size], delivery):
            chunks.append(reader.chunk(fields, offset=offset))
    except NovelAIError:
        pass
    return chunks


def _events(body: bytes, delivery: Delivery) -> Iterator[tuple[dict[str, Any], int]]:
    if delivery == "msgpack":
        if body:
            for frame in MsgpackDecoder(max_frame_size=LIMITS.max_frame_size).feed_frames(body):
                yield frame.fields, frame.offset
        return
    for event in SSEDecoder(max_event_size=LIMITS.max_event_size, max_field_size=LIMITS.max_field_size).feed(body):
        fields = _json_object(event.data)
        if fields is None or fields.get("event_type", event.event) != event.event != "message":
            return
        yield fields if event.event == "message" else {"event_type": event.event, **fields}, event.offset


def _json_object(data: bytes) -> dict[str, Any] | None:
    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        fields = json.loads(data, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _with_seeds(chunks: list[Chunk]) -> list[Chunk]:
    return [
        attrs.evolve(chunk, seed=(2**32 - 1 + chunk.samp_ix) % 2**32) if isinstance(chunk, FinalChunk) else chunk
        for chunk in chunks
    ]


def _begins_well(body: bytes, delivery: Delivery) -> bool:
    """Whether nobody would take the first bytes for another kind of body."""
    return body.startswith((b"event:", b"data:", b":") if delivery == "sse" else b"\0\0")


def seeds() -> Iterator[bytes]:
    for choice, kind in ((0, "sse"), (8, "sse"), (16, "sse"), (1, "msgpack"), (9, "msgpack"), (17, "msgpack")):
        yield bytes([choice]) + short_body(kind)
    for choice, kind in ((2, "sse"), (3, "msgpack"), (4, "sse"), (5, "msgpack")):
        yield bytes([choice]) + short_body(kind, 2)[:LONGEST]
    for choice, kind in ((0, "sse"), (1, "msgpack")):
        for event in short_events(kind):
            yield bytes([choice]) + event
    yield b"\0data: {}\n\ndata: []\n\ndata: {\n\n"
    yield b'\0event: queue\ndata: {"x":NaN}\n\n'
    image = '"gen_id":1,"image":"aGk="'
    for wrong in (
        '"samp_ix":"0"',
        '"samp_ix":-1',
        '"samp_ix":9',
        '"samp_ix":true',
        '"samp_ix":0,"step_ix":1.5',
        '"samp_ix":0,"gen_id":true',
    ):
        yield f'\0data: {{"event_type":"intermediate","sigma":1,"step_ix":0,{image},{wrong}}}\n\n'.encode()
    yield f'\0data: {{"event_type":"intermediate","sigma":1e999,"samp_ix":0,"step_ix":0,{image}}}\n\n'.encode()
    yield b"\0" + b'data: {"event_type":"queue"}\n\n' * 12
    yield b'\0event: queue\ndata: {"position":3}\n\n'
