"""The JSON list of finished pictures, and JSON under a 2xx status that is no such list."""

from __future__ import annotations

from collections.abc import Iterator

from any_answers import FRAMINGS, LIMITS, Framing, answered, framed, options
from invariants import same_however_cut
from real_bytes import json_pictures
from shaken import shaken

from nai_trio.protocol import Delivery

MEASURED = ("nai_trio.protocol.picture_list", "nai_trio.protocol.bodies", "nai_trio.protocol.members")
LONGEST = 800
WORDS = (
    b'{"images":[', b'"image":"aGk="', b'"index":0', b'"index":1', b'"seed":4294967295', b'"seed":null', b"]}", b"{}",
    b'"message":"no"', b'"statusCode":500', b"null", b"true", b"-1", b"1e400", b"NaN", b"\xef\xbb\xbf", b"\\ud800",
    b",",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any body of JSON's media type is pictures within the limits, or one error.

    The first byte says how many samples, which framing, and whether JSON was asked for.
    """
    choice, body = options(data)
    samples, framing = 1 + choice % 2, FRAMINGS[(choice >> 1) % 3]
    delivery: Delivery = "sse" if choice & 8 else "json"
    for text in (body, *shaken(body, 1)):
        _check_body(text, framing, delivery, samples)


def _check_body(body: bytes, framing: Framing, delivery: Delivery, samples: int) -> None:
    response = framed(body, "application/json", framing)
    answer = same_however_cut(response, lambda pieces: answered(pieces, delivery=delivery, samples=samples))
    places = [chunk.samp_ix for chunk in answer.chunks]
    assert len(places) == len(set(places)) <= LIMITS.max_images
    assert all(place < samples for place in places)
    assert all(0 < len(chunk.image) <= LIMITS.max_image_size for chunk in answer.chunks)


def seeds() -> Iterator[bytes]:
    first, second = {"image": "aGk=", "index": 0, "seed": 7}, {"image": "aG8=", "index": 1, "seed": 8}
    yield b"\0" + json_pictures(first)
    yield b"\1" + json_pictures(second, first)
    yield b"\1" + json_pictures(first, first)
    yield b"\3" + json_pictures(first, {"image": "aGk=", "index": 1, "seed": None, "more": [1]})
    yield b"\4" + json_pictures(first)[:-1]
    yield b"\0" + json_pictures({"image": "aGk", "index": 0})
    yield b"\0" + json_pictures({"image": "A" * 400, "index": 0})
    yield b"\0" + json_pictures(first, first, first, first)
    yield b"\0" + json_pictures({"image": "aGk=", "index": 0, "seed": 2**32})
    yield b'\0{"images":{"0":1}}'
    yield b'\0{"statusCode":400,"message":"prompt: not allowed"}'
    yield b'\x08{"code":5,"message":"no"}PK\x03\x04'
    yield b"\0" + b"[" * 400
    yield b"\0[1,2"
    yield b"\0" + b'{"a":' * 150 + b"1" + b"}" * 150
