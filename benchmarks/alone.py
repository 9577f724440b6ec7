"""The parsers alone, on bytes in memory: no sockets, no event loop.

python benchmarks/alone.py [--quick] [--json FILE]

What is parsed is the generation of work.py and the generations recorded in tests/tapes (parser_inputs.py). Ours gets
the HTTP response and ends with the decoded picture of each event, as a user of `ImageExchange` does. The peers know no
HTTP: they get the body without its transfer coding, so they do less; what their users must do besides, JSON and base64,
counts. The plain reader (http.client, then the body split whole) checks nothing and knows no limits: a yardstick.

Each parser is a process (parsers.py; eventsource_parser.mjs under Node), warmed up on the same bytes, for Node compiles
as it goes. They take turns of a few passes, so that a slow moment of the machine hits all. The figure is the median CPU
time of a pass: user and system, all threads. The pictures of every pass are compared by their digest.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import part
from parser_inputs import TAPES, Input, generated, recorded
from parsers import PARSERS
from peers import MissingPeers, peers

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["measure", "table"]

HERE = Path(__file__).resolve().parent
PACKAGE, VERSION = "eventsource-parser", "4.1.3"
NODE_FOLDER = HERE.parent / ".bench" / "node"
NODE = f"{PACKAGE} (Node), JSON, base64"
OURS, BUFFER, PLAIN = "nai_trio: receive_data", "nai_trio: get_buffer", "http.client, then split"
TARGET = 8.0
"""How many times faster than `NODE` ours shall be on the generation as SSE."""

WARM_UP, FEWEST, LEAST = 20, 10, 400_000
"""Passes that do not count; and of those that do, how many there are in a turn at least, and how many bytes."""


class Missing(Exception):
    """A parser that there is not here; says why."""


class Worker:
    """The process of one parser."""

    def __init__(self, name: str, source: str, command: list[str | Path]) -> None:
        self.name = name
        self._source = source
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def reads(self, framing: str) -> bool:
        return framing in PARSERS[self.name].framings if self.name in PARSERS else framing == "sse"

    def go(self, given: Input, passes: int) -> list[float]:
        """CPU seconds of each pass, its pictures checked."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # the empty answer tells it
            print(json.dumps(given.task(passes, self._source)), file=self._process.stdin, flush=True)
        if not (line := self._process.stdout.readline()):
            raise part.Wrong(f"{self.name} ended on {given.name!r}, with status {self._process.wait()}")
        told = json.loads(line)
        if "missing" in told:
            raise Missing(told["missing"])
        if set(told["digests"]) != {given.digest}:
            raise part.Wrong(f"{self.name} has other pictures of {given.name!r} than were sent")
        seconds: list[float] = told["seconds"]
        return seconds

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def node_package() -> Path:
    """Where the package is; it is installed where it is missing."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise Missing("there is no node or no npm here")
    package = NODE_FOLDER / "node_modules" / PACKAGE
    about = package / "package.json"
    if not about.exists() or json.loads(about.read_bytes())["version"] != VERSION:
        NODE_FOLDER.mkdir(parents=True, exist_ok=True)
        # It asks for a newer Node than many have; what is used of it here needs none.
        command = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--engine-strict=false"]
        command += ["--prefix", str(NODE_FOLDER), f"{PACKAGE}@{VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(done.stderr.strip().rpartition("\n")[2] or f"npm ended with {done.returncode}")
    return package


@contextlib.contextmanager
def started(missing: dict[str, str]) -> Iterator[list[Worker]]:
    """A process for each parser; in `missing`, those that cannot be had here."""
    with contextlib.ExitStack() as stack:
        running: list[Worker] = []

        def start(name: str, source: str, command: list[str | Path]) -> None:
            running.append(Worker(name, source, command))
            stack.callback(running[-1].end)

        theirs = None
        try:
            theirs = peers()
        except MissingPeers as error:
            missing["parsers of others in Python"] = str(error)
        for name, parser in PARSERS.items():
            python = Path(sys.executable) if parser.ours or name == PLAIN else theirs
            if python is not None:
                start(name, parser.source, [python, HERE / "parsers.py", name])
        try:
            start(NODE, "body", ["node", HERE / "eventsource_parser.mjs", node_package()])
        except Missing as error:
            missing[NODE] = str(error)
        yield running


def measure_input(given: Input, workers: list[Worker], missing: dict[str, str], *, quick: bool) -> dict[str, Any]:
    taking_part = []
    for worker in workers:
        if worker.name not in missing and worker.reads(given.framing):
            try:
                worker.go(given, 3 if quick and worker.name != NODE else WARM_UP)
                taking_part.append(worker)
            except Missing as error:
                missing[worker.name] = str(error)
    samples: dict[str, list[float]] = {worker.name: [] for worker in taking_part}
    for _ in range(5 if quick else 15):
        for worker in taking_part:
            samples[worker.name] += worker.go(given, max(FEWEST, LEAST // given.size))
    medians = {name: statistics.median(seconds) for name, seconds in samples.items()}
    rows = [
        {
            "parser": name,
            "result": PARSERS[name].result if name in PARSERS else "pictures",
            "source": PARSERS[name].source if name in PARSERS else "body",
            "seconds": median,
            "of_ours": median / medians[OURS],
            "samples": samples[name],
        }
        for name, median in medians.items()
    ]
    return {"input": given.name, "bytes": given.size, "rows": rows}


def measure(*, quick: bool) -> dict[str, Any]:
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name, started(missing) as workers:
        folder = Path(name)
        inputs = [generated(folder, "sse"), generated(folder, "msgpack"), *(recorded(folder, tape) for tape in TAPES)]
        measured = [measure_input(given, workers, missing, quick=quick) for given in inputs]
    seconds = {row["parser"]: row["seconds"] for row in measured[0]["rows"]}
    targets = []
    for door in (OURS, BUFFER) if NODE in seconds else ():
        ratio = seconds[NODE] / seconds[door]
        words = f"the generation as SSE: {door}, times faster than {PACKAGE} in Node"
        targets.append(part.at_least(words, ratio, TARGET))
    return {"inputs": measured, "missing": missing, "targets": targets}


def table(figures: dict[str, Any]) -> str:
    lines = []
    for measured in figures["inputs"]:
        title = f"{measured['input']}, {measured['bytes'] / 1e6:.2f} MB"
        lines += [f"{title:41} {'from':9} {'to':9} {'CPU':>10} {'MB/s':>6}  of ours"]
        for row in measured["rows"]:
            speed = measured["bytes"] / row["seconds"] / 1e6
            words = f"{row['source']:9} {row['result']:9} {row['seconds'] * 1e3:7.3f} ms {speed:6.0f}"
            lines.append(f"  {row['parser']:39} {words} {row['of_ours']:8.2f}")
        lines.append("")
    lines += [f"missing: {name}: {why}" for name, why in figures["missing"].items()]
    lines += part.verdicts(figures["targets"])
    return "\n".join(lines)


if __name__ == "__main__":
    part.main(__doc__, measure, table, quick="fewer rounds")
