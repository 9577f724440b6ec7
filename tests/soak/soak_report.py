"""What a soak has found: the closing table, the figures as JSON, the plot, and whether all is well."""

from __future__ import annotations

import json
import math
import platform
import sys
from typing import TYPE_CHECKING, Any

import attrs
from soak_watch import Flatness, flatness, flatness_under_load

if TYPE_CHECKING:
    from pathlib import Path

    from soak_process import Remote
    from soak_run import Soak

__all__ = ["Report", "Sample"]

MIB = 1024 * 1024
WARM_UP = 0.2
"""The share of the time in which caches fill, and which is not judged."""

_MEMORY_GROWTH = 4 * MIB
_COUNT_GROWTH = 0.1
"""Of the streams: what sockets and tasks may seem to grow from end to end, by the draw of what runs. One socket lost in
every hundred generations is five times as much."""

_JUDGED_FROM = 300.0
"""Seconds of full load."""

_SHOWN = 20


@attrs.frozen
class Sample:
    """One second.

    Attributes:
        done: generations that have ended.
        busy: generations under way, those that wait in a queue or for a retry among them.
        connections: held by the clients' pools.
        client: this process's `Figures`.
        service: the other one's, with `running` and `connections`.
    """

    seconds: float
    done: int
    busy: int
    connections: int
    client: dict[str, int]
    service: dict[str, int]

    def line(self, wrong: int) -> str:
        """The sample as a line of progress."""
        client, service = self.client, self.service
        return (
            f"{self.seconds:5.0f} s  {self.done:6d} done  {service['running']:4d} running  "
            f"sockets {client['sockets']:4d} {service['sockets']:4d}  "
            f"tasks {client['tasks']:4d} {service['tasks']:4d}  "
            f"memory {client['memory'] / MIB:6.1f} {service['memory'] / MIB:6.1f} MiB  {wrong} wrong"
        )


