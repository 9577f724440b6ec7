"""Ten minutes of generations, many at once, with everything going wrong that can: what ends otherwise than planned?

python tests/soak/run.py [--seconds 600] [--streams 200] [--generations 10000] [--seed N] [--only K]

The emulator is a process of its own, on a loopback port, over TLS, on a Unix socket and behind a proxy that breaks
connections; this process is the client. What every generation asks for and what goes wrong with it follows from the
seed and its number (soak_plan.py), so what must come out is known exactly (soak_ending.py, soak_judge.py), and
`--seed N --only K` does generation K again alone. Both processes are watched every second: what they hold must be flat
(soak_report.py), and all of it must be gone when nobody generates any more.

Exits with 1 when anything was otherwise than planned, grew, or was left.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio
from soak_clients import Clients, Roads
from soak_plan import REAL_ROUTES, plan_of
from soak_process import Remote, service_process
from soak_report import Report, Sample
from soak_run import Soak
from soak_watch import Unraised, figures

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
_LOAD = 0.85
"""How much of the time is planned for; the rest is what the machine takes."""

_MORE_WORKERS = 1.25
"""Workers for each stream: some wait in a queue or for a retry, or are being judged."""

_AT_MOST = 1.5
"""How much longer than asked a run may take to reach its generations."""

_QUIET_STEPS, _QUIET_SECONDS = 2.0, 3.0
_SETTLE_SECONDS = 20.0


def main() -> int:
    """Run; return the exit code."""
    options = _options()
    _allow_descriptors()
    warnings.simplefilter("error")
    pace = options.pace or _pace(options)
    with Unraised() as unraised, tempfile.TemporaryDirectory() as folder:
        report = trio.run(partial(_run, options, pace, folder, unraised))
    print(report.table())
    if options.only is None:
        report.write(options.json)
        if options.plot:
            report.plot(options.plot)
    return 0 if report.passed else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="how long at least (600)")
    parser.add_argument("--streams", type=int, default=200, help="generations at once at the service (200)")
    parser.add_argument("--generations", type=int, default=10_000, help="how many at least (10000)")
    parser.add_argument("--seed", type=int, default=None, help="of the run (from the clock)")
    parser.add_argument("--only", type=int, default=None, metavar="K", help="do generation K of this seed alone")
    parser.add_argument("--pace", type=float, default=None, help="seconds per step (so that the rest comes out)")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "soak.json", help="where the figures go")
    parser.add_argument("--plot", type=Path, default=None, help="where the plot goes (needs matplotlib)")
    options = parser.parse_args()
    options.seed = int(time.time()) if options.seed is None else options.seed
    return options


def _allow_descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _pace(options: argparse.Namespace) -> float:
    """Seconds per step with which so many generations, so many at once, take about that long."""
    if options.only is not None:
        return 0.5
    each = _LOAD * options.seconds * options.streams / options.generations
    plans = [plan_of(options.seed, number) for number in range(1, min(options.generations, 3000) + 1)]
    pace = 1.0
    for _ in range(10):
        pace = each * len(plans) / sum(plan.steps_long(_quiet(pace) / pace) for plan in plans)
    return round(pace, 3)


def _quiet(pace: float) -> float:
    return _QUIET_STEPS * pace + _QUIET_SECONDS


async def _run(options: argparse.Namespace, pace: float, folder: str, unraised: Unraised) -> Report:
    async with service_process(seed=options.seed, pace=pace, folder=folder) as remote:
        before = figures()
        clients = Clients(Roads(remote.addresses), REAL_ROUTES, pace=pace, quiet=_quiet(pace))
        soak = Soak(options.seed, clients, REAL_ROUTES, pace)
        report = Report(vars(options) | {"pace": pace}, soak, remote)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, report)
            async with clients:
                await soak.run(*_work(options, report))
                if clients.lost:
                    soak.complaints.append((0, f"{clients.lost} connections are open that nobody uses"))
            await _settle(report, before.descriptors, before.tasks + 1)
            nursery.cancel_scope.cancel()
    soak.complaints.extend((0, f"in the client: {words}") for words in unraised.take())
    return report


def _work(options: argparse.Namespace, report: Report) -> tuple[int, Callable[[], int | None]]:
    """How many workers, and where their numbers come from."""
    if options.only is not None:
        left = iter([options.only])
        return 1, lambda: next(left, None)
    numbers, begun = itertools.count(1), trio.current_time()

    def more() -> int | None:
        number, passed = next(numbers), trio.current_time() - begun
        if passed < options.seconds or (number <= options.generations and passed < _AT_MOST * options.seconds):
            return number
        report.full_load_until = min(report.full_load_until, passed)
        return None

    return round(options.streams * _MORE_WORKERS), more


async def _watch(report: Report) -> None:
    began = trio.current_time()
    while True:
        report.samples.append(_sample(report, trio.current_time() - began))
        _progress(report)
        await trio.sleep(1.0)


def _sample(report: Report, seconds: float) -> Sample:
    soak = report.soak
    return Sample(
        seconds=seconds,
        done=soak.done,
        busy=soak.busy,
        connections=soak.clients.connections,
        client=attrs.asdict(figures()),
        service=dict(report.remote.latest),
    )


def _progress(report: Report) -> None:
    sample, wrong = report.samples[-1], len(report.soak.complaints) + len(report.remote.complaints)
    often = 1 if sys.stderr.isatty() else 10
    if (len(report.samples) - 1) % often == 0:
        print(sample.line(wrong), file=sys.stderr, end="\r" if often == 1 else "\n", flush=True)


async def _settle(report: Report, descriptors: int, tasks: int) -> None:
    """Wait until both processes hold what they held at first; what they still hold then was left."""
    remote: Remote = report.remote
    now: Any = figures()
    with trio.move_on_after(_SETTLE_SECONDS):
        while not (remote.idle and now.descriptors <= descriptors and now.tasks <= tasks):
            await trio.sleep(0.2)
            now = figures()
    if now.descriptors > descriptors or now.tasks > tasks:
        words = f"the client still holds {now}, expected {descriptors} descriptors and {tasks} tasks"
        report.soak.complaints.append((0, words))
    if not remote.idle:
        report.soak.complaints.append((0, f"the service still holds {json.dumps(remote.latest)}; {remote.first}"))


if __name__ == "__main__":
    sys.exit(main())
