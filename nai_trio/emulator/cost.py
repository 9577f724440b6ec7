"""What a job costs in Anlas, as the clients of the service work it out (wire document, section 8)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nai_trio.emulator.settings import Settings

__all__ = ["ENCODING_COST", "MAX_PRICE", "anlas_cost", "price"]

ENCODING_COST = 2
MAX_PRICE = 140
"""The most that one picture may cost; beyond it the service refuses."""

_PER_PIXEL, _PER_PIXEL_STEP = 2.951823174884865e-6, 5.753298233447344e-7
_FREE_PIXELS, _FREE_STEPS = 1_048_576, 28
_FREE_VIBES, _VIBE, _REFERENCE = 4, 2, 5


def anlas_cost(settings: Settings, *, opus: bool = False) -> int:
    """Anlas for the whole job.

    Args:
        settings: the job.
        opus: whether the account has tier 3, for which the first sample of a small job is free.
    """
    small = settings.pixels <= _FREE_PIXELS and settings.steps <= _FREE_STEPS
    return price(settings) * (settings.n_samples - (opus and small)) + _extras(settings)


def price(settings: Settings) -> int:
    """Anlas for one picture, extras and free samples aside."""
    return max(math.ceil(_base(settings) * settings.strength), 2)


def _base(settings: Settings) -> float:
    pixels = settings.pixels
    base = math.ceil(_PER_PIXEL * pixels + _PER_PIXEL_STEP * pixels * settings.steps)
    return base * _smea(settings) * (1.5 if settings.family == "V5" else 1.0)


def _smea(settings: Settings) -> float:
    if settings.family != "V3" or not settings.parameters.get("sm"):
        return 1.0
    return 1.4 if settings.parameters.get("sm_dyn") else 1.2


def _extras(settings: Settings) -> int:
    vibes = 0 if settings.family == "V3" else len(settings.list_of("reference_image_multiple"))
    references = len(settings.list_of("director_reference_images"))
    return _VIBE * max(vibes - _FREE_VIBES, 0) + _REFERENCE * references * settings.n_samples
