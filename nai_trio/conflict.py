"""One task per direction: a second one is told so, and the first is unharmed.

A lock would be wrong here: two tasks that read one byte stream in turns each get a part that makes no sense.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["ConflictGuard"]


class ConflictGuard:
    """Raises `trio.BusyResourceError` for who enters while another task is inside.

    Args:
        message: what that other task is doing.
    """

    __slots__ = ("_busy", "_message")

    def __init__(self, message: str) -> None:
        self._message = message
        self._busy = False

    def __enter__(self) -> None:
        if self._busy:
            raise trio.BusyResourceError(self._message)
        self._busy = True

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._busy = False
