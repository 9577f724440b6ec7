"""A whole response, head and all, to a generation of any kind."""

from __future__ import annotations

from collections.abc import Iterator

from any_answers import answered, framed, options
from invariants import same_however_cut
from real_bytes import json_pictures, responses, short_body, zipped

from nai_trio.protocol import Delivery

MEASURED = ("nai_trio.protocol.exchange", "nai_trio.protocol.service", "nai_trio.protocol.bodies")
LONGEST = 1600
DELIVERIES: tuple[Delivery, ...] = ("sse", "msgpack", "zip", "json")
WORDS = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 429 Too Many\r\n", b"content-type: ", b"\r\n\r\n", b"retry-after: 3\r\n",
    b"text/event-stream", b"application/msgpack", b"application/zip", b"application/json", b"image/png", b"text/html",
    b"application/octet-stream", b"transfer-encoding: chunked\r\n", b"content-length: ", b"event: final\ndata: ",
    b'{"event_type":"final","samp_ix":0,"gen_id":1,"image":"aGk="}', b"\x89PNG", b"PK\x03\x04", b"0\r\n\r\n", b"\n\n",
    b'{"images":[{"image":"aGk=","index":0,"seed":1}]}', b'{"message":"no"}', b"<title>", b"location: /elsewhere\r\n",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any bytes are chunks or one error with what had arrived, the same however they are cut.

    The first byte says what was asked for, how many samples, and whether the connection ends.
    """
    choice, said = options(data)
    delivery, samples, eof = DELIVERIES[choice % 4], 1 + (choice >> 2) % 2, not choice & 8
    same_however_cut(said, lambda pieces: answered(pieces, delivery=delivery, samples=samples, eof=eof))


def seeds() -> Iterator[bytes]:
    for said in responses(1600).values():
        yield b"\0" + said
    yield b"\0" + framed(short_body("sse"), "text/event-stream", "chunked")
    yield b"\0" + framed(short_body("sse")[:200].rpartition(b"event:")[0], "text/event-stream", "chunked")
    yield b"\x04" + framed(short_body("sse", 2)[:1100], "text/event-stream", "close")
    yield b"\x01" + framed(short_body("msgpack"), "application/msgpack", "length")
    yield b"\x09" + framed(short_body("msgpack"), "application/octet-stream", "chunked")
    yield b"\x06" + framed(zipped(b"\x89PNG 1", b"\x89PNG 2"), "application/zip", "length")
    yield b"\x03" + framed(json_pictures({"image": "aGk=", "index": 0, "seed": 5}), "application/json", "length")
    yield b"\x02" + framed(b"\x89PNG\r\n\x1a\n", "image/png", "length")
    yield b"\x00" + framed(b"<html><title>Just a moment</title>", "text/html", "chunked")
    yield b"\x00" + framed(b'{"statusCode":500,"message":"no"}', "application/json", "close")
    yield b"\x00" + framed(b'{"statusCode":429,"message":"locked"}', "application/json", "length", status=429)
