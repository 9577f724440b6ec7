"""Directories of a TIFF, which EXIF data are (TIFF 6.0, section 2): where a tag stands. Every offset is a claim."""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["BYTE_ORDERS", "find_tag", "first_directory"]

BYTE_ORDERS: Final = {b"II": "<", b"MM": ">"}
"""What a TIFF begins with, and what `struct` calls that order."""


def first_directory(tiff: bytes, order: str) -> int:
    """Where the first directory stands.

    Raises:
        struct.error: the data end before it says so.
    """
    (offset,) = struct.unpack_from(f"{order}I", tiff, 4)
    return int(offset)


def find_tag(tiff: bytes, order: str, directory: int, tag: int) -> int | None:
    """Where the twelve bytes of a tag stand in a directory: tag, type, count, value or its offset; None without it.

    Raises:
        struct.error: the data end before the directory does.
    """
    (count,) = struct.unpack_from(f"{order}H", tiff, directory)
    for offset in range(directory + 2, directory + 2 + 12 * count, 12):
        if struct.unpack_from(f"{order}H", tiff, offset) == (tag,):
            return offset
    return None
