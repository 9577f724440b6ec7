"""The pictures that a request brings: base64 in, RGBA out, with bounds. The service reads PNG, JPEG and WebP.

The pixel count is read from the header before anything is unpacked, so a small file that claims a huge picture is
refused for nothing. EXIF orientation is left alone: whether the service heeds it is not known.
"""

from __future__ import annotations

import base64
import binascii
import io
import warnings

from PIL import Image

__all__ = ["MAX_PIXELS", "UnreadablePictureError", "decode_picture", "open_picture"]

MAX_PIXELS = 4 * 3_145_728
"""Inferred: four times the largest area that can be generated."""

_FORMATS = ("PNG", "JPEG", "WEBP")


class UnreadablePictureError(ValueError):
    """Not a picture that can be used; the text says why."""


def open_picture(data: bytes) -> Image.Image:
    """Unpack a picture to RGBA, of its own size.

    Raises:
        UnreadablePictureError: not PNG, JPEG or WebP, broken, or more than `MAX_PIXELS`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bound on pixels is wider than ours
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                _check_area(image)
                return _rgba(image)
    except UnreadablePictureError:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadablePictureError(f"is too large, maximum is {MAX_PIXELS} pixels") from error
    except Exception as error:  # what decoders raise on broken bytes is not listed anywhere
        raise UnreadablePictureError("is not a readable PNG, JPEG or WebP picture") from error


def decode_picture(text: str) -> Image.Image:
    """As `open_picture`, from base64.

    Raises:
        UnreadablePictureError: as there, or not base64.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadablePictureError("is not base64") from error
    return open_picture(data)


def _check_area(image: Image.Image) -> None:
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise UnreadablePictureError(f"is too large: {pixels} pixels, maximum is {MAX_PIXELS}")


def _rgba(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return image.convert("RGBA")
