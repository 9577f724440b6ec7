"""The metadata of a finished picture: text chunks, EXIF, the copy in alpha; then the parameters that they give."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from picture_bytes import chunk, packed, png, riff, riff_chunk, service_png, stealth_json, tiff, user_comment_text, webp
from stealth_writer import stealth_bits, stealth_picture

from nai_trio import ImageParams
from nai_trio.errors import InvalidParamsError
from nai_trio.pictures.header import PNG_SIGNATURE, read_header
from nai_trio.pictures.metadata import PictureMetadata, read_metadata

MEASURED = (
    *("nai_trio.pictures.metadata", "nai_trio.pictures.png_text", "nai_trio.pictures.exif_comment"),
    *("nai_trio.pictures.stealth", "nai_trio.pictures.claims", "nai_trio.pictures.tiff"),
)
LONGEST = 2000
WORDS = (
    b"\x89PNG\r\n\x1a\n", b"IHDR", b"IEND\xaeB`\x82", b"tEXtComment\0{}", b"zTXtComment\0\0x\x9c",
    b"iTXtComment\0\1\0\0\0", b"Source\0NovelAI Diffusion V4.5 4BDE2A90", b"RIFF", b"WEBP", b"EXIF", b"Exif\0\0",
    b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"\x86\x92\x07\0", b"\x69\x87\x04\0", b"ASCII\0\0\0", b"UNICODE\0",
    b"\xff\xfe", b'{"Comment":"{}"}', b"VP8L",
)  # fmt: skip
_FEW = 20_000


def check(data: bytes) -> None:
    """Any bytes are metadata or one error in words; so they are with their checksums put right."""
    for picture in (data, with_checksums(data)):
        if _small(picture):
            _check_picture(picture)


def _small(data: bytes) -> bool:
    """Whether Pillow would have little to decode."""
    try:
        header = read_header(data)
    except ValueError:
        return True
    return header.width * header.height <= _FEW


def _check_picture(data: bytes) -> None:
    try:
        metadata = read_metadata(data)
    except InvalidParamsError as error:
        assert error.field == "picture"
        assert len(str(error)) < 500
        return
    assert isinstance(metadata, PictureMetadata)
    assert isinstance(metadata.comment, dict)
    assert (metadata.image_format == "png") is data.startswith(PNG_SIGNATURE)
    try:
        ImageParams.from_png(data)
    except InvalidParamsError as error:
        assert error.field


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the right checksums, as far as its lengths lead."""
    if not data.startswith(PNG_SIGNATURE):
        return data
    fixed, place = bytearray(data), len(PNG_SIGNATURE)
    while place + 12 <= len(fixed):
        end = place + 8 + int.from_bytes(fixed[place : place + 4], "big")
        if end + 4 > len(fixed):
            break
        fixed[end : end + 4] = struct.pack(">I", zlib.crc32(fixed[place + 4 : end]))
        place = end + 4
    return bytes(fixed)


def seeds() -> Iterator[bytes]:
    yield service_png()
    comment = user_comment_text().encode()
    yield webp(tiff(b"ASCII\0\0\0" + comment))
    yield webp(tiff(b"UNICODE\0" + comment.decode().encode("utf-16-be"), order=">"))
    yield riff(riff_chunk(b"EXIF", tiff(b"{}", where="first")))
    yield stealth_picture(stealth_bits(packed(stealth_json())))
    yield stealth_picture(stealth_bits(packed(stealth_json())), image_format="WEBP")
    yield stealth_picture(stealth_bits(b"", length=2**31))
    yield png(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b'{"prompt":"cat"}')))
    yield png(chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b'{"prompt":"cat"}')), chunk(b"tEXt", b"Source\0V4"))
    yield png(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"1" * 5000)))  # more digits than Python reads
    yield png(mode="RGBA", size=(30, 30))
    yield png(chunk(b"tEXt", b"Comment\0" + b"[" * 500))
