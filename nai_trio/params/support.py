"""Whether a model can do what is asked of it, and whether the wishes go together; all read from tables.

What a model can do is in the model table; what excludes what is in `EXCLUSIONS`. Messages name the models that can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

import attrs

from nai_trio.params.checks import did_you_mean, refusal
from nai_trio.params.models import MODELS
from nai_trio.params.names import StreamKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from nai_trio.params.image import ImageParams
    from nai_trio.params.models import ModelInfo

__all__ = ["CHOICES", "EXCLUSIONS", "OPTIONS", "check_stream", "check_support"]

CHOICES: Final = {
    "sampler": "samplers",
    "noise_schedule": "noise_schedules",
    "quality": "quality_texts",
    "uc_preset": "uc_texts",
}
"""Fields that name one of several things, and the model table's column that lists them."""

OPTIONS: Final = tuple(sorted(frozenset[str]().union(*(info.options for info in MODELS.values()))))
"""Fields that not every model has."""


@attrs.frozen
class Exclusion:
    """Two fields that cannot be used together, and why."""

    one: str
    other: str
    reason: str


EXCLUSIONS: Final = (
    Exclusion("i2i", "inpaint", "a picture is either drawn anew as a whole or in part"),
    Exclusion("controlnet", "inpaint", "the web client drops vibes when it inpaints"),
    Exclusion("controlnet", "character_references", "the service takes one kind of reference at a time"),
)
"""Wire document, section 3.4."""

_STREAM_KINDS: Final = get_args(StreamKind)


def check_support(params: ImageParams) -> None:
    """Refuse what the model at hand cannot do, and what does not go together.

    Raises:
        InvalidParamsError: naming the field and the models that can.
    """
    for exclusion in EXCLUSIONS:
        _check_exclusion(params, exclusion)
    info = params.info
    for field, column in CHOICES.items():
        _check_choice(params, field, column)
    for field in OPTIONS:
        value = getattr(params, field)
        if value and field not in info.options:
            nothing = "False" if value is True else "none"
            raise refusal(field, value, f"{nothing} with {_named(params)}; only {_models_with(field)} have it")
    _check_characters(params, info)
    _check_inpaint(params, info)
    _check_vibes(params, info)


def check_stream(params: ImageParams, stream: object) -> None:
    """Refuse a framing that does not exist, and any framing for a model that does not stream.

    Raises:
        InvalidParamsError: naming the framings or the models that stream.
    """
    if stream is None:
        return
    if not isinstance(stream, str) or stream not in _STREAM_KINDS:
        hint = did_you_mean(stream, _STREAM_KINDS)
        raise refusal("stream", stream, f"one of {', '.join(_STREAM_KINDS)}, or None{hint}")
    if not MODELS[params.model].streams:
        streaming = _models(lambda info: info.streams)
        raise refusal("stream", stream, f"None with {params.model}, which does not stream; only {streaming} do")


def _named(params: ImageParams) -> str:
    """The model that the request is made for, as a user can tell it."""
    worker = params.info.id
    return worker if worker == params.model else f"{worker}, which does the inpainting of {params.model}"


def _check_exclusion(params: ImageParams, exclusion: Exclusion) -> None:
    if getattr(params, exclusion.one) and getattr(params, exclusion.other):
        allowed = f"none beside {exclusion.other} ({exclusion.reason})"
        raise refusal(exclusion.one, getattr(params, exclusion.one), allowed)


def _check_choice(params: ImageParams, field: str, column: str) -> None:
    value = getattr(params, field)
    if value not in getattr(params.info, column):
        offered = ", ".join(getattr(params.info, column))
        able = _models(lambda other: value in getattr(other, column))
        raise refusal(field, value, f"one of {offered} with {_named(params)}; only {able} take {value!r}")


def _check_characters(params: ImageParams, info: ModelInfo) -> None:
    count = len(params.characters)
    if count > info.max_characters:
        able = _models(lambda other: other.max_characters >= count) or "no model"
        allowed = f"at most {info.max_characters} with {_named(params)}; {able} can have as many"
        raise refusal("characters", f"{count} characters", allowed)


def _check_inpaint(params: ImageParams, info: ModelInfo) -> None:
    if params.inpaint is not None and params.inpaint.strength < 1 and not info.partial_inpaint:
        able = _models(lambda other: other.partial_inpaint)
        allowed = f"1 with {_named(params)}; only {able} take less"
        raise refusal("inpaint.strength", params.inpaint.strength, allowed)


def _check_vibes(params: ImageParams, info: ModelInfo) -> None:
    """Encoded vibes are bound to a model; pictures that must be encoded first are taken until the request is built."""
    for index, vibe in enumerate(params.controlnet.images if params.controlnet is not None else ()):
        encoding = getattr(vibe.image, "encoding", None)
        if encoding is not None and encoding != info.vibe_encoding:
            needs = f"one encoded as {info.vibe_encoding}, or a picture," if info.vibe_encoding else "a picture"
            raise refusal(f"controlnet.images[{index}].image", vibe.image, f"{needs} with {_named(params)}")


def _models_with(option: str) -> str:
    return _models(lambda info: option in info.options)


def _models(able: Callable[[ModelInfo], bool]) -> str:
    return ", ".join(info.id for info in MODELS.values() if able(info))
