"""What the parts of a run have in common: each is a script with `--quick` and `--json`, a table, and targets."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Target", "Wrong", "at_least", "at_most", "main", "shown", "verdicts"]

Target = dict[str, Any]
"""`name`, `figure`, `target` in words, and whether it `holds`."""


class Wrong(Exception):
    """Who was measured did not do the work, so there is no figure."""


def at_most(name: str, figure: float | None, bound: float) -> Target:
    """A target from above. What was not measured (None) does not hold."""
    return _target(name, figure, f"<= {bound:g}", holds=figure is not None and figure <= bound)


def at_least(name: str, figure: float | None, bound: float) -> Target:
    """A target from below."""
    return _target(name, figure, f">= {bound:g}", holds=figure is not None and figure >= bound)


def _target(name: str, figure: float | None, target: str, *, holds: bool) -> Target:
    return {"name": name, "figure": "not measured" if figure is None else figure, "target": target, "holds": holds}


def shown(figure: object) -> str:
    """A figure in three digits; in words, where it was not measured."""
    return f"{figure:.3g}" if isinstance(figure, float) else str(figure)


def verdicts(targets: Iterable[Target]) -> list[str]:
    """A line for each target."""
    return [
        f"{each['name']}: {shown(each['figure'])}, target {each['target']}: {'holds' if each['holds'] else 'MISSED'}"
        for each in targets
    ]


def main(
    doc: str | None, measure: Callable[..., dict[str, Any]], table: Callable[[dict[str, Any]], str], *, quick: str
) -> None:
    """Run one part as a script.

    Args:
        doc: the script's own words, of which the first line is shown.
        measure: called with `quick`; its figures are what is written.
        table: makes of them what is printed.
        quick: what is less in a quick run.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    arguments = parser.parse_args()
    try:
        figures = measure(quick=arguments.quick)
    except Wrong as error:
        sys.exit(f"{parser.prog}: {error}")
    print(table(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
