"""The options that stand for fields of `ImageParams`, and the way from one to the other.

An option only reads its text as a number or a name. What is allowed is decided by `ImageParams` alone, which also has
the better messages; here its fields are given their names on the command line, in errors too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from nai_trio.cli.sections import Decorator, SectionOption
from nai_trio.params import MODELS, SIZES, ImageParams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nai_trio.errors import InvalidParamsError

__all__ = ["FLAGS", "TABLES", "params_from_options", "picture_options", "usage_text"]

_SECTION = "Picture"

FLAGS: Final[dict[str, str]] = {
    "model": "--model",
    "size": "--size",
    "steps": "--steps",
    "scale": "--scale",
    "sampler": "--sampler",
    "noise_schedule": "--noise-schedule",
    "seed": "--seed",
    "negative_prompt": "--negative",
    "n_samples": "--n-samples",
    "quality": "--quality",
    "uc_preset": "--uc-preset",
    "image_format": "--image-format",
    "cfg_rescale": "--cfg-rescale",
    "variety_boost": "--variety-boost",
    "decrisper": "--decrisper",
    "smea": "--smea",
    "smea_dyn": "--smea-dyn",
    "auto_smea": "--auto-smea",
    "legacy_uc": "--legacy-uc",
    "transparent_background": "--transparent-background",
    "straight_alpha": "--straight-alpha",
}
"""Field of `ImageParams` to option."""

_OTHERS: Final = {"prompt": "PROMPT", "image_base": "--image-base (NOVELAI_IMAGE_BASE)", "stream": "--stream"}

_NUMBERS: Final[dict[str, tuple[type[int | float], str, str]]] = {
    "steps": (int, "N", "Denoising steps, 1 to 50"),
    "scale": (float, "X", "Prompt guidance, 0 to 10 (default: the model's)"),
    "seed": (int, "N", "0 to 4294967295; sample i uses seed + i (default: random, shown at the end)"),
    "n_samples": (int, "N", "Pictures in one request, 1 to 8, fewer where they are large"),
    "cfg_rescale": (float, "X", "Prompt guidance rescale, 0 to 1"),
}
_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "negative_prompt": ("TEXT", "What not to draw"),
    "model": ("ID", "See the table of models below"),
    "size": ("SIZE", "WIDTHxHEIGHT in multiples of 64, or a name; see the table of sizes below"),
    "image_format": ("FORMAT", "png or webp (default: as the output file's name ends, else png)"),
}
_SWITCHES: Final = {
    "variety_boost": "Skip guidance at high noise (V3 to V4.5)",
    "decrisper": "Dynamic thresholding",
    "smea": "The SMEA sampler variant (V3)",
    "smea_dyn": "Its dynamic form (V3)",
    "auto_smea": "Let the service choose SMEA for large pictures (V4 and later)",
    "legacy_uc": "Treat undesired content as early V4 did (V4 and later)",
    "transparent_background": "Draw no background (V5)",
}
_COLUMNS: Final = {
    "sampler": "samplers",
    "noise_schedule": "noise_schedules",
    "quality": "quality_texts",
    "uc_preset": "uc_texts",
}
"""Choices, and the column of `MODELS` that lists each model's."""

TABLES: Final[dict[str, list[tuple[str, str]]]] = {
    "Models": [
        (name, info.family if info.streams else f"{info.family}; does not stream") for name, info in MODELS.items()
    ],
    "Sizes": [(name, f"{width} x {height}") for name, (width, height) in SIZES.items()],
}
"""What the help lists apart from the options."""

_PIXELS: Final = re.compile(r"([0-9]{1,6})[xX×]([0-9]{1,6})")


def picture_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of `FLAGS`, in that order."""
    for field in reversed(FLAGS):
        function = _option(field)(function)
    return function


def params_from_options(prompt: str, values: Mapping[str, Any]) -> ImageParams:
    """Build the parameters from the options that were given.

    Args:
        prompt: the prompt.
        values: field to value; None where the option was not given.

    Raises:
        InvalidParamsError: a value is wrong.
    """
    given = {field: value for field, value in values.items() if value is not None}
    if "size" in given:
        given["size"] = _size(given["size"])
    return ImageParams.from_fields(prompt=prompt, **given)


def usage_text(error: InvalidParamsError) -> str:
    """The error's text, with the names that things have on the command line."""
    text = str(error).replace("(allow_plain_http=True)", "(or give --allow-plain-http)")
    flag = {**FLAGS, **_OTHERS}.get(error.field)
    return text if flag is None else flag + text.removeprefix(error.field)


def _size(text: str) -> str | tuple[int, int]:
    sides = _PIXELS.fullmatch(text)
    return (int(sides[1]), int(sides[2])) if sides else text.replace("-", "_")


def _option(field: str) -> Decorator:
    flag = FLAGS[field]
    if field in _SWITCHES:
        return _declare(field, flag, is_flag=True, default=None, help=f"{_SWITCHES[field]}.")
    if field == "straight_alpha":
        help_text = "Colors not premultiplied with alpha (V5, where it is the default)."
        return _declare(field, f"{flag}/--no-straight-alpha", default=None, help=help_text)
    if field in _NUMBERS:
        kind, metavar, help_text = _NUMBERS[field]
        return _declare(field, flag, type=kind, metavar=metavar, help=help_text + _default(field))
    metavar, help_text = _TEXTS.get(field) or ("NAME", f"One of {', '.join(_choices(field))}")
    return _declare(field, flag, metavar=metavar, help=help_text + _default(field))


def _declare(field: str, flag: str, **attributes: Any) -> Decorator:
    return click.option(flag, field, cls=SectionOption, section=_SECTION, **attributes)


def _choices(field: str) -> Iterable[str]:
    return dict.fromkeys(each for info in MODELS.values() for each in getattr(info, _COLUMNS[field]))


def _default(field: str) -> str:
    """The default as the help shows it; "" where there is none to show, or the text tells it already."""
    value = getattr(attrs.fields(ImageParams), field).default
    return "." if value is None or value == "" or field == "image_format" else f" (default: {value})."
