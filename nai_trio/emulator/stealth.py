"""The copy of the metadata in a picture's alpha channel (wire document, section 7, "Stealth copy").

It survives sites that strip text chunks. Bits go into the lowest bit of alpha, column by column from the top left, the
highest bit of each byte first: `stealth_pngcomp`, the length of the rest in bits as 32 bits, then gzip of JSON. An
opaque pixel so carries 254 or 255, an empty one 0 or 1: nobody sees it.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

from PIL import Image, ImageChops

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["hide_text", "stealth_text"]

_MAGIC = b"stealth_pngcomp"
_NAMES = {"Generation_time": "Generation time"}
_COPIED = ("Description", "Software", "Source", "Generation_time", "Comment")
_BITS = [bytes(value >> shift & 1 for shift in range(7, -1, -1)) for value in range(256)]
_CLEAR_LOWEST = [value & 0xFE for value in range(256)]


def stealth_text(chunks: Mapping[str, str]) -> str:
    """The JSON that is hidden, made of the text chunks."""
    return json.dumps({_NAMES.get(name, name): chunks[name] for name in _COPIED if name in chunks})


def hide_text(alpha: Image.Image, text: str) -> Image.Image:
    """A copy of an alpha channel that carries the text; the channel itself where it is too small for it."""
    packed = gzip.compress(text.encode(), mtime=0)
    payload = _MAGIC + (8 * len(packed)).to_bytes(4) + packed
    width, height = alpha.size
    if 8 * len(payload) > width * height:
        return alpha
    bits = b"".join(_BITS[byte] for byte in payload)
    columns = -(-len(bits) // height)
    rest = alpha.crop((0, 0, columns, height)).transpose(Image.Transpose.TRANSPOSE)
    standing = bytes(value & 1 for value in rest.tobytes()[len(bits) :])
    lowest = Image.frombytes("L", (height, columns), bits + standing).transpose(Image.Transpose.TRANSPOSE)
    carrier = alpha.copy()
    carrier.paste(ImageChops.add(alpha.crop((0, 0, columns, height)).point(_CLEAR_LOWEST), lowest), (0, 0))
    return carrier
