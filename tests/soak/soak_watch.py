"""What a process holds, and whether it is flat over time."""

from __future__ import annotations

import ctypes
import gc
import itertools
import os
import statistics
import sys
import threading
from typing import TYPE_CHECKING

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

__all__ = ["Figures", "Flatness", "Unraised", "figures", "flatness", "flatness_under_load"]

_PAGE = os.sysconf("SC_PAGE_SIZE")
_POINTS = 300
_COLLECT_EVERY = 10
_LOOKS = itertools.count()


@attrs.frozen
class Figures:
    """What this process holds.

    Attributes:
        descriptors: open file descriptors.
        sockets: those of them that are sockets.
        tasks: trio's.
        threads: Python's.
        memory: resident, in bytes; what is free is handed back first, and now and then the garbage collected. Else the
            fragments of the allocator, which grow for minutes and then no more, hide what is really lost.
    """

    descriptors: int
    sockets: int
    tasks: int
    threads: int
    memory: int


def figures() -> Figures:
    """This process, now."""
    links = _links()
    return Figures(
        descriptors=len(links),
        sockets=sum(link.startswith("socket:") for link in links),
        tasks=trio.lowlevel.current_statistics().tasks_living,
        threads=threading.active_count(),
        memory=_resident(),
    )


def _links() -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - no Path for each of a thousand
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115 - as above
        except FileNotFoundError:  # the one that listed them
            continue
    return found


def _resident() -> int:
    if next(_LOOKS) % _COLLECT_EVERY == 0:
        gc.collect()
    _trim()
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - once a second, in the loop's own thread
        return int(statm.read().split()[1]) * _PAGE


def _trim() -> None:
    """Hand free memory back, with the one C library that keeps it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@attrs.frozen
class Flatness:
    """How a figure went over the time that is judged.

    Attributes:
        middle: its median.
        growth: how much the robust line through it rises from end to end.
        bound: what that may be at most.
    """

    middle: float
    growth: float
    bound: float

    @property
    def flat(self) -> bool:
        """Whether it stays below the bound."""
        return self.growth <= self.bound


def flatness(times: Sequence[float], values: Sequence[float], *, bound: float) -> Flatness:
    """Fit a line by Theil and Sen: the median slope over all pairs, which a few outliers do not move.

    Args:
        times: seconds.
        values: one for each of them.
        bound: the growth from the first to the last of them that still counts as flat.
    """
    every = max(1, len(times) // _POINTS)
    points = list(zip(times[::every], values[::every], strict=True))
    slopes = [(b - a) / (later - earlier) for (earlier, a), (later, b) in itertools.combinations(points, 2)]
    slope = statistics.median(slopes) if slopes else 0.0
    return Flatness(statistics.median(values), slope * (times[-1] - times[0]), bound)


def flatness_under_load(
    times: Sequence[float], values: Sequence[float], load: Sequence[float], *, bound: float
) -> Flatness:
    """Fit values by time and load together, by least squares, and judge what time adds: the load goes up and down.

    Args:
        times: seconds.
        values: one for each of them.
        load: what the values follow anyway, at these times.
        bound: the growth from the first to the last of them that still counts as flat.
    """
    time, value, burden = _centred(times), _centred(values), _centred(load)
    own, shared, others = _product(burden, burden), _product(time, burden), _product(time, time)
    determinant = others * own - shared * shared
    slope = 0.0
    if determinant:
        slope = (_product(time, value) * own - _product(burden, value) * shared) / determinant
    return Flatness(statistics.median(values), slope * (times[-1] - times[0]), bound)


def _centred(values: Sequence[float]) -> list[float]:
    middle = statistics.fmean(values)
    return [value - middle for value in values]


def _product(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


class Unraised:
    """Keeps exceptions that nobody could raise, such as the ResourceWarning of a stream that nobody closed."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._before = sys.unraisablehook

    def __enter__(self) -> Self:
        self._before, sys.unraisablehook = sys.unraisablehook, self._note
        return self

    def __exit__(self, *_: object) -> None:
        sys.unraisablehook = self._before

    def _note(self, unraisable: sys.UnraisableHookArgs) -> None:
        self._found.append(f"{unraisable.exc_value!r} in {unraisable.object!r}")

    def take(self) -> list[str]:
        """What was found since the last time."""
        found, self._found = self._found, []
        return found
