"""What the service refuses, and in which words (wire document, sections 2, 6 and the emulator checklist).

Two kinds of refusal: a validation error stops the request with a 400 before anything runs; a `failure` is a job that
starts and breaks, a 500 on the plain endpoint and an `error` event under 200 on the streaming one. Texts that were
captured are given exactly; for plain type and range errors only the beginning, "Validation error: ", is known.

As strict as the service, no stricter: unknown members, nulls and labels such as `ucPreset` pass unseen.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs

from nai_trio.emulator.settings import INPAINTING_SUFFIX, MODELS, Json, Settings, present

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["JOB_FAILED", "Refusal", "failure", "refusal"]

JOB_FAILED = "Error generating image, an internal error occurred"
MAX_PIXELS = 3_145_728
_MAX_SIDE = 49_152
_MAX_CHARACTERS = {"V3": 6, "V4": 6, "V4.5": 6, "V5": 32}
_MAX_SAMPLES = ((360_448, 8), (409_600, 6), (MAX_PIXELS, 4))
_MAX_DEPTH = 64
_REFERENCE_ON_V5 = (
    "Error encoding v4 director references: Post \"http://director-encoder\": dial tcp: "
    "lookup director-encoder: no such host"
)  # fmt: skip

_ACTIONS = ("generate", "img2img", "infill")
_SAMPLERS = (
    "k_euler_ancestral", "k_euler", "k_dpmpp_2s_ancestral", "k_dpmpp_2m_sde", "k_dpmpp_2m", "k_dpmpp_sde", "ddim_v3",
    "k_dpm_2", "k_dpm_2_ancestral", "ddim",
)  # fmt: skip
_SCHEDULES = ("karras", "exponential", "polyexponential", "native")


@attrs.frozen
class Refusal:
    """An answer that is no picture."""

    status: int
    message: str


def _invalid(text: str) -> Refusal:
    return Refusal(400, f"Validation error: {text}")


def refusal(request: object) -> Refusal | None:
    """The 400 that the service gives to this decoded JSON body, or None."""
    if not isinstance(request, dict):
        return _invalid("request body must be a JSON object")
    if _too_deep(request):
        return _invalid("request body is nested too deeply")
    return _envelope(request) or _model(request) or _members(present(request["parameters"])) or _uses(request)


def failure(settings: Settings) -> str | None:
    """Why an accepted job breaks while it runs, in the service's words, or None."""
    broken = (
        _prompt_mismatch(settings)
        or settings.width % 64
        or settings.height % 64
        or settings.pixels > MAX_PIXELS
        or settings.n_samples > _samples_allowed(settings.pixels)
        or len(_captions(settings)) > _MAX_CHARACTERS[settings.family]
        or (settings.family == "V5" and settings.parameters.get("reference_image_multiple"))
    )
    return JOB_FAILED if broken else None


def _too_deep(value: object) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _envelope(request: Json) -> Refusal | None:
    members = present(request)
    for name, kind, shown in (
        ("input", str, "a string"),
        ("model", str, "a string"),
        ("parameters", dict, "an object"),
    ):
        if name not in members:
            return _invalid(f"{name} is required")
        if not isinstance(members[name], kind):
            return _invalid(f"{name} must be {shown}")
    if not members["input"]:
        return _invalid("input must not be empty")
    if members.get("action", "generate") not in _ACTIONS:
        return _invalid(f"action must be one of {', '.join(_ACTIONS)}")
    return None


def _model(request: Json) -> Refusal | None:
    model = str(request["model"])
    if model not in MODELS:
        return _invalid(f"model {model} doesn't exist")
    action = request.get("action") or "generate"
    if action == "infill" and not model.endswith(INPAINTING_SUFFIX):
        return _invalid(f"model {model} doesn't support action infill")
    return None