@attrs.define
class Report:
    """What a run has found.

    Attributes:
        options: how it was run.
        samples: one for each second.
        full_load_until: seconds until the first worker found nothing left to do.
    """

    options: dict[str, Any]
    soak: Soak
    remote: Remote
    samples: list[Sample] = attrs.field(factory=list)
    full_load_until: float = math.inf

    @property
    def complaints(self) -> list[tuple[int, str]]:
        """What was otherwise than planned."""
        return [*self.soak.complaints, *self.remote.complaints]

    @property
    def passed(self) -> bool:
        """Whether all is well."""
        if self.options["only"] is not None:
            return not self.complaints
        flat = self.too_short or all(each.flat for each in self.flatness().values())
        return not self.complaints and self.reached and flat

    @property
    def too_short(self) -> bool:
        """Whether pools and caches still fill for too much of the time to judge what grows."""
        return self.end < _JUDGED_FROM

    @property
    def reached(self) -> bool:
        """Whether it did as many generations, as many at once and as long as asked."""
        options = self.options
        enough = self.soak.done >= options["generations"] and self.peak >= options["streams"]
        return enough and self.full_load_until >= options["seconds"]

    @property
    def peak(self) -> int:
        """The most generations at once, as the service counts them."""
        return max(sample.service["peak"] for sample in self.samples)

    def judged(self) -> list[Sample]:
        """The samples of the full load without the warm-up."""
        return [sample for sample in self.samples if self.warm_up <= sample.seconds <= self.end]

    @property
    def end(self) -> float:
        """Seconds until the load goes down."""
        return min(self.full_load_until, self.samples[-1].seconds)

    @property
    def warm_up(self) -> float:
        """Seconds that are not judged."""
        return WARM_UP * self.end

    def flatness(self) -> dict[str, Flatness]:
        """How each figure went: memory in MiB as it is, the counts at equal load."""
        count = max(4.0, _COUNT_GROWTH * self.options["streams"])
        bounds = {"sockets": count, "tasks": count, "threads": 1.0}
        samples = self.judged()
        times = [sample.seconds for sample in samples]
        load = [sample.service["running"] for sample in samples]
        found = {}
        for side in ("client", "service"):
            for name, bound in bounds.items():
                values = [getattr(sample, side)[name] for sample in samples]
                found[f"{side} {name}"] = flatness_under_load(times, values, load, bound=bound)
            memory = [getattr(sample, side)["memory"] / MIB for sample in samples]
            found[f"{side} memory, MiB"] = flatness(times, memory, bound=_MEMORY_GROWTH / MIB)
        connections = [sample.connections for sample in samples]
        found["client pool connections"] = flatness_under_load(times, connections, load, bound=count)
        return found

    def table(self) -> str:
        """What is printed at the end."""
        lines = ["", *self._outcome_lines()]
        if self.options["only"] is None:
            lines += ["", *self._load_lines(), "", *self._flat_lines()]
        return "\n".join([*lines, "", *self._verdict_lines()])

    def _outcome_lines(self) -> list[str]:
        soak = self.soak
        lines = [f"{soak.done} generations, seed {self.options['seed']}, {self.options['pace']} s per step; ended as"]
        lines += [f"  {count:6d}  {kind}" for kind, count in soak.outcomes.most_common()]
        lines.append("of what was planned for them")
        lines += [f"  {count:6d}  {kind}" for kind, count in soak.troubles.most_common()]
        return [*lines, f"{soak.retries} attempts were repeated, {soak.queued} generations waited for their turn"]

    def _load_lines(self) -> list[str]:
        samples = self.judged()
        rate = (samples[-1].done - samples[0].done) / (samples[-1].seconds - samples[0].seconds)
        running = sum(sample.service["running"] for sample in samples) / len(samples)
        return [
            f"{self.end:.0f} s of full load; {rate:.1f} generations a second",
            f"at once, at the service: {running:.0f} on average, {self.peak} at most",
            f"open streams in the client: {self.soak.peak_streams} at most",
        ]

    def _flat_lines(self) -> list[str]:
        lines = [f"{'after the warm-up':26} {'median':>9} {'growth':>9} {'bound':>9}"]
        for name, each in self.flatness().items():
            verdict = "" if each.flat or self.too_short else "   GROWS"
            lines.append(f"{name:26} {each.middle:9.1f} {each.growth:+9.2f} {each.bound:9.1f}{verdict}")
        return [*lines, f"(not judged below {_JUDGED_FROM:.0f} s)"] if self.too_short else lines

    def _verdict_lines(self) -> list[str]:
        lines = [f"generation {number}: {words}" for number, words in self.complaints[:_SHOWN]]
        if len(self.complaints) > _SHOWN:
            lines.append(f"and {len(self.complaints) - _SHOWN} more")
        again = sorted({number for number, _ in self.complaints if number})[:_SHOWN]
        same = f"--seed {self.options['seed']} --pace {self.options['pace']}"
        lines += [f"again: python tests/soak/run.py {same} --only {number}" for number in again]
        if self.options["only"] is None and not self.reached:
            lines.append("NOT REACHED: fewer generations, fewer at once, or less time than asked for")
        lines.append("passed: every generation ended as planned, and nothing was left" if self.passed else "FAILED")
        return lines

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=1), encoding="utf-8")

    def as_json(self) -> dict[str, Any]:
        """All figures."""
        return {
            "options": {name: str(value) for name, value in self.options.items()},
            "machine": f"{platform.machine()}, Python {platform.python_version()}, {sys.platform}",
            "passed": self.passed,
            "generations": self.soak.done,
            "outcomes": dict(self.soak.outcomes),
            "planned": dict(self.soak.troubles),
            "retries": self.soak.retries,
            "queued": self.soak.queued,
            "peak_running": self.peak,
            "peak_streams": self.soak.peak_streams,
            "full_load_seconds": self.end,
            "warm_up_seconds": self.warm_up,
            "flatness": {name: attrs.asdict(each) | {"flat": each.flat} for name, each in self.flatness().items()},
            "complaints": self.complaints,
            "samples": [attrs.asdict(sample) for sample in self.samples],
        }

    def plot(self, path: Path) -> None:
        """Draw what was held over time."""
        import soak_plot  # noqa: PLC0415 - matplotlib is needed only here

        soak_plot.draw(self.as_json(), path)
