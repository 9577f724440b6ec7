"""The figures of a run as pictures for docs/performance.md. Needs matplotlib.

python benchmarks/plots.py build/bench.json docs/performance/ [--format svg]

One picture for each part that the file has. Backgrounds are transparent, and all colours are such as can be seen on
white and on black, since nobody knows what page they will stand on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

WORDS = "#7a828e"
OURS, FLOOR, PEER, BY_HAND = "#2f81f7", "#7a828e", "#d9722e", "#b9976f"
KINDS = {"ours": OURS, "floor": FLOOR, "peer": PEER, "by hand": BY_HAND}
FRAMINGS = {"sse": ("SSE", OURS), "msgpack": ("msgpack", PEER)}
MB, MIB = 1e6, 2**20
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "nai-trio",
    "svg.fonttype": "none",
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "savefig.transparent": True,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), WORDS),
    "grid.color": WORDS,
}


def draw(figures: dict[str, Any], folder: Path, ending: str = "svg") -> list[Path]:
    """Write the pictures of what run.py wrote; return their files. A part that it lacks has none."""
    mpl.use("agg")
    mpl.rcParams |= STYLE
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for part, picture in PICTURES.items():
        if part in figures:
            path = folder / f"{part}.{ending}"
            figure = picture(figures[part])
            figure.savefig(path, metadata={"Date": None} if ending == "svg" else None, dpi=110)
            plt.close(figure)
            written.append(path)
    return written


def bars(axes: Axes, rows: Sequence[tuple[str, float, str]]) -> None:
    """Horizontal bars with their figures, from the top: name, milliseconds, colour."""
    names, values, colours = zip(*rows, strict=True)
    drawn = axes.barh(range(len(rows)), values, color=colours, height=0.66)
    axes.bar_label(drawn, [f"{value:.3g}" for value in values], padding=4, fontsize=9.5)
    name_rows(axes, names)
    axes.margins(x=0.12)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names instead of a scale, from the top."""
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def stacked(heights: Sequence[int]) -> tuple[Figure, list[Axes]]:
    """Panels below each other, with room for so many bars each."""
    size = (8, 0.3 * sum(heights) + 0.65 * len(heights))
    figure, panels = plt.subplots(
        len(heights), 1, sharex=True, figsize=size, layout="constrained", squeeze=False, height_ratios=heights
    )
    return figure, list(panels[:, 0])


def clients(figures: dict[str, Any]) -> Figure:
    """CPU for one generation, by client: the plain service and TLS."""
    groups = [group for group in figures["groups"] if group["variant"] == "service"]
    figure, panels = stacked([len(group["rows"]) for group in groups])
    for axes, group in zip(panels, groups, strict=True):
        rows = sorted(group["rows"], key=lambda row: row["median"])
        names = [row["client"] + " (by hand)" * (row["kind"] == "by hand") for row in rows]
        bars(axes, [(name, row["median"] * 1e3, KINDS[row["kind"]]) for name, row in zip(names, rows, strict=True)])
        floor = next(row["median"] for row in group["rows"] if row["kind"] == "floor")
        axes.axvline(floor * 1e3, color=FLOOR, ls="--", lw=1)
        axes.set_title(FRAMINGS[group["framing"]][0] + (" over TLS" if group["tls"] else ""))
    panels[-1].set_xlabel("CPU time of the client for one generation, ms")
    return figure


def parsers(figures: dict[str, Any]) -> Figure:
    """The parsers alone, on the generation in both framings."""
    inputs = [given for given in figures["inputs"] if not given["input"].startswith("tape")]
    figure, panels = stacked([len(given["rows"]) for given in inputs])
    for axes, given in zip(panels, inputs, strict=True):
        rows = sorted(given["rows"], key=lambda row: row["seconds"])
        framing = "msgpack" if "msgpack" in given["input"] else "sse"
        bars(axes, [(parser_name(row, framing), row["seconds"] * 1e3, parser_colour(row)) for row in rows])
        axes.set_title(f"A generation as {FRAMINGS[framing][0]}, {given['bytes'] / MB:.1f} MB")
    panels[-1].set_xlabel("CPU time to parse it, ms")
    return figure


def parser_name(row: dict[str, Any], framing: str) -> str:
    return str(row["parser"]) + ", without JSON and base64" * (row["result"] == "events" and framing == "sse")


def parser_colour(row: dict[str, Any]) -> str:
    if row["parser"].startswith("nai_trio"):
        return OURS
    if row["parser"].startswith("http.client"):
        return BY_HAND
    return PEER if row["result"] == "pictures" else FLOOR


