"""Writes metadata into the lowest bit of alpha, pixel by pixel from the description (wire document, section 7)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"stealth_pngcomp"


def stealth_bits(payload: bytes, *, magic: bytes = MAGIC, length: int | None = None, tail: bytes = b"") -> str:
    """The bits of a copy: magic, length in bits, payload, and what a writer may put after it."""
    bits = 8 * len(payload) if length is None else length
    return "".join(f"{byte:08b}" for byte in magic + bits.to_bytes(4, "big") + payload + tail)


def write_bits(image: Image.Image, bits: str) -> Image.Image:
    """A copy of an RGBA image with bits in its alpha; pixels after them get 254."""
    marked, source = image.copy(), iter(bits)
    for x, y in _columns(image):
        red, green, blue, _ = image.getpixel((x, y))  # type: ignore[misc]
        marked.putpixel((x, y), (red, green, blue, 254 | int(next(source, "0"))))
    return marked


def _columns(image: Image.Image) -> Iterator[tuple[int, int]]:
    return ((x, y) for x in range(image.width) for y in range(image.height))


def stealth_picture(bits: str, *, size: tuple[int, int] = (40, 50), image_format: str = "PNG") -> bytes:
    """A picture with the bits in its alpha and no other metadata."""
    image = write_bits(Image.new("RGBA", size, (10, 20, 30, 255)), bits)
    target = io.BytesIO()
    image.save(target, image_format, **({"lossless": True, "exact": True} if image_format == "WEBP" else {}))
    return target.getvalue()