def _uses(request: Json) -> Refusal | None:
    """Members that do not go with the action or the model."""
    action, parameters = request.get("action") or "generate", present(request["parameters"])
    if action == "generate" and parameters.get("image"):
        return _invalid("image is not allowed for regular generations, use img2img or infill")
    if action != "generate" and not parameters.get("image"):
        return _invalid(f"image is required for action {action}")
    if action == "infill" and not parameters.get("mask"):
        return _invalid("mask is required for action infill")
    if MODELS[str(request["model"])] == "V5" and parameters.get("director_reference_images"):
        return Refusal(400, _REFERENCE_ON_V5)
    return None


def _members(parameters: Json) -> Refusal | None:
    for name, (fits, shown) in _RULES.items():
        if name in parameters and not fits(parameters[name]):
            return _invalid(f"{name} must be {shown}")
    return None


def _number(low: float, high: float, *, whole: bool = False) -> tuple[Callable[[object], bool], str]:
    def fits(value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            return False
        return not whole or value == int(value)

    upper = "" if math.isinf(high) else f" and at most {high}"
    return fits, f"{'an integer' if whole else 'a number'} of at least {low}{upper}"


def _one_of(*names: str) -> tuple[Callable[[object], bool], str]:
    return lambda value: isinstance(value, str) and value in names, f"one of {', '.join(names)}"


def _kind(kind: type, shown: str) -> tuple[Callable[[object], bool], str]:
    return lambda value: isinstance(value, kind), shown


def _list_of(kind: type, shown: str) -> tuple[Callable[[object], bool], str]:
    def fits(value: object) -> bool:
        return isinstance(value, list) and all(isinstance(item, kind) for item in value)

    return fits, f"an array of {shown}"


_FLAGS = (
    "dynamic_thresholding", "sm", "sm_dyn", "autoSmea", "legacy", "legacy_v3_extend", "legacy_uc", "use_coords",
    "add_original_image", "deliberate_euler_ancestral_bug", "prefer_brownian", "qualityToggle", "straight_alpha",
    "normalize_reference_strength_multiple",
)  # fmt: skip

_RULES: dict[str, tuple[Callable[[object], bool], str]] = {
    "params_version": _number(1, 4, whole=True),
    "width": _number(64, _MAX_SIDE, whole=True),
    "height": _number(64, _MAX_SIDE, whole=True),
    "scale": _number(0, 10),
    "sampler": _one_of(*_SAMPLERS),
    "steps": _number(1, 50, whole=True),
    "n_samples": _number(1, 8, whole=True),
    "seed": _number(0, 2**32 - 1, whole=True),
    "extra_noise_seed": _number(0, 2**32 - 1, whole=True),
    "noise_schedule": _one_of(*_SCHEDULES),
    "cfg_rescale": _number(0, 1),
    "skip_cfg_above_sigma": _number(0, math.inf),
    "strength": _number(0, 1),
    "noise": _number(0, 1),
    "controlnet_strength": _number(0, 2),
    "inpaintImg2ImgStrength": _number(0, 1),
    "negative_prompt": _kind(str, "a string"),
    "prompt": _kind(str, "a string"),
    "image": _kind(str, "a string"),
    "mask": _kind(str, "a string"),
    "v4_prompt": _kind(dict, "an object"),
    "v4_negative_prompt": _kind(dict, "an object"),
    "characterPrompts": _list_of(dict, "objects"),
    "reference_image_multiple": _list_of(str, "strings"),
    "reference_strength_multiple": _list_of((int, float), "numbers"),  # type: ignore[arg-type]
    "director_reference_images": _list_of(str, "strings"),
    "image_format": _one_of("png", "webp"),
    "stream": _one_of("sse", "msgpack"),
    **{name: _kind(bool, "a boolean") for name in _FLAGS},
}


def _prompt_mismatch(settings: Settings) -> bool:
    """V4 and later need `v4_prompt`, V3 must not have it."""
    return ("v4_prompt" in settings.parameters) == (settings.family == "V3")


def _captions(settings: Settings) -> list[object]:
    prompt = present(settings.parameters.get("v4_prompt"))
    captions = present(prompt.get("caption")).get("char_captions", [])
    return captions if isinstance(captions, list) else []


def _samples_allowed(pixels: int) -> int:
    return next((samples for limit, samples in _MAX_SAMPLES if pixels <= limit), 1)
