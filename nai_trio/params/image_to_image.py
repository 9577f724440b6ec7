"""Starting from a picture: image to image, and inpainting (wire document, sections 3.1 and 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias, get_args

import attrs

from nai_trio.params.checks import choice, flag, integer, number
from nai_trio.params.names import MAX_SEED
from nai_trio.params.records import Record
from nai_trio.pictures.canvas import Fit
from nai_trio.pictures.source import ImageInput, ImageSource, to_source

__all__ = ["ImageToImage", "ImageToImageLike", "Inpaint", "InpaintLike", "steps_taken"]

_ROUNDING: Final = 1e-6
"""0.29 of 100 is 28.999999999999996 in floats, and 29 all the same."""


def steps_taken(steps: int, strength: float) -> int:
    """How many steps image to image takes: it joins in late (wire document, section 3.1)."""
    return max(1, int(strength * steps + _ROUNDING))


def _mask(value: ImageInput) -> ImageSource:
    return ImageSource.of(value, "mask")


_NOISE_SEED = integer(0, MAX_SEED)
_FIT = choice(get_args(Fit))


@attrs.frozen
class ImageToImage(Record):
    """A picture to start from, instead of from noise.

    Attributes:
        image: the source: bytes or path of a PNG, JPEG or WebP, or a Pillow image.
        strength: how much is drawn anew, 0.01 to 0.99. It shortens the work: 0.7 of 23 steps are 16.
        noise: how much noise is added to the source, 0 to 0.99.
        seed: of that noise, 0 to 4294967295; by default the picture's seed minus 1, as the web client has it.
        fit: how a source of another shape fills the size: "stretch" (as the web client), "crop" (centered) or
            "letterbox" (on black).

    Raises:
        InvalidParamsError: a field has a wrong type or value, or the source cannot be read.
    """

    image: ImageSource = attrs.field(converter=to_source, metadata={"wire": "image"})
    strength: float = attrs.field(
        default=0.7, kw_only=True, validator=number(0.01, 0.99), metadata={"wire": "strength"}
    )
    noise: float = attrs.field(default=0, kw_only=True, validator=number(0, 0.99), metadata={"wire": "noise"})
    seed: int | None = attrs.field(
        default=None,
        kw_only=True,
        validator=attrs.validators.optional(_NOISE_SEED),
        metadata={"wire": "extra_noise_seed", "default": "the picture's seed - 1"},
    )
    fit: Fit = attrs.field(default="stretch", kw_only=True, validator=_FIT)


@attrs.frozen
class Inpaint(Record):
    """A picture of which a part is drawn anew, by the model's inpainting variant.

    Attributes:
        image: the source: bytes or path of a PNG, JPEG or WebP, or a Pillow image.
        mask: what to repaint: where it is white, or opaque if it has transparent parts. It is brought to the grid of
            8 by 8 pixels that the model works on.
        strength: how much is drawn anew inside the mask, 0.01 to 1; V3 takes 1 alone.
        seed: of the noise, 0 to 4294967295; by default the picture's seed minus 1, as the web client has it.
        fit: how source and mask fill a size of another shape, each by itself: "stretch", "crop" or "letterbox".
        add_original_image: have the service lay the source's kept part over the result; the web client does so itself.

    Raises:
        InvalidParamsError: a field has a wrong type or value, or a picture cannot be read.
    """

    image: ImageSource = attrs.field(converter=to_source, metadata={"wire": "image"})
    mask: ImageSource = attrs.field(converter=_mask, metadata={"wire": "mask"})
    strength: float = attrs.field(
        default=1, kw_only=True, validator=number(0.01, 1), metadata={"wire": "inpaintImg2ImgStrength"}
    )
    seed: int | None = attrs.field(
        default=None,
        kw_only=True,
        validator=attrs.validators.optional(_NOISE_SEED),
        metadata={"wire": "extra_noise_seed", "default": "the picture's seed - 1"},
    )
    fit: Fit = attrs.field(default="stretch", kw_only=True, validator=_FIT)
    add_original_image: bool = attrs.field(
        default=False, kw_only=True, validator=flag, metadata={"wire": "add_original_image"}
    )


ImageToImageLike: TypeAlias = ImageToImage | Mapping[str, Any]
InpaintLike: TypeAlias = Inpaint | Mapping[str, Any]
