"""The copy of the metadata in the lowest bit of alpha (wire document, section 7): it survives where chunks are dropped.

Bits run down each column, columns from the left, the most significant bit of a byte first: "stealth_pngcomp", a length
in bits as 32 of them, then that many bits of gzip around JSON. What may follow (error correction) is not read.

Pillow decodes the picture, after its header has said that it is no larger than any picture taken here. Only the columns
that hold bits are looked at.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from nai_trio.pictures.claims import GZIP, MAX_TEXT_SIZE, decoded, inflated, refused
from nai_trio.pictures.decoding import Undecodable, decoding, opened_image
from nai_trio.pictures.header import MAX_PIXELS, read_header

if TYPE_CHECKING:
    from types import ModuleType

    from PIL import Image

__all__ = ["stealth_text"]

_MAGIC: Final = b"stealth_pngcomp"
_HEAD_SIZE: Final = len(_MAGIC) + 4
_LOWEST_BIT: Final = bytes(ord("0") + (value & 1) for value in range(256))
"""Maps alpha to the digits of a binary number: Python reads a long one of those in linear time."""

_WHAT: Final = "a copy of the metadata in the alpha channel"


def stealth_text(data: bytes) -> str | None:
    """The JSON text of the copy in alpha, None where there is none.

    Args:
        data: a whole PNG or WebP.

    Raises:
        InvalidParamsError: the picture is too large or cannot be decoded, the copy in it is broken, or Pillow, which
            this needs for pictures with alpha, is missing.
    """
    alpha = _alpha(data)
    if alpha is None or alpha.width * alpha.height < 8 * _HEAD_SIZE:
        return None
    head = _first_bytes(alpha, _HEAD_SIZE)
    if not head.startswith(_MAGIC):
        return None
    size, odd = divmod(int.from_bytes(head[-4:], "big"), 8)
    room = alpha.width * alpha.height // 8 - _HEAD_SIZE
    if odd or size > min(room, MAX_TEXT_SIZE):
        most = min(room, MAX_TEXT_SIZE)
        raise refused(f"{_WHAT} of at most {8 * most} bits in whole bytes", f"one that claims {8 * size + odd}")
    return decoded(inflated(_first_bytes(alpha, _HEAD_SIZE + size)[_HEAD_SIZE:], GZIP, _WHAT))


def _first_bytes(alpha: Image.Image, count: int) -> bytes:
    columns = -(-8 * count // alpha.height)
    strip = alpha.crop((0, 0, columns, alpha.height)).transpose(_pillow().Transpose.TRANSPOSE)
    digits = strip.tobytes()[: 8 * count].translate(_LOWEST_BIT)
    return int(digits, 2).to_bytes(count, "big")


def _alpha(data: bytes) -> Image.Image | None:
    """The alpha channel, None where the picture has none."""
    try:
        header = read_header(data)
    except ValueError as error:
        raise refused("a PNG or WebP picture", str(error)) from None
    if header.width * header.height > MAX_PIXELS:
        raise refused(f"a picture of at most {MAX_PIXELS} pixels", f"{header.width}x{header.height}")
    if not header.has_alpha:
        return None
    _pillow()
    try:
        with decoding(), opened_image(io.BytesIO(data), ("PNG", "WEBP")) as image:
            alpha: Image.Image | None = image.getchannel("A") if "A" in image.getbands() else None
    except Undecodable as error:
        raise refused("a picture that can be decoded", f"one that cannot ({error})") from None
    return alpha


def _pillow() -> ModuleType:
    try:
        from PIL import Image  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:
        needs = "metadata in its chunks, or Pillow to look for a copy in alpha (pip install 'nai-trio[images]')"
        raise refused(f"a picture with {needs}", "one without, and no Pillow") from None
    return Image
