"""Pictures made for tests, as bytes."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Sequence


def drawing(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """A picture whose every part looks different: ramps from corner to corner and a few shapes."""
    ramps = [Image.linear_gradient("L"), Image.linear_gradient("L").rotate(90), Image.radial_gradient("L")]
    image = Image.merge("RGB", [ramp.resize(size) for ramp in ramps])
    width, height = size
    ImageDraw.Draw(image).ellipse((width // 8, height // 8, width // 3, height // 3), fill=(250, 40, 40))
    return image.convert(mode)


def noise(size: tuple[int, int], mode: str = "RGB", seed: int = 1) -> Image.Image:
    """A picture that does not compress."""
    return Image.frombytes(mode, size, random.Random(seed).randbytes(size[0] * size[1] * len(mode)))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def mask_of(size: tuple[int, int], *boxes: Sequence[int]) -> Image.Image:
    """Black, with white boxes."""
    image = Image.new("L", size)
    for box in boxes:
        image.paste(255, tuple(box))
    return image


def with_hole(image: Image.Image, box: Sequence[int]) -> Image.Image:
    """A copy with a transparent box."""
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, tuple(box))
    holed = image.convert("RGBA")
    holed.putalpha(alpha)
    return holed
