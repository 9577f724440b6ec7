"""What a relay answers to a WebSocket handshake, the right answer among it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from unittest.mock import patch

from hops import NAME, WORD, opened_through

from nai_trio.transport import Transport
from nai_trio.transports import WebSocketTransport
from nai_trio.transports.websocket_answer import read_refusal

MEASURED = (
    "nai_trio.transports.websocket_answer",
    "nai_trio.transports.websocket",
    "nai_trio.transports.websocket_wire",
)
LONGEST = 600
KEY = b"0123456789abcdef"
ACCEPT = base64.b64encode(hashlib.sha1(base64.b64encode(KEY) + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
"""The only right answer to that key (RFC 6455, 4.2.2)."""
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
WORDS = (
    SWITCHING, b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n", b"Sec-WebSocket-Protocol: binary\r\n", b"\r\n\r\n",
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n", b"HTTP/1.1 401 No\r\n", b"Content-Type: text/plain\r\n",
    WORD.encode(), b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"\x82\x05hello", b"\x88\x02\x03\xe8",
    b"\x81\x01a", b"\x89\0",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any answer opens a WebSocket or is a `ConnectError`; so it is read too, where it is no handshake."""
    refusal = read_refusal(data, None, subprotocol="binary", secrets=[WORD], credentials=True)
    assert refusal.reason
    assert WORD not in refusal.reason + refusal.message
    with patch("wsproto.handshake.generate_nonce", lambda: base64.b64encode(KEY)):
        opened = opened_through(data, _transport)
    if opened.error is None:
        assert re.match(rb"HTTP/[0-9]\.[0-9] 101", data)  # the key's answer proves the rest
        assert ACCEPT in data


def _transport(inner: Transport) -> Transport:
    return WebSocketTransport(f"ws://{NAME}:{WORD}@relay.example/", inner=inner, ping_interval=None)


def seeds() -> Iterator[bytes]:
    accept = b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n"
    good = SWITCHING + accept + b"Sec-WebSocket-Protocol: binary\r\n\r\n"
    yield good
    yield good + b"\x82\x05hello\x88\x02\x03\xe8"
    yield SWITCHING + accept + b"\r\n"
    yield SWITCHING + accept + b"Sec-WebSocket-Protocol: other\r\n\r\n"
    yield SWITCHING + accept + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    yield SWITCHING + b"\r\n"
    yield b"HTTP/1.1 401 No\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nplanted-word"
    yield b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n3\r\nnot\r\n"
    yield b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n"
    yield b"<html>"
