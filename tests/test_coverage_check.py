"""The check at the end of `make coverage` tells each promise that is broken; the pairs of this tree fit before that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from check import Measured, Share, broken_promises, read, table
from coverage import CoverageData
from own_tests import ROOT, by_rule, own_tests, sources, table_faults

if TYPE_CHECKING:
    from pathlib import Path

FULL = Share(100, 100)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small repository in which every file has its tests."""
    for name in (
        *("nai_trio/__init__.py", "nai_trio/client.py", "nai_trio/protocol/__init__.py", "nai_trio/protocol/_json.py"),
        *("transports/tape.py", "transports/tape_chunks.py", "tests/test_exports.py", "tests/client/test_client.py"),
        *("tests/protocol/test_json.py", "tests/transports/test_tape.py", "tests/transports/test_tape_format.py"),
        "tests/transports/test_tape_chunks.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_every_source_file_has_tests_of_its_own_and_the_table_fits() -> None:
    assert table_faults() == []


@pytest.mark.parametrize(
    ("source", "tests"),
    [
        ("nai_trio/client.py", ["tests/client/test_client.py"]),
        ("nai_trio/protocol/_json.py", ["tests/protocol/test_json.py"]),
        ("nai_trio/protocol/__init__.py", ["tests/test_exports.py"]),
        ("transports/tape.py", ["tests/transports/test_tape.py", "tests/transports/test_tape_format.py"]),
        ("transports/tape_chunks.py", ["tests/transports/test_tape_chunks.py"]),
        ("nai_trio/other.py", []),
    ],
)
def test_the_rule_finds_a_files_tests(tree: Path, source: str, tests: list[str]) -> None:
    assert by_rule(source, root=tree) == tests


def test_the_table_adds_to_the_rule(tree: Path) -> None:
    rows = {"nai_trio/client.py": ("why", ["test_exports"]), "nai_trio/other.py": ("why", ["client/test_client"])}
    assert own_tests("nai_trio/client.py", root=tree, table=rows) == [
        "tests/client/test_client.py",
        "tests/test_exports.py",
    ]
    assert own_tests("nai_trio/other.py", root=tree, table=rows) == ["tests/client/test_client.py"]
    assert table_faults(root=tree, table={}) == []


def test_a_file_without_tests_is_a_fault(tree: Path) -> None:
    (tree / "transports/tcp.py").touch()
    assert table_faults(root=tree, table={}) == ["transports/tcp.py: no test file of its own"]
    row = {"transports/tcp.py": ("why", ["transports/test_tape"])}
    assert table_faults(root=tree, table=row) == []


def test_a_row_that_leads_nowhere_is_a_fault(tree: Path) -> None:
    rows = {
        "transports/gone.py": ("why", ["transports/test_tape"]),
        "nai_trio/client.py": ("why", ["client/test_gone"]),
    }
    assert table_faults(root=tree, table=rows) == [
        "transports/gone.py: in the table, but there is no such file",
        "nai_trio/client.py: tests/client/test_gone.py is not there",
    ]


def test_a_row_that_is_not_needed_is_a_fault() -> None:
    needed = Measured("transports/tcp.py", FULL, Share(95, 100), Share(89, 100))
    assert broken_promises([needed], rows=["transports/tcp.py"]) == []
    alone = Measured("transports/tcp.py", FULL, FULL, None)
    assert broken_promises([alone], rows=["transports/tcp.py"]) == []
    needless = Measured("transports/tcp.py", FULL, Share(95, 100), Share(90, 100))
    assert broken_promises([needless], rows=[]) == []
    assert broken_promises([needless], rows=["transports/tcp.py"]) == [
        "transports/tcp.py: its row in the table is not needed"
    ]


def test_kept_promises_are_no_words() -> None:
    files = [
        Measured("nai_trio/protocol/sse.py", FULL, FULL, FULL),
        Measured("transports/tcp.py", FULL, Share(90, 100), FULL),
    ]
    assert broken_promises(files, rows=[]) == []


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (Measured("nai_trio/protocol/sse.py", Share(999, 1000, "7->9"), FULL, FULL), "not run by any test: 7->9"),
        (
            Measured("nai_trio/protocol/sse.py", FULL, Share(99, 100, "3"), FULL),
            "by its own tests 99.0 %, promised 100 %",
        ),
        (Measured("transports/tcp.py", FULL, Share(899, 1000, "3"), FULL), "by its own tests 89.9 %, promised 90 %"),
        (Measured("transports/tcp.py", Share(94, 100), FULL, FULL), "the whole: 94.00 %, promised 95 %"),
    ],
)
def test_each_broken_promise_is_told(measured: Measured, words: str) -> None:
    [broken] = broken_promises([measured], rows=[])
    assert words in broken


def test_the_table_shows_the_worst_first() -> None:
    files = [Measured(f"transports/{name}.py", FULL, Share(share, 100), FULL) for name, share in [("a", 99), ("b", 91)]]
    shown = table(files).splitlines()
    assert shown[0].startswith("lines and branches run: the whole 100.00 %")
    assert [line.split()[-1] for line in shown[2:]] == ["transports/b.py", "transports/a.py"]


def test_what_ran_for_other_tests_is_not_a_files_own(tmp_path: Path) -> None:
    source = "nai_trio/conflict.py"
    data = CoverageData(str(tmp_path / "data"))
    lines = range(1, len((ROOT / source).read_text().splitlines()) + 1)
    for context, seen in [("import", lines[:10]), ("tests/test_conflict.py", lines[10:20]), ("tests/other.py", lines)]:
        data.set_context(context)
        data.add_arcs({str(ROOT / source): [(line, line + 1) for line in seen]})
    data.close()
    measured = {each.source: each for each in read(tmp_path / "data")}
    found, untouched = measured[source], measured["transports/tcp.py"]
    assert 0 < found.by_own.run < found.by_all.run
    assert found.by_own.all == found.by_all.all
    assert (untouched.by_all.run, untouched.by_own.run) == (0, 0)


def test_every_module_is_looked_at() -> None:
    assert {"nai_trio/__init__.py", "transports/tcp.py", "nai_trio/emulator/scene.py"} <= set(sources())
