"""What a SOCKS5 proxy answers."""

from __future__ import annotations

from collections.abc import Iterator

from any_answers import options
from hops import NAME, WORD, opened_through

from nai_trio.transports import SOCKSTransport

MEASURED = ("nai_trio.transports.socks",)
LONGEST = 330
WORDS = (
    b"\5\0", b"\5\2", b"\5\xff", b"\1\0", b"\5\0\0\1\x7f\0\0\1\0\0", b"\5\0\0\3\1a\0\0", b"\5\0\0\4", b"\5\1",
    b"HTTP",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any answers open the way and lose nothing of what follows, or are a `ConnectError`.

    The first byte says whether the proxy's URL has credentials.
    """
    choice, said = options(data)
    url = f"socks5://{NAME}:{WORD}@127.0.0.1" if choice & 1 else "socks5://127.0.0.1"
    opened = opened_through(said, lambda inner: SOCKSTransport(url, inner=inner))
    if opened.rest is not None:
        assert said.startswith((b"\5\0\5\0", b"\5\2\1\0\5\0"))
        assert opened.rest == said[_end_of_answers(said) :]
    assert (WORD.encode() in opened.heard) <= said.startswith(b"\5\2"), "the password was given unasked"


def _end_of_answers(said: bytes) -> int:
    """Where the last answer ends (RFC 1928, section 6)."""
    start = 2 if said[1] == 0 else 4
    kind = said[start + 3]
    return start + 4 + {1: 4, 3: 1 + said[start + 4], 4: 16}[kind] + 2


def seeds() -> Iterator[bytes]:
    way = b"\5\0\0\1\x7f\0\0\1\x1f\x90"
    yield b"\0\5\0" + way + b"first bytes of the tunnel"
    yield b"\1\5\2\1\0\5\0\0\4" + bytes(18)
    yield b"\1\5\0\5\0\0\3\5proxy\0\x50rest"
    yield b"\1\5\2\1\1"
    yield b"\0\5\2"
    yield b"\1\5\xff"
    yield b"\0\5\1"
    yield b"\0\5\0\5\5"
    yield b"\0\5\0\5\x63\0\1"
    yield b"\0\5\0\5\0\0\2"
    yield b"\0HTTP/1.1 400 Bad Request\r\n\r\n"
