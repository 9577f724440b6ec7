"""What a job's pictures show: a landscape, who stands in it, and how much of the source stays.

Nothing of a model is modelled: each member of a request only has to show, in its own place and measure. img2img and
inpainting mix the source in by their strength, evenly; vibes and references tint (`accents`).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, cast

from PIL import Image

from nai_trio.emulator import accents
from nai_trio.emulator.crowd import draw_crowd
from nai_trio.emulator.inputs import decode_picture
from nai_trio.emulator.painter import Painter, Plate, Work
from nai_trio.emulator.scene import paint_scene

if TYPE_CHECKING:
    from nai_trio.emulator.settings import Settings

__all__ = ["Studio"]

_NOISE_SHARE = 0.25
"""How much of the rest `noise` 1 makes new."""

_WHITE_ABOVE = 127
_MARKED_OPAQUE = 254
"""Alpha of pixels that are opaque and may carry hidden metadata (wire document, section 7)."""


class Studio:
    """Makes the painters of one job. What its samples share is made once, when it is first needed.

    Args:
        settings: the job; its pictures were found readable.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._size = (settings.width, settings.height)

    def painter(self, sample: int) -> Painter:
        """The painter of one sample."""
        settings = self._settings
        seed = (settings.seed + sample) % 2**32
        noise_seed = seed
        if self._source is not None:
            noise_seed = (
                int(cast("float", settings.parameters.get("extra_noise_seed", settings.seed))) + sample
            ) % 2**32
        work = Work(
            goal=self._goal(seed),
            source=self._source,
            mask=self._mask,
            frames=settings.frames,
            premultiplied=not settings.parameters.get("straight_alpha", False),
        )
        return Painter(work, seed, noise_seed)

    def _goal(self, seed: int) -> Plate:
        fresh = self._fresh(seed)
        if self._source is None:
            return fresh
        mixed = _blend(self._source, fresh, self._newness)
        return mixed if self._mask is None else _choose(mixed, self._source, self._mask)

    @property
    def _newness(self) -> float:
        strength, noise = self._settings.strength, cast("float", self._settings.parameters.get("noise", 0.0))
        return strength + (1 - strength) * noise * _NOISE_SHARE

    def _fresh(self, seed: int) -> Plate:
        """What the request makes of nothing."""
        settings = self._settings
        people = draw_crowd(self._size, settings.figures, seed, self._accents.coat) if settings.figures else None
        if settings.transparent and people is not None:
            return Plate(people.convert("RGB"), people.getchannel("A"))
        scene = self._accents.tint(paint_scene(self._size, seed, settings.prompt))
        if people is not None:
            scene.paste(people, (0, 0), people)
        return Plate(scene)

    @functools.cached_property
    def _accents(self) -> accents.Accents:
        return accents.accents_of(self._settings)

    @functools.cached_property
    def _source(self) -> Plate | None:
        """The request's picture in the job's size. V5 keeps its alpha; before V5 it comes to lie on white."""
        if self._settings.action == "generate":
            return None
        image = decode_picture(str(self._settings.parameters["image"]))
        if image.size != self._size:
            image = image.resize(self._size, Image.Resampling.LANCZOS)
        colour, alpha = image.convert("RGB"), image.getchannel("A").point(_OPAQUE_WHERE_MARKED)
        if alpha.getextrema() == (255, 255):
            return Plate(colour)
        if self._settings.family == "V5":
            return Plate(colour, alpha)
        return Plate(Image.composite(colour, Image.new("RGB", self._size, (255, 255, 255)), alpha))

    @functools.cached_property
    def _mask(self) -> Image.Image | None:
        """White where to repaint, to the pixel; masks of an eighth of the size are enlarged to their grid."""
        if self._settings.action != "infill":
            return None
        grey = decode_picture(str(self._settings.parameters["mask"])).convert("RGB").convert("L")
        return grey.resize(self._size, Image.Resampling.NEAREST).point(_BLACK_OR_WHITE)


_OPAQUE_WHERE_MARKED = [*range(_MARKED_OPAQUE), 255, 255]
_OPAQUE_WHERE_MARKED[1] = 0
_BLACK_OR_WHITE = [255 if value > _WHITE_ABOVE else 0 for value in range(256)]


def _blend(one: Plate, other: Plate, share: float) -> Plate:
    colour = Image.blend(one.colour, other.colour, share)
    if one.alpha is None and other.alpha is None:
        return Plate(colour)
    return Plate(colour, Image.blend(_alpha(one), _alpha(other), share))


def _choose(white: Plate, black: Plate, mask: Image.Image) -> Plate:
    """One plate where the mask is white, the other where it is black."""
    colour = Image.composite(white.colour, black.colour, mask)
    if white.alpha is None and black.alpha is None:
        return Plate(colour)
    return Plate(colour, Image.composite(_alpha(white), _alpha(black), mask))


def _alpha(plate: Plate) -> Image.Image:
    return Image.new("L", plate.colour.size, 255) if plate.alpha is None else plate.alpha
