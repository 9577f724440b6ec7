"""What landscapes are painted with: gradients, smooth noise, glows, and anti-aliased silhouettes. Pillow only.

Silhouettes are drawn as greyscale masks at twice the size and halved, which smooths their edges at a fraction of the
cost of painting the whole picture large. All randomness comes from the `random.Random` handed in.
"""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFilter

from nai_trio.emulator.palettes import Rgb, mix

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

__all__ = ["glow", "gradient", "lift", "ridge_line", "silhouette", "smooth_noise", "spread"]

_SCALE = 2
_GRADIENT_ROWS = 32

_bands = Image.getmodebands


def gradient(size: tuple[int, int], colours: Sequence[Rgb]) -> Image.Image:
    """A picture that runs through the colours from top to bottom, evenly spaced."""
    return _strip(tuple(colours)).resize(size, Image.Resampling.BILINEAR)


@functools.lru_cache(maxsize=256)
def _strip(colours: tuple[Rgb, ...]) -> Image.Image:
    shares = [row / _GRADIENT_ROWS for row in range(_GRADIENT_ROWS)]
    rows = [mix(one, other, share) for one, other in itertools.pairwise(colours) for share in shares]
    return Image.frombytes("RGB", (1, len(rows)), bytes(value for row in rows for value in row))


def smooth_noise(
    random_source: random.Random, size: tuple[int, int], cells: tuple[int, int], mode: str = "L"
) -> Image.Image:
    """Random values on a grid of `cells`, smoothly enlarged to `size`."""
    across, down = max(cells[0], 1), max(cells[1], 1)
    values = random_source.randbytes(across * down * _bands(mode))
    return Image.frombytes(mode, (across, down), values).resize(size, Image.Resampling.BICUBIC)


def glow(canvas: Image.Image, centre: tuple[float, float], radius: float, colour: Rgb, strength: float) -> None:
    """Lay a soft round light over the canvas; `strength` is its opacity at the centre, 0 to 1."""
    side = max(int(radius * 2), 2)
    disc = _fading_disc().resize((side, side)).point([round(value * strength) for value in range(256)])
    corner = (round(centre[0] - side / 2), round(centre[1] - side / 2))
    canvas.paste(colour, (*corner, corner[0] + side, corner[1] + side), disc)


@functools.cache
def _fading_disc() -> Image.Image:
    falloff = [round(255 * max(0.0, 1 - value / 179) ** 2.2) for value in range(256)]  # 179: the middle of an edge
    return Image.radial_gradient("L").point(falloff)


def silhouette(size: tuple[int, int], draw: Callable[[ImageDraw.ImageDraw, int], None]) -> Image.Image:
    """A mask with smooth edges; `draw` paints white in coordinates multiplied by the number it is given."""
    large = Image.new("L", (size[0] * _SCALE, size[1] * _SCALE))
    draw(ImageDraw.Draw(large), _SCALE)
    return large.reduce(_SCALE)


def ridge_line(random_source: random.Random, *, roughness: float, depth: int) -> list[float]:
    """Heights from -1 to 1 along a mountain ridge, by midpoint displacement: 2**depth + 1 of them."""
    line = [random_source.uniform(-1, 1), random_source.uniform(-1, 1)]
    swing = 1.0
    for _ in range(depth):
        swing *= roughness
        middles = [(a + b) / 2 + random_source.uniform(-swing, swing) for a, b in itertools.pairwise(line)]
        line = [point for pair in zip(line, [*middles, 0.0], strict=True) for point in pair][:-1]
    peak = max(map(abs, line)) or 1.0
    return [point / peak for point in line]


def spread(mask: Image.Image, blur: float) -> Image.Image:
    """A blurred copy of a mask, made at a quarter of the size: light and mist have no sharp edges anyway."""
    small = mask.resize((max(mask.width // 4, 1), max(mask.height // 4, 1)), Image.Resampling.BOX)
    return small.filter(ImageFilter.GaussianBlur(blur / 4)).resize(mask.size, Image.Resampling.BICUBIC)


def lift(mask: Image.Image, low: int, high: int, strength: float = 1.0) -> Image.Image:
    """Stretch a mask so that `low` becomes 0 and `high` becomes `strength` of full, softly at both ends."""
    return mask.point(_soft_curve(low, high, round(255 * strength)))


@functools.lru_cache(maxsize=256)
def _soft_curve(low: int, high: int, top: int) -> list[int]:
    shares = (min(max((value - low) / (high - low), 0.0), 1.0) for value in range(256))
    return [round(top * share * share * (3 - 2 * share)) for share in shares]
