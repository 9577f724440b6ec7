"""Types and ranges of a request's members, as one table of small rules (wire document, sections 2.3, 2.4 and 3).

A rule takes the member's name and its value, and gives words where the value does not fit. Names of nested members are
written as paths: `v4_prompt.caption.char_captions[0].centers[0].x`. As strict as the service, no stricter: a member
that is null or not in a table passes unseen.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from nai_trio.emulator.settings import Json, present

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["PARAMETERS", "Rule", "broken_rule", "number", "text"]

Rule: TypeAlias = "Callable[[str, object], str | None]"

MAX_SEED = 2**32 - 1
_MAX_SIDE = 49_152
_MAX_REFERENCES = 16
"""The site's most for vibes; for character references only this emulator's bound."""


def broken_rule(members: Json, rules: Mapping[str, Rule], prefix: str = "") -> str | None:
    """What is wrong with the first member that breaks its rule; None when all fit."""
    found = (rule(prefix + name, members[name]) for name, rule in rules.items() if name in members)
    return next((words for words in found if words is not None), None)


def number(low: float, high: float, *, whole: bool = False) -> Rule:
    """An integer or any number, from `low` to `high`."""

    def rule(name: str, value: object) -> str | None:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        if fits and not (whole and value != int(value)):  # type: ignore[call-overload]
            return None
        upper = "" if math.isinf(high) else f" and at most {high}"
        return f"{name} must be {'an integer' if whole else 'a number'} of at least {low}{upper}"

    return rule


def _one_of(*names: str) -> Rule:
    def rule(name: str, value: object) -> str | None:
        fits = isinstance(value, str) and value in names
        return None if fits else f"{name} must be one of {', '.join(names)}"

    return rule


def _kind(kind: type, shown: str) -> Rule:
    return lambda name, value: None if isinstance(value, kind) else f"{name} must be {shown}"


def _array(each: Rule, *, at_most: int | None = None) -> Rule:
    def rule(name: str, value: object) -> str | None:
        if not isinstance(value, list):
            return f"{name} must be an array"
        if at_most is not None and len(value) > at_most:
            return f"{name} must have at most {at_most} members, got {len(value)}"
        found = (each(f"{name}[{index}]", item) for index, item in enumerate(value))
        return next((words for words in found if words is not None), None)

    return rule


def _object(**members: Rule) -> Rule:
    def rule(name: str, value: object) -> str | None:
        if not isinstance(value, dict):
            return f"{name} must be an object"
        return broken_rule(present(value), members, f"{name}.")

    return rule


text: Rule = _kind(str, "a string")
_FLAG = _kind(bool, "a boolean")
_SHARE = number(0, 1)
_SEED = number(0, MAX_SEED, whole=True)
_WEIGHT = number(-10, 10)  # the service's bounds are not known; these keep arithmetic finite
_CENTER = _object(x=_SHARE, y=_SHARE)
_CAPTION = _object(
    base_caption=text, char_captions=_array(_object(char_caption=text, centers=_array(_CENTER)))
)  # fmt: skip
_PROMPT = _object(caption=_CAPTION, use_coords=_FLAG, use_order=_FLAG, legacy_uc=_FLAG)
_REFERENCE_TYPES = ("character", "style", "character&style")

_SAMPLERS = (
    "k_euler_ancestral", "k_euler", "k_dpmpp_2s_ancestral", "k_dpmpp_2m_sde", "k_dpmpp_2m", "k_dpmpp_sde", "ddim_v3",
    "k_dpm_2", "k_dpm_2_ancestral", "ddim",
)  # fmt: skip
_SCHEDULES = ("karras", "exponential", "polyexponential", "native")

_FLAGS = (
    "dynamic_thresholding", "sm", "sm_dyn", "autoSmea", "legacy", "legacy_v3_extend", "legacy_uc", "use_coords",
    "add_original_image", "deliberate_euler_ancestral_bug", "prefer_brownian", "qualityToggle", "straight_alpha",
    "normalize_reference_strength_multiple", "color_correct",
)  # fmt: skip

PARAMETERS: Mapping[str, Rule] = {
    "params_version": number(1, 4, whole=True),
    "width": number(64, _MAX_SIDE, whole=True),
    "height": number(64, _MAX_SIDE, whole=True),
    "scale": number(0, 10),
    "sampler": _one_of(*_SAMPLERS),
    "steps": number(1, 50, whole=True),
    "n_samples": number(1, 8, whole=True),
    "seed": _SEED,
    "extra_noise_seed": _SEED,
    "noise_schedule": _one_of(*_SCHEDULES),
    "cfg_rescale": _SHARE,
    "skip_cfg_above_sigma": number(0, math.inf),
    "strength": _SHARE,
    "noise": _SHARE,
    "controlnet_strength": number(0, 2),
    "inpaintImg2ImgStrength": _SHARE,
    "img2img": _object(strength=_SHARE, color_correct=_FLAG),
    "negative_prompt": text,
    "prompt": text,
    "image": text,
    "mask": text,
    "v4_prompt": _PROMPT,
    "v4_negative_prompt": _PROMPT,
    "characterPrompts": _array(_object(prompt=text, uc=text, center=_CENTER, enabled=_FLAG)),
    "reference_image_multiple": _array(text, at_most=_MAX_REFERENCES),
    "reference_strength_multiple": _array(_WEIGHT),
    "reference_information_extracted_multiple": _array(_SHARE),
    "director_reference_images": _array(text, at_most=_MAX_REFERENCES),
    "director_reference_descriptions": _array(
        _object(caption=_object(base_caption=_one_of(*_REFERENCE_TYPES), char_captions=_array(_object())),
                legacy_uc=_FLAG)
    ),
    "director_reference_information_extracted": _array(_SHARE),
    "director_reference_strength_values": _array(_SHARE),
    "director_reference_secondary_strength_values": _array(_SHARE),
    "image_format": _one_of("png", "webp"),
    "stream": _one_of("sse", "msgpack"),
    **dict.fromkeys(_FLAGS, _FLAG),
}  # fmt: skip
