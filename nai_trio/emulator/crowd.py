"""The characters of a picture together: where each stands, how large, and their labels.

A character with a place stands with its middle there, smaller near an edge, so that it stays within the picture.
Without places the service chooses: here in even rows. Who stands lower is nearer and drawn later; labels come last, so
that nobody covers a name.
"""

from __future__ import annotations

import math
import unicodedata
from typing import TYPE_CHECKING, TypeAlias

import attrs
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from nai_trio.emulator.figures import ASPECT, draw_figure, look_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nai_trio.emulator.palettes import Rgb
    from nai_trio.emulator.settings import Character

__all__ = ["draw_crowd", "label_text", "places_of"]

_Point: TypeAlias = tuple[float, float]
_Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

_TALL, _CROWDING = 0.68, 0.42
"""Height of one figure alone, in geometric means of the sides, and how it falls with their number."""

_LEAST = 0.3
_ROW_ASPECT = 0.5
_LABEL_SHARE, _LABEL_LEAST, _LABEL_WIDEST = 0.058, 8, 1.6
_PLATE, _INK = (22, 24, 34, 205), (255, 255, 255, 255)
_SHADOW = 90
_LONGEST_LABEL = 28


@attrs.frozen
class _Standing:
    """One character with a place: its middle and height in pixels."""

    index: int
    caption: str
    middle: _Point
    height: float


def draw_crowd(
    size: tuple[int, int], characters: Sequence[Character], seed: int, coat: tuple[Rgb, float] | None = None
) -> Image.Image:
    """An RGBA layer of `size` with all characters and their labels; empty where nobody stands.

    Args:
        size: (width, height) in pixels.
        characters: who is there.
        seed: decides what captions leave open.
        coat: a colour that all coats lean to, and how far.
    """
    layer = Image.new("RGBA", size)
    crowd = sorted(_standing(size, characters), key=lambda one: one.middle[1])
    for one in crowd:
        _place_shadow(layer, one)
        _lay(layer, draw_figure(one.height, look_of(one.caption, seed, coat)), one.middle)
    for one in crowd:
        _place_label(layer, one, _elbow_room(one, crowd))
    return layer


def _standing(size: tuple[int, int], characters: Sequence[Character]) -> list[_Standing]:
    width, height = size
    usual = _TALL * (width * height) ** 0.5 / max(len(characters), 1) ** _CROWDING
    free = iter(places_of(size, sum(one.place is None for one in characters)))
    crowd = []
    for index, one in enumerate(characters):
        x, y = next(free) if one.place is None else one.place
        tall = _fitting(size, (x, y), usual)
        crowd.append(_Standing(index, one.caption, (x * width, y * height), tall))
    return crowd


def _fitting(size: tuple[int, int], place: _Point, usual: float) -> float:
    """The height at which a figure stays within the picture, but not less than `_LEAST` of the usual one."""
    room_across, room_down = (2 * min(share, 1 - share) * side for share, side in zip(place, size, strict=True))
    return max(min(usual, room_down * 0.94, room_across / ASPECT * 0.94), usual * _LEAST)


def places_of(size: tuple[int, int], count: int) -> list[_Point]:
    """Even places for `count` figures, as shares of the sides, in rows from the top; a single one in the middle."""
    if not count:
        return []
    across = math.ceil((count * size[0] / size[1] / _ROW_ASPECT) ** 0.5)
    rows = math.ceil(count / min(across, count))
    places = []
    for row in range(rows):
        members = count // rows + (row < count % rows)
        places += [((column + 0.5) / members, (row + 0.5) / rows) for column in range(members)]
    return places


def _lay(layer: Image.Image, tile: Image.Image, middle: _Point) -> None:
    """Lay a tile over the layer, the part that falls outside left out."""
    left, top = round(middle[0] - tile.width / 2), round(middle[1] - tile.height / 2)
    cut = (max(-left, 0), max(-top, 0), min(tile.width, layer.width - left), min(tile.height, layer.height - top))
    if cut[0] < cut[2] and cut[1] < cut[3]:
        layer.alpha_composite(tile, (left + cut[0], top + cut[1]), cut)


