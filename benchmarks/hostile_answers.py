"""What a hostile service may answer, as bytes that begin at its status line; every kind as large as it likes."""

from __future__ import annotations

import base64
import io
import itertools
import json
import struct
import zipfile
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import msgpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

KIB = 1024
MIB = 1024 * KIB
BLOCK = 64 * KIB

END = b"(the end of the connection)"
"""A piece that stands for the end of the connection."""

PICTURE = b"\x89PNG\r\n\x1a\n" + b"x" * 64
FINAL: dict[str, Any] = {"event_type": "final", "samp_ix": 0, "gen_id": 1, "image": PICTURE}

SSE, MSGPACK, ZIP, JSON = "text/event-stream", "application/msgpack", "application/zip", "application/json"


@attrs.frozen(kw_only=True)
class Answer:
    """One hostile answer.

    Attributes:
        way: what the client asks for when it comes: a delivery, "account", or "picture" (a file's metadata is read).
        ending: the limit that is exceeded, the class of the error, or "accepted".
        limit: the limit against which the memory is counted.
        pieces: makes the bytes.
        bound: what the limit allows, where it is not bytes of `Limits`.
        ratio: the largest ratio of peak memory to limit that passes.
    """

    way: str
    ending: str
    limit: str
    pieces: Callable[[], Iterable[bytes]]
    bound: int = 0
    ratio: float = 2.5


def head(media_type: str, *, status: int = 200, more: str = "") -> bytes:
    return f"HTTP/1.1 {status} Whatever\r\ncontent-type: {media_type}\r\n{more}\r\n".encode()


def chunked(media_type: str, pieces: Iterable[bytes], *, status: int = 200) -> Iterator[bytes]:
    yield head(media_type, status=status, more="transfer-encoding: chunked\r\n")
    for piece in filter(None, pieces):
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def whole(media_type: str, content: bytes) -> Iterator[bytes]:
    yield head(media_type, more=f"content-length: {len(content)}\r\n")
    yield from blocks(content)


def cut(pieces: Iterable[bytes], count: int = 0) -> Iterator[bytes]:
    """All of it but the last bytes, and the end of the connection; without any cut off, it claims one byte more."""
    content = b"".join(pieces)
    if not count:
        start, _, rest = content.partition(b"content-length: ")
        length, _, rest = rest.partition(b"\r\n")
        content = b"%scontent-length: %d\r\n%s" % (start, int(length) + 1, rest)
    yield from blocks(content[: len(content) - count])
    yield END


def blocks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), BLOCK):
        yield content[start : start + BLOCK]


