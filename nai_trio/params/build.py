"""From what the user wants to what goes over the wire; the model table says which members a model gets.

The member-by-member source is the wire document, sections 2.3 to 2.9 and 3; constants are what the web client sends.
The pictures themselves are put in by attachments.py.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import attrs

from nai_trio.params.character import snapped
from nai_trio.params.prompts import negative_text, positive_text
from nai_trio.params.wire import (
    ABSENT,
    Absent,
    Caption,
    CharacterPrompt,
    CharCaption,
    Img2Img,
    NegativePrompt,
    Parameters,
    Point,
    PositivePrompt,
    ReferenceDescription,
    Request,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from nai_trio.params.character import Character
    from nai_trio.params.image import ImageParams
    from nai_trio.params.models import ModelInfo
    from nai_trio.params.names import StreamKind
    from nai_trio.params.references import CharacterReference

__all__ = ["build_request"]

_T = TypeVar("_T")

_UNUSED_STRENGTH = 0.7

_REFERENCE_LATENT = 104 * 152
"""The latent cells (1/8 of each side) of 832x1216, at which a model's variety sigma is given."""


def build_request(params: ImageParams, stream: StreamKind | None) -> Request:
    """The request for validated parameters."""
    info = params.info
    positive = positive_text(info, params.prompt, quality=params.quality, transparent=params.transparent_background)
    negative = negative_text(info, params.negative_prompt, uc_preset=params.uc_preset, prompt=params.prompt)
    return Request(
        input=positive,
        model=info.id if params.inpaint is None else info.inpainting_id,
        action=_action(params),
        use_new_shared_trial=True,
        parameters=_with_pictures(_parameters(params, info, stream, positive, negative), params, info),
    )


def _parameters(
    params: ImageParams, info: ModelInfo, stream: StreamKind | None, positive: str, negative: str
) -> Parameters:
    objects = info.prompt_objects
    ancestral = params.sampler == "k_euler_ancestral" and params.noise_schedule != "native"
    return Parameters(
        params_version=info.params_version,
        width=params.width,
        height=params.height,
        scale=params.scale,
        sampler=params.sampler,
        steps=params.steps,
        n_samples=params.n_samples,
        seed=params.seed,
        noise_schedule=params.noise_schedule,
        cfg_rescale=params.cfg_rescale,
        dynamic_thresholding=params.decrisper,
        controlnet_strength=1 if params.controlnet is None else params.controlnet.strength,
        legacy=False,
        legacy_v3_extend=False,
        add_original_image=True if params.inpaint is None else params.inpaint.add_original_image,
        sm=_if("smea" in info.options, params.smea),
        sm_dyn=_if("smea_dyn" in info.options, params.smea_dyn),
        auto_smea=_if("auto_smea" in info.options, params.auto_smea),
        skip_cfg_above_sigma=_skip_cfg_above_sigma(params, info),
        use_coords=_if(objects, _use_coords(params)),
        legacy_uc=_if("legacy_uc" in info.options, params.legacy_uc),
        normalize_reference_strength_multiple=_if(objects, params.controlnet is None or params.controlnet.normalize),
        inpaint_img2img_strength=_if(objects, 1 if params.inpaint is None else params.inpaint.strength),
        deliberate_euler_ancestral_bug=_if(ancestral, False),
        prefer_brownian=_if(ancestral, True),
        straight_alpha=_if("straight_alpha" in info.options, params.straight_alpha),
        tag_hint_transparent_background=_if(params.transparent_background, True),
        character_prompts=tuple(_character(each, info) for each in params.characters),
        negative_prompt=negative,
        image_format=params.image_format,
        stream=_if(stream is not None, stream or ""),
        v4_prompt=_if(objects, _positive(params, info, positive)),
        v4_negative_prompt=_if(objects, _negative(params, info, negative)),
    )


def _with_pictures(plain: Parameters, params: ImageParams, info: ModelInfo) -> Parameters:
    """The same with the members that say what the request's pictures are for."""
    start = _start(params)
    return attrs.evolve(
        plain,
        strength=start.strength,
        noise=start.noise,
        extra_noise_seed=start.extra_noise_seed,
        color_correct=start.color_correct,
        img2img=start.img2img,
        reference_strength_multiple=_vibe_strengths(params),
        reference_information_extracted_multiple=_vibe_extractions(params, info),
        director_reference_descriptions=_per_reference(params, _description),
        director_reference_information_extracted=_per_reference(params, lambda _each: 1),
        director_reference_strength_values=_per_reference(params, lambda each: each.strength),
        director_reference_secondary_strength_values=_per_reference(params, lambda each: round(1 - each.fidelity, 2)),
    )


