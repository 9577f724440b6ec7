"""What an HTTP proxy answers to CONNECT."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hops import NAME, WORD, opened_through

from nai_trio.transports import HTTPProxyTransport

MEASURED = ("nai_trio.transports.http_proxy", "nai_trio.transports.leftover", "nai_trio.transports.hop")
LONGEST = 600
WORDS = (
    b"HTTP/1.1 200 Connection established\r\n\r\n", b"HTTP/1.1 407 No\r\n", b"HTTP/1.1 100 \r\n\r\n", b"HTTP/1.0 ",
    b"\r\n\r\n", b"Proxy-Authenticate: Basic\r\n", b'WWW-Authenticate: Negotiate, Digest realm="a"\r\n',
    b"Content-Type: text/html\r\n", b"Content-Type: text/plain\r\n", b"<title>", b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", WORD.encode(),
)  # fmt: skip


def check(data: bytes) -> None:
    """Any answer opens the way and loses nothing of what follows it, or is a `ConnectError`."""
    url = f"http://{NAME}:{WORD}@127.0.0.1:3128"
    opened = opened_through(data, lambda inner: HTTPProxyTransport(url, inner=inner))
    assert opened.heard.startswith(b"CONNECT image.novelai.net:443 HTTP/1.1\r\n")
    if opened.rest is not None:
        assert data.endswith(opened.rest), "what came through the tunnel is not what was sent"
        head = data[: len(data) - len(opened.rest)]
        assert re.search(rb"\n\r?\n\Z", head), "a way opened without the end of a head, or its first bytes are lost"


def seeds() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 Connection established\r\n\r\n"
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfirst bytes of the tunnel"
    yield b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204 \r\n\r\n\x16\x03\x01"
    yield b'HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm="a, Basic", Basic\r\nContent-Length: 0\r\n\r\n'
    yield b"HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\n\r\n"
    yield b"HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\n\r\n401 you said planted-name planted-word"
    page = b"14\r\n<title>No &amp; No</\r\n0\r\n\r\n"
    yield b"HTTP/1.1 502 Bad\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n" + page
    yield b"HTTP/1.1 403 \xff\r\nContent-Length: 100\r\n\r\nshort"
    yield b"SSH-2.0-OpenSSH_9.6\r\n"
    yield b"\x05\xff"