def endless(start: bytes, unit: bytes) -> Iterator[bytes]:
    yield start
    yield from itertools.repeat(unit * (BLOCK // len(unit)))


def honest(way: str) -> bytes:
    if way == "zip":
        content, media_type = zip_of({"image_0.png": PICTURE}), ZIP
    elif way == "sse":
        content, media_type = event(sse_fields()), SSE
    else:
        content, media_type = frame(FINAL), MSGPACK
    return b"".join(whole(media_type, content))


def sse_fields(**more: object) -> dict[str, object]:
    return {**FINAL, "image": base64.b64encode(PICTURE).decode(), **more}


def event(fields: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def frame(fields: dict[str, object]) -> bytes:
    return prefixed(msgpack.packb(fields))


def prefixed(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


def event_around(text: bytes, size: int) -> Iterator[bytes]:
    """A final event of that size, its picture in front, filled up with `text` in a member of its own."""
    start = event(sse_fields())[:-3] + b', "x": ['
    return framed_event(start, text, b"]}", size)


def framed_event(start: bytes, text: bytes, end: bytes, size: int) -> Iterator[bytes]:
    count = (size - len(start) - len(end)) // len(text) - 1
    return blocks(b"".join((start, text * count, text.rstrip(b","), end, b"\n\n")))


def lists_of_lists(size: int) -> bytes:
    """Lists of 1000 empty lists each."""
    return b"\xdd" + struct.pack(">I", size // 1003) + (b"\xdc\x03\xe8" + b"\x90" * 1000) * (size // 1003)


def frame_around(fill: bytes, size: int) -> Iterator[bytes]:
    """A frame of that size: a final, and one more member with a `fill` that msgpack reads as that."""
    start = bytearray(msgpack.packb(FINAL) + msgpack.packb("x"))
    start[0] += 1
    return blocks(prefixed(bytes(start) + fill[: size - len(start)]))


def text_members(size: int) -> bytes:
    """Texts of 8 MiB, all ASCII but for one character each: Python keeps four bytes for every one."""
    text = msgpack.packb("😀" + "x" * (8 * MIB - 9))
    return b"\xdc" + struct.pack(">H", size // (8 * MIB)) + text * (size // (8 * MIB))


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def zip_directory(count: int) -> bytes:
    """An archive that is a directory of many entries, all of them the same bytes."""
    one = zip_of({"0": PICTURE}, zipfile.ZIP_STORED)
    start = one.index(b"PK\x01\x02")
    end = one.index(b"PK\x05\x06")
    directory = one[start:end] * count
    counted = min(count, 0xFFFF)
    return (
        one[:start]
        + directory
        + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, counted, counted, len(directory), start, 0)
    )


def json_pictures(size: int) -> Iterator[bytes]:
    picture = base64.b64encode(bytes(size)).decode()
    return whole(JSON, json.dumps({"images": [{"image": picture, "index": 0, "seed": 1}]}).encode())


def png(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (8, 8), color: int = 6) -> bytes:
    """A PNG whose pixels are all nothing."""
    row = bytes(1 + size[0] * (4 if color == 6 else 1))
    packer = zlib.compressobj(1)
    packed = [packer.compress(row) for _ in range(size[1])]
    pixels = b"".join([*packed, packer.flush()])
    header = struct.pack(">IIBBBBB", *size, 8, color, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )


PICTURE_FILES: dict[str, Callable[[], bytes]] = {
    "a PNG text that unpacks to a gigabyte": lambda: png(
        (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1024 * MIB), 9))
    ),
    "a PNG of 67 megapixels, to look for metadata in its alpha": lambda: png(size=(8192, 8192)),
    "a PNG of a pixel more": lambda: png(size=(8192, 8193)),
}


def picture_file(name: str) -> bytes:
    return PICTURE_FILES[name]()


def small_pictures() -> list[bytes]:
    comment = b'Comment\0{"prompt": "cat"}'
    packed = b"Comment\0\0" + zlib.compress(b"{}")
    return [png((b"tEXt", comment), size=(64, 64)), png((b"zTXt", packed))]


def picture(limit: str, bound: int, ratio: float = 2.5) -> Answer:
    return Answer(way="picture", ending="InvalidParamsError", limit=limit, pieces=tuple, bound=bound, ratio=ratio)


EVENT, FRAME, WHOLE, IMAGE = 96 * MIB, 64 * MIB, 128 * MIB, 64 * MIB
TINY = b'data: {"event_type": "x"}\n\n'


def sse(ending: str, limit: str, pieces: Callable[[], Iterable[bytes]], **more: Any) -> Answer:
    return Answer(way="sse", ending=ending, limit=limit, pieces=lambda: chunked(SSE, pieces()), **more)


def frames(ending: str, limit: str, pieces: Callable[[], Iterable[bytes]], **more: Any) -> Answer:
    return Answer(way="msgpack", ending=ending, limit=limit, pieces=lambda: chunked(MSGPACK, pieces()), **more)


def framing(ending: str, limit: str, pieces: Callable[[], Iterable[bytes]], **more: Any) -> Answer:
    return Answer(way="sse", ending=ending, limit=limit, pieces=pieces, **more)


def zipped(ending: str, limit: str, pieces: Callable[[], Iterable[bytes]], **more: Any) -> Answer:
    return Answer(way="zip", ending=ending, limit=limit, pieces=pieces, **more)


CHUNKED = head(SSE, more="transfer-encoding: chunked\r\n")

ANSWERS: dict[str, Answer] = {
    "a header line without end": framing(
        "max_head_size", "max_head_size", partial(endless, b"HTTP/1.1 200 OK\r\nx: ", b"y")
    ),
    "header lines without end": framing(
        "max_head_size", "max_head_size", partial(endless, b"HTTP/1.1 200 OK\r\n", b"a:\r\n")
    ),
    "interim responses without end": framing(
        "max_head_size", "max_head_size", partial(endless, b"", b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n")
    ),
    "a chunk header without end": framing("max_head_size", "max_head_size", partial(endless, CHUNKED + b"5;", b"x")),
    "trailers without end": framing(
        "max_head_size", "max_head_size", partial(endless, CHUNKED + b"0\r\n", b"a: b\r\n")
    ),
    "chunks of one byte with extensions of 1 KiB": framing(
        "max_framing_size", "max_framing_size", partial(endless, CHUNKED, b"1;%s\r\n:\r\n" % (b"x" * KIB))
    ),
    "a line without end": sse("max_event_size", "max_event_size", partial(endless, b"data: ", b"x")),
    "data lines without end": sse("max_event_size", "max_event_size", partial(endless, b"", b"data: xx\n")),
    "a comment without end": sse("max_event_size", "max_event_size", partial(endless, b":", b"x")),
    "an event name without end": sse("max_event_size", "max_event_size", partial(endless, b"event: ", b"x")),
    "an event id of 90 MiB": sse(
        "max_field_size", "max_event_size", lambda: itertools.chain(endless_up_to(b"id: ", 90 * MIB), [b"\n"])
    ),
    "tiny events without end": sse("max_events", "max_events", partial(endless, b"", TINY)),
    "an event of the largest size whose picture is good": sse(
        "accepted",
        "max_event_size",
        lambda: framed_event(b'data: {"event_type":"final","samp_ix":0,"gen_id":1,"image":"', b"AAAA", b'"}', EVENT),
    ),
    "an event of the largest size that is not JSON": sse(
        "ProtocolError", "max_event_size", lambda: framed_event(b"data: ", b"x", b"", EVENT)
    ),
    "an event of the largest size, of empty lists": sse(
        "max_members", "max_event_size", lambda: event_around(b"[],", EVENT)
    ),
    "an event of the largest size, nested without end": sse(
        "max_depth", "max_event_size", lambda: framed_event(b"data: ", b"[", b"", EVENT)
    ),
    "an event of the largest size, not ASCII alone": sse(
        "max_text_size", "max_event_size", lambda: event_around(f'"😀{"x" * MIB}",'.encode(), EVENT - 2 * MIB)
    ),
    "a length prefix of 4 GiB": frames(
        "max_frame_size", "max_frame_size", lambda: [b"\xff\xff\xff\xff", *itertools.repeat(bytes(BLOCK), 100)]
    ),
    "a frame of the largest size whose picture is good": frames(
        "accepted", "max_frame_size", lambda: blocks(prefixed(msgpack.packb({**FINAL, "image": bytes(FRAME - 60)})))
    ),
    "a frame of the largest size that is not a map": frames(
        "ProtocolError", "max_frame_size", lambda: blocks(prefixed(msgpack.packb(bytes(FRAME - 5))))
    ),
    "a frame of the largest size, of empty lists": frames(
        "max_members", "max_frame_size", lambda: frame_around(lists_of_lists(FRAME - 200 * KIB), FRAME)
    ),
    "a frame of lists that claim 65 535 members each, nested": frames(
        "max_members", "max_frame_size", lambda: frame_around(b"\xdc\xff\xff" * 100 * KIB, 300 * KIB)
    ),
    "a frame of the largest size, nested without end": frames(
        "max_depth", "max_frame_size", lambda: frame_around(b"\x91" * FRAME, FRAME)
    ),
    "a frame of 57 MiB of text, not ASCII alone": frames(
        "max_text_size", "max_frame_size", lambda: frame_around(text_members(56 * MIB), 57 * MIB)
    ),
    "a bare map without end": frames(
        "max_frame_size", "max_frame_size", partial(endless, b"\x82\xa1x\xc6\x7f\xff\xff\xff", b"x")
    ),
    "a bare map of the largest size whose picture is good": frames(
        "accepted", "max_frame_size", lambda: blocks(msgpack.packb({**FINAL, "image": bytes(FRAME - 60)}))
    ),
    "a gzip coding": framing("ProtocolError", "max_head_size", lambda: [head(SSE, more="content-encoding: gzip\r\n")]),
    "a refusal without end": framing(
        "ServerError", "max_error_size", lambda: endless(head("text/html", status=500), b"<p>no</p>")
    ),
    "a redirect without end": framing(
        "HTTPStatusError",
        "max_error_size",
        lambda: endless(head("text/html", status=302, more="location: https://elsewhere.example/\r\n"), b"x"),
    ),
    "JSON without end where a stream was asked for": framing(
        "max_answer_size", "max_answer_size", lambda: endless(head(JSON), b'{"statusCode": ')
    ),
    "a picture without end": framing(
        "max_image_size", "max_image_size", lambda: endless(head("image/png") + PICTURE, b"x")
    ),
    "a ZIP without end": zipped("max_answer_size", "max_answer_size", lambda: endless(head(ZIP) + b"PK\x03\x04", b"x")),
    "a ZIP whose one picture unpacks to a gigabyte": zipped(
        "max_image_size", "max_image_size", lambda: whole(ZIP, zip_of({"0": bytes(1024 * MIB)}))
    ),
    "a ZIP of 64 pictures of 60 MiB each": zipped(
        "max_answer_size", "max_answer_size", lambda: whole(ZIP, zip_of({str(ix): bytes(60 * MIB) for ix in range(64)}))
    ),
    "a ZIP whose directory has two million entries": zipped(
        "max_images", "max_answer_size", lambda: whole(ZIP, zip_directory(2_000_000))
    ),
    "JSON pictures: one of 80 MiB": Answer(
        way="json", ending="max_image_size", limit="max_answer_size", pieces=lambda: json_pictures(80 * MIB)
    ),
    "JSON pictures: empty lists up to the limit": Answer(
        way="json",
        ending="max_members",
        limit="max_answer_size",
        pieces=lambda: whole(JSON, b'{"images":[' + b"[]," * (WHOLE // 3 - 10) + b"[]]}"),
    ),
    "JSON pictures up to the limit, then cut": Answer(
        way="json",
        ending="StreamInterrupted",
        limit="max_answer_size",
        pieces=lambda: cut(whole(JSON, b'{"images":[{"index":0,"image":"%s"}]}' % (b"A" * (WHOLE - 100)))),
        ratio=3.2,
    ),
    "a ZIP up to the limit, then cut": zipped(
        "StreamInterrupted",
        "max_answer_size",
        lambda: cut(whole(ZIP, zip_of({"0": bytes(60 * MIB), "1": bytes(60 * MIB)}, zipfile.ZIP_STORED)), 4),
    ),
    "an account without end": Answer(
        way="account", ending="max_call_size", limit="max_call_size", pieces=lambda: endless(head(JSON), b"[],")
    ),
    "an account of empty lists up to the limit": Answer(
        way="account",
        ending="max_members",
        limit="max_call_size",
        pieces=lambda: whole(JSON, b'{"tier":[' + b"[]," * (16 * MIB // 3 - 10) + b"[]]}"),
    ),
    "a PNG text that unpacks to a gigabyte": picture("MAX_TEXT_SIZE", 4 * MIB),
    "a PNG of 67 megapixels, to look for metadata in its alpha": picture("MAX_PIXELS, 4 bytes each:", 4 * 8192 * 8192),
    "a PNG of a pixel more": picture("MAX_PIXELS, 4 bytes each:", 4 * 8192 * 8192),
}


def endless_up_to(start: bytes, size: int) -> Iterator[bytes]:
    return itertools.islice(endless(start, b"x"), 1 + size // BLOCK)
