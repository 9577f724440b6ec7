"""How long it takes until the library is there: fresh interpreters that import something and end.

python benchmarks/imports.py [--quick] [--json FILE]

Each program is a process of its own; they take turns, after one turn that does not count (it fills the file cache and
writes the byte code). Taken are the CPU time of the process, user and system, and the wall time from its start to its
end. The figures are medians; the targets look at CPU time, which is the wall time of a machine that does nothing else,
and at its median difference within a turn. Our packages load their names when they are first used, so that to import
them alone costs next to nothing; the rows that use a name say what a program pays.

Then, for each of our own programs, which modules and packages cost most by themselves, as `-X importtime` has it (which
makes imports slower by being on); left out is what the program that it is compared with imports, too.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import part

__all__ = ["measure", "table"]

COMMAND = Path(sys.executable).with_name("nai-trio")
EMPTY, TRIO, HELP = "an empty interpreter", "import trio", "nai-trio --help"
BOTH, CLIENT = "import trio, nai_trio", "import nai_trio; nai_trio.NovelAI"
CORE, EXCHANGE = "import nai_trio.protocol", "from nai_trio.protocol import ImageExchange"
PROGRAMS: dict[str, list[str]] = {
    EMPTY: ["-c", "pass"],
    TRIO: ["-c", TRIO],
    **{code: ["-c", code] for code in (BOTH, CLIENT, CORE, "from nai_trio.protocol import SSEDecoder", EXCHANGE)},
    HELP: [str(COMMAND), "--help"] if COMMAND.exists() else ["-m", "nai_trio", "--help"],
}
TARGETS = ((BOTH, TRIO, 60), (CLIENT, TRIO, 60), (CORE, EMPTY, 60), (EXCHANGE, EMPTY, 60), (HELP, None, 300))
"""What may take so many milliseconds, more than what."""

LOOKED_INTO = ((CLIENT, TRIO), (EXCHANGE, EMPTY), (HELP, EMPTY))

ROUNDS, ROUNDS_QUICK, MOST = 15, 5, 8
LINE = re.compile(r"import time: +([0-9]+) \| +[0-9]+ \| +(\S+)")


def run(program: str, folder: str) -> dict[str, float]:
    """Seconds that a process takes."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *PROGRAMS[program]], cwd=folder, stdout=subprocess.DEVNULL, env=environment()
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"imports.py: {program} ended with {process.returncode}")
    return {"cpu": usage.ru_utime + usage.ru_stime, "wall": wall}


def environment() -> dict[str, str]:
    """Modules are compiled once, as in any installation, also where this shell keeps Python from that."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def costs(program: str, folder: str) -> dict[str, int]:
    """For each module that a program imports, microseconds without what it imports in turn."""
    command = [sys.executable, "-X", "importtime", *PROGRAMS[program]]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stderr
    return {name: int(own) for own, name in LINE.findall(told)}


def dearest(program: str, base: str, folder: str) -> dict[str, Any]:
    """What a program imports more than another one: the modules that cost most, and packages as a whole."""
    anyway = costs(base, folder)
    own = {name: cost for name, cost in costs(program, folder).items() if name not in anyway}
    packages: dict[str, int] = {}
    for name, cost in own.items():
        package = name.partition(".")[0]
        packages[package] = packages.get(package, 0) + cost
    return {
        "program": program,
        "more_than": base,
        "count": len(own),
        "seconds": sum(own.values()) / 1e6,
        "modules": most(own),
        "packages": most(packages),
    }


def most(microseconds: dict[str, int]) -> list[tuple[str, float]]:
    ordered = sorted(microseconds.items(), key=lambda pair: -pair[1])
    return [(name, cost / 1e6) for name, cost in ordered[:MOST]]


def target(samples: dict[str, list[dict[str, float]]], program: str, base: str | None, bound: int) -> dict[str, Any]:
    figures = [sample["cpu"] for sample in samples[program]]
    name = f"{program}: CPU ms"
    if base is not None:
        figures = [figure - less["cpu"] for figure, less in zip(figures, samples[base], strict=True)]
        name += f" more than {base}"
    return part.at_most(name, statistics.median(figures) * 1e3, bound)


def measure(*, quick: bool) -> dict[str, Any]:
    samples: dict[str, list[dict[str, float]]] = {program: [] for program in PROGRAMS}
    with tempfile.TemporaryDirectory() as folder:
        for program in PROGRAMS:
            run(program, folder)
        for _ in range(ROUNDS_QUICK if quick else ROUNDS):
            for program, taken in samples.items():
                taken.append(run(program, folder))
        imported = [dearest(program, base, folder) for program, base in LOOKED_INTO]
    rows = [
        {"program": program, **{kind: statistics.median(each[kind] for each in taken) for kind in ("cpu", "wall")}}
        for program, taken in samples.items()
    ]
    targets = [target(samples, *each) for each in TARGETS]
    return {"rows": rows, "samples": samples, "imports": imported, "targets": targets}


def table(figures: dict[str, Any]) -> str:
    lines = [f"{'program':44} {'CPU':>9} {'wall':>9}"]
    lines += [f"{row['program']:44} {row['cpu'] * 1e3:6.1f} ms {row['wall'] * 1e3:6.1f} ms" for row in figures["rows"]]
    for each in figures["imports"]:
        what = f"{each['program']}, more than {each['more_than']}"
        lines += [
            "",
            f"{what}: {each['count']} modules, {each['seconds'] * 1e3:.0f} ms under -X importtime; the dearest:",
        ]
        for kind in ("packages", "modules"):
            lines.append(f"  {kind:9}" + ", ".join(f"{name} {cost * 1e3:.1f}" for name, cost in each[kind]))
    lines.append("")
    lines += part.verdicts(figures["targets"])
    return "\n".join(lines)


if __name__ == "__main__":
    part.main(__doc__, measure, table, quick="fewer turns")
