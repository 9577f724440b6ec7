"""Picture files put together byte by byte, as tests need them: right, odd and wrong."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zlib
from functools import lru_cache
from typing import Any

from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SOURCE = "NovelAI Diffusion V4.5 4BDE2A90"
COMMENT: dict[str, Any] = {"prompt": "1girl, solo", "steps": 23, "seed": 1234567, "width": 832, "height": 1216}
TEXTS = {
    "Title": "AI generated image",
    "Description": "1girl, solo",
    "Software": "NovelAI",
    "Source": SOURCE,
    "Generation_time": "2.4301666780374944",
    "Comment": json.dumps(COMMENT),
}


def chunk(kind: bytes, body: bytes, *, checksum: int | None = None) -> bytes:
    """A PNG chunk."""
    found = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", found)


def text_chunk(name: str, text: bytes | str) -> bytes:
    """A tEXt chunk."""
    return chunk(b"tEXt", name.encode("latin-1") + b"\0" + (text.encode("latin-1") if isinstance(text, str) else text))


@lru_cache(64)
def png(*extra: bytes, size: tuple[int, int] = (4, 4), mode: str = "RGB") -> bytes:
    """A real PNG of one color, with chunks before its pixels."""
    target = io.BytesIO()
    Image.new(mode, size, 200 if mode == "L" else (200,) * len(mode)).save(target, "PNG")
    plain = target.getvalue()
    after_header = len(SIGNATURE) + 12 + 13
    return plain[:after_header] + b"".join(extra) + plain[after_header:]


def with_segment(jpeg: bytes, body: bytes, count: int = 1) -> bytes:
    """A JPEG with further APP1 segments, where EXIF data stand."""
    return jpeg[:2] + (b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body) * count + jpeg[2:]


def service_png() -> bytes:
    """A PNG with the service's six texts."""
    return png(*(text_chunk(name, text) for name, text in TEXTS.items()))


def user_comment_text(comment: dict[str, Any] | None = None) -> str:
    """What the service's WebP pictures have as UserComment."""
    return json.dumps({"Comment": json.dumps(COMMENT if comment is None else comment), "Source": SOURCE})


def tiff(comment: bytes, *, order: str = "<", kind: int = 7, where: str = "exif", pad: bytes = b"") -> bytes:
    """EXIF data with a UserComment in the EXIF directory or ("first") in the first one."""

    def pack(layout: str, *values: Any) -> bytes:
        return struct.pack(order + layout, *values)

    head = {"<": b"II", ">": b"MM"}[order] + pack("HI", 42, 8)
    first = 2 + 12 + 4
    start = 8 + first * (1 if where == "first" else 2)
    value = comment.ljust(4, b"\0") if len(comment) <= 4 else pack("I", start)
    entry = pack("HHI", 0x9286, kind, len(comment)) + value
    directory = pack("H", 1) + entry + pack("I", 0)
    if where == "first":
        return head + directory + comment + pad
    return head + pack("H", 1) + pack("HHII", 0x8769, 4, 1, 8 + first) + pack("I", 0) + directory + comment + pad


def riff_chunk(kind: bytes, body: bytes) -> bytes:
    """A RIFF chunk, padded."""
    return struct.pack("<4sI", kind, len(body)) + body + b"\0" * (len(body) % 2)


def riff(*chunks: bytes) -> bytes:
    """A RIFF file that calls itself a WebP."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp(exif: bytes | None = None, *, mode: str = "RGB", size: tuple[int, int] = (4, 4)) -> bytes:
    """A real lossless WebP of one color, with EXIF data in it."""
    target = io.BytesIO()
    image = Image.new(mode, size, (200,) * len(mode))
    image.save(target, "WEBP", lossless=True, **({} if exif is None else {"exif": exif}))
    return target.getvalue()


def stealth_json(**changes: Any) -> bytes:
    """The JSON that the copy in alpha holds."""
    members = {name: TEXTS[name] for name in ("Description", "Software", "Source", "Comment")}
    return json.dumps({**members, "Generation time": TEXTS["Generation_time"], **changes}).encode()


def packed(text: bytes) -> bytes:
    """gzip, the same each time."""
    return gzip.compress(text, mtime=0)
