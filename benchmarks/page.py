"""The figures of a run as tables in docs/performance.md.

python benchmarks/page.py build/bench.json docs/performance.md

The page is text with marked places, `<!-- figures: NAME -->` to `<!-- end -->`; what is between is made anew from the
file. So no figure on the page was written by hand, and all are of one run.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from part import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["filled"]

PLACE = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

Figures = dict[str, Any]


def filled(page: str, figures: Figures) -> str:
    """The page with the figures in their places.

    Raises:
        KeyError: a place is for figures that there are not.
    """
    return PLACE.sub(lambda place: f"{place[1]}\n{TABLES[place[2]](figures)}\n\n{place[3]}", page)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> str:
    """A table whose first columns are text, and all others figures."""
    lines = [head, ["---"] * texts + ["---:"] * (len(head) - texts), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def times(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def machine(figures: Figures) -> str:
    where = figures["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in where["libraries"].items())
    peers = figures["compare"]["peers"]
    names = ("httpx", "httpx-sse", "novelai-sdk", "nekoai-api", "aiohttp", "sseclient-py")
    others = ", ".join(f"{name} {peers[name]}" for name in names if name in peers)
    return (
        f"{where['cpu']}, {where['cores']} cores, virtual; {where['kernel']}; {where['python']}; {where['openssl']}. "
        f"{libraries}. Peers: {others}."
    )


def targets(figures: Figures) -> str:
    rows = [
        [
            f"{part}: {each['name']}",
            shown(each["figure"]),
            str(each["target"]),
            "holds" if each["holds"] else "**missed**",
        ]
        for part, measured in figures.items()
        if isinstance(measured, dict)
        for each in measured.get("targets", [])
    ]
    return table(["", "figure", "target", ""], rows)


def client_name(row: dict[str, Any]) -> str:
    name = f"**{row['client']}**" if row["kind"] == "ours" else str(row["client"])
    return name + " (by hand)" * (row["kind"] == "by hand")


def service(figures: Figures) -> str:
    """The service's own way of sending, with and without TLS."""
    parts = []
    for group in figures["compare"]["groups"]:
        if group["variant"] == "service":
            rows = [
                [client_name(row), times(row["of_floor"]), times(row["of_ours"]), times(row["peak_of_largest"])]
                for row in group["rows"]
            ]
            words = ("msgpack" if group["framing"] == "msgpack" else "SSE") + ", TLS" * group["tls"]
            head = [words, "CPU, of the floor's", "CPU, of ours", "peak memory, of the largest event"]
            parts.append(table(head, rows))
    return "\n\n".join(parts)


def variants(figures: Figures) -> str:
    rows = []
    for group in figures["compare"]["groups"]:
        if group["variant"] != "service":
            ours = next(row for row in group["rows"] if row["kind"] == "ours")
            best = min((row for row in group["rows"] if row["kind"] == "peer"), key=lambda row: row["of_ours"])
            peer = f"{times(best['of_ours'])} ({best['client']})"
            rows.append([group["name"], times(ours["of_floor"]), peer, times(ours["peak_of_largest"])])
    return table(["", "ours, of the floor's CPU", "best peer, of ours", "our peak, of the largest event"], rows)


def alone(figures: Figures) -> str:
    rows = [
        [given["input"] if number == 0 else "", row["parser"], row["source"], row["result"], times(row["of_ours"])]
        for given in figures["alone"]["inputs"]
        if not given["input"].startswith("tape")
        for number, row in enumerate(given["rows"])
    ]
    return table(["input", "parser", "from", "to", "CPU, of ours"], rows, texts=4)


def tricks(figures: Figures) -> str:
    rows = [
        [f"{row['name']} (`{row['where']}`)", row["instead"], times(row["ratio"])] for row in figures["tricks"]["rows"]
    ]
    return table(["step", "without it", "takes so many times as long"], rows)


def linear(figures: Figures) -> str:
    rows = [[f"{row['kind']}: {row['name']}", times(row["ratio"])] for row in figures["linear"]["rows"]]
    return table(["", "double the bytes, times the CPU"], rows)


def imports(figures: Figures) -> str:
    rows = [[f"`{row['program']}`", f"{row['cpu'] * 1e3:.0f}"] for row in figures["imports"]["rows"]]
    return table(["process", "CPU of all of it, ms"], rows)


def many(figures: Figures) -> str:
    rows = [
        [
            f"{'nai-trio' if row['reader'] == 'ours' else 'a trio stream, bytes thrown away'}, {row['framing']}",
            times(row["ratio"]),
            times(row["ratio to dripping"]),
            f"{row['memory per stream'] / 1024:.0f} KiB",
        ]
        for row in figures["many"]["rows"]
    ]
    head = [
        "1 000 dripping streams",
        "of one fast stream's CPU",
        "of one dripping stream's CPU",
        "each idle stream holds",
    ]
    return table(head, rows)


def latency(figures: Figures) -> str:
    words = {"first": "first preview", "cancel": "cancel"}
    rows = [
        [f"{words[row['what']]}: {row['client']}", *(f"{row[key]:.0f}" for key in ("p50", "p90", "p99"))]
        for row in figures["latency"]["rows"]
    ]
    return table(["microseconds", "p50", "p90", "p99"], rows)


TABLES: dict[str, Callable[[Figures], str]] = {
    "machine": machine,
    "targets": targets,
    "service": service,
    "variants": variants,
    "alone": alone,
    "tricks": tricks,
    "linear": linear,
    "imports": imports,
    "many": many,
    "latency": latency,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("figures", type=Path, help="what run.py wrote")
    parser.add_argument("page", type=Path, help="the page with the places")
    arguments = parser.parse_args()
    figures = json.loads(arguments.figures.read_text(encoding="utf-8"))
    arguments.page.write_text(filled(arguments.page.read_text(encoding="utf-8"), figures), encoding="utf-8")
    print(arguments.page)


if __name__ == "__main__":
    main()
