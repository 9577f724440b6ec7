"""`make coverage`, its end: are the promises about tests kept?

Reads the data of one measured run of all tests (contexts.py) and fails when

- a branch of nai_trio/protocol is not taken by any test;
- of the whole package less than `WHOLE` percent of the lines and branches are;
- of some file less than `OWN` percent (`CORE_OWN` in nai_trio/protocol) are by its own test files alone (own_tests.py);
- the table of own_tests.py does not fit the tree, or has a row that is not needed.

What counts as covered by a file's own tests is what ran for them, and what ran while the library was imported.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

import attrs
from contexts import IMPORTING
from coverage import Coverage, CoverageData
from own_tests import ELSEWHERE, ROOT, by_rule, own_tests, sources, table_faults

WHOLE: Final = 95.0
OWN: Final = 90.0
CORE: Final = "nai_trio/protocol/"
CORE_OWN: Final = 100.0
SHOWN: Final = 12


@attrs.frozen
class Share:
    """How much of a file, or of all, was run.

    Attributes:
        run: lines and branches that were.
        all: lines and branches that there are.
        missing: the rest, in words: lines, and branches as "from->to".
    """

    run: int
    all: int
    missing: str = ""

    @property
    def percent(self) -> float:
        """100 where there is nothing to run."""
        return 100 * self.run / self.all if self.all else 100.0


@attrs.frozen
class Measured:
    """One source file: what is run of it by all tests, by its own, and by those of them that the rule finds, if any."""

    source: str
    by_all: Share
    by_own: Share
    by_rule: Share | None


def total(files: list[Measured]) -> Share:
    """All files together, by all tests."""
    return Share(sum(each.by_all.run for each in files), sum(each.by_all.all for each in files))


def promised(source: str) -> float:
    """The percentage that a file's own tests must reach."""
    return CORE_OWN if source.startswith(CORE) else OWN


def broken_promises(files: list[Measured], rows: Collection[str] = ELSEWHERE) -> list[str]:
    """What the figures do not keep, in words; `rows` are the sources in the table."""
    broken = []
    whole = total(files)
    if whole.percent < WHOLE:
        broken.append(f"the whole: {whole.percent:.2f} %, promised {WHOLE:g} %")
    for each in files:
        if each.source.startswith(CORE) and each.by_all.run < each.by_all.all:
            broken.append(f"{each.source}: not run by any test: {each.by_all.missing}")
        if each.by_own.percent < promised(each.source):
            share = f"{each.by_own.percent:.1f} %, promised {promised(each.source):g} %"
            broken.append(f"{each.source}: by its own tests {share}; missing {each.by_own.missing}")
        elif each.source in rows and each.by_rule is not None and each.by_rule.percent >= promised(each.source):
            broken.append(f"{each.source}: its row in the table is not needed")
    return broken


def table(files: list[Measured]) -> str:
    """The whole, the core, and the files whose own tests leave most."""
    core = total([each for each in files if each.source.startswith(CORE)])
    lines = [
        f"lines and branches run: the whole {total(files).percent:.2f} %, {CORE[:-1]} {core.percent:.2f} %",
        "least by their own tests:",
    ]
    worst = sorted(files, key=lambda each: each.by_own.percent)[:SHOWN]
    lines += [f"  {each.by_own.percent:6.1f} %  {each.source}" for each in worst]
    return "\n".join(lines)


def read(data_file: Path) -> list[Measured]:
    """The measured run, file by file.

    Args:
        data_file: the combined data.
    """
    data = CoverageData(str(data_file))
    data.read()
    by_all, by_own, by_ruled = _shares(data_file), _shares_by(data, own_tests), _shares_by(data, by_rule)
    return [
        Measured(source, by_all[source], by_own[source], by_ruled[source] if by_rule(source) else None)
        for source in sources()
    ]


def _shares_by(data: CoverageData, tests_of: Callable[[str], list[str]]) -> dict[str, Share]:
    """As `_shares`, of what ran for some test files of each source file."""
    with tempfile.TemporaryDirectory() as folder:
        part = CoverageData(str(Path(folder) / "part"))
        part.add_arcs({str(ROOT / source): _arcs(data, source, tests_of(source)) for source in sources()})
        part.close()
        return _shares(Path(folder) / "part")


def _arcs(data: CoverageData, source: str, tests: list[str]) -> list[tuple[int, int]]:
    data.set_query_contexts([f"^{re.escape(name)}$" for name in [IMPORTING, *tests]])
    return data.arcs(str(ROOT / source)) or []


def _shares(data_file: Path) -> dict[str, Share]:
    measuring = Coverage(data_file=str(data_file), config_file=str(ROOT / "pyproject.toml"))
    measuring.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        measuring.json_report(outfile=str(report))
        files = json.loads(report.read_bytes())["files"]
    found = {str(Path(name).resolve().relative_to(ROOT)): _share(of) for name, of in files.items()}
    return {source: found.get(source, Share(0, 1, "everything")) for source in sources()}


def _share(of: dict[str, Any]) -> Share:
    summary = of["summary"]
    missing = [str(line) for line in of["missing_lines"]]
    missing += [f"{start}->{end}" for start, end in of["missing_branches"] if start not in of["missing_lines"]]
    return Share(
        summary["covered_lines"] + summary["covered_branches"],
        summary["num_statements"] + summary["num_branches"],
        ", ".join(missing),
    )


def main(data_file: Path) -> int:
    """Print the table and what is broken; the exit code."""
    files = read(data_file)
    print(table(files))
    broken = table_faults() + broken_promises(files)
    for each in broken:
        print(f"broken: {each}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
