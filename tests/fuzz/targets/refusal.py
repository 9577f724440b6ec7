"""Refusals: whatever stands in their body, the error is the status's, and its words are short."""

from __future__ import annotations

from collections.abc import Iterator

from any_answers import FRAMINGS, LIMITS, answered, framed, options
from invariants import same_however_cut
from real_bytes import responses

from nai_trio.errors import HTTPStatusError

MEASURED = ("nai_trio.protocol.collected", "nai_trio.errors")
LONGEST = 600
STATUSES = (302, 400, 401, 402, 404, 409, 422, 429, 500, 502, 503, 599)
WORDS = (
    b'{"message":"', b'"error":', b"<title>", b"</title>", b"&amp;", b"&#0;", b"concurrent generation is locked",
    b"\xff",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any body of a refusal gives that refusal. The first byte says which, and how it is framed."""
    choice, body = options(data)
    status = STATUSES[choice % len(STATUSES)]
    framing, cut = FRAMINGS[choice // 16 % 3], choice >= 128
    response = framed(body, "application/json", framing, status=status, cut=cut)
    answer = same_however_cut(response, lambda pieces: answered(pieces, delivery="sse"))
    assert answer.error is not None
    assert issubclass(answer.error, HTTPStatusError), answer
    assert answer.chunks == []
    assert answer.state[0] == status
    assert answer.words == _words_of(body[: LIMITS.max_error_size], status), "what goes over the limit was read"


def _words_of(body: bytes, status: int) -> str:
    return answered([framed(body, "application/json", "length", status=status)], delivery="sse").words


def seeds() -> Iterator[bytes]:
    for number, said in enumerate(responses(1600).values()):
        yield bytes([16 * number % 256]) + said.partition(b"\r\n\r\n")[2]
    yield b'\7{"statusCode":429,"message":"Concurrent generation is locked"}'
    yield b"\x08<html><head><TITLE >502 &amp; more</TITLE>" + b"x" * 300
    yield b"\x18{" + b"x" * 250
    yield b'\x85{"error":"words"}trailing'
    yield b"\x01"
    yield b'\x02{"message":{"not":"text"}}'
    yield b"\x02" + b"[" * 300
