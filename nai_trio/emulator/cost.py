"""What a job costs in Anlas, as the clients of the service work it out (wire document, section 8)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from nai_trio.emulator.settings import Settings

__all__ = ["anlas_cost"]

_PER_PIXEL, _PER_PIXEL_STEP = 2.951823174884865e-6, 5.753298233447344e-7
_FREE_PIXELS, _FREE_STEPS = 1_048_576, 28
_FREE_VIBES = 4


def anlas_cost(settings: Settings, *, opus: bool = False) -> int:
    """Anlas for the whole job.

    Args:
        settings: the job.
        opus: whether the account has tier 3, for which the first sample of a small job is free.
    """
    one = max(math.ceil(_base(settings) * _strength(settings)), 2)
    small = settings.pixels <= _FREE_PIXELS and settings.steps <= _FREE_STEPS
    return one * (settings.n_samples - (opus and small)) + _extras(settings)


def _base(settings: Settings) -> float:
    pixels = settings.pixels
    base = math.ceil(_PER_PIXEL * pixels + _PER_PIXEL_STEP * pixels * settings.steps)
    return base * _smea(settings) * (1.5 if settings.family == "V5" else 1.0)


def _smea(settings: Settings) -> float:
    if settings.family != "V3" or not settings.parameters.get("sm"):
        return 1.0
    return 1.4 if settings.parameters.get("sm_dyn") else 1.2


def _strength(settings: Settings) -> float:
    name = {"infill": "inpaintImg2ImgStrength", "img2img": "strength"}.get(settings.action)
    return 1.0 if name is None else float(cast("float", settings.parameters.get(name, 1.0)))


def _extras(settings: Settings) -> int:
    vibes = cast("list[str]", settings.parameters.get("reference_image_multiple", []))
    references = cast("list[str]", settings.parameters.get("director_reference_images", []))
    return 2 * max(len(vibes) - _FREE_VIBES, 0) + 5 * len(references) * settings.n_samples
