"""What the metadata readers share: one wording of errors, one bound, one way to unpack.

A finished picture comes from anywhere: every length in it is a claim, and what is packed in it may be a bomb.
"""

from __future__ import annotations

import zlib
from typing import Final

from nai_trio.errors import InvalidParamsError

__all__ = ["GZIP", "MAX_TEXT_SIZE", "ZLIB", "decoded", "inflated", "refused", "shown"]

MAX_TEXT_SIZE: Final = 4 * 1024 * 1024
"""Bytes of one text, unpacked. The service's own are a few kilobytes, and its longest prompts too (wire document,
section 2.6); JSON takes some twenty times its size in memory at worst."""

ZLIB: Final = zlib.MAX_WBITS
GZIP: Final = zlib.MAX_WBITS | 16


def refused(expected: str, came: str) -> InvalidParamsError:
    """The error about a finished picture; `came` describes bytes, so it is words and no repr."""
    return InvalidParamsError.in_words("picture", came, expected, value=came)


def shown(text: str) -> str:
    """The beginning of a text, for a message."""
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}..."


def inflated(data: bytes, packing: int, what: str) -> bytes:
    """Unpack a text, up to `MAX_TEXT_SIZE` bytes.

    Args:
        data: the packed bytes; what follows their end is left alone.
        packing: `ZLIB` or `GZIP`.
        what: what errors call it.

    Raises:
        InvalidParamsError: it is broken, cut, or unpacks to more.
    """
    unpacker = zlib.decompressobj(packing)
    try:
        text = unpacker.decompress(data, MAX_TEXT_SIZE + 1)
    except zlib.error as error:
        raise refused(f"{what} that can be unpacked", f"broken data ({error})") from None
    if len(text) > MAX_TEXT_SIZE:
        raise refused(f"{what} of at most {MAX_TEXT_SIZE} bytes", "one that unpacks to more")
    if not unpacker.eof:
        raise refused(f"{what} that can be unpacked", "data that ends too early")
    return text


def decoded(data: bytes) -> str:
    """Text that should be Latin-1 or ASCII by its format: UTF-8, which many write there anyway, else Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
