"""A nursery that a transport keeps between `__aenter__` and `__aexit__`, and that nobody sees from outside.

A nursery wraps whatever leaves it in an exception group, the body's own error too. Who writes `async with transport:`
did not ask for a nursery, so here the body's error leaves as the very object it was, and the tasks' own errors are kept
as values by the transport. What is not an `Exception` (KeyboardInterrupt, SystemExit) still stops everything at once.

Groups are asked for explicitly, so that nothing depends on `strict_exception_groups` of the host's `trio.run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from nai_trio.closing import is_cancelled, reraise, unwrap_group

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

__all__ = ["Background"]


class Background:
    """The tasks of one transport while it is entered.

    Args:
        owner: the transport's name in error messages, e.g. "MemoryTransport".
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._manager: AbstractAsyncContextManager[trio.Nursery, bool | None] | None = None
        self._nursery: trio.Nursery | None = None

    async def open(self) -> None:
        """Open the nursery; to be paired with `close` in the same task.

        Raises:
            RuntimeError: it is open already.
        """
        await trio.lowlevel.checkpoint()
        if self._manager is not None:
            raise RuntimeError(
                f"this {self._owner} is entered already: one `async with`, or one client, has it at a time"
            )
        manager = trio.open_nursery(strict_exception_groups=True)
        self._nursery = await manager.__aenter__()
        self._manager = manager

    def check_open(self) -> trio.Nursery:
        """The open nursery.

        Raises:
            RuntimeError: it is not open.
        """
        if self._nursery is None:
            raise RuntimeError(
                f"this {self._owner} is not entered: connect inside `async with transport:`, or give it to a client, "
                "`NovelAI(transport=transport)`, which enters it"
            )
        return self._nursery

    def start(self, task: Callable[[], Awaitable[None]], name: str) -> None:
        """Run `task` in the background until it is done or `close` cancels it."""
        self.check_open().start_soon(task, name=name)

    async def close(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Cancel all tasks and wait until they are gone; takes and gives what `__aexit__` does.

        The nursery is shown the body's error only if that is a cancellation, which may be the nursery's own. Another
        error it would wrap, and a group it would split into copies.

        Raises:
            BaseException: what the tasks raised, bare when it is one error; it wins over the body's error only if it is
                more than a cancellation. The body's own error is never raised here: False lets it go on.
        """
        nursery = self.check_open()
        self._nursery = None  # no new tasks while the old ones end
        nursery.cancel_scope.cancel(reason=f"{self._owner} was left")
        try:
            if is_cancelled(exc):
                return await self._leave(exc_type, exc, traceback)
            await self._leave(None, None, None)
        except BaseExceptionGroup as group:
            error = unwrap_group(group)
            if exc is None or not is_cancelled(error):
                if error.__context__ is None and not is_cancelled(exc):
                    error.__context__ = exc  # what it replaces is still told
                reraise(error)
        return False

    async def _leave(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        manager, self._manager = self._manager, None
        assert manager is not None  # noqa: S101 - set whenever the nursery is
        return bool(await manager.__aexit__(exc_type, exc, traceback))
