"""The figures of a soak over time, as a picture for docs/reliability.md. Needs matplotlib.

python tests/soak/soak_plot.py build/soak.json docs/images/soak.webp
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

__all__ = ["draw"]

_CLIENT, _SERVICE, _THIRD = "#0b5394", "#b45f06", "#6aa84f"
_RATE_SECONDS = 10
_HEADROOM = 1.35
"""Room above the lines, for the legend."""

_MIB = 1024 * 1024


def draw(run: dict[str, Any], path: Path) -> None:
    """Write the plot; the name's ending says in which format.

    Args:
        run: the figures of a run, as in its JSON.
        path: where to.
    """
    mpl.use("agg")
    mpl.rcParams |= {"svg.hashsalt": "nai-trio", "font.size": 10, "axes.grid": True, "grid.alpha": 0.3}
    samples = run["samples"]
    minutes = [sample["seconds"] / 60 for sample in samples]
    figure, rows = plt.subplots(4, 1, sharex=True, figsize=(9, 10), layout="constrained")
    _memory(rows[0], minutes, samples)
    _pairs(rows[1], minutes, samples, "sockets", "open sockets")
    rows[1].plot(minutes, [each["connections"] for each in samples], color=_THIRD, label="client's pools")
    _pairs(rows[2], minutes, samples, "tasks", "trio tasks")
    rows[2].plot(minutes, [each["service"]["running"] for each in samples], color=_THIRD, label="generations running")
    rows[3].plot(minutes, _rates(samples), color=_CLIENT, label=f"ended, over {_RATE_SECONDS} s")
    rows[3].set_ylabel("generations / s")
    rows[3].set_xlabel("time, minutes")
    rows[0].set_title(_title(run))
    rows[0].set_xlim(0, minutes[-1])
    for row in rows:
        _finish(row, run["warm_up_seconds"] / 60)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=100)


def _title(run: dict[str, Any]) -> str:
    done, peak, wrong = run["generations"], run["peak_running"], len(run["complaints"])
    return f"{done:,} generations, up to {peak} at once, random faults: {wrong} not as planned"


def _finish(axes: Axes, warm_up: float) -> None:
    axes.set_ylim(0, axes.get_ylim()[1] * _HEADROOM)
    axes.axvspan(0, warm_up, color="grey", alpha=0.12, lw=0, label="warm-up, not judged")
    axes.legend(loc="upper right", ncols=4, fontsize=9)


def _memory(axes: Axes, minutes: Sequence[float], samples: Sequence[dict[str, Any]]) -> None:
    axes.plot(minutes, [each["client"]["memory"] / _MIB for each in samples], color=_CLIENT, label="client")
    axes.plot(minutes, [each["service"]["memory"] / _MIB for each in samples], color=_SERVICE, label="emulator")
    axes.set_ylabel("resident memory, MiB")


def _pairs(axes: Axes, minutes: Sequence[float], samples: Sequence[dict[str, Any]], name: str, words: str) -> None:
    axes.plot(minutes, [each["client"][name] for each in samples], color=_CLIENT, label="client")
    axes.plot(minutes, [each["service"][name] for each in samples], color=_SERVICE, label="emulator")
    axes.set_ylabel(words)


def _rates(samples: Sequence[dict[str, Any]]) -> list[float]:
    rates = []
    for index, sample in enumerate(samples):
        before = samples[max(0, index - _RATE_SECONDS)]
        seconds = sample["seconds"] - before["seconds"]
        rates.append((sample["done"] - before["done"]) / seconds if seconds else 0.0)
    return rates


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
