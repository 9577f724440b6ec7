"""The service of a soak in a process of its own, and the samples that it sends."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio
from soak_service import Addresses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Remote", "service_process"]

_PROGRAM = Path(__file__).with_name("soak_service.py")
_LEAVE_SECONDS = 20.0


@attrs.define
class Remote:
    """The service as seen from here.

    Attributes:
        addresses: where it listens.
        latest: its last sample.
        complaints: what it had to say, as (number, words).
        first: its first sample, before anybody came.
    """

    addresses: Addresses
    latest: dict[str, Any] = attrs.field(factory=dict)
    complaints: list[tuple[int, str]] = attrs.field(factory=list)
    first: dict[str, Any] = attrs.field(factory=dict)

    def take(self, line: bytes) -> None:
        """Read one sample."""
        sample = json.loads(line)
        self.complaints.extend((number, words) for number, words in sample.pop("complaints"))
        self.latest = sample
        self.first = self.first or sample

    @property
    def idle(self) -> bool:
        """Whether it holds no more than before anybody came."""
        return self.latest["connections"] == 0 and all(
            self.latest[name] <= self.first[name] for name in ("descriptors", "sockets", "tasks", "running")
        )


@asynccontextmanager
async def service_process(*, seed: int, pace: float, folder: str) -> AsyncIterator[Remote]:
    """Start the service; at the end let it leave, which it must do by itself.

    Raises:
        RuntimeError: it failed, or did not leave.
    """
    settings = json.dumps({"seed": seed, "pace": pace, "folder": folder})
    command = [sys.executable, str(_PROGRAM), settings]
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, check=False)
        process: trio.Process = await nursery.start(run)
        assert process.stdin is not None
        assert process.stdout is not None
        lines = _Lines(process.stdout)
        remote = Remote(Addresses(**json.loads(await lines.next())))
        remote.take(await lines.next())
        nursery.start_soon(_follow, lines, remote, process)
        yield remote
        await process.stdin.aclose()
        with trio.move_on_after(_LEAVE_SECONDS):
            await process.wait()
        if process.returncode != 0:
            raise RuntimeError(f"the service did not leave in order: {process.returncode}")


class _Lines:
    """Whole lines out of a stream."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._held = b""

    async def next(self) -> bytes:
        """The next line; b"" at the end."""
        while b"\n" not in self._held:
            data = await self._stream.receive_some()
            if not data:
                return b""
            self._held += data
        line, _, self._held = self._held.partition(b"\n")
        return line


async def _follow(lines: _Lines, remote: Remote, process: trio.Process) -> None:
    while line := await lines.next():
        remote.take(line)
    if await process.wait() != 0:
        raise RuntimeError("the service ended by itself")