def _action(params: ImageParams) -> str:
    if params.inpaint is not None:
        return "infill"
    return "generate" if params.i2i is None else "img2img"


@attrs.frozen(kw_only=True)
class _Start:
    """The members about the picture to start from."""

    strength: float | Absent = ABSENT
    noise: float | Absent = ABSENT
    extra_noise_seed: int | Absent = ABSENT
    color_correct: bool | Absent = ABSENT
    img2img: Img2Img | Absent = ABSENT


def _start(params: ImageParams) -> _Start:
    """Strength and noise are sent when inpainting, too, where they do nothing: its strength has a member of its own."""
    inpaint, i2i = params.inpaint, params.i2i
    if inpaint is not None:
        below_full = Img2Img(strength=inpaint.strength, color_correct=True)
        return _Start(
            strength=_UNUSED_STRENGTH,
            noise=0,
            extra_noise_seed=_noise_seed(params, inpaint.seed),
            img2img=_if(inpaint.strength < 1, below_full),
        )
    if i2i is None:
        return _Start()
    seed = _noise_seed(params, i2i.seed)
    return _Start(strength=i2i.strength, noise=i2i.noise, extra_noise_seed=seed, color_correct=False)


def _noise_seed(params: ImageParams, given: int | None) -> int:
    return (params.seed - 1) % 2**32 if given is None else given


def _vibe_strengths(params: ImageParams) -> tuple[float, ...] | Absent:
    return ABSENT if params.controlnet is None else params.controlnet.strengths


def _vibe_extractions(params: ImageParams, info: ModelInfo) -> tuple[float, ...] | Absent:
    """Sent with raw pictures alone; encoded ones have it in them."""
    if params.controlnet is None or info.vibes != "raw":
        return ABSENT
    return tuple(vibe.information_extracted for vibe in params.controlnet.images)


def _per_reference(params: ImageParams, value: Callable[[CharacterReference], _T]) -> tuple[_T, ...] | Absent:
    return tuple(map(value, params.character_references)) if params.character_references else ABSENT


def _description(reference: CharacterReference) -> ReferenceDescription:
    return ReferenceDescription(caption=Caption(base_caption=reference.type, char_captions=()), legacy_uc=False)


def _if(sent: bool, value: _T) -> _T | Absent:
    return value if sent else ABSENT


def _skip_cfg_above_sigma(params: ImageParams, info: ModelInfo) -> float | Absent | None:
    if info.variety_sigma is None:
        return ABSENT
    if not params.variety_boost:
        return None
    return info.variety_sigma * math.sqrt((params.width // 8) * (params.height // 8) / _REFERENCE_LATENT)


def _use_coords(params: ImageParams) -> bool:
    """Whether the user placed anybody: the web client's "AI's choice" switched off."""
    return any(each.enabled and each.position is not None for each in params.characters)


def _positive(params: ImageParams, info: ModelInfo, text: str) -> PositivePrompt:
    captions = _captions(params, info, "prompt")
    return PositivePrompt(
        caption=Caption(base_caption=text, char_captions=captions),
        use_coords=_use_coords(params),
        use_order=True,
    )


def _negative(params: ImageParams, info: ModelInfo, text: str) -> NegativePrompt:
    captions = _captions(params, info, "negative_prompt")
    return NegativePrompt(caption=Caption(base_caption=text, char_captions=captions), legacy_uc=params.legacy_uc)


def _captions(params: ImageParams, info: ModelInfo, text: str) -> tuple[CharCaption, ...]:
    return tuple(
        CharCaption(char_caption=getattr(each, text), centers=(_point(each, info),))
        for each in params.characters
        if each.enabled
    )


def _character(character: Character, info: ModelInfo) -> CharacterPrompt:
    return CharacterPrompt(
        prompt=character.prompt,
        uc=character.negative_prompt,
        center=_point(character, info),
        enabled=character.enabled,
    )


def _point(character: Character, info: ModelInfo) -> Point:
    x, y = snapped(character.center, free=info.free_positions)
    return Point(x=x, y=y)
