"""The corpora in this folder: planting them with real bytes, replaying them under coverage.py, keeping them small.

    python tests/fuzz/corpora.py plant [TARGET ...]         write the targets' seeds
    python tests/fuzz/corpora.py measure TARGET FOLDER ...  print the coverage that the folders' files reach, as JSON
    python tests/fuzz/corpora.py keep TARGET FOLDER ...     take into the corpus what reaches something new, and drop
                                                            what reaches nothing of its own

A file's name is the beginning of its SHA-256. Files named `crash-...` (or `timeout-`, `oom-`) are what a fuzzer found
and what must never fail again: they stay whatever they reach, and so do the seeds.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
MOST_FILES, MOST_BYTES = 60, 100_000
FINDINGS = ("crash-", "timeout-", "oom-")


def targets() -> list[str]:
    """The names of all targets."""
    return sorted(path.stem for path in (HERE / "targets").glob("*.py"))


def load(name: str) -> ModuleType:
    """A target's module."""
    for folder in (HERE.parent / "support", HERE):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    return importlib.import_module(f"targets.{name}")


def files_in(*folders: Path) -> list[Path]:
    """The inputs in some folders, the smallest first."""
    found = [path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_file()]
    return sorted(found, key=lambda path: (path.stat().st_size, path.name))


def plant(name: str) -> int:
    """Write a target's seeds into its corpus; return how many there are."""
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    target = load(name)
    seeds = {_named(seed): seed for seed in (seed[: target.LONGEST] for seed in target.seeds())}
    for file_name, seed in seeds.items():
        (folder / file_name).write_bytes(seed)
    return len(seeds)


def _named(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def measure(name: str, folders: list[Path]) -> dict[str, Any]:
    """Lines and branches of the target's modules that the files reach, in percent, together and for each module."""
    coverage = _coverage()
    coverage.start()
    target = load(name)
    modules = [importlib.import_module(module) for module in target.MEASURED]
    for path in files_in(*folders):
        target.check(path.read_bytes())
    coverage.stop()
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        coverage.json_report([str(module.__file__) for module in modules], outfile=report.name)
        found = json.loads(Path(report.name).read_text())
    each = {Path(file).stem: _percent(facts["summary"]) for file, facts in found["files"].items()}
    return {**_percent(found["totals"]), "modules": each}


def _percent(summary: dict[str, Any]) -> dict[str, float]:
    branches = summary["num_branches"]
    return {
        "lines": round(100 * summary["covered_lines"] / summary["num_statements"], 1),
        "branches": round(100 * summary["covered_branches"] / branches, 1) if branches else 100.0,
    }


def _coverage() -> Any:
    import coverage  # noqa: PLC0415 - only where it is measured

    root = HERE.parents[1]
    include = [f"{root}/nai_trio/*", f"{root}/transports/*"]
    return coverage.Coverage(data_file=None, branch=True, include=include, config_file=False)


def keep(name: str, folders: list[Path]) -> int:
    """Choose anew what the corpus has, from it and from the folders; return how many files it has then."""
    folder = CORPUS / name
    given = {path.read_bytes(): path for path in reversed(files_in(folder, *folders))}
    seeds = {seed[: load(name).LONGEST] for seed in load(name).seeds()}
    findings = {data for data, path in given.items() if path.name.startswith(FINDINGS)}
    rest = sorted(given.keys() - findings - seeds, key=lambda data: (len(data), data))
    chosen = seeds | set(_chosen(name, sorted(seeds), rest))
    folder.mkdir(parents=True, exist_ok=True)
    for path in files_in(folder):
        if path.read_bytes() not in chosen | findings:
            path.unlink()
    for data in chosen:
        (folder / _named(data)).write_bytes(data)
    return len(files_in(folder))


def _chosen(name: str, seeds: list[bytes], inputs: list[bytes]) -> Iterator[bytes]:
    """Inputs that together reach all that any of them does, as far as the bounds allow: the most at each step."""
    seen: set[Any] = set().union(*_reached(load(name), seeds))
    reached = dict(zip(inputs, _reached(load(name), inputs), strict=True))
    room, files = MOST_BYTES - sum(map(len, seeds)), MOST_FILES - len(seeds)
    while files and reached:
        best = max(reached, key=lambda data: (len(reached[data] - seen), -len(data)))
        new = reached.pop(best) - seen
        if not new:
            return
        if len(best) <= room:
            seen |= new
            room, files = room - len(best), files - 1
            yield best


def _reached(target: ModuleType, inputs: list[bytes]) -> Iterator[set[Any]]:
    """The jumps from line to line that each input makes."""
    coverage = _coverage()
    for data in inputs:
        coverage.start()
        target.check(data)
        coverage.stop()
        found = coverage.get_data()
        yield {(file, arc) for file in found.measured_files() for arc in found.arcs(file) or ()}
        coverage.erase()


def main(command: str, names: list[str]) -> None:
    """Do what the command line says."""
    if command == "plant":
        for name in names or targets():
            print(f"{name:20} {plant(name):4} seeds")
        return
    name, *folders = names
    paths = [Path(folder) for folder in folders]
    if command == "measure":
        print(json.dumps(measure(name, paths)))
    elif command == "keep":
        print(json.dumps({"files": keep(name, paths)}))
    else:
        sys.exit(f"expected plant, measure or keep, got {command!r}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
