"""Pillow at work on pictures that may be anything: what comes out has one of three modes, or is an error in words.

One at a time in the whole process: a Pillow image that was opened but not loaded must not be loaded by two threads at
once, and the filter that keeps Pillow's warnings (about broken EXIF data, say) from the user is the whole process's.
Pillow's C code lets other threads run meanwhile; resizing and encoding are outside. The lock is all that this room
knows of threads: it is called from some, and starts none.

Limits are checked again by what Pillow says: a file may have changed since its header was read, and a PNG may have a
second header, which Pillow goes by.
"""

from __future__ import annotations

import contextlib
import warnings
from _thread import allocate_lock
from typing import TYPE_CHECKING, BinaryIO, Final

from nai_trio.errors import InvalidParamsError
from nai_trio.pictures.header import MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

__all__ = ["FORMATS", "Undecodable", "decoding", "in_plain_mode", "opened_image", "upright"]

FORMATS: Final = ("PNG", "JPEG", "WEBP")
_ONE_AT_A_TIME: Final = allocate_lock()


class Undecodable(ValueError):
    """Pillow makes no picture of it; the text says why."""


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Where Pillow opens, loads and converts pictures: alone, without warnings.

    Raises:
        Undecodable: whatever Pillow raised.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (InvalidParamsError, Undecodable):
            raise
        except Exception as error:
            raise Undecodable(_words(error)) from error


def opened_image(file: BinaryIO, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """A picture that is not loaded yet, and not too large to be.

    Raises:
        Undecodable: it has more pixels than are taken; Pillow raises whatever else it likes.
    """
    from PIL import Image  # noqa: PLC0415 - an extra, and slow to load

    image = Image.open(file, formats=formats)
    if image.width * image.height > MAX_PIXELS:
        raise Undecodable(f"its data are of {image.width}x{image.height} pixels, and at most {MAX_PIXELS} are taken")
    return image


def in_plain_mode(image: Image.Image) -> Image.Image:
    """The picture in mode RGBA if it can have transparent parts, L if it is grey, else RGB; itself if it is so."""
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow itself would not scale but clip
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    mode = "RGBA" if image.has_transparency_data else "L" if image.mode in {"1", "L"} else "RGB"
    return image if image.mode == mode else image.convert(mode)


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """A picture turned as an EXIF orientation (1 to 8) says that it is shown."""
    from PIL.Image import Transpose  # noqa: PLC0415 - as above

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _words(error: Exception) -> str:
    from PIL import UnidentifiedImageError  # noqa: PLC0415 - as above

    if isinstance(error, UnidentifiedImageError):  # its own words have the address of a buffer
        return "Pillow does not know its format, or its header is broken"
    return str(error) or type(error).__name__
