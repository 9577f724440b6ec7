"""The colours of the emulator's landscapes, and how a prompt and a seed choose among them.

Nothing of the service is modelled here: a picture only has to differ by seed and be pleasant to watch form. Words of
the prompt that name a time or a place are honoured, so that a demo's picture fits its caption.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

import attrs

if TYPE_CHECKING:
    import random

__all__ = ["Palette", "Rgb", "choose", "mix"]

Rgb: TypeAlias = tuple[int, int, int]


@attrs.frozen
class Palette:
    """The colours of one hour of the day.

    Attributes:
        sky: from the zenith to the horizon.
        light: sun or moon, and what they shine on.
        far: the most distant ridge, nearly the haze.
        near: the foreground.
        stars: how many, 0 to 1.
        aurora: whether northern lights may hang in the sky.
    """

    sky: tuple[Rgb, ...]
    light: Rgb
    far: Rgb
    near: Rgb
    stars: float = 0.0
    aurora: bool = False


_DUSK = Palette(
    sky=((32, 30, 84), (96, 58, 126), (214, 98, 112), (255, 178, 108)),
    light=(255, 236, 190), far=(168, 92, 128), near=(24, 16, 46), stars=0.25,
)  # fmt: skip
_ROSE = Palette(
    sky=((74, 66, 118), (150, 98, 148), (232, 142, 146), (255, 214, 178)),
    light=(255, 246, 220), far=(190, 122, 150), near=(46, 28, 64), stars=0.1,
)  # fmt: skip
_GOLD = Palette(
    sky=((64, 92, 130), (150, 150, 150), (240, 182, 104), (255, 230, 160)),
    light=(255, 248, 214), far=(206, 146, 96), near=(44, 26, 28),
)  # fmt: skip
_DAWN = Palette(
    sky=((58, 110, 170), (132, 178, 214), (214, 220, 224), (255, 222, 184)),
    light=(255, 248, 226), far=(146, 170, 202), near=(26, 44, 66),
)  # fmt: skip
_TEAL = Palette(
    sky=((18, 74, 96), (52, 134, 146), (140, 196, 180), (246, 232, 194)),
    light=(255, 246, 214), far=(98, 164, 160), near=(8, 36, 48),
)  # fmt: skip
_NOON = Palette(
    sky=((38, 104, 178), (96, 162, 216), (166, 208, 236), (228, 240, 244)),
    light=(255, 255, 240), far=(140, 178, 206), near=(24, 58, 56),
)  # fmt: skip
_NIGHT = Palette(
    sky=((6, 10, 32), (14, 30, 74), (38, 66, 122), (86, 114, 162)),
    light=(244, 242, 224), far=(52, 78, 126), near=(5, 8, 22), stars=1.0,
)  # fmt: skip
_POLAR = Palette(
    sky=((4, 8, 28), (8, 28, 58), (18, 66, 88), (58, 122, 126)),
    light=(230, 246, 236), far=(34, 84, 100), near=(3, 10, 20), stars=1.0, aurora=True,
)  # fmt: skip

_PALETTES = (_DUSK, _ROSE, _GOLD, _DAWN, _TEAL, _NOON, _NIGHT, _POLAR)

_HOURS: tuple[tuple[str, tuple[Palette, ...]], ...] = (
    (r"aurora|polar|northern lights", (_POLAR,)),
    (r"night|moon|stars?|starry|midnight", (_NIGHT, _POLAR)),
    (r"sunset|dusk|evening|twilight", (_DUSK, _ROSE)),
    (r"dawn|sunrise|morning", (_DAWN, _ROSE)),
    (r"golden|autumn|desert", (_GOLD,)),
    (r"noon|daylight|blue sky|summer", (_NOON, _TEAL)),
)

_PLACES: tuple[tuple[str, str], ...] = (
    (r"sea|ocean|beach|ship|boat|island", "sea"),
    (r"city|street|skyline|town|tokyo", "city"),
    (r"lake|river|reflection|water", "lake"),
    (r"forest|tree|wood|pine|mountain|hill", "mountains"),
)

_EVERY_PLACE = ("mountains", "lake", "sea", "city", "lake", "mountains")


def choose(random_source: random.Random, prompt: str) -> tuple[Palette, str]:
    """The palette and the place ("mountains", "lake", "sea", "city") for a prompt."""
    hours = next((some for words, some in _HOURS if _says(prompt, words)), _PALETTES)
    place = next((name for words, name in _PLACES if _says(prompt, words)), None)
    palette, other = random_source.choice(hours), random_source.choice(_EVERY_PLACE)
    return palette, place or other


def _says(prompt: str, words: str) -> bool:
    return re.search(rf"\b(?:{words})s?\b", prompt, re.IGNORECASE) is not None


def mix(one: Rgb, other: Rgb, share: float) -> Rgb:
    """The colour `share` of the way (0 to 1) from one to the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
