"""People as simple as can be: a head, hair, a coat or a dress, legs, so that one sees who stands where.

Every length is a share of the figure's height. A figure is drawn on a tile of its own at three times its size and
reduced, which smooths its edges; a pale rim lifts it off any background. Colours are read from the caption where it
names them ("red hair", "blue coat"); what it leaves open follows from the caption and the seed.
"""

from __future__ import annotations

import random
import re
from typing import TypeAlias

import attrs
from PIL import Image, ImageDraw, ImageFilter

from nai_trio.emulator.palettes import Rgb, mix

__all__ = ["ASPECT", "Look", "draw_figure", "look_of"]

ASPECT = 0.44
"""A figure's width as a share of its height."""

_SCALE = 3
_MARGIN = 0.03
_RIM_COLOUR = (255, 250, 240)

_NAMED: dict[str, Rgb] = {
    "black": (42, 38, 48), "white": (240, 238, 234), "grey": (142, 144, 152), "gray": (142, 144, 152),
    "silver": (198, 204, 216), "brown": (116, 74, 48), "blonde": (240, 208, 120), "blond": (240, 208, 120),
    "golden": (236, 190, 80), "yellow": (246, 208, 72), "orange": (238, 130, 50), "ginger": (206, 104, 48),
    "red": (196, 48, 52), "pink": (244, 150, 182), "purple": (126, 76, 172), "violet": (126, 76, 172),
    "blue": (62, 104, 200), "aqua": (86, 196, 206), "cyan": (86, 196, 206), "teal": (36, 134, 136),
    "green": (64, 142, 84), "beige": (222, 202, 166),
}  # fmt: skip
_CLOTHES = (
    "coat|jacket|dress|shirt|sweater|hoodie|kimono|robes?|uniform|cape|cloak|vest|suit|blouse|clothes|skirt|armor|scarf"
)
_HAIR = ("black", "brown", "blonde", "ginger", "silver", "brown", "purple", "aqua")
_COATS = ("red", "blue", "green", "teal", "purple", "orange", "pink", "yellow")
_SKINS: tuple[Rgb, ...] = ((255, 224, 200), (244, 204, 170), (214, 164, 124), (150, 102, 74))
_EYES: Rgb = (46, 40, 58)

_Box: TypeAlias = tuple[float, float, float, float]


@attrs.frozen
class Look:
    """How somebody looks."""

    hair: Rgb
    coat: Rgb
    skin: Rgb
    eyes: Rgb
    long_hair: bool
    skirt: bool
    ears: bool


def look_of(caption: str, seed: int, coat: tuple[Rgb, float] | None = None) -> Look:
    """What a caption says of somebody's looks, completed by chance.

    Args:
        caption: the character's prompt.
        seed: decides what the caption leaves open.
        coat: a colour to lean to, and how far, 0 to 1.
    """
    source = random.Random(f"{seed} {caption}")  # noqa: S311 - a picture, not a secret
    hair, cloth, skin = source.choice(_HAIR), source.choice(_COATS), source.choice(_SKINS[:3])
    male = _says(caption, r"boys?|\d*boy|m[ae]n|male|gentleman|father|prince|king")
    worn = _colour(caption, _CLOTHES) or _NAMED[cloth]
    return Look(
        hair=_colour(caption, "hair") or _NAMED[hair],
        coat=worn if coat is None else mix(worn, *coat),
        skin=_SKINS[3] if _says(caption, "dark skin|dark-skinned") else skin,
        eyes=_colour(caption, "eyes") or _EYES,
        long_hair=_says(caption, "long hair") or not (male or _says(caption, "short hair")),
        skirt=not male,
        ears=_says(caption, r"(?:cat|fox|animal|wolf|dog|bunny) (?:ears|girl|boy)|catgirl"),
    )


def _says(caption: str, words: str) -> bool:
    return re.search(rf"\b(?:{words})\b", caption, re.IGNORECASE) is not None


def _colour(caption: str, thing: str) -> Rgb | None:
    """The colour that stands before a thing, adjectives between them allowed: "red hair", "blue winter coat"."""
    found = re.search(rf"\b({'|'.join(_NAMED)})(?: \w+){{0,2}}? (?:{thing})\b", caption, re.IGNORECASE)
    return None if found is None else _NAMED[found[1].lower()]


@attrs.frozen
class _Pen:
    """Draws in shares of the figure's height, x from its middle, y from the top of its head."""

    draw: ImageDraw.ImageDraw
    unit: float
    middle: float
    top: float

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return self.middle + x * self.unit, self.top + y * self.unit

    def polygon(self, colour: Rgb, *points: tuple[float, float]) -> None:
        self.draw.polygon([self._at(x, y) for x, y in points], fill=(*colour, 255))

    def ellipse(self, colour: Rgb, box: _Box) -> None:
        self.draw.ellipse((*self._at(box[0], box[1]), *self._at(box[2], box[3])), fill=(*colour, 255))

    def slab(self, colour: Rgb, box: _Box, radius: float) -> None:
        corners = (*self._at(box[0], box[1]), *self._at(box[2], box[3]))
        self.draw.rounded_rectangle(corners, radius * self.unit, fill=(*colour, 255))

    def pie(self, colour: Rgb, box: _Box, start: float, end: float) -> None:
        self.draw.pieslice((*self._at(box[0], box[1]), *self._at(box[2], box[3])), start, end, fill=(*colour, 255))

    def line(self, colour: Rgb, width: float, *points: tuple[float, float]) -> None:
        places = [self._at(x, y) for x, y in points]
        self.draw.line(places, fill=(*colour, 255), width=max(round(width * self.unit), 1), joint="curve")
        for x, y in (points[0], points[-1]):
            self.ellipse(colour, (x - width / 2, y - width / 2, x + width / 2, y + width / 2))


