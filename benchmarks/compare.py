"""All clients on the same work: CPU time for one generation, and peak memory.

python benchmarks/compare.py [--quick] [--json FILE]

The work is in work.py, the server in server.py: a process of its own that sends bytes made beforehand. Each client of
clients/ is a process, too, and ends with the decoded bytes of every picture; only the floors throw away what they
receive. A group is one way to send the work; its clients run at the same time, and take turns round by round, so that
a machine that slows down slows all alike. The figure is the median CPU time (user and system) of a client's process for
one generation, its connection standing; the first round is not counted. Peak memory is that of a generation whose
pictures are looked at and dropped as they come, above what the process held before, when it had been through a small
generation. The pictures of every client are compared with those that were sent, or there is no figure.

The peers are packages that a user could take instead. Rows "by hand" are no such thing: code written for this table
that splits just what the service sends, and checks nothing. They show what is left to gain, and count for no target.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import part
import peers
import work
from contenders import ALL, FLOOR, FLOOR_TLS, PACKAGES, WIDE_TLS, Group, clients
from server import serving

if TYPE_CHECKING:
    from contenders import Client, Kind

ROUNDS, QUICK_ROUNDS = 16, 3
REPEATS, QUICK_REPEATS = 8, 4
MEMORY = 5

OF_FLOOR = {("sse", False): 3.0, ("msgpack", False): 2.2, ("sse", True): 2.0}
OF_PEER = {("sse", False): 10.0, ("msgpack", False): 8.0, ("sse", True): 3.0, ("msgpack", True): 3.0}
PEAK = {("sse", False): 2.5, ("msgpack", False): 1.5}
"""The targets by framing, and whether there is TLS."""

GROUPS = (
    Group("service", "sse", False, (FLOOR, *ALL)),
    Group("service", "msgpack", False, (FLOOR, *ALL)),
    Group("chunk per event", "sse", False, (FLOOR, *PACKAGES), quick=False),
    Group("chunk per event", "msgpack", False, (FLOOR, *PACKAGES), quick=False),
    Group("chunks of 4 KiB", "sse", False, (FLOOR, *PACKAGES), quick=False),
    Group("chunks of 4 KiB", "msgpack", False, (FLOOR, *PACKAGES), quick=False),
    Group("heavy", "sse", False, (FLOOR, *PACKAGES), quick=False),
    Group("heavy", "msgpack", False, (FLOOR, *PACKAGES), quick=False),
    Group("service", "sse", True, (FLOOR_TLS, WIDE_TLS, *ALL)),
    Group("service", "msgpack", True, (FLOOR_TLS, WIDE_TLS, *ALL)),
)


def measure_group(group: Group, running: list[Client], rounds: int, repeats: int) -> dict[str, Any]:
    largest = max(map(len, work.encoded(work.VARIANTS[group.variant], group.framing)))
    peaks = {}
    for client in running:
        told = client.ask("memory", MEMORY)
        peaks[client] = max(told["peaks"]) - told["idle"]
    taken: dict[Client, list[float]] = {client: [] for client in running}
    for turn in range(1 + rounds):
        for client in running:
            seconds = client.ask("go", repeats)["seconds"]
            if turn:
                taken[client] += seconds
    medians = {client: statistics.median(seconds) for client, seconds in taken.items()}
    floor = medians[running[0]]
    [ours] = [medians[client] for client in running if client.contender.kind == "ours"]
    rows = [
        {
            "client": client.contender.name,
            "kind": client.contender.kind,
            "median": median,
            "of_floor": median / floor,
            "of_ours": median / ours,
            "peak": peaks[client],
            "peak_of_largest": peaks[client] / largest,
            "seconds": taken[client],
        }
        for client, median in medians.items()
    ]
    wire = len(work.response(work.VARIANTS[group.variant], group.framing))
    said = {"name": group.name, "variant": group.variant, "framing": group.framing, "tls": group.tls}
    return {**said, "wire_bytes": wire, "largest_event": largest, "rows": rows}


def measure(*, quick: bool) -> dict[str, Any]:
    pythons: dict[Kind, Path] = dict.fromkeys(("floor", "ours"), Path(sys.executable))
    missing, versions = "", {}
    try:
        pythons |= dict.fromkeys(("peer", "by hand"), peers.peers())
        versions = peers.versions(pythons["peer"])
    except peers.MissingPeers as error:
        missing = str(error)
    rounds, repeats = (QUICK_ROUNDS, QUICK_REPEATS) if quick else (ROUNDS, REPEATS)
    groups = []
    with tempfile.TemporaryDirectory() as folder:
        for tls_folder in (None, Path(folder)):
            mine = [group for group in GROUPS if group.tls == bool(tls_folder) and (group.quick or not quick)]
            with serving(dict.fromkeys(group.variant for group in mine), tls_folder=tls_folder) as served:
                for group in mine:
                    with clients(group, pythons, served) as running:
                        groups.append(measure_group(group, running, rounds, repeats))
    figures = {"groups": groups, "missing": missing, "peers": versions, "rounds": rounds, "repeats": repeats}
    return {**figures, "targets": targets(groups)}


def targets(groups: list[dict[str, Any]]) -> list[part.Target]:
    """The targets of the plain service and of TLS, each with its figure."""
    result = []
    for group in groups:
        if group["variant"] == "service":
            [ours] = [row for row in group["rows"] if row["kind"] == "ours"]
            peer = min((row["of_ours"] for row in group["rows"] if row["kind"] == "peer"), default=None)
            way = group["framing"], group["tls"]
            for words, judge, figure, bounds in (
                ("CPU, times the floor", part.at_most, ours["of_floor"], OF_FLOOR),
                ("CPU of the best peer, times ours", part.at_least, peer, OF_PEER),
                ("peak memory, times the largest event", part.at_most, ours["peak_of_largest"], PEAK),
            ):
                if way in bounds:
                    result.append(judge(f"{group['name']}: {words}", figure, bounds[way]))
    return result


def table(figures: dict[str, Any]) -> str:
    lines = []
    for group in figures["groups"]:
        sizes = f"{group['wire_bytes'] / 1e6:.2f} MB on the wire, largest event {group['largest_event'] / 1e6:.2f} MB"
        lines += [
            f"{group['name']}: {sizes}",
            f"  {'client':24} {'CPU':>9} {'x floor':>8} {'x ours':>7} {'peak':>9}  x largest",
        ]
        for row in group["rows"]:
            name = row["client"] + (" (by hand)" if row["kind"] == "by hand" else "")
            cpu, peak = f"{row['median'] * 1e3:.2f} ms", f"{row['peak'] / 1e6:.2f} MB"
            ratios = f"{row['of_floor']:8.2f} {row['of_ours']:7.2f}"
            lines.append(f"  {name:24} {cpu:>9} {ratios} {peak:>9} {row['peak_of_largest']:10.2f}")
        lines.append("")
    if figures["missing"]:
        lines += [f"The peers are missing, they could not be installed: {figures['missing']}", ""]
    lines += part.verdicts(figures["targets"])
    return "\n".join(lines)


if __name__ == "__main__":
    part.main(__doc__, measure, table, quick="fewer rounds, fewer ways to send")
