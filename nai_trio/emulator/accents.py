"""How vibes and character references show: as a tint of the landscape and of the figures' coats.

A vibe's colour follows from its token, a reference's is the middle colour of its picture. The stronger one is, the more
it shows; at strength 0 nothing changes.
"""

from __future__ import annotations

import colorsys
import hashlib
from typing import TYPE_CHECKING

import attrs
from PIL import Image, ImageChops

from nai_trio.emulator.inputs import decode_picture

if TYPE_CHECKING:
    from nai_trio.emulator.palettes import Rgb
    from nai_trio.emulator.settings import Settings

__all__ = ["Accents", "accents_of"]

_TINT, _COAT = 0.5, 0.8
"""How far strength 1 goes."""


@attrs.frozen
class Accents:
    """Colours that a request brings.

    Attributes:
        tints: colours over the landscape, and how far each goes, 0 to 1.
        coat: a colour that coats lean to, and how far.
    """

    tints: tuple[tuple[Rgb, float], ...] = ()
    coat: tuple[Rgb, float] | None = None

    def tint(self, scene: Image.Image) -> Image.Image:
        """The landscape in the light of all tints; its forms stay."""
        for colour, share in self.tints:
            lit = ImageChops.overlay(scene, Image.new("RGB", scene.size, colour))
            scene = Image.blend(scene, lit, share)
        return scene


def accents_of(settings: Settings) -> Accents:
    """The accents of a request: of its vibes, of references to a style, of references to a character."""
    tints = [(_hashed_colour(text), strength) for text, strength in settings.vibes]
    coat = None
    for kind, image, strength in settings.references:
        colour = _middle_colour(image)
        if "style" in kind:
            tints.append((colour, strength))
        if "character" in kind and coat is None:
            coat = (colour, strength * _COAT)
    return Accents(tuple((colour, min(abs(strength), 1.0) * _TINT) for colour, strength in tints), coat)


def _hashed_colour(text: str) -> Rgb:
    hue = int.from_bytes(hashlib.sha256(text.encode()).digest()[:2]) / 2**16
    red, green, blue = (round(255 * share) for share in colorsys.hsv_to_rgb(hue, 0.75, 0.9))
    return red, green, blue


def _middle_colour(text: str) -> Rgb:
    """The average, the black bands around a letterboxed picture left out."""
    image = decode_picture(text).convert("RGB")
    red, green, blue = image.crop(image.getbbox()).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[misc]
    return red, green, blue
