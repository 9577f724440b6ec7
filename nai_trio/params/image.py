"""`ImageParams`: what one generation shall be, in the user's terms.

A record that exists is valid: every field is checked when it is built, alone and against the model, so that
nothing can be refused later for what could have been known before. Fields speak the user's language
(decrisper, variety boost); the wire's names live in `wire`. A default that depends on the model is filled in
at construction, so no field is ever "unset" to a reader.

Ranges: wire document, sections 2.3 and 2.7.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from nai_trio.params.character import Character, to_characters
from nai_trio.params.checks import check_text, choice, flag, integer, known_fields, number, refusal
from nai_trio.params.models import DEFAULT_MODEL, MODELS
from nai_trio.params.names import (  # noqa: TC001 - keeps the annotations resolvable
    ModelId,
    NoiseSchedule,
    OutputFormat,
    Quality,
    Sampler,
    Size,
    UCPreset,
)
from nai_trio.params.sizes import check_size, dimensions, max_samples
from nai_trio.params.support import check_stream, check_support

if TYPE_CHECKING:
    from nai_trio.params.models import ModelInfo
    from nai_trio.params.names import StreamKind

__all__ = ["ImageParams"]

_MAX_SEED: Final = 2**32 - 1
"""The web client's range; peers stop below it, but larger seeds are in captures (wire document, section 11)."""

_MAX_SAMPLES: Final = 8


def _column(name: str) -> list[str]:
    """Every name that any model lists in a column; whether this model does is asked once the model is known."""
    return list(dict.fromkeys(each for info in MODELS.values() for each in getattr(info, name)))


