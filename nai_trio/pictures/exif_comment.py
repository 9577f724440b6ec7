"""The EXIF UserComment of a WebP (RFC 9649; EXIF 2.32, 4.6.2 and 4.6.5), read without decoding the picture.

Two containers, one in the other: RIFF chunks, and in one of them a TIFF directory. Each offset and length is a claim.
Texts begin with eight bytes that name their character code; writers leave them out or disagree with them, so what the
bytes are is asked of the bytes, where JSON's first character is ASCII.
"""

from __future__ import annotations

import codecs
import struct
from typing import TYPE_CHECKING

from nai_trio.pictures.claims import MAX_TEXT_SIZE, decoded, refused
from nai_trio.pictures.tiff import BYTE_ORDERS, find_tag, first_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["webp_user_comment"]

_EXIF_DIRECTORY, _USER_COMMENT = 0x8769, 0x9286
_BYTE_TYPES = (1, 2, 7)
"""BYTE, ASCII and UNDEFINED: a unit is one byte. The last is what a UserComment should have."""

_CODES = (b"ASCII\0\0\0", b"UNICODE\0", b"JIS\0\0\0\0\0", b"\0" * 8)


def webp_user_comment(data: bytes) -> str | None:
    """The text of the UserComment, None where there is none.

    Args:
        data: a whole WebP.

    Raises:
        InvalidParamsError: the file is cut, its EXIF data cannot be read, or the text is too large.
    """
    exif = next((body for kind, body in _chunks(data) if kind == b"EXIF"), None)
    if exif is None:
        return None
    try:
        comment = _user_comment(exif.removeprefix(b"Exif\0\0"))
    except struct.error:
        raise refused("EXIF data that holds what it points to", f"{len(exif)} bytes that do not") from None
    return None if comment is None else _text(comment)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each chunk; a chunk of odd length is padded."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise refused(f"a whole WebP of {end} bytes", f"one that ends at byte {len(data)}")
    offset = 12
    while offset + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, offset)
        start, offset = offset + 8, offset + 8 + length
        if offset > end:
            raise refused("a whole WebP", f"one that ends at byte {end}, inside its chunk {kind!r}")
        if kind == b"EXIF":
            yield kind, data[start:offset]
        offset += length % 2


def _user_comment(tiff: bytes) -> bytes | None:
    order = BYTE_ORDERS.get(tiff[:2])
    if order is None:
        raise refused("EXIF data that begins with its byte order, II or MM", repr(tiff[:4]))
    first = first_directory(tiff, order)
    found = find_tag(tiff, order, first, _USER_COMMENT)
    inner = find_tag(tiff, order, first, _EXIF_DIRECTORY)
    if found is None and inner is not None:
        (second,) = struct.unpack_from(f"{order}I", tiff, inner + 8)
        found = find_tag(tiff, order, second, _USER_COMMENT)
    return None if found is None else _value(tiff, order, found)


def _value(tiff: bytes, order: str, entry: int) -> bytes:
    kind, count, offset = struct.unpack_from(f"{order}HII", tiff, entry + 2)
    if kind not in _BYTE_TYPES:
        raise refused("an EXIF UserComment made of bytes", f"one of type {kind}")
    if count > MAX_TEXT_SIZE:
        raise refused(f"an EXIF UserComment of at most {MAX_TEXT_SIZE} bytes", f"one of {count} bytes")
    start = entry + 8 if count <= 4 else offset
    (value,) = struct.unpack_from(f"{count}s", tiff, start)
    return bytes(value)


def _text(comment: bytes) -> str:
    code = comment[:8]
    text = comment[8:] if code in _CODES else comment
    return _any_unicode(text).strip("\0 \t\r\n")


def _any_unicode(text: bytes) -> str:
    """UTF-16 by its mark or by the place of the zero in its first character, else UTF-8."""
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return text.decode("utf-16", "replace")
    if text[:1] == b"\0" and text[1:2] != b"\0":
        return text.decode("utf-16-be", "replace")
    if text[1:2] == b"\0" and text[:1] != b"\0":
        return text.decode("utf-16-le", "replace")
    return decoded(text)
