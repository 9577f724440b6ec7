"""One sample's pictures: JPEG previews in which it comes out of noise, then the finished picture.

A diffusion model works on latents an eighth of the picture's size, and its previews are those latents enlarged: soft
blotches of colour at first, then large forms, then detail. The same happens here: noise is made at an eighth of the
size, and the picture is mixed in ever more finely as sigma falls. The finished picture carries film grain, so that
it weighs about what the service's do (wire document, section 10: previews 9 to 18 kB, PNG 1.6 to 1.72 MB at 832×1216).

Only Pillow draws: no numpy, and nothing random but `random.Random`, so bytes repeat for a given Pillow.
"""

from __future__ import annotations

import functools
import io
import math
import random
from typing import TYPE_CHECKING

import attrs
from PIL import Image, ImageChops, ImageFilter
from PIL.PngImagePlugin import PngInfo

from nai_trio.emulator import brushes
from nai_trio.emulator.stealth import hide_text, stealth_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Painter", "Plate", "Work"]

_LATENT = 8
_CLEAR_SIGMA, _LOST_SIGMA = 0.35, 60.0
_QUALITY_OF_NOISE, _QUALITY_OF_FORMS = 25, 15
"""JPEG quality of the first and the last preview: edges weigh more than blotches."""
_FINE_BLOTCH, _COARSER = 0.6, 2.0
_GRAIN = 14
_PNG_LEVEL = 3
_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286


@attrs.frozen
class Plate:
    """A picture without grain: RGB, and alpha as "L" where it is not opaque. Straight, not premultiplied."""

    colour: Image.Image
    alpha: Image.Image | None = None


@attrs.frozen(kw_only=True)
class Work:
    """What a sample begins from and ends in; all pictures have one size.

    Attributes:
        goal: the finished picture.
        source: what img2img and inpainting begin from.
        mask: with a source, white (255) where it may change and black (0) where not; None: everywhere.
        frames: how many pictures are shown on the way, the finished one included.
        premultiplied: whether the finished picture's colours shall be multiplied by its alpha.
    """

    goal: Plate
    source: Plate | None = None
    mask: Image.Image | None = None
    frames: int = 1
    premultiplied: bool = False