def _check_prompt(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    check_text(instance, attribute, value)
    if not value.strip():
        raise refusal(attribute.name, value, "text that is not empty")


def _size(value: Size | list[int]) -> Size:
    return cast("Size", tuple(value)) if isinstance(value, list) else value


def _seed(value: int | None) -> int:
    # Not 0: older documents have the service pick its own seed then, and it would not be known.
    return int.from_bytes(os.urandom(4), "big") or 1 if value is None else value


def _quality(value: Quality | bool) -> Quality:
    if isinstance(value, bool):
        return "standard" if value else "none"
    return value


_OF_MODEL: Final = {"scale": "default_scale", "straight_alpha": "default_straight_alpha"}
"""Fields whose default is the model's, and the column that has it."""

_UNSET: Final[Any] = None
"""A field's default until the constructor puts a value in its place; readers never meet it, so its type is open."""


def _number_or_unset(value: float | None) -> float:
    return cast("float", value)


def _flag_or_unset(value: bool | None) -> bool:
    return cast("bool", value)


@attrs.frozen
class ImageParams:
    """One generation's parameters.

    Attributes:
        prompt: what to draw; not empty. Quality words are added to it, see `quality`.
        model: a model id, a key of `MODELS`.
        size: a key of `SIZES`, or (width, height) in pixels: multiples of 64 from 64 up, at most 3,145,728
            pixels in all.
        steps: denoising steps, 1 to 50.
        scale: prompt guidance, 0 to 10; by default the model's (7 on V5, 5.5 on V4, 6.2 on Furry V3, else 5).
        sampler: the sampler's name; "ddim_v3" on V3 only.
        noise_schedule: "karras", "exponential", "polyexponential"; "native" on V3 only; V5 takes "karras"
            alone.
        seed: 0 to 4294967295; sample i uses seed + i. By default (or None) random, chosen here once, so it
            can be read.
        n_samples: pictures in one request: 1 to 8 up to 360,448 pixels, to 6 up to 409,600, else to 4.
        negative_prompt: what not to draw, after the words of `uc_preset`.
        quality: "standard", "light" (V5) or "none" quality words; True and False stand for "standard" and
            "none".
        uc_preset: undesired-content words: "heavy", "light", "none"; "humanFocus" (not V4, not Furry V3),
            "furryFocus" (V4.5 Full and V5).
        cfg_rescale: prompt guidance rescale, 0 to 1.
        variety_boost: skip guidance at high noise; V3 to V4.5.
        decrisper: dynamic thresholding.
        smea: the SMEA sampler variant; V3.
        smea_dyn: its dynamic form; V3.
        auto_smea: let the service choose SMEA for large pictures; V4 and later.
        legacy_uc: treat undesired content as early V4 did; V4 and later.
        image_format: "png", or "webp" (lossless).
        transparent_background: draw no background; V5.
        straight_alpha: colors not premultiplied with alpha; V5, where it is the default.
        characters: up to 6 (V4, V4.5) or 32 (V5); a list, and mappings in place of `Character`, are taken
            too.

    Raises:
        InvalidParamsError: a field has a wrong type or value, or the model cannot do it; the message
            names field, value and what is allowed.
    """

    prompt: str = attrs.field(validator=_check_prompt)
    model: ModelId = attrs.field(default=DEFAULT_MODEL, kw_only=True, validator=choice(MODELS))
    size: Size = attrs.field(default="portrait", kw_only=True, converter=_size, validator=check_size)
    steps: int = attrs.field(default=23, kw_only=True, validator=integer(1, 50))
    scale: float = attrs.field(
        default=_UNSET, kw_only=True, converter=_number_or_unset, validator=attrs.validators.optional(number(0, 10))
    )
    sampler: Sampler = attrs.field(default="k_euler_ancestral", kw_only=True, validator=choice(_column("samplers")))
    noise_schedule: NoiseSchedule = attrs.field(
        default="karras", kw_only=True, validator=choice(_column("noise_schedules"))
    )
    seed: int = attrs.field(default=_UNSET, kw_only=True, converter=_seed, validator=integer(0, _MAX_SEED))
    n_samples: int = attrs.field(default=1, kw_only=True, validator=integer(1, _MAX_SAMPLES))
    negative_prompt: str = attrs.field(default="", kw_only=True, validator=check_text)
    quality: Quality = attrs.field(
        default="standard", kw_only=True, converter=_quality, validator=choice(_column("quality_texts"))
    )
    uc_preset: UCPreset = attrs.field(default="heavy", kw_only=True, validator=choice(_column("uc_texts")))
    cfg_rescale: float = attrs.field(default=0, kw_only=True, validator=number(0, 1))
    variety_boost: bool = attrs.field(default=False, kw_only=True, validator=flag)
    decrisper: bool = attrs.field(default=False, kw_only=True, validator=flag)
    smea: bool = attrs.field(default=False, kw_only=True, validator=flag)
    smea_dyn: bool = attrs.field(default=False, kw_only=True, validator=flag)
    auto_smea: bool = attrs.field(default=False, kw_only=True, validator=flag)
    legacy_uc: bool = attrs.field(default=False, kw_only=True, validator=flag)
    image_format: OutputFormat = attrs.field(default="png", kw_only=True, validator=choice(("png", "webp")))
    transparent_background: bool = attrs.field(default=False, kw_only=True, validator=flag)
    straight_alpha: bool = attrs.field(
        default=_UNSET, kw_only=True, converter=_flag_or_unset, validator=attrs.validators.optional(flag)
    )
    characters: tuple[Character, ...] = attrs.field(default=(), kw_only=True, converter=to_characters)

    def __attrs_post_init__(self) -> None:
        for name, column in _OF_MODEL.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(self.info, column))
        check_support(self)
        limit = max_samples(self.width * self.height)
        if self.n_samples > limit:
            raise refusal("n_samples", self.n_samples, f"at most {limit} at {self.width}x{self.height} pixels")

    @property
    def info(self) -> ModelInfo:
        """The model's row of `MODELS`."""
        return MODELS[self.model]

    @property
    def width(self) -> int:
        """The picture's width in pixels."""
        return dimensions(self.size)[0]

    @property
    def height(self) -> int:
        """The picture's height in pixels."""
        return dimensions(self.size)[1]

    @classmethod
    def from_fields(cls, /, **fields: Any) -> ImageParams:
        """Build from names that were not checked yet: keywords passed through, a file, a command line.

        Raises:
            InvalidParamsError: a name is unknown (the closest known one is named), the prompt is missing, or
                a value is wrong.
        """
        known_fields(cls, fields)
        return cls(**{"prompt": None, **fields})

    def replace(self, /, **changes: Any) -> ImageParams:
        """A copy with some fields changed, checked like a new one.

        The seed stays unless it is changed (None draws a new one). When the model changes, a scale or
        `straight_alpha` that was the old model's default becomes the new one's.

        Raises:
            InvalidParamsError: as for `from_fields`.
        """
        fields = {each.name: getattr(self, each.name) for each in attrs.fields(type(self))}
        for name, column in _OF_MODEL.items():
            if fields[name] == getattr(self.info, column):
                fields[name] = None
        return self.from_fields(**{**fields, **changes})

    def to_wire(self, *, stream: StreamKind | None = "sse") -> dict[str, Any]:
        """The request's top-level object, as its JSON reads back.

        Args:
            stream: the framing to ask `/ai/generate-image-stream` for; None for `/ai/generate-image`, which
                leaves the member out.

        Raises:
            InvalidParamsError: `stream` is unknown, or the model does not stream (V3).
        """
        # Imported on first use: cattrs costs import time and is needed here only.
        from nai_trio.params.build import build_request  # noqa: PLC0415
        from nai_trio.params.wire import to_builtins  # noqa: PLC0415

        check_stream(self, stream)
        return to_builtins(build_request(self, stream))

    def to_json(self, *, stream: StreamKind | None = "sse") -> bytes:
        """The request body: `to_wire` as compact JSON in UTF-8.

        Raises:
            InvalidParamsError: as for `to_wire`.
        """
        body = self.to_wire(stream=stream)
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8")
