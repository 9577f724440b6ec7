"""Every benchmark, one after the other: prints their tables and what became of the targets, writes the figures.

python benchmarks/run.py [--quick] [--only PART ...] [--json FILE]

Each part is a script beside this one and runs in a process of its own, so that none inherits another's memory: how
glibc maps large blocks depends on what a process has freed before. The file is {"machine": ..., "quick": ...} and for
each part what it measured. The first part that fails ends the run; a target that is missed does not.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from part import shown

FOLDER = Path(__file__).parent
PARTS = {
    "compare": "all clients on the same work",
    "alone": "the parsers alone",
    "tricks": "what each trick of the core gains",
    "linear": "cost per byte",
    "flat": "memory over many generations",
    "imports": "time to import",
    "many": "many streams at once",
    "latency": "from the socket to the user, and from cancel to the close",
}
LIBRARIES = ("nai-trio", "trio", "h11", "msgpack", "pybase64", "attrs", "cattrs", "tenacity")


def machine() -> dict[str, Any]:
    """Where this runs, and on what."""
    return {
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "openssl": ssl.OPENSSL_VERSION,
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def cpu() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def described(machine: dict[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['kernel']}"
    return f"{where}\n{machine['python']}, {machine['openssl']}\n{libraries}"


def run(part: str, *, quick: bool) -> dict[str, Any]:
    """Run a part, which prints its table; return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        options = ["--quick"] if quick else []
        subprocess.run([sys.executable, FOLDER / f"{part}.py", *options, "--json", file], check=True)
        figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return figures


def summary(figures: dict[str, dict[str, Any]]) -> str:
    """The targets of all parts, each with its figure."""
    rows = [("figure", "target", "", "")]
    for part, measured in figures.items():
        for each in measured.get("targets", []):
            verdict = "holds" if each["holds"] else "MISSED"
            rows.append((shown(each["figure"]), each["target"], verdict, f"{part}: {each['name']}"))
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"{row[0]:>{first}}  {row[1]:<{second}}  {row[2]:6}  {row[3]}".rstrip() for row in rows]
    held = sum(row[2] == "holds" for row in rows)
    return "\n".join([*lines, f"{held} of {len(rows) - 1} targets hold."])


def heading(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}\n", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="in a minute; the figures scatter more")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of: {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    arguments = parser.parse_args()
    where = machine()
    print(described(where), flush=True)
    figures: dict[str, dict[str, Any]] = {}
    for part in arguments.only or PARTS:
        heading(f"{part}: {PARTS[part]}")
        start = time.monotonic()
        try:
            figures[part] = run(part, quick=arguments.quick)
        except subprocess.CalledProcessError as error:
            print(f"{part} failed, with status {error.returncode}: that ends the run", file=sys.stderr)
            return 1
        figures[part]["took"] = round(time.monotonic() - start, 1)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        whole = {"machine": where, "quick": arguments.quick, **figures}
        arguments.json.write_text(json.dumps(whole, indent=1), encoding="utf-8")
    heading("Targets")
    print(summary(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