@attrs.frozen
class Painter:
    """Paints one sample.

    Attributes:
        work: from what, to what.
        seed: of the grain.
        noise_seed: of the noise in the previews.
    """

    work: Work
    seed: int
    noise_seed: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.work.goal.colour.size

    def preview(self, step: int, sigma: float) -> bytes:
        """The picture as far as it shows at `sigma`: a baseline JPEG of full size."""
        blur = _share_of_noise(sigma)
        small = _reduced(self._content(step), 2.0 ** (4.2 * blur))
        noise = self._latent_noise(step, blur).resize(small.size, Image.Resampling.BICUBIC)
        image = Image.blend(small, noise, blur**1.25).resize(self.size, Image.Resampling.BICUBIC)
        quality = round(_QUALITY_OF_FORMS + (_QUALITY_OF_NOISE - _QUALITY_OF_FORMS) * blur)
        buffer = io.BytesIO()
        self._within_mask(image).save(buffer, "JPEG", quality=quality, optimize=True)
        return buffer.getvalue()

    def final(self, image_format: str, chunks: Mapping[str, str], user_comment: str) -> bytes:
        """The finished picture.

        Args:
            image_format: "png" (8-bit RGBA with `chunks` as its text and hidden in its alpha) or "webp" (lossless,
                `user_comment` as EXIF).
            chunks: PNG text chunks in their order.
            user_comment: what EXIF carries in WebP.
        """
        image, alpha = self._finished()
        buffer = io.BytesIO()
        if image_format == "webp":
            image.putalpha(alpha)
            image.save(buffer, "WEBP", lossless=True, quality=0, method=0, exact=True, exif=_exif(user_comment))
        else:
            image.putalpha(hide_text(alpha, stealth_text(chunks)))
            image.save(buffer, "PNG", pnginfo=_text_chunks(chunks), compress_level=_PNG_LEVEL)
        return buffer.getvalue()

    def _content(self, step: int) -> Image.Image:
        """What lies under the noise: the goal; for img2img the source at first, giving way to the goal."""
        goal = _on_white(self.work.goal)
        if self.work.source is None or self.work.mask is not None:
            return goal
        return Image.blend(_on_white(self.work.source), goal, step / max(self.work.frames - 1, 1))

    def _within_mask(self, image: Image.Image) -> Image.Image:
        if self.work.source is None or self.work.mask is None:
            return image
        return Image.composite(image, _on_white(self.work.source), self.work.mask)

    def _finished(self) -> tuple[Image.Image, Image.Image]:
        """RGB with grain, and alpha. Where nothing may change, or nothing is, there is no grain either."""
        goal, mask = self.work.goal, self.work.mask
        image = self._with_grain(goal.colour)
        if mask is not None:
            image = Image.composite(image, goal.colour, mask)
        if goal.alpha is None:
            return image, Image.new("L", self.size, 255)
        image = Image.composite(image, goal.colour, goal.alpha.point(_ANYTHING))
        if self.work.premultiplied:
            image = ImageChops.multiply(image, Image.merge("RGB", (goal.alpha,) * 3))
        return image, goal.alpha

    def _latent_noise(self, step: int, share: float) -> Image.Image:
        """Mostly the sample's own noise, a little of it new at each step, as ancestral samplers add."""
        cells = tuple(max(side // _LATENT, 2) for side in self.size)
        own, fresh = (_noise(seed, (cells[0], cells[1])) for seed in self._noise_seeds(step))
        blotches = Image.blend(own, fresh, 0.22).filter(ImageFilter.GaussianBlur(_FINE_BLOTCH + _COARSER * share))
        return blotches.point(_noise_curve(round(share, 1)))

    def _noise_seeds(self, step: int) -> tuple[int, int]:
        return self.noise_seed, self.noise_seed + (step + 1) * 7919

    def _with_grain(self, picture: Image.Image) -> Image.Image:
        width, height = self.size
        source = random.Random(self.seed)  # noqa: S311 - grain, not a secret
        grain = Image.frombytes("L", self.size, source.randbytes(width * height)).point(_GRAIN_CURVE)
        return ImageChops.add(picture, Image.merge("RGB", (grain, grain, grain)), offset=-_GRAIN)


def _on_white(plate: Plate) -> Image.Image:
    """A plate without alpha: what a JPEG can show of it."""
    if plate.alpha is None:
        return plate.colour
    return Image.composite(plate.colour, Image.new("RGB", plate.colour.size, (255, 255, 255)), plate.alpha)


def _reduced(picture: Image.Image, factor: float) -> Image.Image:
    if factor < 1.05:
        return picture
    width, height = (max(round(side / factor), 4) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX)


_ANYTHING = [0] + [255] * 255
_GRAIN_CURVE = [
    round(_GRAIN + 0.5 * _GRAIN * max(-2.0, min(2.0, math.log((value + 0.5) / (255.5 - value)) / 1.7)))
    for value in range(256)
]
"""Even random bytes to bell-shaped grain between 0 and twice `_GRAIN`."""


def _share_of_noise(sigma: float) -> float:
    """1 at the start, 0 when the picture is clear; even steps of log sigma are even steps of forming."""
    share = math.log(sigma / _CLEAR_SIGMA) / math.log(_LOST_SIGMA / _CLEAR_SIGMA)
    return min(max(share, 0.0), 1.0)


def _noise(seed: int, cells: tuple[int, int]) -> Image.Image:
    return brushes.smooth_noise(random.Random(seed), cells, cells, "RGB")  # noqa: S311 - a picture, not a secret


@functools.cache
def _noise_curve(share: float) -> list[int]:
    """Blurring flattens noise; this gives it back some of its range."""
    gain = 1.0 + 1.0 * share
    return [min(max(round(128 + (value - 128) * gain), 0), 255) for value in range(256)] * 3


def _text_chunks(chunks: Mapping[str, str]) -> PngInfo:
    info = PngInfo()
    for name, text in chunks.items():
        info.add_text(name, text.encode("utf-8", "replace").decode("utf-8"))
    return info


def _exif(user_comment: str) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = b"ASCII\0\0\0" + user_comment.encode("ascii", "replace")
    return exif.tobytes()
