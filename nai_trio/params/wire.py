"""The request as the service reads it, and its way into JSON (wire document, sections 2.1 to 2.4, 2.9).

The classes have the wire's members; only camel case is spelt the Python way here and renamed on the way out
(the order of members means nothing there, and cattrs puts the ones that are always sent first). Three states
have to be told apart: a value, null (`None`), and a member that is not sent (`ABSENT`), because model
families differ in which members they get. Members that every request has carry no default.

All of it is written through one cattrs converter: `ABSENT` members are left out, names renamed, tuples become
lists, and whole floats integers, as in the web client's JSON (`"scale":5`).
"""

from __future__ import annotations

import enum
from functools import cache
from typing import Any, Final

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

__all__ = [
    "ABSENT",
    "Absent",
    "Caption",
    "CharCaption",
    "CharacterPrompt",
    "Img2Img",
    "NegativePrompt",
    "Parameters",
    "Point",
    "PositivePrompt",
    "ReferenceDescription",
    "Request",
    "to_builtins",
]


class Absent(enum.Enum):
    """The one-member type of `ABSENT`."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
"""The member is not sent at all."""


@attrs.frozen(kw_only=True)
class Point:
    """A center: fractions of width and height."""

    x: float
    y: float


@attrs.frozen(kw_only=True)
class CharacterPrompt:
    """An entry of `characterPrompts`; disabled characters are kept here."""

    prompt: str
    uc: str
    center: Point
    enabled: bool


@attrs.frozen(kw_only=True)
class CharCaption:
    """An entry of `char_captions`; enabled characters alone."""

    char_caption: str
    centers: tuple[Point, ...]


@attrs.frozen(kw_only=True)
class Caption:
    """The text of the whole picture and of its characters."""

    base_caption: str
    char_captions: tuple[CharCaption, ...]


@attrs.frozen(kw_only=True)
class PositivePrompt:
    """`v4_prompt`."""

    caption: Caption
    use_coords: bool
    use_order: bool


@attrs.frozen(kw_only=True)
class NegativePrompt:
    """`v4_negative_prompt`; it has no `use_coords` and no `use_order`."""

    caption: Caption
    legacy_uc: bool


@attrs.frozen(kw_only=True)
class Img2Img:
    """`img2img`, which the web client sends when it inpaints below full strength."""

    strength: float
    color_correct: bool


@attrs.frozen(kw_only=True)
class ReferenceDescription:
    """An entry of `director_reference_descriptions`; its caption says what is taken over."""

    caption: Caption
    legacy_uc: bool


@attrs.frozen(kw_only=True)
class Parameters:
    """`parameters` of a request, all but its pictures, which attachments.py has.

    Members that only label presets (`qualityPresetId`, `ucPresetId`, `tag_hint_qt`, ...) are not sent: the
    service does nothing with them, and `qualityToggle` even changes V5 pictures when the words are in the
    prompt already.
    """

    params_version: int
    width: int
    height: int
    scale: float
    sampler: str
    steps: int
    n_samples: int
    seed: int
    noise_schedule: str
    cfg_rescale: float
    dynamic_thresholding: bool
    controlnet_strength: float
    legacy: bool
    legacy_v3_extend: bool
    add_original_image: bool
    sm: bool | Absent = ABSENT
    sm_dyn: bool | Absent = ABSENT
    auto_smea: bool | Absent = ABSENT
    skip_cfg_above_sigma: float | Absent | None = ABSENT
    use_coords: bool | Absent = ABSENT
    legacy_uc: bool | Absent = ABSENT
    normalize_reference_strength_multiple: bool | Absent = ABSENT
    inpaint_img2img_strength: float | Absent = ABSENT
    deliberate_euler_ancestral_bug: bool | Absent = ABSENT
    prefer_brownian: bool | Absent = ABSENT
    straight_alpha: bool | Absent = ABSENT
    tag_hint_transparent_background: bool | Absent = ABSENT
    strength: float | Absent = ABSENT
    noise: float | Absent = ABSENT
    extra_noise_seed: int | Absent = ABSENT
    color_correct: bool | Absent = ABSENT
    img2img: Img2Img | Absent = ABSENT
    reference_strength_multiple: tuple[float, ...] | Absent = ABSENT
    reference_information_extracted_multiple: tuple[float, ...] | Absent = ABSENT
    director_reference_descriptions: tuple[ReferenceDescription, ...] | Absent = ABSENT
    director_reference_information_extracted: tuple[float, ...] | Absent = ABSENT
    director_reference_strength_values: tuple[float, ...] | Absent = ABSENT
    director_reference_secondary_strength_values: tuple[float, ...] | Absent = ABSENT
    character_prompts: tuple[CharacterPrompt, ...]
    negative_prompt: str
    image_format: str
    stream: str | Absent = ABSENT
    v4_prompt: PositivePrompt | Absent = ABSENT
    v4_negative_prompt: NegativePrompt | Absent = ABSENT


@attrs.frozen(kw_only=True)
class Request:
    """The whole body of `/ai/generate-image` and `/ai/generate-image-stream`."""

    input: str
    model: str
    action: str
    use_new_shared_trial: bool
    parameters: Parameters


_RENAMED: Final = {
    "auto_smea": "autoSmea",
    "inpaint_img2img_strength": "inpaintImg2ImgStrength",
    "character_prompts": "characterPrompts",
}


def to_builtins(request: Request) -> dict[str, Any]:
    """The request as dicts, lists, strings, numbers, bools and None, exactly as its JSON reads back."""
    body: dict[str, Any] = _converter().unstructure(request)
    return body


@cache
def _converter() -> Converter:
    converter = Converter(unstruct_collection_overrides={tuple: list})
    converter.register_unstructure_hook_factory(attrs.has, lambda cls: _members_hook(cls, converter))
    converter.register_unstructure_hook(float, _plain_number)
    return converter


def _members_hook(cls: type[Any], converter: Converter) -> Any:
    names = {attribute.name for attribute in attrs.fields(cls)}
    renamed: dict[str, Any] = {name: override(rename=wire) for name, wire in _RENAMED.items() if name in names}
    # ABSENT is the only default there is, so "is the default" means "is absent"; a null stays.
    return make_dict_unstructure_fn(cls, converter, _cattrs_omit_if_default=True, **renamed)


def _plain_number(value: float) -> float | int:
    return int(value) if value == int(value) else float(value)
