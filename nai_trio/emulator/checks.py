"""What the service refuses, and in which words (wire document, sections 2, 3, 6, 8 and the emulator checklist).

Two kinds of refusal: a validation error stops the request with a 400 before anything runs; a `failure` is a job that
starts and breaks, a 500 on the plain endpoint and an `error` event under 200 on the streaming one. Texts that were
captured are given exactly; for the others only the beginning, "Validation error: ", is known.

As strict as the service, no stricter: unknown members, nulls and labels such as `ucPreset` pass unseen; so does a
`mask` outside of `infill`, and whatever a family does not read (`characterPrompts` on V3).
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import attrs

from nai_trio.emulator import tokens
from nai_trio.emulator.cost import MAX_PRICE, price
from nai_trio.emulator.rules import PARAMETERS, broken_rule
from nai_trio.emulator.settings import ENCODINGS, INPAINTING_SUFFIX, MODELS, Json, Settings, present

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["JOB_FAILED", "Refusal", "failure", "invalid", "object_refusal", "picture_refusal", "refusal"]

JOB_FAILED = "Error generating image, an internal error occurred"
_MAX_PIXELS = 3_145_728
_MAX_CHARACTERS = {"V3": 6, "V4": 6, "V4.5": 6, "V5": 32}
_MAX_SAMPLES = ((360_448, 8), (409_600, 6), (_MAX_PIXELS, 4))
_MAX_DEPTH = 64
_REFERENCE_ON_V5 = (
    "Error encoding v4 director references: Post \"http://director-encoder\": dial tcp: "
    "lookup director-encoder: no such host"
)  # fmt: skip

_ACTIONS = ("generate", "img2img", "infill")
_VIBES, _REFERENCES = "reference_image_multiple", "director_reference_images"
_PARALLEL = {
    _VIBES: ("reference_strength_multiple",),
    _REFERENCES: (
        "director_reference_descriptions",
        "director_reference_information_extracted",
        "director_reference_strength_values",
        "director_reference_secondary_strength_values",
    ),
}
_EXTRACTION = "reference_information_extracted_multiple"
_SHOWN = 11
"""How much of an unknown part's name the service repeats."""


@attrs.frozen
class Refusal:
    """An answer that is no picture."""

    status: int
    message: str


def invalid(text: str) -> Refusal:
    """A 400 with the service's beginning."""
    return Refusal(400, f"Validation error: {text}")


def refusal(request: object) -> Refusal | None:
    """The 400 that the service gives to this decoded JSON body, or None."""
    refused = object_refusal(request)
    if refused is not None or not isinstance(request, dict):
        return refused
    return _envelope(request) or _model(request) or _members(request) or _uses(request) or _settled(request)


def failure(settings: Settings) -> str | None:
    """Why an accepted job breaks while it runs, in the service's words, or None."""
    broken = (
        _prompt_mismatch(settings)
        or settings.width % 64
        or settings.height % 64
        or settings.pixels > _MAX_PIXELS
        or settings.n_samples > _samples_allowed(settings.pixels)
        or len(settings.characters) > _MAX_CHARACTERS[settings.family]
        or any(_unfit_vibe(settings, str(text)) for text in settings.list_of(_VIBES))
    )
    return JOB_FAILED if broken else None


def object_refusal(request: object) -> Refusal | None:
    """What is wrong with a body as such: it must be an object of bounded depth."""
    if not isinstance(request, dict):
        return invalid("request body must be a JSON object")
    return invalid("request body is nested too deeply") if _too_deep(request) else None


def picture_refusal(name: str, text: str) -> Refusal | None:
    """Why base64 text is no picture that can be used."""
    from nai_trio.emulator.pictures import UnreadablePictureError, open_picture  # noqa: PLC0415 - Pillow from here on

    data = _decoded(text)
    if data is None:
        return _unknown_part(name, text)
    try:
        open_picture(data)
    except UnreadablePictureError as error:
        return invalid(f"{name} {error}")
    return None


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
            return invalid(f"{name} is required")
        if not isinstance(members[name], kind):
            return invalid(f"{name} must be {shown}")
    if not members["input"]:
        return invalid("input must not be empty")
    if members.get("action", "generate") not in _ACTIONS:
        return invalid(f"action must be one of {', '.join(_ACTIONS)}")
    return None


