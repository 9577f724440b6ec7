"""What a peer has no words for, so that it is not asked for a wish that needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from wishes import PEERS, V5, V5C, V45, Wish

if TYPE_CHECKING:
    from collections.abc import Callable


@attrs.frozen
class Unsayable:
    """Something that a peer cannot be asked for.

    Attributes:
        peer: which one.
        says: what, for people.
        error: words of the error that its script or the peer itself raises instead of sending.
        applies: whether a wish has it.
    """

    peer: str
    says: str
    error: str
    applies: Callable[[Wish], bool]


def _has(*names: str) -> Callable[[Wish], bool]:
    return lambda wish: any(name in wish.fields for name in names)


def _is(field: str, *values: Any) -> Callable[[Wish], bool]:
    return lambda wish: wish.fields[field] in values


_SDK, _NEKOAI = PEERS
UNSAYABLE = (
    Unsayable(_SDK, 'quality "light" (V5)', "no word for quality", _is("quality", "light")),
    Unsayable(
        _SDK,
        'undesired-content preset "none": its number, 4, fails its own check',
        "ucPreset",
        _is("uc_preset", "none"),
    ),
    Unsayable(_SDK, "`k_dpmpp_2m_sde`, `ddim_v3`", "sampler", _is("sampler", "k_dpmpp_2m_sde", "ddim_v3")),
    Unsayable(_SDK, 'noise schedule "native"', "noise_schedule", _is("noise_schedule", "native")),
    Unsayable(_SDK, "sides over 1600 pixels", "between 64 and 1600", lambda wish: max(wish.pixels) > 1600),
    Unsayable(
        _SDK,
        "decrisper, SMEA, auto SMEA, legacy undesired content",
        "no argument for",
        _has("decrisper", "smea", "smea_dyn", "auto_smea", "legacy_uc"),
    ),
    Unsayable(_SDK, "cropping a source", "no argument for fit", lambda wish: "fit" in wish.i2i),
    Unsayable(
        _SDK,
        "laying the original over an inpainted picture",
        "no argument for add_original_image",
        lambda wish: "add_original_image" in wish.inpaint,
    ),
    Unsayable(
        _SDK, "vibes below 0", "greater than or equal", lambda wish: any(each["strength"] < 0 for each in wish.vibes)
    ),
    Unsayable(_NEKOAI, "V5", "is not a valid Model", lambda wish: wish.model in {V5, V5C}),
    Unsayable(
        _NEKOAI,
        'undesired-content preset "none" on V4.5 Full, where each of its numbers has a text',
        "no word for uc_preset",
        lambda wish: wish.model == V45 and wish.fields["uc_preset"] == "none",
    ),
    Unsayable(_NEKOAI, "the image format", "no argument for", _has("image_format")),
    Unsayable(_NEKOAI, "character references", "no argument for", _has("character_references")),
    Unsayable(
        _NEKOAI,
        "a size taken from the source",
        "no argument for the source's size",
        lambda wish: "size" not in wish.fields,
    ),
    Unsayable(_NEKOAI, "cropping a source", "no argument for fit", lambda wish: "fit" in wish.i2i),
    Unsayable(
        _NEKOAI,
        "inpainting below full strength: it takes whole numbers",
        "inpaintImg2ImgStrength",
        lambda wish: wish.inpaint.get("strength", 1) < 1,
    ),
    Unsayable(
        _NEKOAI,
        "positions outside 0.1 to 0.9",
        "PositionCoords",
        lambda wish: any(
            not 0.1 <= value <= 0.9
            for each in wish.characters
            for value in each.get("position", ())
            if not isinstance(value, str)
        ),
    ),
    Unsayable(
        _NEKOAI,
        "guidance finer than 0.1, its rescale finer than 0.02",
        "multiple of",
        lambda wish: wish.name == "rescaled-finely",
    ),
    Unsayable(_NEKOAI, "seeds over 4294967288", "seed", lambda wish: wish.fields["seed"] > 4294967288),
    Unsayable(
        _NEKOAI, "vibes below 0", "greater than or equal", lambda wish: any(each["strength"] < 0 for each in wish.vibes)
    ),
)
