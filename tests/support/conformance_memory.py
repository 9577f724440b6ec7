"""How much memory this process holds, as the system counts it: buffers inside OpenSSL are in it too."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """What is resident now; where the system does not say, the most that ever was."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class MemoryUse:
    """How far memory grows above what it was when this was made.

    Attributes:
        growth: the most that any sample was above it, in bytes.
    """

    def __init__(self) -> None:
        self._before = resident_bytes()
        self._calls = 0
        self.growth = 0

    def sample(self, *, every: int = 16) -> None:
        """Look, at each so-many-th call."""
        self._calls += 1
        if self._calls % every == 0:
            self.growth = max(self.growth, resident_bytes() - self._before)