def draw_figure(height: float, look: Look) -> Image.Image:
    """An RGBA tile with one figure, whose middle is the tile's; a little larger than the figure."""
    size = (max(round(height * (ASPECT + 2 * _MARGIN)), 3), max(round(height * (1 + 2 * _MARGIN)), 5))
    tile = Image.new("RGBA", (size[0] * _SCALE, size[1] * _SCALE))
    unit = tile.height / (1 + 2 * _MARGIN)
    pen = _Pen(ImageDraw.Draw(tile), unit, tile.width / 2, unit * _MARGIN)
    for part in (_hair_behind, _legs, _arms, _clothes, _head, _face, _fringe, _ears):
        part(pen, look)
    return _with_rim(tile.reduce(_SCALE), height)


def _with_rim(tile: Image.Image, height: float) -> Image.Image:
    """The figure over a pale outline, as a sticker has."""
    wide = tile.getchannel("A").filter(ImageFilter.GaussianBlur(max(height * 0.008, 0.4)))
    rim = Image.new("RGBA", tile.size, _RIM_COLOUR)
    rim.putalpha(wide.point([min(value * 3, 235) for value in range(256)]))
    return Image.alpha_composite(rim, tile)


def _shade(colour: Rgb, share: float = 0.25) -> Rgb:
    return mix(colour, (30, 22, 48), share)


def _hair_behind(pen: _Pen, look: Look) -> None:
    back = _shade(look.hair, 0.18)
    if look.long_hair:
        pen.slab(back, (-0.135, 0.08, 0.135, 0.46), 0.09)


def _ears(pen: _Pen, look: Look) -> None:
    if look.ears:
        for side in (-1, 1):
            pen.polygon(look.hair, (side * 0.134, 0.12), (side * 0.125, -0.012), (side * 0.03, 0.045))
            pen.polygon((250, 178, 186), (side * 0.112, 0.075), (side * 0.113, 0.012), (side * 0.062, 0.045))


def _legs(pen: _Pen, look: Look) -> None:
    cloth = _shade(look.skin, 0.05) if look.skirt else (58, 60, 84)
    for side in (-1, 1):
        pen.line(cloth, 0.07, (side * 0.05, 0.66), (side * 0.055, 0.93))
        pen.slab((52, 40, 44), (side * 0.055 - 0.045, 0.915, side * 0.055 + 0.045, 0.985), 0.03)


def _arms(pen: _Pen, look: Look) -> None:
    for side in (-1, 1):
        pen.line(look.skin, 0.05, (side * 0.165, 0.58), (side * 0.168, 0.605))
        pen.line(_shade(look.coat, 0.16), 0.07, (side * 0.095, 0.36), (side * 0.145, 0.46), (side * 0.165, 0.565))


def _clothes(pen: _Pen, look: Look) -> None:
    hem = 0.185 if look.skirt else 0.125
    low = 0.76 if look.skirt else 0.68
    pen.slab(look.skin, (-0.035, 0.25, 0.035, 0.36), 0.02)
    pen.slab(look.coat, (-0.125, 0.31, 0.125, 0.5), 0.05)
    pen.polygon(look.coat, (-0.112, 0.4), (0.112, 0.4), (hem, low), (-hem, low))
    pen.polygon(_shade(look.coat), (-hem, low), (hem, low), (hem * 0.98, low - 0.028), (-hem * 0.98, low - 0.028))
    pen.polygon(mix(look.coat, (255, 255, 255), 0.75), (-0.055, 0.312), (0.055, 0.312), (0, 0.385))
    pen.line(_shade(look.coat), 0.009, (0, 0.385), (0, low - 0.02))
    pen.slab(_shade(look.coat, 0.4), (-0.122, 0.505, 0.122, 0.53), 0.01)


def _head(pen: _Pen, look: Look) -> None:
    pen.ellipse(look.skin, (-0.118, 0.045, 0.118, 0.295))


def _face(pen: _Pen, look: Look) -> None:
    blush = mix(look.skin, (244, 120, 120), 0.35)
    for side in (-1, 1):
        pen.ellipse(blush, (side * 0.07 - 0.021, 0.226, side * 0.07 + 0.021, 0.25))
        pen.ellipse(look.eyes, (side * 0.05 - 0.015, 0.172, side * 0.05 + 0.015, 0.224))
        pen.ellipse((255, 255, 255), (side * 0.05 - 0.002, 0.179, side * 0.05 + 0.009, 0.194))
    pen.line(_shade(look.skin, 0.5), 0.007, (-0.018, 0.255), (0, 0.262), (0.018, 0.255))


def _fringe(pen: _Pen, look: Look) -> None:
    pen.pie(look.hair, (-0.138, 0.012, 0.138, 0.268), 180, 360)
    for left, right, low in ((-0.138, -0.06, 0.185), (-0.08, 0.0, 0.16), (-0.01, 0.07, 0.164), (0.06, 0.138, 0.185)):
        pen.polygon(look.hair, (left, 0.13), (right, 0.13), ((left + right) / 2, low))
    for side in (-1, 1):
        low = 0.36 if look.long_hair else 0.22
        pen.line(look.hair, 0.034, (side * 0.121, 0.14), (side * 0.118, low))
    pen.line(mix(look.hair, (255, 255, 255), 0.4), 0.011, (-0.072, 0.066), (-0.034, 0.05), (0.01, 0.047))
