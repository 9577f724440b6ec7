# ruff: noqa: TC001, TC003 - the imports keep the annotations resolvable at run time
"""The fields of `ImageParams` as keyword arguments, so that editors complete them and type checkers catch a typo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from nai_trio.params.character import CharacterLike
from nai_trio.params.image_to_image import ImageToImageLike, InpaintLike
from nai_trio.params.names import ModelId, NoiseSchedule, OutputFormat, Quality, Sampler, Size, UCPreset
from nai_trio.params.references import CharacterReferenceLike
from nai_trio.params.vibes import ControlNetLike

__all__ = ["ImageFields"]


class ImageFields(TypedDict, total=False):
    """What `ImageParams` takes; documented there."""

    prompt: str
    model: ModelId
    size: Size | None
    steps: int
    scale: float | None
    sampler: Sampler
    noise_schedule: NoiseSchedule
    seed: int | None
    n_samples: int
    negative_prompt: str
    quality: Quality | bool
    uc_preset: UCPreset
    cfg_rescale: float
    variety_boost: bool
    decrisper: bool
    smea: bool
    smea_dyn: bool
    auto_smea: bool
    legacy_uc: bool
    image_format: OutputFormat
    transparent_background: bool
    straight_alpha: bool | None
    characters: Sequence[CharacterLike]
    i2i: ImageToImageLike | None
    inpaint: InpaintLike | None
    controlnet: ControlNetLike | None
    character_references: Sequence[CharacterReferenceLike]
