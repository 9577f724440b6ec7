"""Deadlines of ours become errors of ours; deadlines of the caller stay the caller's.

`trio.fail_after` would not do: the `TooSlowError` it raises cannot be told from one that a transport raised inside.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from nai_trio.errors import NetworkTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["deadline", "expiry", "timeout_error"]

_WAITED_FOR = {
    "connect": "no connection",
    "send": "the request could not be handed over",
    "response": "no response head",
    "read": "silence on the wire",
    "event": "no event, only heartbeats at most,",
}


@contextmanager
def deadline(phase: str, seconds: float | None, *, what: str = "") -> Iterator[None]:
    """Run the block for at most that many seconds (None: no limit).

    Args:
        phase: which of the timeouts it is.
        seconds: how long.
        what: what the error begins with.

    Raises:
        NetworkTimeout: they passed.
    """
    with trio.move_on_at(expiry(seconds)) as scope:
        yield
    if scope.cancelled_caught:
        raise timeout_error(phase, seconds, what=what)


def expiry(seconds: float | None) -> float:
    """The time, on trio's clock, that is that many seconds from now."""
    return math.inf if seconds is None else trio.current_time() + seconds


def timeout_error(phase: str, seconds: float | None, *, what: str = "") -> NetworkTimeout:
    """The error for a deadline that passed while `phase` was waited for."""
    error = NetworkTimeout(f"{what}{_WAITED_FOR[phase]} within {seconds} s (timeout {phase!r})")
    error.phase, error.seconds = phase, seconds or 0.0
    return error
