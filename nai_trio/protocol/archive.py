"""A ZIP of finished pictures (wire document, section 5), unpacked with bounds.

The central directory is the truth: local headers need not hold sizes. A size in the archive is a claim; what counts is
how much comes out, read until one byte over the limit. Only the two methods that the service uses are opened.
zipfile builds a record of each entry before anything can be asked of it, so entries are counted before, by the mark
that each begins with.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

from nai_trio.errors import LimitExceeded, ProtocolError
from nai_trio.protocol.chunks import FinalChunk
from nai_trio.protocol.members import show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.protocol.limits import Limits

__all__ = ["finals_from_zip", "has_directory"]

_ENTRY_MARK = b"PK\x01\x02"
_ROOM_FOR_FOLDERS = 1000
"""Entries beside the pictures: folders, and bytes of a picture that look like an entry."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    LookupError,
    OverflowError,
    struct.error,
)
"""What zipfile raises on archives that are broken, cut, encrypted or exotic."""


def has_directory(archive: bytes) -> bool:
    """Whether the last part of an archive is there, in whatever state: one that was cut lacks it."""
    try:
        return zipfile.is_zipfile(io.BytesIO(archive))
    except _ZIP_ERRORS:  # there, and wrong in itself
        return True


def finals_from_zip(archive: bytes | bytearray, *, limits: Limits) -> Iterator[FinalChunk]:
    """Unpack the pictures, in the archive's order; their place is their `samp_ix`.

    Raises:
        ProtocolError: the archive cannot be read.
        LimitExceeded: more pictures, or a larger one, than the limits allow.
    """
    if archive.count(_ENTRY_MARK) > limits.max_images + _ROOM_FOR_FOLDERS:
        raise LimitExceeded.of("max_images", limits.max_images, "a ZIP with thousands of entries")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            entries = [entry for entry in opened.infolist() if not entry.filename.endswith("/")]
            if len(entries) > limits.max_images:
                raise LimitExceeded.of("max_images", limits.max_images, f"a ZIP with {len(entries)}")
            room = limits.max_answer_size
            for samp_ix, entry in enumerate(entries):
                image = _unpack(opened, entry, limits)
                room -= len(image)
                if room < 0:
                    raise LimitExceeded.of("max_answer_size", limits.max_answer_size, "a ZIP that unpacks to more")
                yield FinalChunk(samp_ix=samp_ix, gen_id=None, image=image)
    except _ZIP_ERRORS as error:
        raise ProtocolError.mismatch(
            expected="a ZIP of pictures", received=f"one that cannot be read ({str(error)[:200]})"
        ) from error


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limits: Limits) -> bytes:
    if entry.compress_type not in _METHODS:
        raise ProtocolError.mismatch(
            expected="ZIP entries stored or deflated", received=f"method {entry.compress_type}"
        )
    with archive.open(entry) as source:
        image = source.read(limits.max_image_size + 1)
    if len(image) > limits.max_image_size:
        raise LimitExceeded.of("max_image_size", limits.max_image_size, f"a larger {show(entry.filename)} in a ZIP")
    if not image:
        raise ProtocolError.mismatch(
            expected="a picture in each ZIP entry", received=f"an empty {show(entry.filename)}"
        )
    return image
