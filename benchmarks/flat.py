"""Memory: flat over many generations, and how high its peak is in one.

python benchmarks/flat.py [--quick] [--json FILE]

`NovelAI` (clients/ours.py) against server.py, a process for each framing. Pictures are looked at as they come, compared
by their digest, and dropped.

- Flat: 1,000 generations on one client. What is resident is read every 50, after a collection; the figure is what it
  has grown by from the 100th to the last, on a line through all that was read since (least squares). The line is what a
  leak would draw; single figures move up and down with what malloc gives back.
- Peak: a fresh process whose connection stands, after a generation of a few kilobytes; then one generation. The
  kernel's peak of what is resident (VmHWM), above what was resident before, as a multiple of the largest event on the
  wire. The median of some processes.

Linux only, for /proc. Nothing of malloc is tuned.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import part
import work
from contenders import OURS, Group, clients
from server import serving

if TYPE_CHECKING:
    from server import Served

__all__ = ["measure", "table"]

FRAMINGS: tuple[work.Framing, ...] = ("sse", "msgpack")
MIB = 2**20
VARIANT = "service"
GENERATIONS, GENERATIONS_QUICK, EVERY, WARM_UP = 1000, 200, 50, 100
FRESH, FRESH_QUICK = 7, 3
MOST_GROWTH = 1.0
"""MiB, over all generations that count."""

MOST_PEAK = {"sse": 2.5, "msgpack": 1.5}
"""Times the largest event on the wire."""


def memory(served: Served, framing: work.Framing, batches: list[int]) -> list[dict[str, Any]]:
    """A fresh client: for each batch of generations, what was resident before, and the peak in each."""
    group = Group(VARIANT, framing, tls=False, contenders=(OURS,))
    with clients(group, {"ours": Path(sys.executable)}, served) as [client]:
        return [client.ask("memory", batch) for batch in batches]


def slope(points: list[tuple[int, int]]) -> float:
    """Bytes per generation, on the line through what was resident after so many generations."""
    return statistics.linear_regression([done for done, _ in points], [resident for _, resident in points]).slope


def flat(served: Served, framing: work.Framing, generations: int) -> dict[str, Any]:
    told = memory(served, framing, [EVERY] * (generations // EVERY) + [1])
    resident = [(EVERY * index, each["idle"]) for index, each in enumerate(told)]
    counted = [point for point in resident if point[0] >= WARM_UP]
    return {
        "generations": generations,
        "resident": resident,
        "growth": slope(counted) * (generations - WARM_UP),
        "last_less_first": counted[-1][1] - counted[0][1],
        "highest": max(peak for each in told for peak in each["peaks"]),
    }


def measure_framing(served: Served, framing: work.Framing, *, quick: bool) -> dict[str, Any]:
    largest = max(map(len, work.encoded(work.VARIANTS[VARIANT], framing)))
    peaks = []
    for _ in range(FRESH_QUICK if quick else FRESH):
        [told] = memory(served, framing, [1])
        peaks.append(told["peaks"][0] - told["idle"])
    peak = statistics.median(peaks)
    figures = flat(served, framing, GENERATIONS_QUICK if quick else GENERATIONS)
    return {
        "framing": framing,
        "largest": largest,
        "peak": peak,
        "peak_of_largest": peak / largest,
        "peaks": peaks,
        **figures,
    }


def targets(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    result = []
    for row in rows:
        generations = f"{row['generations'] - WARM_UP} generations after {WARM_UP}"
        for words, figure, bound in (
            (f"MiB that resident memory grows by in {generations}", row["growth"] / MIB, MOST_GROWTH),
            (
                "peak memory above the idle client, times the largest event",
                row["peak_of_largest"],
                MOST_PEAK[row["framing"]],
            ),
        ):
            name = f"{row['framing']}: {words}"
            result.append(part.at_most(name, figure, bound))
    return result


def measure(*, quick: bool) -> dict[str, Any]:
    if not Path("/proc/self/clear_refs").exists():
        return {"rows": [], "targets": [], "missing": "no /proc/self/clear_refs here, so no peaks"}
    with serving([VARIANT]) as served:
        rows = [measure_framing(served, framing, quick=quick) for framing in FRAMINGS]
    return {"rows": rows, "targets": targets(rows)}


def table(figures: dict[str, Any]) -> str:
    lines = [figures["missing"]] if "missing" in figures else []
    for row in figures["rows"]:
        name = row["framing"]
        peak, largest = row["peak"] / MIB, row["largest"] / MIB
        of_largest = f"{row['peak_of_largest']:.2f} of the largest event ({largest:.2f} MiB)"
        lines.append(f"{name:8} peak {peak:.2f} MiB above idle, {of_largest}")
        resident = " ".join(f"{each / MIB:.1f}" for _, each in row["resident"])
        lines.append(f"{'':8} resident MiB, every {EVERY} generations: {resident}")
        grown, differ = row["growth"] / MIB, row["last_less_first"] / MIB
        lines.append(
            f"{'':8} growth after {WARM_UP}: {grown:+.2f} MiB on the line, {differ:+.2f} MiB from first to last"
        )
    lines.append("")
    lines += part.verdicts(figures["targets"])
    return "\n".join(lines)


if __name__ == "__main__":
    part.main(__doc__, measure, table, quick="fewer generations")
