"""Whether a model can do what is asked of it, read from the model table; messages name those that can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from nai_trio.params.checks import did_you_mean, refusal
from nai_trio.params.models import MODELS
from nai_trio.params.names import StreamKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from nai_trio.params.image import ImageParams
    from nai_trio.params.models import ModelInfo

__all__ = ["check_stream", "check_support"]

_CHOICES: Final = {
    "sampler": "samplers",
    "noise_schedule": "noise_schedules",
    "quality": "quality_texts",
    "uc_preset": "uc_texts",
}
"""Fields that name one of several things, and the table's column that lists them."""

_SWITCHES: Final = tuple(sorted(frozenset[str]().union(*(info.options for info in MODELS.values()))))

_STREAM_KINDS: Final = get_args(StreamKind)


def check_support(params: ImageParams) -> None:
    """Refuse what the model at hand cannot do.

    Raises:
        InvalidParamsError: naming the field and the models that can.
    """
    info = MODELS[params.model]
    for field, column in _CHOICES.items():
        _check_choice(info, field, column, getattr(params, field))
    for field in _SWITCHES:
        if getattr(params, field) and field not in info.options:
            raise refusal(field, True, f"False with {info.id}; only {_models_with(field)} have it")
    _check_characters(info, len(params.characters))


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


def _check_choice(info: ModelInfo, field: str, column: str, value: str) -> None:
    if value not in getattr(info, column):
        offered = ", ".join(getattr(info, column))
        able = _models(lambda other: value in getattr(other, column))
        raise refusal(field, value, f"one of {offered} with {info.id}; only {able} take {value!r}")


def _check_characters(info: ModelInfo, count: int) -> None:
    if count > info.max_characters:
        able = _models(lambda other: other.max_characters >= count) or "no model"
        allowed = f"at most {info.max_characters} with {info.id}; {able} can have as many"
        raise refusal("characters", f"{count} characters", allowed)


def _models_with(option: str) -> str:
    return _models(lambda info: option in info.options)


def _models(able: Callable[[ModelInfo], bool]) -> str:
    return ", ".join(info.id for info in MODELS.values() if able(info))
