"""Coverage-guided fuzzing of everything that reads bytes: `make fuzz`.

    python tests/fuzz/run.py [--seconds N] [--json FILE] [--keep] [TARGET ...]

Each target (targets/*.py) runs for so many seconds under atheris in a process of its own (engine.py). What it begins
with is its corpus in this repository; what it finds besides goes to .fuzz/work/, where the next run begins, too. Then
all of it is replayed under coverage.py. A table is printed and written as JSON; with `--keep`, what reaches something
new is taken into the repository's corpus (corpora.py).

An input that breaks an invariant, takes longer than 20 s or more than 1 GiB is written to corpus/TARGET/ with a name
that begins with crash-, timeout- or oom-; what went wrong is in .fuzz/TARGET.log, and the run fails. The file stays:
tests/reliability/test_any_bytes.py replays it for ever.

FUZZ_SECONDS (60) and FUZZ_TARGETS (all, by commas) say the same as the options.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from corpora import CORPUS, FINDINGS, HERE, load, targets

ROOT = HERE.parents[1]
WORK = ROOT / ".fuzz" / "work"
_COLUMNS = "{:18} {:>10} {:>7} {:>5} {:>6} {:>7} {:>7} {:>6}  {}"
_HEADINGS = ("target", "executions", "per s", "new", "edges", "feats", "lines", "branch")
_STATUS = re.compile(r"cov: (\d+) ft: (\d+)")
_STAT = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)


def main() -> int:
    """Run, report, and say by the exit code whether anything was found."""
    wanted = _arguments()
    if find_spec("atheris") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"make fuzz needs atheris (wheels for Linux, Python 3.11 to 3.14); this Python {version} has none")
    print(_COLUMNS.format(*_HEADINGS, ""), flush=True)
    rows = []
    for name in wanted.targets:
        rows.append(_fuzz(name, wanted.seconds, keep=wanted.keep))
        print(_line(rows[-1]), flush=True)
    findings = [each for row in rows for each in row["findings"]]
    executions = sum(row["executions"] for row in rows)
    print(f"{executions} executions of {len(rows)} targets, {len(findings)} findings")
    for path in findings:
        print(f"found: {path}")
    wanted.json.parent.mkdir(parents=True, exist_ok=True)
    wanted.json.write_text(json.dumps({"seconds": wanted.seconds, "python": sys.version, "targets": rows}, indent=1))
    return int(any(row["failed"] for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz everything that reads bytes.")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=int(os.environ.get("FUZZ_SECONDS") or 60), help="per target")
    parser.add_argument("--json", type=Path, default=ROOT / ".fuzz" / "report.json", help="where the figures go")
    parser.add_argument("--keep", action="store_true", help="take what is new into the repository's corpus")
    found = parser.parse_args()
    named = [name for name in os.environ.get("FUZZ_TARGETS", "").split(",") if name]
    found.targets = found.targets or named or targets()
    unknown = set(found.targets) - set(targets())
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}: expected some of {', '.join(targets())}")
    return found


def _fuzz(name: str, seconds: int, *, keep: bool) -> dict[str, Any]:
    """Run one target, and replay what it has."""
    work, corpus = WORK / name, CORPUS / name
    work.mkdir(parents=True, exist_ok=True)
    corpus.mkdir(parents=True, exist_ok=True)
    before, began = set(_findings(corpus)), time.monotonic()
    sound, log = _run_engine(name, work, corpus, seconds)
    took = max(time.monotonic() - began, 1.0)
    found = sorted(set(_findings(corpus)) - before)
    stats, status = dict(_STAT.findall(log)), _STATUS.findall(log)
    executions = int(stats.get("number_of_executed_units", 0))
    row: dict[str, Any] = {
        "target": name,
        "executions": executions,
        "per_second": round(executions / took),
        "new": int(stats.get("new_units_added", 0)),
        "edges": int(status[-1][0]) if status else 0,
        "features": int(status[-1][1]) if status else 0,
        "findings": [str(path.relative_to(ROOT)) for path in found],
        "failed": not sound,
    }
    if sound:
        if keep:
            row["kept"] = _corpora("keep", name, work)["files"]
        row["coverage"] = _corpora("measure", name, corpus, work)
    return row


def _findings(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(FINDINGS)]


def _run_engine(name: str, work: Path, corpus: Path, seconds: int) -> tuple[bool, str]:
    """Whether nothing was found, and what libFuzzer says."""
    target = load(name)
    words, log = WORK.parent / f"{name}.dict", WORK.parent / f"{name}.log"
    words.write_text("".join(map(_entry, target.WORDS)))
    options = {
        "max_total_time": seconds,
        "max_len": target.LONGEST,
        "dict": words,
        "artifact_prefix": f"{corpus}/",
        "timeout": 20,
        "report_slow_units": 20,
        "rss_limit_mb": 1024,
        "print_final_stats": 1,
    }
    command = [sys.executable, str(HERE / "engine.py"), name, *(f"-{each}={value}" for each, value in options.items())]
    with log.open("w") as output:
        done = subprocess.run([*command, str(work), str(corpus)], stdout=output, stderr=subprocess.STDOUT, check=False)
    return done.returncode == 0, log.read_text(errors="replace")


def _entry(word: bytes) -> str:
    """A line of libFuzzer's dictionary."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'


def _corpora(command: str, name: str, *folders: Path) -> dict[str, Any]:
    """Run corpora.py, which needs a process that has not imported the library yet."""
    done = subprocess.run(
        [sys.executable, str(HERE / "corpora.py"), command, name, *map(str, folders)],
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _line(row: dict[str, Any]) -> str:
    reached = row.get("coverage", {"lines": "-", "branches": "-"})
    ending = "FOUND" if row["findings"] else f"FAILED, see .fuzz/{row['target']}.log" if row["failed"] else ""
    numbers = (row[each] for each in ("executions", "per_second", "new", "edges", "features"))
    return _COLUMNS.format(row["target"], *numbers, reached["lines"], reached["branches"], ending).rstrip()


if __name__ == "__main__":
    sys.exit(main())
