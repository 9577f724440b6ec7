"""Connections to one origin, kept for reuse.

The pool is trivial on purpose: a list of idle connections, newest last, and the set of all that are open. State changes
at assignment, without an await between looking and taking. There is no queue: how many generations run at once is the
caller's (and the service's) business. Closing reaches every connection: idle, in use, and being opened.

A kept connection is handed out only if it is certainly alive: it is not older than `keep_alive` and nothing waits to be
read on it, for an idle connection that is readable was closed by the peer or spoken to out of turn. A stream that
cannot tell (see transport.py) is never kept.

TLS sessions are kept as well, as long as the pool lives: where connections are not, the next one at least resumes.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from nai_trio.closing import close_now, reraise, unwrap_group
from nai_trio.deadline import deadline, expiry
from nai_trio.errors import ConnectError
from nai_trio.transport import Origin, Readable, Transport
from nai_trio.transports.hop import connect_error, connect_prefix

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from nai_trio.options import Timeouts
    from nai_trio.transports.tls import TLSSessions

__all__ = ["Connection", "ConnectionPool"]


class Connection:
    """A stream to the origin and what the pool knows of it."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.reused = False
        self.idle_until = math.inf
        self._readable = stream.readable if isinstance(stream, Readable) else None

    @property
    def can_tell(self) -> bool:
        """Whether it can be told, without a request, that it is dead."""
        return self._readable is not None

    def is_alive(self) -> bool:
        """Whether it may carry another request."""
        return self._readable is not None and trio.current_time() < self.idle_until and not self._readable()


class ConnectionPool:
    """Opens connections through a transport and keeps finished ones.

    Args:
        transport: opens the streams.
        origin: where to.
        ssl_context: for TLS, or None for the shared default; used where the origin is https and the transport is not
            secure by itself.
        timeouts: `connect` and `keep_alive` are used here.
        max_idle: how many finished connections to keep.
        allow_unverified_tls: take an `ssl_context` that does not verify the peer.

    Raises:
        InvalidParamsError: `ssl_context` does not verify the peer.
    """

    def __init__(
        self,
        transport: Transport,
        origin: Origin,
        *,
        ssl_context: ssl.SSLContext | None,
        timeouts: Timeouts,
        max_idle: int,
        allow_unverified_tls: bool = False,
    ) -> None:
        self._transport = transport
        self._origin = origin
        self._ssl_context = ssl_context
        self._allow_unverified_tls = allow_unverified_tls
        if ssl_context is not None:
            from nai_trio.transports.tls_options import check_context  # noqa: PLC0415 - not loaded without TLS

            check_context(ssl_context, allow_unverified_tls=allow_unverified_tls)
        self._timeouts = timeouts
        self._max_idle = max_idle
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._waiting: set[trio.CancelScope] = set()
        self._sessions: TLSSessions | None = None
        self._closed = False

    async def acquire(self, *, fresh: bool = False) -> Connection:
        """A live connection: a kept one, or a new one where there is none or `fresh` is asked for.

        Raises:
            ConnectError: none could be opened.
            NetworkTimeout: opening took longer than `Timeouts.connect`.
            trio.ClosedResourceError: the pool is closed, or was closed meanwhile.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while dead := [connection for connection in self._idle if not connection.is_alive()]:
            self._idle.remove(dead[0])
            await self.discard(dead[0])
        if self._closed:
            raise _left()
        if fresh or not self._idle:
            return await self._connect()
        connection = self._idle.pop()
        connection.reused = True
        return connection

    async def release(self, connection: Connection) -> None:
        """Take back a connection whose exchange has ended well."""
        if self._closed or not connection.can_tell:
            await self.discard(connection)
            return
        connection.idle_until = expiry(self._timeouts.keep_alive)
        self._idle.append(connection)
        if len(self._idle) > self._max_idle:
            await self.discard(self._idle.pop(0))

    async def discard(self, connection: Connection) -> None:
        """Close a connection at once."""
        self._open.discard(connection)
        await close_now(connection.stream)

    async def aclose(self) -> None:
        """Close every connection, those in use or being opened too: their tasks get `trio.ClosedResourceError`."""
        self._closed = True
        self._idle.clear()
        for scope in self._waiting:
            scope.cancel(reason="the client was left")
        try:
            while self._open:
                await self.discard(next(iter(self._open)))
        except BaseException:
            await self.aclose()  # one that cannot be closed keeps no other one open
            raise

    @contextmanager
    def until_closed(self) -> Iterator[trio.CancelScope]:
        """A block that is cancelled when the pool is closed.

        Raises:
            trio.ClosedResourceError: the pool is closed, or was closed before the block's end.
        """
        if self._closed:
            raise _left()
        with trio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                yield scope
            finally:
                self._waiting.discard(scope)
        if scope.cancelled_caught:
            raise _left()

    async def _connect(self) -> Connection:
        what = connect_prefix(self._transport.describe(), self._origin)
        with self.until_closed() as scope, deadline("connect", self._timeouts.connect, what=what):
            connection = Connection(await self._open_stream())
            self._open.add(connection)
            if not scope.cancel_called:
                return connection
            await self.discard(connection)
        raise _left()

    async def _open_stream(self) -> trio.abc.Stream:
        try:
            stream = await self._transport.connect(self._origin)
        except BaseExceptionGroup as group:  # from a nursery in a transport of the user's own
            reraise(self._connect_error(unwrap_group(group)))
        except (OSError, trio.BrokenResourceError) as error:
            reraise(self._connect_error(error))
        if self._origin.scheme == "http" or (self._transport.secure and self._ssl_context is None):
            return stream
        try:
            return await self._start_tls(stream)
        except ConnectError as error:
            raise connect_error(self._transport.describe(), self._origin, str(error)) from error.__cause__

    async def _start_tls(self, stream: trio.abc.Stream) -> trio.abc.Stream:
        from nai_trio.transports.tls import TLSSessions, open_tls  # noqa: PLC0415 - not loaded without TLS

        if self._sessions is None:
            self._sessions = TLSSessions()
        host, port = self._origin.host, self._origin.port
        return await open_tls(
            stream,
            host,
            context=self._ssl_context,
            sessions=self._sessions,
            port=port,
            allow_unverified_tls=self._allow_unverified_tls,
        )

    def _connect_error(self, error: BaseException) -> BaseException:
        """The contract's error for one that a transport raised bare; what is no failed connection stays itself."""
        if not isinstance(error, OSError | trio.BrokenResourceError):
            return error
        ours = connect_error(self._transport.describe(), self._origin, str(error))
        ours.__cause__ = error
        return ours


def _left() -> trio.ClosedResourceError:
    return trio.ClosedResourceError("the client was left before the connection was open")
