"""Noise levels per step, as the service reports them.

The 22 values captured for 23 karras steps (wire document, section 10) lie, to the last digit given, on one table: the
noise levels of 1000 training timesteps under scaled-linear betas from 0.00085 to 0.012, rescaled to zero terminal SNR
(Lin et al. 2023, algorithm 1). That explains the odd first one: the last timestep has infinite noise and is written
as 20000. No pure karras curve passes through the list, so the captured timesteps are kept as knots; other step counts
interpolate between them and snap to the table, as the service's rounding to whole timesteps does.
"""

from __future__ import annotations

import functools
import math
import struct

__all__ = ["FIRST_SIGMA", "sigmas"]

FIRST_SIGMA = 20000.0

_TIMESTEPS = 1000
_BETA_RANGE = (0.00085, 0.012)

_KARRAS_KNOTS = (
    *(980, 973, 963, 950, 932, 916, 896, 873, 845, 813, 775),
    *(732, 682, 626, 564, 495, 422, 347, 274, 183, 81, 0),
)
"""Timesteps of steps 1 to 22 of 23; the last is never shown (the final picture stands in its place)."""


@functools.lru_cache(maxsize=64)
def sigmas(steps: int, schedule: str = "karras") -> tuple[float, ...]:
    """The noise level before each of `steps` steps, falling; the first is 20000.

    Args:
        steps: 1 or more.
        schedule: "karras", "exponential", "polyexponential" or "native"; anything else counts as "karras".

    Returns:
        `steps` values, each exactly a 32-bit float. Previews carry all but the last.
    """
    table = _noise_table()
    curve = _CURVES.get(schedule, _karras)
    rest = (_snap(table, curve(table, index / max(steps - 2, 1))) for index in range(steps - 1))
    return (FIRST_SIGMA, *rest)


@functools.cache
def _noise_table() -> tuple[float, ...]:
    low, high = (math.sqrt(beta) for beta in _BETA_RANGE)
    product, roots = 1.0, []
    for index in range(_TIMESTEPS):
        product *= 1 - (low + (high - low) * index / (_TIMESTEPS - 1)) ** 2
        roots.append(math.sqrt(product))
    first, last = roots[0], roots[-1]
    rescaled = [(root - last) * first / (first - last) for root in roots[:-1]]
    return (*(_float32(math.sqrt(1 - root * root) / root) for root in rescaled), FIRST_SIGMA)


def _float32(value: float) -> float:
    number: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return number


def _snap(table: tuple[float, ...], wanted: float) -> float:
    return min(table, key=lambda sigma: abs(math.log(sigma / wanted)))


def _between(low: float, high: float, share: float) -> float:
    return math.exp(math.log(low) * (1 - share) + math.log(high) * share)


def _karras(table: tuple[float, ...], at: float) -> float:
    place = at * (len(_KARRAS_KNOTS) - 1)
    left = min(int(place), len(_KARRAS_KNOTS) - 2)
    return _between(table[_KARRAS_KNOTS[left]], table[_KARRAS_KNOTS[left + 1]], place - left)


def _exponential(table: tuple[float, ...], at: float) -> float:
    return _between(table[_KARRAS_KNOTS[0]], table[0], at)


def _native(table: tuple[float, ...], at: float) -> float:
    return table[round(_KARRAS_KNOTS[0] * (1 - at))]


_CURVES = {
    "karras": _karras,
    "exponential": _exponential,
    "polyexponential": _exponential,
    "native": _native,
}
