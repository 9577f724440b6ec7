"""Picture sizes: the presets, the limits of a size of one's own, and how many samples fit an area.

Facts: wire document, section 2.7. Where its sources disagree, the widest rule that the web client follows
counts; the service refuses what it does not like, at no charge:

- A side may have 64 to 49,152 pixels. One peer stops at 1600, less than the web client's own wallpaper
  presets; 49,152 is what the largest area leaves beside the smallest side.
- The area may have 3,145,728 pixels (web); one peer stops at 3,047,424.
- Samples by area: the web client's rule, not the narrower one of two peers' documents.
- A size taken from a source: the source's shape within 1024 by 1024 pixels, the area that Opus has for free.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from nai_trio.params.checks import SpecialRule, did_you_mean, is_integer, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nai_trio.params.names import Size

__all__ = [
    "MAX_AREA",
    "MAX_SIDE",
    "MIN_SIDE",
    "SAMPLES_BY_AREA",
    "SIDE_STEP",
    "SIZES",
    "check_size",
    "dimensions",
    "max_samples",
    "size_for_source",
]

SIDE_STEP: Final = 64
"""Both sides are multiples of this; the service fails with 500 on others."""

MIN_SIDE: Final = 64
MAX_AREA: Final = 3_145_728
MAX_SIDE: Final = MAX_AREA // MIN_SIDE

SIZES: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "small_portrait": (512, 768),
        "small_landscape": (768, 512),
        "small_square": (640, 640),
        "portrait": (832, 1216),
        "landscape": (1216, 832),
        "square": (1024, 1024),
        "large_portrait": (1024, 1536),
        "large_landscape": (1536, 1024),
        "large_square": (1472, 1472),
        "wallpaper_portrait": (1088, 1920),
        "wallpaper_landscape": (1920, 1088),
    }
)
"""Size names and their (width, height) in pixels; those without a prefix are the web's "normal" sizes."""

_STANDARD_AREA: Final = 1_048_576

SAMPLES_BY_AREA: Final = ((360_448, 8), (409_600, 6), (MAX_AREA, 4))
"""Pixels, and how many samples one request may ask for up to them."""


def max_samples(area: int) -> int:
    """How many samples one request may ask for at an area of up to `MAX_AREA` pixels."""
    return next(samples for limit, samples in SAMPLES_BY_AREA if area <= limit)


def dimensions(size: Size) -> tuple[int, int]:
    """A checked size as (width, height) in pixels."""
    return SIZES[size] if isinstance(size, str) else size


def size_for_source(width: int, height: int) -> tuple[int, int]:
    """The size to draw at when it is to follow a source's: its shape, no larger than it, in multiples of 64.

    At most 1,048,576 pixels; each side is the multiple of 64 nearest to the scaled one, or the one below where two
    sides rounded up would exceed that.
    """
    scale = min(1.0, math.sqrt(_STANDARD_AREA / (width * height)))
    steps = [min(max(side * scale / SIDE_STEP, 1), _STANDARD_AREA // SIDE_STEP**2) for side in (width, height)]
    sides = [round(step) for step in steps]
    while sides[0] * sides[1] * SIDE_STEP**2 > _STANDARD_AREA:
        most_rounded = max((0, 1), key=lambda index: sides[index] - steps[index])
        sides[most_rounded] -= 1
    return sides[0] * SIDE_STEP, sides[1] * SIDE_STEP


def _check_name(field: str, name: str) -> None:
    if name not in SIZES:
        hint = did_you_mean(name, SIZES)
        raise refusal(field, name, f"one of {', '.join(SIZES)}, or (width, height){hint}")


_SIDES: Final = f"width and height as multiples of {SIDE_STEP} from {MIN_SIDE} to {MAX_SIDE}"
_AREA: Final = f"at most {MAX_AREA} pixels, width times height"


def _check(field: str, value: Any) -> None:
    if isinstance(value, str):
        _check_name(field, value)
        return
    if not isinstance(value, tuple) or len(value) != 2:
        raise refusal(field, value, "a preset's name, or (width, height) in pixels")
    if not all(is_integer(side, MIN_SIDE, MAX_SIDE) and side % SIDE_STEP == 0 for side in value):
        raise refusal(field, value, _SIDES)
    if value[0] * value[1] > MAX_AREA:
        raise refusal(field, value, _AREA)


check_size = SpecialRule("str or (int, int)", f"a preset's name; or {_SIDES}, {_AREA}", _check)
"""A rule for a preset's name or a pair of sides."""
