"""A response's head and whatever its framing makes of the rest: `HTTPExchange` on any bytes."""

from __future__ import annotations

from collections.abc import Iterator

from invariants import Outcome, decoded, held, same_however_cut
from real_bytes import responses

from nai_trio.protocol import HTTPExchange, Limits, Request

MEASURED = ("nai_trio.protocol.http", "nai_trio.headers")
LONGEST = 800
LIMITS = Limits(max_head_size=200, max_body_size=200)
REQUEST = Request(method="POST", target="/", headers=(("Host", "localhost"),), body=b"{}")
WORDS = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"HTTP/1.1 100 \r\n\r\n", b"HTTP/1.1 204 ", b"HTTP/1.1 101 ", b"304",
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"identity",
    b"Connection: close\r\n", b"Content-Type: text/event-stream\r\n", b"\r\n", b"\r\n\r\n", b"\n\n", b": ", b"\t",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any bytes are a head and pieces of a body within the limits, or one error."""

    def run(pieces: list[bytes]) -> tuple[object, ...]:
        exchange = HTTPExchange(REQUEST, limits=LIMITS)
        exchange.data_to_send()
        most = held(exchange) + 4 * LIMITS.max_head_size  # as h11 has it, as we do, and an error that repeats some
        outcome = decoded(exchange, [*pieces, b""], most=most + max(map(len, pieces), default=0))
        body = b"".join(outcome.items)
        ended = Outcome([], outcome.error, outcome.words)
        return exchange.head, body, ended, exchange.ended, exchange.delimited, exchange.reusable

    head, body, outcome, ended, _, reusable = same_however_cut(data, run)
    assert isinstance(outcome, Outcome)
    assert isinstance(body, bytes)
    assert len(body) <= LIMITS.max_body_size
    assert ended is (outcome.error is None)
    assert head is not None or not (body or ended)
    assert not reusable or ended


def seeds() -> Iterator[bytes]:
    yield from responses(600).values()
    ok = b"HTTP/1.1 200 OK\r\n"
    yield ok + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello"
    yield ok + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    yield ok + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi and more"
    yield ok + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b"
    yield b"HTTP/1.0 200 OK\r\n\r\nuntil the end"
    yield b"HTTP/1.1 100 Continue\r\n\r\n" + ok + b"Content-Length: 0\r\n\r\n"
    yield b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
    yield ok + b"A: b\r\n c\r\n\r\n"
    yield ok + b"X: " + b"y" * 300 + b"\r\n\r\n"
    yield b"\r\n" * 3 + ok
    yield b"<html>502 Bad Gateway</html>"
