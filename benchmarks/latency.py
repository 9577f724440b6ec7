"""How soon: from a preview on the socket to the user's hands, and from a cancellation to the service that sees it.

python benchmarks/latency.py [--quick] [--json FILE]

- "first": from the moment before the service hands the first preview to the kernel, in one piece, to the moment when
  the user has its picture. The client waits for it on a standing connection; the response's head has long come.
- "cancel": from the call of `cancel()` on the scope of a reader that waits, to the moment when the service sees the
  connection's end. What the service's thread takes to wake up is in it, for all alike.

Service and clients are processes (latency_server.py, latency_clients.py) that read the same clock, CLOCK_MONOTONIC, in
nanoseconds. The clients take turns of a few generations. The floor is trio alone, which has the bytes and decodes
nothing, for each framing; ratios are to the floor of the same framing. Everything that was received is compared. This
is time on the wall, so other work on the machine shows: first in the 99th percentile.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import part
import work
from drip_server import wire
from latency_server import SHORT
from peers import MissingPeers, peers

if TYPE_CHECKING:
    from work import Framing

__all__ = ["measure", "table"]

HERE = Path(__file__).resolve().parent
BARE = {"sse": "trio, bytes of SSE", "msgpack": "trio, bytes of msgpack"}
PEER = "httpx + httpx-sse"
FRAMINGS: dict[str, Framing] = {
    BARE["sse"]: "sse",
    "nai_trio, SSE": "sse",
    PEER: "sse",
    BARE["msgpack"]: "msgpack",
    "nai_trio, msgpack": "msgpack",
}
TITLES = {
    "first": "from the first preview's bytes on the socket to its picture in the user's hands",
    "cancel": "from cancel() to the service seeing the connection's end",
}
TURN, TURNS, QUICK_TURNS = 10, 30, 6
"""Generations of each client in a turn, and turns."""

WARM_UP = 3
"""Generations that open connections and import what is left; they do not count."""


class Process:
    """A process that is spoken to in lines."""

    def __init__(self, *command: str | Path) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, line: str) -> None:
        print(line, file=self._pipe(self._process.stdin), flush=True)

    def hear(self) -> str:
        line = self._pipe(self._process.stdout).readline()
        if not line:
            raise SystemExit(f"latency: a process ended too early: {self._process.args!r}")
        return line

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


def expected(name: str, what: str) -> str:
    """The digest of what a client must have received."""
    framing = FRAMINGS[name]
    bare = name in BARE.values()
    events = wire(framing, SHORT)[1:] if bare else tuple(event.image for event in work.events(SHORT))
    return hashlib.sha256(b"".join(events if what == "first" else events[:1])).hexdigest()


def turn(server: Process, client: Process, name: str, what: str, port: int, *, count: int) -> list[float]:
    """Some generations of a client: the microseconds that each took."""
    client.tell(json.dumps([what, port, count]))
    told = json.loads(client.hear())
    if told["digests"] != [expected(name, what)]:
        raise SystemExit(f"latency: {name} has not received what was sent")
    theirs = [int(server.hear()) for _ in range(count)]
    pairs = zip(theirs, told["at"], strict=True) if what == "first" else zip(told["at"], theirs, strict=True)
    return [(end - start) / 1e3 for start, end in pairs]


def percentiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98]}


def measure(*, quick: bool) -> dict[str, Any]:
    names, missing, theirs = list(FRAMINGS), "", Path(sys.executable)
    try:
        theirs = peers()
    except MissingPeers as error:
        missing = str(error)
        names.remove(PEER)
    samples: dict[str, dict[str, list[float]]] = {what: {name: [] for name in names} for what in TITLES}
    with ExitStack() as stack:

        def start(python: str | Path, script: str, *arguments: str) -> Process:
            process = Process(python, HERE / script, *arguments)
            stack.callback(process.end)
            return process

        server = start(sys.executable, "latency_server.py")
        ports = json.loads(server.hear())
        clients = {}
        for name in names:
            clients[name] = start(theirs if name == PEER else sys.executable, "latency_clients.py", name)
        for number in range(1 + (QUICK_TURNS if quick else TURNS)):
            for what, by_client in samples.items():
                for name, client in clients.items():
                    port = ports[f"{what} {FRAMINGS[name]}"]
                    taken = turn(server, client, name, what, port, count=TURN if number else WARM_UP)
                    by_client[name] += taken if number else []
    return {"rows": rows(samples), "missing": missing}


def rows(samples: dict[str, dict[str, list[float]]]) -> list[dict[str, Any]]:
    result = []
    for what, by_client in samples.items():
        figures = {name: percentiles(taken) for name, taken in by_client.items()}
        for name, taken in by_client.items():
            floor = figures[BARE[FRAMINGS[name]]]
            ratios = {f"{key} of floor": value / floor[key] for key, value in figures[name].items()}
            said = {"what": what, "client": name, "framing": FRAMINGS[name], "floor": name in BARE.values()}
            result.append({**said, **figures[name], **ratios, "microseconds": [round(each, 1) for each in taken]})
    return result


def table(figures: dict[str, Any]) -> str:
    lines = []
    for what, title in TITLES.items():
        lines += [title, f"  {'client':24} {'p50':>8} {'p90':>8} {'p99':>8}  x floor: p50   p99"]
        for row in figures["rows"]:
            if row["what"] == what:
                times = " ".join(f"{row[key]:5.0f} us" for key in ("p50", "p90", "p99"))
                ratios = f"{row['p50 of floor']:13.2f} {row['p99 of floor']:5.2f}"
                lines.append(f"  {row['client']:24} {times} {ratios}")
        lines.append("")
    if figures["missing"]:
        lines += [f"{PEER} is missing, it could not be installed: {figures['missing']}", ""]
    return "\n".join(lines).rstrip()


if __name__ == "__main__":
    part.main(__doc__, measure, table, quick="fewer turns")
