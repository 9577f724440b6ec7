"""The chunked transfer coding: `HTTPExchange` against RFC 9112, section 7.1, written down once more, on whole bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from invariants import Outcome, decoded, held, same_however_cut

from nai_trio.errors import LimitExceeded, ProtocolError, StreamInterrupted
from nai_trio.protocol import HTTPExchange, Limits, Request

MEASURED = ("nai_trio.protocol.http", "nai_trio.protocol.framing")
LONGEST = 800
LIMITS = Limits(max_head_size=120, max_framing_size=240, max_body_size=300)
REQUEST = Request(method="GET", target="/", headers=(("Host", "localhost"),))
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WORDS = (
    b"\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b";a=b", b"\n", b"\r", b"00000000000000000001", b"a: b\r\n", b" ", b"F",
)  # fmt: skip

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,20})(?:;[^\n]*?)?[ \t]*\r\n")
"""Its size and its extensions; h11, too, stops at 20 digits."""


def check(data: bytes) -> None:
    """Any bytes after the head are a body's pieces, or the error that the standard's algorithm comes to."""

    def run(pieces: list[bytes]) -> tuple[bytes, Outcome, bool, bool]:
        exchange = HTTPExchange(REQUEST, limits=LIMITS)
        exchange.data_to_send()
        most = held(exchange) + LIMITS.max_head_size + len(HEAD) + 200  # and h11's own words
        outcome = decoded(exchange, [HEAD, *pieces, b""], most=most + max(map(len, pieces), default=0))
        body = b"".join(outcome.items)
        return body, Outcome([], outcome.error, outcome.words), exchange.ended, exchange.reusable

    body, outcome, ended, reusable = same_however_cut(data, run)
    expected, verdict = by_the_standard(data)
    if outcome.error is LimitExceeded and len(data) - len(expected) > LIMITS.max_framing_size:
        assert expected.startswith(body)
        return
    assert body == expected[: LIMITS.max_body_size]
    if len(expected) > LIMITS.max_body_size:
        assert outcome.error is LimitExceeded
    elif verdict == "whole":
        assert (ended, outcome.error) == (True, None)
    elif verdict == "open":  # a line that may yet become anything, if it is not too long
        assert outcome.error in (StreamInterrupted, LimitExceeded, ProtocolError)
    elif verdict != "trailer":  # h11's judgment is tested as a head's
        assert outcome.error in (ProtocolError, LimitExceeded), (outcome, verdict)
    assert ended is (outcome.error is None)
    assert not reusable or ended


def by_the_standard(data: bytes) -> tuple[bytes, str]:
    """The body, and whether it is whole, open, broken, or ends in a trailer."""
    body, place = b"", 0
    while True:
        header = _CHUNK.match(data, place)
        if header is None:
            return body, "broken" if b"\r\n" in data[place:] else "open"
        size, place = int(header[1], 16), header.end()
        if len(header[0]) > LIMITS.max_head_size:
            return body, "broken"
        if size == 0:
            rest = data[place:]
            return body, "whole" if rest.startswith(b"\r\n") else "open" if b"\r\n".startswith(rest) else "trailer"
        body, place = body + data[place : place + size], place + size
        ending = data[place : place + 2]
        if not b"\r\n".startswith(ending):
            return body, "broken"
        if len(ending) < 2:
            return body, "open"
        place += 2


def seeds() -> Iterator[bytes]:
    yield b"5\r\nhello\r\n0\r\n\r\n"
    yield b"5;name=value\r\nhello\r\n6  \r\n world\r\n0\r\nX: 1\r\n\r\nleft over"
    yield b"A\r\n0123456789\r\n"
    yield b"00000000000000000000001\r\n"
    yield b"-1\r\n\r\n"
    yield b"5\r\nhello0\r\n\r\n"
    yield b"12c\r\n" + bytes(300) + b"\r\n1\r\n.\r\n0\r\n\r\n"
    yield b"1;" + b"x" * 200 + b"\r\n"
    yield b"ffffffff\r\nhello"
    yield b"0\r\n" + b"a: b\r\n" * 30
