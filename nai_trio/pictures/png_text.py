"""The text chunks of a PNG (W3C PNG, third edition, 11.3.3), read without decoding the picture.

The service writes tEXt; programs that save its pictures again may make iTXt or zTXt of it. Only the chunks that are
asked for are unpacked. Their checksums are compared, since one changed digit is another seed; those of other chunks are
not, since nothing is taken from them. The first of several texts with the same name counts.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from nai_trio.pictures.claims import MAX_TEXT_SIZE, ZLIB, decoded, inflated, refused
from nai_trio.pictures.header import PNG_SIGNATURE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

__all__ = ["png_texts"]


def png_texts(data: bytes, names: Collection[str]) -> dict[str, str]:
    """The texts of these names.

    Args:
        data: a whole PNG.
        names: the keywords to look for.

    Raises:
        InvalidParamsError: the file is cut, or a text of these names is broken or too large.
    """
    texts: dict[str, str] = {}
    for kind, body, checksum in _chunks(data):
        reader = _READERS.get(kind)
        if reader is None:
            continue
        keyword, end, _ = bytes(body[:80]).partition(b"\0")  # a keyword has at most 79 bytes
        name = keyword.decode("latin-1")
        if end and name in names and name not in texts:
            what = f"a {kind.decode()} chunk {name!r}"
            _check(what, kind, body, checksum)
            texts[name] = reader(bytes(body[len(keyword) + 1 :]), what)
    return texts


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    """Kind, body and checksum of each chunk up to IEND."""
    view, offset, kind = memoryview(data), len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        if offset + 8 > len(data):
            raise refused("a whole PNG", f"one that ends at byte {len(data)}, before its end chunk")
        length, kind = struct.unpack_from(">I4s", data, offset)
        start, end = offset + 8, offset + 8 + length
        if end + 4 > len(data):
            raise refused("a whole PNG", f"one that ends at byte {len(data)}, inside its chunk {kind!r}")
        (checksum,) = struct.unpack_from(">I", data, end)
        yield kind, view[start:end], checksum
        offset = end + 4


def _check(what: str, kind: bytes, body: memoryview, checksum: int) -> None:
    if len(body) > MAX_TEXT_SIZE:
        raise refused(f"{what} of at most {MAX_TEXT_SIZE} bytes", f"one of {len(body)} bytes")
    if zlib.crc32(body, zlib.crc32(kind)) != checksum:
        raise refused(f"{what} as it was written", "one that does not match its checksum")


def _plain(rest: bytes, _what: str) -> str:
    return decoded(rest)


def _packed(rest: bytes, what: str) -> str:
    _check_method(rest[:1], what)
    return decoded(inflated(rest[1:], ZLIB, what))


def _international(rest: bytes, what: str) -> str:
    flag, method, rest = rest[:1], rest[1:2], rest[2:]
    fields = rest.split(b"\0", 2)  # language, translated keyword, text
    if len(fields) < 3 or flag not in {b"\0", b"\1"}:
        raise refused(f"{what} with all its fields", "one without")
    if flag == b"\0":
        return decoded(fields[2])
    _check_method(method, what)
    return decoded(inflated(fields[2], ZLIB, what))


def _check_method(method: bytes, what: str) -> None:
    if method != b"\0":
        raise refused(f"{what} packed with deflate", f"method {method!r}")


_READERS: Mapping[bytes, Callable[[bytes, str], str]] = {b"tEXt": _plain, b"zTXt": _packed, b"iTXt": _international}
"""Chunk kind to what reads the bytes after the keyword."""
