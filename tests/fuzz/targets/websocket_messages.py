"""What a relay sends once the WebSocket is open: frames of any kind, and what is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from unittest.mock import patch

import trio
import trio.testing
from invariants import Pieces, same_however_cut
from websocket_peer import frame, opened
from wsproto.frame_protocol import Opcode

MEASURED = (
    *("nai_trio.transports.websocket_stream", "nai_trio.transports.websocket_link"),
    *("nai_trio.transports.websocket_wire",),
)
LONGEST = 700
LIMIT = 200
WORDS = (
    b"\x82\x05hello", b"\x02\x01a", b"\x80\x01b", b"\x00\x01c", b"\x81\x01t", b"\x89\x00", b"\x8a\x00", b"\x88\x00",
    b"\x88\x02\x03\xe8", b"\x88\x02\x03\xe9", b"\x88\x02\x03\xf3", b"\x88\x06\x03\xf3gone", b"\x82\x7e\x00\xc8",
    b"\x82\x7f" + bytes(8), b"\xc2\x00", b"\x82\x85abcd", b"\x83\x00", b"\x89\x7e\x01\x00", b"\x88\x01\x03",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any bytes give the messages before the first fault, then an end or an error of the stream."""
    received, broke = same_however_cut(data, _run)
    messages, whole = by_the_standard(data)
    assert received == messages[: len(received)], "what is read is not what was sent"
    assert received == messages, "messages before the end are lost"
    assert broke is not whole, "a cut looks like a clean end, or a clean end like a cut"


def _run(pieces: Pieces) -> tuple[bytes, bool]:
    with patch("nai_trio.transports.websocket.MAX_MESSAGE_SIZE", LIMIT):
        return trio.run(_read, pieces, clock=trio.testing.MockClock(autojump_threshold=0))


async def _read(pieces: Pieces) -> tuple[bytes, bool]:
    """What was read, and whether it broke; of two faults in one piece wsproto tells the one that it finds first."""
    async with opened(ping_interval=None) as (stream, peer), trio.open_nursery() as nursery:

        async def say() -> None:
            with suppress(trio.BrokenResourceError):  # we have left meanwhile
                for piece in pieces:
                    await peer.stream.send_all(piece)
                await peer.stream.send_eof()

        async def listen() -> None:
            with suppress(trio.BrokenResourceError):
                while await peer.stream.receive_some():
                    pass

        nursery.start_soon(say)
        nursery.start_soon(listen)
        received = b""
        try:
            while data := await stream.receive_some():
                assert len(data) <= LIMIT
                received += data
        except trio.BrokenResourceError as error:
            assert str(error)
            return received, True
        finally:
            nursery.cancel_scope.cancel()
        return received, False


def by_the_standard(data: bytes) -> tuple[bytes, bool]:
    """The bytes of the messages before the first fault or close, and whether that was a clean close (RFC 6455, 5)."""
    messages, pending, fragmented, place = b"", b"", False, 0
    while place + 2 <= len(data):
        first, second = data[place], data[place + 1]
        fin, code, length = first & 0x80, first & 0x0F, second & 0x7F
        size = {126: 2, 127: 8}.get(length, 0)
        if first & 0x70 or second & 0x80 or (code & 8 and (length > 125 or not fin)):
            break
        start = place + 2 + size
        if start > len(data):
            break
        length = int.from_bytes(data[place + 2 : start], "big") if size else length
        if size and length < (126 if size == 2 else 1 << 16):  # "the minimal number of bytes MUST be used"
            break
        payload, place = data[start : start + length], start + length
        if code == Opcode.CLOSE:
            return messages, place <= len(data) and _is_clean(payload) and not fragmented
        if code in (Opcode.PING, Opcode.PONG):
            continue
        if place > len(data) or code != (Opcode.CONTINUATION if fragmented else Opcode.BINARY):
            break
        pending += payload
        if len(pending) > LIMIT:
            break
        fragmented = not fin
        if fin:
            messages, pending = messages + pending, b""
    return messages, False


def _is_clean(payload: bytes) -> bool:
    """Whether a close frame says that all is well, in UTF-8: with no code, normal, or going away."""
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return False
    return payload == b"" or int.from_bytes(payload[:2], "big") in (1000, 1001)


def seeds() -> Iterator[bytes]:
    close = b"\x88\x02\x03\xe8"
    yield frame(b"hello") + frame(b" world") + close
    yield frame(b"hel", fin=False) + frame(b"", opcode=Opcode.PING) + frame(b"lo", opcode=Opcode.CONTINUATION) + close
    yield frame(b"") + frame(b"a" * 130) + b"\x88\x00"
    yield frame(b"a" * (LIMIT + 1))
    yield frame(b"a" * LIMIT) + b"\x88\x06\x03\xf3gone"
    yield frame(b"before") + frame(b"text", opcode=Opcode.TEXT)
    yield frame(b"before") + b"\xc2\x00"
    yield frame(b"before") + frame(b"cut")[:-1]
    yield frame(b"before") + b"\x82\x85abcdhello"
    yield frame(b"begun", fin=False) + close
    yield frame(b"", opcode=Opcode.TEXT, fin=False) + close
    yield b"\x88\x02\x03\xe9" + frame(b"after")
    yield frame(b"pong", opcode=Opcode.PONG) + b"\x88\x01\x03"
    yield b"\x82\x7e\x00\x02aa" + close
    yield b"\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00"