def _model(request: Json) -> Refusal | None:
    model = str(request["model"])
    if model not in MODELS:
        return invalid(f"model {model} doesn't exist")
    if request.get("action") == "infill" and not model.endswith(INPAINTING_SUFFIX):
        return invalid(f"model {model} doesn't support action infill")
    return None


def _members(request: Json) -> Refusal | None:
    words = broken_rule(present(request["parameters"]), PARAMETERS)
    return None if words is None else invalid(words)


def _uses(request: Json) -> Refusal | None:
    """Members that do not go with the action, the model or each other."""
    action, parameters = request.get("action") or "generate", present(request["parameters"])
    if action == "generate" and parameters.get("image"):
        return invalid("image is not allowed for regular generations, use img2img or infill")
    if action != "generate" and not parameters.get("image"):
        return invalid(f"image is required for action {action}")
    if action == "infill" and not parameters.get("mask"):
        return invalid("mask is required for action infill")
    return _references(str(request["model"]), parameters) or _unequal_arrays(str(request["model"]), parameters)


def _references(model: str, parameters: Json) -> Refusal | None:
    if MODELS[model] == "V4.5" or not parameters.get(_REFERENCES):
        return None
    if MODELS[model] == "V5":
        return Refusal(400, _REFERENCE_ON_V5)
    return invalid(f"model {model} doesn't support character references")


def _unequal_arrays(model: str, parameters: Json) -> Refusal | None:
    """V4 and later have the extraction in the token; what is sent beside it must still be parallel."""
    needed = MODELS[model] == "V3" or _EXTRACTION in parameters
    for images, others in _PARALLEL.items():
        count = len(_items(parameters, images))
        for name in (*others, *((_EXTRACTION,) if images == _VIBES and needed else ())):
            if count != len(_items(parameters, name)):
                got = len(_items(parameters, name))
                return invalid(f"{name} must have as many members as {images}, expected {count}, got {got}")
    return None


def _items(parameters: Json, name: str) -> list[object]:
    value = parameters.get(name, [])
    return value if isinstance(value, list) else []


def _settled(request: Json) -> Refusal | None:
    """What needs the whole request: its price, and its pictures, which are unpacked last."""
    settings = Settings.of(request)
    one = price(settings)
    if one > MAX_PRICE:
        return invalid(f"width, height and steps make a picture of {one} Anlas, maximum is {MAX_PRICE}")
    for name, text in _pictures(settings):
        refused = picture_refusal(name, text)
        if refused is not None:
            return refused
    unread = (_unknown_part(name, text) for name, text in _tokens(settings) if _decoded(text) is None)
    return next(unread, None)


def _pictures(settings: Settings) -> Iterator[tuple[str, str]]:
    """The members that must be pictures, as names and base64."""
    used = {"generate": (), "img2img": ("image",), "infill": ("image", "mask")}[settings.action]
    yield from ((name, str(settings.parameters[name])) for name in used)
    array = _VIBES if settings.family == "V3" else _REFERENCES
    yield from ((f"{array}[{index}]", str(text)) for index, text in enumerate(settings.list_of(array)))


def _tokens(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.family != "V3":
        yield from ((f"{_VIBES}[{index}]", str(text)) for index, text in enumerate(settings.list_of(_VIBES)))


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _unknown_part(name: str, text: str) -> Refusal:
    """What is not base64 is taken for the name of a multipart part, of which a JSON body has none."""
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return Refusal(400, f'{name} field references unknown form part "{shown}"')


def _prompt_mismatch(settings: Settings) -> bool:
    """V4 and later need `v4_prompt`, V3 must not have it."""
    return ("v4_prompt" in settings.parameters) == (settings.family == "V3")


def _unfit_vibe(settings: Settings, text: str) -> bool:
    """V3 takes pictures; V4 and V4.5 take tokens made for them; V5 takes nothing."""
    if settings.family == "V3":
        return False
    sealed = tokens.sealed_for(text)
    return settings.family == "V5" or tokens.is_picture(text) or sealed not in {None, ENCODINGS[settings.model]}


def _samples_allowed(pixels: int) -> int:
    return next((samples for limit, samples in _MAX_SAMPLES if pixels <= limit), 1)