def linear(figures: dict[str, Any]) -> Figure:
    """Time over the size of the final, and cost per byte over the bytes of a call."""
    figure, (sizes, feeds) = plt.subplots(1, 2, figsize=(9, 3.9), layout="constrained")
    for framing, (name, colour) in FRAMINGS.items():
        rows = [row for row in figures["rows"] if row["kind"].startswith(f"ImageExchange, {framing},")]
        grown = [row for row in rows if "64 KiB" in row["kind"] and "final" in row["name"]]
        points = sorted(point for row in grown for point in times(row))
        lengths, taken = zip(*points, strict=True)
        sizes.plot(lengths, taken, "o-", color=colour, label=name, ms=4)
        sizes.plot(lengths, [taken[-1] * length / lengths[-1] for length in lengths], ":", color=colour, lw=1)
        fed = [row for row in rows if "by feed" in row["kind"]]
        costs = [row["seconds_per_byte"][1] * 1e9 for row in fed]
        feeds.plot(range(len(fed)), costs, "o-", color=colour, label=name, ms=4)
        feeds.set_xticks(range(len(fed)), ["all" if row["feed"] is None else f"{row['feed']:,}" for row in fed])
    sizes.set(xscale="log", yscale="log", xlabel="bytes of the response, MB", ylabel="CPU time to parse them, ms")
    sizes.set_title("A larger final (dotted: linear)")
    feeds.set(yscale="log", xlabel="bytes of each call", ylabel="CPU time, ns per byte")
    feeds.set_title("The same bytes, cut smaller")
    for axes in (sizes, feeds):
        axes.grid(which="major")
        plain(axes)
        axes.legend()
    return figure


def times(row: dict[str, Any]) -> list[tuple[float, float]]:
    """MB and ms of both inputs of a case; what a generation costs by itself is taken off, as in the figures."""
    return [(size / MB, size * cost * 1e3) for size, cost in zip(row["bytes"], row["seconds_per_byte"], strict=True)]


def plain(axes: Axes) -> None:
    """Plain numbers on logarithmic axes."""
    for axis, scale in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
        if scale == "log":
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            axis.set_minor_locator(NullLocator())


def flat(figures: dict[str, Any]) -> Figure:
    """Resident memory over many generations."""
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    for row in figures["rows"]:
        name, colour = FRAMINGS[row["framing"]]
        done, resident = zip(*row["resident"], strict=True)
        axes.plot(done, [size / MIB for size in resident], color=colour, label=name, lw=1.5)
    axes.set(xlabel="generations", ylabel="resident memory, MiB", xlim=0)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.2)
    axes.set_title("Memory over many generations")
    axes.grid()
    axes.legend(ncols=2)
    return figure


def latency(figures: dict[str, Any]) -> Figure:
    """From the middle to the 99th percentile, by client."""
    titles = {
        "first": "First preview: from the socket to the user's hands",
        "cancel": "Cancelled: from cancel() to the service seeing the end",
    }
    names = list(dict.fromkeys(row["client"] for row in figures["rows"]))
    figure, panels = plt.subplots(2, 1, sharex=True, figsize=(8, 0.66 * len(names) + 1.4), layout="constrained")
    for axes, (what, title) in zip(panels, titles.items(), strict=True):
        for row in (row for row in figures["rows"] if row["what"] == what):
            colour = OURS if "nai_trio" in row["client"] else FLOOR if row["floor"] else PEER
            line(axes, names.index(row["client"]), row, colour)
        axes.margins(x=0.1, y=0.12)
        name_rows(axes, names)
        axes.set_title(title)
        axes.set_xscale("log")
    low, high = panels[0].get_xlim()
    ticks = [scale * digit for scale in (10, 100, 1000, 10_000) for digit in (1, 2, 3, 5)]
    panels[0].xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    plain(panels[0])
    panels[1].set_xlabel("microseconds: half take less than the dot, 99 of 100 less than the line's end")
    return figure


def line(axes: Axes, y: int, row: dict[str, Any], colour: str) -> None:
    axes.plot([row["p50"], row["p99"]], [y, y], "-", color=colour, lw=3, alpha=0.55, solid_capstyle="butt")
    axes.plot([row["p50"]], [y], "o", color=colour, ms=8)
    axes.plot([row["p99"]], [y], "|", color=colour, ms=11, mew=2)
    for key, aside, side in (("p50", -8, "right"), ("p99", 7, "left")):
        axes.annotate(f"{row[key]:.0f}", (row[key], y), (aside, 0), textcoords="offset points", ha=side, va="center")


PICTURES: dict[str, Callable[[dict[str, Any]], Figure]] = {
    "compare": clients,
    "alone": parsers,
    "linear": linear,
    "flat": flat,
    "latency": latency,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("figures", type=Path, help="what run.py wrote")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--format", default="svg", help="svg, or another one that matplotlib writes")
    arguments = parser.parse_args()
    for path in draw(json.loads(arguments.figures.read_text(encoding="utf-8")), arguments.folder, arguments.format):
        print(path)


if __name__ == "__main__":
    main()
