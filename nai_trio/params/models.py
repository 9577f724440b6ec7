"""What each model is and takes: the one table that everything else asks.

No code of this library decides anything by a model's id. A new model is a new row; a new ability is a new
column. Facts: wire document, sections 2.2 (ids), 2.3 (members and defaults), 2.6 (texts), 2.7 (samplers,
schedules, sigmas) and 2.8 (capabilities).

`params_version`: the sources differ. The table of section 2.3 says that the 2026 web client sends 4 to every
model; the complete V4.5 request of section 2.9 has 3, section 2.8 counts 4 among what sets V5 apart from
V4.5, and the service takes both. The two concrete statements agree, so: 4 on V5, 3 elsewhere.

Samplers are those that two sources name; three more that a single one lists (`k_dpm_2`, `k_dpm_2_ancestral`,
`ddim`) are not known to be taken.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - keeps the annotations resolvable
from types import MappingProxyType
from typing import Final, Literal

import attrs

from nai_trio.params import presets
from nai_trio.params.names import Family, ModelId  # noqa: TC001 - keeps the annotations resolvable

__all__ = ["DEFAULT_MODEL", "MODELS", "ModelInfo"]

_SAMPLERS = (
    "k_euler_ancestral",
    "k_euler",
    "k_dpmpp_2s_ancestral",
    "k_dpmpp_2m_sde",
    "k_dpmpp_2m",
    "k_dpmpp_sde",
)
_SCHEDULES = ("karras", "exponential", "polyexponential")


@attrs.frozen(kw_only=True)
class ModelInfo:
    """One model: its ids, what it can do, and what the client fills in for it.

    Attributes:
        id: the id to generate with.
        inpainting_id: the id that `action: infill` wants instead.
        family: the generation it belongs to, which decides the shape of the request.
        params_version: the `params_version` to send.
        streams: whether the stream endpoint serves it.
        options: names of the `ImageParams` fields it has and not every model has.
        inpaints_with: the id of the model that does its inpainting, where that is another one: the request is then
            that model's in every respect; "" for itself.
        partial_inpaint: whether inpainting below full strength is possible.
        vibes: how it takes vibes: "raw" pictures, "encoded" ones, or None.
        vibe_encoding: what encoded vibes for it are called in .naiv4vibe files; None where there are none.
        max_characters: how many characters a request may hold; 0 for none.
        free_positions: whether characters stand anywhere; else they snap to the centers of a 5 by 5 grid.
        prompt_objects: whether it reads `v4_prompt` and `v4_negative_prompt` (it then must get them, else
            must not).
        variety_sigma: the sigma of variety boost at 832x1216; None where there is no such thing.
        samplers: the samplers it takes.
        noise_schedules: the noise schedules it takes.
        quality_texts: quality preset to the words it adds to the prompt.
        uc_texts: undesired-content preset to the words it puts before the negative prompt.
        quality_in_every_part: whether quality words go into every `|` part of the prompt; else into the
            first.
        guards_nsfw: whether undesired-content presets begin with "nsfw" unless the prompt asks for it.
        default_scale: the guidance its users get when they ask for none.
        price_factor: by how much its pictures cost more than the others'.
        usage_quota: whether what a subscription has for free is bounded by a quota.
        metadata_source: `Source` in its pictures' metadata, without the hash at its end.
    """

    id: str
    inpainting_id: str
    family: Family
    params_version: int = 3
    streams: bool = True
    options: frozenset[str]
    inpaints_with: str = ""
    partial_inpaint: bool = True
    vibes: Literal["raw", "encoded"] | None = None
    vibe_encoding: str | None = None
    max_characters: int
    free_positions: bool = False
    prompt_objects: bool = True
    variety_sigma: float | None
    samplers: tuple[str, ...] = _SAMPLERS
    noise_schedules: tuple[str, ...] = _SCHEDULES
    quality_texts: Mapping[str, str] = attrs.field(repr=False)
    uc_texts: Mapping[str, str] = attrs.field(repr=False)
    quality_in_every_part: bool = False
    guards_nsfw: bool = True
    default_scale: float
    price_factor: float = 1
    usage_quota: bool = False
    metadata_source: str

    @property
    def for_inpainting(self) -> ModelInfo:
        """The row that an inpainting request is made by."""
        return MODELS[self.inpaints_with] if self.inpaints_with else self

    @property
    def keeps_alpha(self) -> bool:
        """Whether it sees the transparent parts of a source."""
        return "straight_alpha" in self.options

    @property
    def default_straight_alpha(self) -> bool:
        """Whether pictures come with straight alpha when nobody asks: where there is alpha at all."""
        return self.keeps_alpha


_SOURCES = ("i2i", "inpaint")
_V3 = ModelInfo(
    id="nai-diffusion-3",
    inpainting_id="nai-diffusion-3-inpainting",
    family="V3",
    streams=False,
    options=frozenset({"variety_boost", "smea", "smea_dyn", *_SOURCES, "controlnet"}),
    partial_inpaint=False,
    vibes="raw",
    max_characters=0,
    prompt_objects=False,
    variety_sigma=19,
    samplers=(*_SAMPLERS, "ddim_v3"),
    noise_schedules=(*_SCHEDULES, "native"),
    quality_texts=presets.QUALITY_V3,
    uc_texts=presets.UC_V3,
    quality_in_every_part=True,
    default_scale=5,
    metadata_source="Stable Diffusion XL",
)
_V4_FULL = ModelInfo(
    id="nai-diffusion-4-full",
    inpainting_id="nai-diffusion-4-full-inpainting",
    family="V4",
    options=frozenset({"variety_boost", "auto_smea", "legacy_uc", *_SOURCES, "controlnet"}),
    vibes="encoded",
    vibe_encoding="v4full",
    max_characters=6,
    variety_sigma=19,
    quality_texts=presets.QUALITY_V4_FULL,
    uc_texts=presets.UC_V4_FULL,
    default_scale=5.5,
    metadata_source="NovelAI Diffusion V4",
)
_V45_FULL = ModelInfo(
    id="nai-diffusion-4-5-full",
    inpainting_id="nai-diffusion-4-5-full-inpainting",
    family="V4.5",
    options=frozenset({"variety_boost", "auto_smea", "legacy_uc", *_SOURCES, "controlnet", "character_references"}),
    vibes="encoded",
    vibe_encoding="v4-5full",
    max_characters=6,
    variety_sigma=58,
    quality_texts=presets.QUALITY_V45_FULL,
    uc_texts=presets.UC_V45_FULL,
    default_scale=5,
    metadata_source="NovelAI Diffusion V4.5",
)
_V5_FULL = ModelInfo(
    id="nai-diffusion-5-full",
    inpainting_id="nai-diffusion-5-full-inpainting",
    family="V5",
    params_version=4,
    options=frozenset({"auto_smea", "legacy_uc", "transparent_background", "straight_alpha", *_SOURCES}),
    max_characters=32,
    free_positions=True,
    variety_sigma=None,
    noise_schedules=("karras",),
    quality_texts=presets.QUALITY_V5,
    uc_texts=presets.UC_V5,
    default_scale=7,
    price_factor=1.5,
    usage_quota=True,
    metadata_source="NovelAI Diffusion V5",
)

_ALL = (
    _V5_FULL,
    attrs.evolve(
        _V5_FULL,
        id="nai-diffusion-5-curated",
        # Its own inpainting id exists by name only: the service refuses it.
        inpainting_id="nai-diffusion-4-5-curated-inpainting",
        inpaints_with="nai-diffusion-4-5-curated",
        guards_nsfw=False,
    ),
    _V45_FULL,
    attrs.evolve(
        _V45_FULL,
        id="nai-diffusion-4-5-curated",
        inpainting_id="nai-diffusion-4-5-curated-inpainting",
        vibe_encoding="v4-5curated",
        quality_texts=presets.QUALITY_V45_CURATED,
        uc_texts=presets.UC_V45_CURATED,
        guards_nsfw=False,
    ),
    _V4_FULL,
    attrs.evolve(
        _V4_FULL,
        id="nai-diffusion-4-curated-preview",
        vibe_encoding="v4curated",
        inpainting_id="nai-diffusion-4-curated-inpainting",
        quality_texts=presets.QUALITY_V4_CURATED,
        uc_texts=presets.UC_V4_CURATED,
        guards_nsfw=False,
    ),
    _V3,
    attrs.evolve(
        _V3,
        id="nai-diffusion-furry-3",
        inpainting_id="nai-diffusion-furry-3-inpainting",
        quality_texts=presets.QUALITY_FURRY_V3,
        uc_texts=presets.UC_FURRY_V3,
        default_scale=6.2,
    ),
)

MODELS: Final[Mapping[str, ModelInfo]] = MappingProxyType({info.id: info for info in _ALL})
"""Every model that can be asked for, by id, newest family first."""

DEFAULT_MODEL: Final[ModelId] = "nai-diffusion-4-5-full"
