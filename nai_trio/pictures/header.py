"""A picture's format and size, read from its first bytes without decoding it.

Only the formats that the service and its web client deal in: PNG (W3C PNG, third edition, 11.2), JPEG (ITU-T T.81,
annex B) and WebP (RFC 9649). Every length in the bytes is a claim and is checked against what is there.

A JPEG is as tall and wide as it is shown: cameras store turned pictures with an EXIF orientation, and browsers turn
them back.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import attrs

from nai_trio.pictures.tiff import BYTE_ORDERS, find_tag, first_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_PIXELS", "PNG_SIGNATURE", "CutHeader", "PictureFormat", "PictureHeader", "is_webp", "read_header"]

PictureFormat: TypeAlias = Literal["png", "jpeg", "webp"]

MAX_PIXELS: Final = 8192 * 8192
"""Pictures that claim more are not taken anywhere."""

_MAX_PARTS: Final = 10_000
"""Chunks or segments before the pixels. Files have a dozen, or a thousand where a camera stores a depth map in them;
millions of empty ones would take seconds to walk through."""

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PNG_ALPHA_TYPES = (4, 6)
_ORIENTATION, _SHORT = 0x0112, 3
_UPRIGHT, _TURNED = 1, range(5, 9)
"""EXIF orientations: as stored; those that swap width and height."""

_MARKER_START = re.compile(rb"\xff+")
"""A marker's first byte, after any number of the same as padding."""


class CutHeader(ValueError):
    """The bytes end within the header; with more of them it may be whole."""


@attrs.frozen(kw_only=True)
class PictureHeader:
    """What a picture says of itself before its pixels.

    Attributes:
        format: "png", "jpeg" or "webp".
        width: pixels as shown, at least 1.
        height: pixels as shown, at least 1.
        has_alpha: whether it can hold transparent pixels.
        orientation: how a JPEG's stored pixels lie, in EXIF's numbers: 1 upright, 2 to 8 mirrored or turned.
    """

    format: PictureFormat
    width: int
    height: int
    has_alpha: bool
    orientation: int = _UPRIGHT

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height


def read_header(data: bytes) -> PictureHeader:
    """Read the header of a PNG, JPEG or WebP.

    Args:
        data: the picture, or enough of its beginning.

    Raises:
        ValueError: these are not the bytes of such a picture, or (`CutHeader`) they end within its header; the text
            says what came.
    """
    try:
        header = _read(data)
    except struct.error:
        raise CutHeader("a picture that ends within its header") from None
    if header.width < 1 or header.height < 1:
        raise ValueError(f"a picture of {header.width}x{header.height} pixels")
    return header


def is_webp(data: bytes) -> bool:
    """Whether bytes begin as a WebP does."""
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"


def _read(data: bytes) -> PictureHeader:
    if data.startswith(PNG_SIGNATURE):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if is_webp(data):
        return _webp(data)
    raise ValueError(f"bytes that begin with {data[:12]!r}" if data else "no bytes at all")


def _png(data: bytes) -> PictureHeader:
    length, kind = struct.unpack_from(">I4s", data, 8)
    if kind != b"IHDR" or length != 13:
        raise ValueError(f"a PNG whose first chunk is {kind!r}, not IHDR")
    width, height, _depth, color_type = struct.unpack_from(">IIBB", data, 16)
    has_alpha = color_type in _PNG_ALPHA_TYPES or b"tRNS" in _png_kinds(data)
    return PictureHeader(format="png", width=width, height=height, has_alpha=has_alpha)


def _png_kinds(data: bytes) -> Iterator[bytes]:
    """The kinds of the chunks before the pixels, as far as they are at hand."""
    offset = len(PNG_SIGNATURE)
    for _ in range(_MAX_PARTS):
        if offset + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, offset)
        if kind in {b"IDAT", b"IEND"}:
            return
        yield kind
        offset += 12 + length
    raise ValueError(f"a PNG with more than {_MAX_PARTS} chunks before its pixels")


def _jpeg(data: bytes) -> PictureHeader:
    orientation = _UPRIGHT
    for marker, start, end in _jpeg_segments(data):
        if marker == 0xE1 and data.startswith(b"Exif\0\0", start):
            orientation = _orientation(data[start + 6 : end])
        elif 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack_from(">HH", data, start + 1)
            width, height = (height, width) if orientation in _TURNED else (width, height)
            return PictureHeader(format="jpeg", width=width, height=height, has_alpha=False, orientation=orientation)
    raise ValueError("a JPEG without a frame header")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment before the pixels."""
    offset = 2
    for _ in range(_MAX_PARTS):
        (first,) = struct.unpack_from(">B", data, offset)
        found = _MARKER_START.match(data, offset)
        if found is None:
            raise ValueError(f"a JPEG with {first:#04x} where a marker belongs")
        (marker,) = struct.unpack_from(">B", data, found.end())
        offset = found.end() + 1
        if marker in {0xD9, 0xDA}:
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a segment
            continue
        (length,) = struct.unpack_from(">H", data, offset)
        if length < 2:
            raise ValueError("a JPEG with a segment shorter than its own length")
        yield marker, offset + 2, offset + length
        offset += length
    raise ValueError(f"a JPEG with more than {_MAX_PARTS} segments before its pixels")


def _orientation(exif: bytes) -> int:
    """The orientation that EXIF tells, 1 (upright) where it tells none or is broken: it is no reason to refuse."""
    order = BYTE_ORDERS.get(exif[:2])
    if order is None:
        return _UPRIGHT
    try:
        found = find_tag(exif, order, first_directory(exif, order), _ORIENTATION)
        if found is None:
            return _UPRIGHT
        kind, value = struct.unpack_from(f"{order}2xH4xH", exif, found)
    except struct.error:
        return _UPRIGHT
    return int(value) if kind == _SHORT and value in range(1, 9) else _UPRIGHT


def _webp(data: bytes) -> PictureHeader:
    kind, _length = struct.unpack_from("<4sI", data, 12)
    if kind == b"VP8X":
        flags, width, high, height, tall = struct.unpack_from("<B3xHBHB", data, 20)
        size = (1 + width + (high << 16), 1 + height + (tall << 16))
        return _webp_header(size, has_alpha=bool(flags & 0x10))
    if kind == b"VP8L":
        signature, bits = struct.unpack_from("<BI", data, 20)
        if signature != 0x2F:
            raise ValueError("a lossless WebP without its signature")
        return _webp_header((1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)), has_alpha=bool(bits >> 28 & 1))
    if kind == b"VP8 ":
        start_code, width, height = struct.unpack_from("<3x3sHH", data, 20)
        if start_code != b"\x9d\x01\x2a":
            raise ValueError("a lossy WebP without a key frame")
        return _webp_header((width & 0x3FFF, height & 0x3FFF), has_alpha=False)
    raise ValueError(f"a WebP whose first chunk is {kind!r}")


def _webp_header(size: tuple[int, int], *, has_alpha: bool) -> PictureHeader:
    return PictureHeader(format="webp", width=size[0], height=size[1], has_alpha=has_alpha)
