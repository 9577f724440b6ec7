"""One sample's pictures: JPEG previews in which a landscape comes out of noise, then the finished picture.

A diffusion model works on latents an eighth of the picture's size, and its previews are those latents enlarged: soft
blotches of colour at first, then large forms, then detail. The same happens here: noise is made at an eighth of the
size, and the landscape is mixed in ever more finely as sigma falls. The finished picture carries film grain, so that
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
from nai_trio.emulator.scene import paint_scene

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Painter"]

_LATENT = 8
_CLEAR_SIGMA, _LOST_SIGMA = 0.35, 60.0
_PREVIEW_QUALITY = 25
_FINE_BLOTCH, _COARSER = 0.6, 2.0
_GRAIN = 14
_PNG_LEVEL = 3
_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286


def _new_picture(painter: Painter) -> Image.Image:
    return paint_scene(painter.size, painter.seed, painter.prompt)


@attrs.define
class Painter:
    """Paints one sample.

    Attributes:
        size: (width, height) in pixels.
        seed: which landscape.
        prompt: words that may choose its hour and place.
    """

    size: tuple[int, int]
    seed: int
    prompt: str = ""
    _picture: Image.Image = attrs.field(init=False, repr=False, default=attrs.Factory(_new_picture, takes_self=True))

    def preview(self, step: int, sigma: float) -> bytes:
        """The picture as far as it shows at `sigma`: a baseline JPEG of full size."""
        blur = _share_of_noise(sigma)
        small = self._reduced(2.0 ** (4.2 * blur))
        noise = self._latent_noise(step, blur).resize(small.size, Image.Resampling.BICUBIC)
        mixed = Image.blend(small, noise, blur**1.25)
        image = mixed.resize(self.size, Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=_PREVIEW_QUALITY, optimize=True)
        return buffer.getvalue()

    def final(self, image_format: str, chunks: Mapping[str, str], user_comment: str) -> bytes:
        """The finished picture.

        Args:
            image_format: "png" (8-bit RGBA with `chunks` as its text) or "webp" (lossless, `user_comment` as EXIF).
            chunks: PNG text chunks in their order.
            user_comment: what EXIF carries in WebP.
        """
        image = self._with_grain()
        image.putalpha(255)
        buffer = io.BytesIO()
        if image_format == "webp":
            image.save(buffer, "WEBP", lossless=True, quality=0, method=0, exif=_exif(user_comment))
        else:
            image.save(buffer, "PNG", pnginfo=_text_chunks(chunks), compress_level=_PNG_LEVEL)
        return buffer.getvalue()

    def _reduced(self, factor: float) -> Image.Image:
        if factor < 1.05:
            return self._picture
        width, height = (max(round(side / factor), 4) for side in self.size)
        return self._picture.resize((width, height), Image.Resampling.BOX)

    def _latent_noise(self, step: int, share: float) -> Image.Image:
        """Mostly the sample's own noise, a little of it new at each step, as ancestral samplers add."""
        cells = tuple(max(side // _LATENT, 2) for side in self.size)
        own, fresh = (_noise(seed, (cells[0], cells[1])) for seed in (self.seed, self.seed + (step + 1) * 7919))
        blotches = Image.blend(own, fresh, 0.22).filter(ImageFilter.GaussianBlur(_FINE_BLOTCH + _COARSER * share))
        return blotches.point(_noise_curve(round(share, 1)))

    def _with_grain(self) -> Image.Image:
        width, height = self.size
        source = random.Random(self.seed)  # noqa: S311 - grain, not a secret
        grain = Image.frombytes("L", self.size, source.randbytes(width * height)).point(_GRAIN_CURVE)
        return ImageChops.add(self._picture, Image.merge("RGB", (grain, grain, grain)), offset=-_GRAIN)


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