def _place_shadow(layer: Image.Image, one: _Standing) -> None:
    wide, flat = max(round(one.height * 0.5), 4), max(round(one.height * 0.11), 3)
    shape = Image.new("L", (wide, flat))
    ImageDraw.Draw(shape).ellipse((wide * 0.12, flat * 0.2, wide * 0.88, flat * 0.8), fill=_SHADOW)
    shadow = Image.new("RGBA", shape.size, (10, 8, 20, 255))
    shadow.putalpha(shape.filter(ImageFilter.GaussianBlur(flat / 7)))
    _lay(layer, shadow, (one.middle[0], one.middle[1] + one.height * 0.48))


def _elbow_room(one: _Standing, crowd: Sequence[_Standing]) -> float:
    """How wide a label may be without meeting one beside it."""
    beside = (abs(other.middle[0] - one.middle[0]) for other in crowd if other is not one and _level(one, other))
    return 0.96 * min(beside, default=math.inf)


def _level(one: _Standing, other: _Standing) -> bool:
    return abs((one.middle[1] + one.height / 2) - (other.middle[1] + other.height / 2)) < 0.12 * one.height


def _place_label(layer: Image.Image, one: _Standing, room: float) -> None:
    largest = 0.034 * (layer.width * layer.height) ** 0.5
    font_size = max(min(one.height * _LABEL_SHARE, largest), _LABEL_LEAST)
    widest = max(min(one.height * ASPECT * _LABEL_WIDEST, room), font_size * 2)
    plate = _plate(label_text(one.caption, one.index), font_size, min(widest, layer.width * 0.96))
    x = _within(one.middle[0], plate.width / 2, layer.width)
    y = _within(one.middle[1] + one.height * 0.5 + plate.height * 0.7, plate.height / 2, layer.height)
    _lay(layer, plate, (x, y))


def _within(middle: float, half: float, side: int) -> float:
    return min(max(middle, half), max(side - half, half))


def label_text(caption: str, index: int) -> str:
    """A short start of a caption, in the letters that the font has; a number where nothing legible is left."""
    plain = unicodedata.normalize("NFKD", " ".join(caption[: 8 * _LONGEST_LABEL].split()))
    legible = "".join(letter if " " <= letter <= "~" else "?" for letter in plain if not unicodedata.combining(letter))
    phrases = [phrase for part in legible.split(",") if (phrase := part.strip())]
    text = phrases[0] if phrases else ""
    for phrase in phrases[1:]:
        if len(text) + len(phrase) + 2 > _LONGEST_LABEL:
            break
        text += f", {phrase}"
    return text[:_LONGEST_LABEL] if any(map(str.isalnum, text)) else f"character {index + 1}"


def _plate(text: str, font_size: float, widest: float) -> Image.Image:
    """The text on a dark plate with round corners, cut to `widest` pixels."""
    font = ImageFont.load_default(round(font_size))
    pad = font_size * 0.45
    text = _cut(text, font, widest - 2 * pad)
    size = (round(font.getlength(text) + 2 * pad), round(font_size * 1.55))
    plate = Image.new("RGBA", size)
    pen = ImageDraw.Draw(plate)
    pen.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), font_size * 0.4, fill=_PLATE)
    pen.text((size[0] / 2, size[1] / 2), text, font=font, fill=_INK, anchor="mm")
    return plate


def _cut(text: str, font: _Font, room: float) -> str:
    """As much of the text as there is room for, with dots in place of the rest where they leave room for more."""
    if font.getlength(text) <= room:
        return text
    dots = "..." if font.getlength("wwww") < room else ""
    while text and font.getlength(text + dots) > room:
        text = text[:-1]
    return text.rstrip(" ,") + dots
