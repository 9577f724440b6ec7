"""The service in the same process: each connection is served by a function of yours, over a bounded memory stream.

What a handler raises is never lost, and never an exception group for who did not ask for one:

- The client's end of that connection raises `trio.BrokenResourceError` with the handler's error as the cause.
- Nobody met it there (closed by then, or not read again): leaving the transport raises it, unless another error is in
  flight; several together leave as one `ExceptionGroup`.
- A handler that only ran into the client's having hung up (`PeerClosedError`) has nothing to report.
- KeyboardInterrupt, SystemExit and the like stop everything at once and leave as themselves.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio

from nai_trio.closing import reraise
from nai_trio.errors import InvalidParamsError
from nai_trio.transport import Transport
from nai_trio.transports.background import Background
from nai_trio.transports.memory_stream import (
    DEFAULT_BUFFER_SIZE,
    MemoryStream,
    PeerClosedError,
    check_buffer_size,
    memory_stream_pair,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self, TypeAlias

    from nai_trio.transport import Origin

    Handler: TypeAlias = Callable[[trio.abc.HalfCloseableStream], Awaitable[None]]

__all__ = ["MemoryTransport"]


class MemoryTransport(Transport):
    """Connects to a function in the same process instead of a server.

        async def handler(stream: trio.abc.HalfCloseableStream) -> None:
            await stream.send_all(b"hello")

        async with MemoryTransport(handler) as transport:
            stream = await transport.connect(origin)

    The handlers run while the transport is entered; leaving it cancels them. A handler that returns closes its end.

    Args:
        handler: serves one connection; called with the other end of its stream.
        secure: True when the streams need no TLS on top, whatever the origin's scheme.
        buffer_size: how many unread bytes each direction holds before its sender waits.

    Raises:
        InvalidParamsError: a handler that cannot be called, or a `buffer_size` below 1.
    """

    def __init__(self, handler: Handler, *, secure: bool = True, buffer_size: int = DEFAULT_BUFFER_SIZE) -> None:
        if not callable(handler):
            raise InvalidParamsError.for_field("handler", handler, "an async function that takes a stream")
        check_buffer_size(buffer_size)
        self.secure = secure
        self._handler = handler
        self._buffer_size = buffer_size
        self._background = Background(type(self).__name__)
        self._failed: list[tuple[MemoryStream, Exception]] = []

    def __repr__(self) -> str:
        name = getattr(self._handler, "__qualname__", type(self._handler).__name__)
        return f"{type(self).__name__}({name})"

    async def connect(self, origin: Origin) -> MemoryStream:
        """Start a handler and return the stream to it; every origin is served by the same handler.

        Raises:
            RuntimeError: the transport is not entered.
        """
        await trio.lowlevel.checkpoint()
        self._background.check_open()
        ours, theirs = memory_stream_pair(buffer_size=self._buffer_size)
        self._background.start(partial(self._serve, theirs), name=f"{self!r} for {origin}")
        return ours

    async def __aenter__(self) -> Self:
        """Make room for handlers to run in.

        Raises:
            RuntimeError: the transport is entered already.
        """
        await self._background.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Cancel the handlers and wait for them; raise what they raised if nobody has met it."""
        try:
            swallowed = await self._background.close(exc_type, exc, traceback)
        finally:
            unmet = [error for stream, error in self._failed if not stream.failure_seen()]
            self._failed = []
        if unmet and exc is None:
            reraise(unmet[0] if len(unmet) == 1 else ExceptionGroup("several handlers of this transport failed", unmet))
        return swallowed

    async def _serve(self, stream: MemoryStream) -> None:
        try:
            await self._handler(stream)
        except Exception as error:  # noqa: BLE001 - kept as a value: see the module's docstring
            self._keep(stream, error)
        except BaseExceptionGroup as group:
            cancelled, rest = group.split(trio.Cancelled)
            if cancelled is None or not isinstance(rest, ExceptionGroup):
                raise
            self._keep(stream, rest)
            reraise(cancelled)
        finally:
            stream.close()

    def _keep(self, stream: MemoryStream, error: Exception) -> None:
        if _hung_up(error):
            return
        stream.fail(error)
        self._failed = [kept for kept in self._failed if not kept[0].failure_seen()]
        self._failed.append((stream, error))


def _hung_up(error: Exception) -> bool:
    if isinstance(error, ExceptionGroup):
        return error.split(PeerClosedError)[1] is None
    return isinstance(error, PeerClosedError)
