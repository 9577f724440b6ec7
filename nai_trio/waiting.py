"""What a generation waits for before its answer begins, as records for who wants to show it.

They are handed to the `on_wait` of `client.image.generate_stream` and `generate`, in the task that waits. What that
function raises ends the generation, so it is the caller's own error. Every wait is also a line of the logger
"nai_trio.waiting", at level INFO.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from nai_trio.errors import NovelAIError

__all__ = ["QueueWait", "RetryWait", "Wait", "tell"]

_LOGGER = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class QueueWait:
    """As many generations of this key run already as may run at once; this one waits, in order.

    Said again each time the place changes; not said where there is nothing to wait for.

    Attributes:
        place: 1 for the one that is next.
    """

    place: int

    def __str__(self) -> str:
        return f"waiting for this key's other generations, place {self.place} in the queue"


@attrs.frozen(kw_only=True)
class RetryWait:
    """An attempt failed and cannot have been billed; the request is sent again after a while.

    Attributes:
        attempt: the attempt that failed, 1 for the first.
        error: how it failed.
        delay: seconds until the next one.
    """

    attempt: int
    error: NovelAIError
    delay: float

    def __str__(self) -> str:
        return f"attempt {self.attempt} failed ({self.error}); the next one in {self.delay:.1f} s"


Wait: TypeAlias = QueueWait | RetryWait

if TYPE_CHECKING:
    OnWait: TypeAlias = Callable[[Wait], object]


def tell(wait: Wait, on_wait: OnWait | None) -> None:
    """Say that something is waited for."""
    _LOGGER.info("%s", wait)
    if on_wait is not None:
        on_wait(wait)
