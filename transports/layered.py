"""What every transport that goes through another host has in common: the leg to that host, and the errors about it.

The stream to the hop comes from another transport, so layers combine in any order; entering the outermost one enters
them all, once each. Ownership: whatever fails between reaching the hop and returning the stream closes the stream,
which closes those below it.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from nai_trio.closing import close_now
from nai_trio.errors import ConnectError, ProxyError
from nai_trio.transport import Origin, Transport
from nai_trio.transports.hop import connect_error, connect_prefix, hop_error
from nai_trio.transports.reasons import connect_reason
from nai_trio.transports.tcp import TCPTransport

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from nai_trio.transports.hop import Hop

__all__ = ["LayeredTransport", "Refuse", "hops_of"]

Refuse: TypeAlias = "Callable[..., ConnectError]"
"""Makes the error for a hop that does not go on: `refuse(reason, kind=ProxyError, **facts)`; see `connect_error`."""


class LayeredTransport(Transport):
    """Goes through a hop.

    Args:
        hop: the other end of the leg that is this transport's own.
        encrypted: whether there is TLS on that leg.
        inner: opens the stream to the hop; plain TCP by default.
        ssl_context: for TLS to the hop; None for the shared default.
        allow_unverified_tls: take an `ssl_context` that does not verify the peer, so that anybody on the way can read
            everything; without it such a one is refused.

    Raises:
        InvalidParamsError: `inner` is no transport, or `ssl_context` does not verify the peer.
    """

    def __init__(
        self,
        hop: Hop,
        *,
        encrypted: bool = False,
        inner: Transport | None = None,
        ssl_context: ssl.SSLContext | None = None,
        allow_unverified_tls: bool = False,
    ) -> None:
        came, taken = type(inner).__name__, inner is None or isinstance(inner, Transport)
        if not taken:
            del inner  # a URL, perhaps; the error may be shown with the locals of this frame
            raise hop_error("inner", "a Transport", f"a {came}")
        self._hop = hop
        self._encrypted = encrypted
        self._inner = TCPTransport() if inner is None else inner
        self._ssl_context = ssl_context
        self._allow_unverified_tls = allow_unverified_tls
        if ssl_context is not None:
            from nai_trio.transports.tls_options import check_context  # noqa: PLC0415 - loads ssl, for TLS alone

            check_context(ssl_context, allow_unverified_tls=allow_unverified_tls)

    def __repr__(self) -> str:
        if not hasattr(self, "_hop"):  # a traceback that shows locals asks when __init__ has failed
            return f"<{type(self).__name__}, not made>"
        return f"{type(self).__name__}({str(self._hop)!r}, inner={self._inner!r})"

    @property
    def hop(self) -> Hop:
        """The other end of this transport's own leg."""
        return self._hop

    @property
    def inner(self) -> Transport:
        """What opens the stream to it."""
        return self._inner

    def describe(self) -> str:
        """See `Transport.describe`."""
        return f"{self._hop} via {self._inner.describe()}"

    async def __aenter__(self) -> Self:
        """Enter the transport below."""
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Leave the transport below."""
        return await self._inner.__aexit__(exc_type, exc, traceback)

    async def connect(self, origin: Origin) -> trio.abc.Stream:
        """Reach the hop, and have it open a way to `origin.host`, `origin.port`.

        Raises:
            ConnectError: the hop cannot be reached.
            ProxyError: it was, and does not open the way.
            ProxyAuthenticationError: because of the credentials.
        """
        self._check(origin)
        stream = await self._reach_hop(origin)
        try:
            return await self._open_way(stream, origin, self._refuser(origin))
        except BaseException as error:
            await close_now(stream)
            if isinstance(error, OSError | trio.BrokenResourceError):
                reason = f"the connection to the proxy broke before the way was open: {connect_reason(error)}"
                raise self._refuser(origin)(reason) from error
            raise

    @abc.abstractmethod
    async def _open_way(self, stream: trio.abc.Stream, origin: Origin, refuse: Refuse) -> trio.abc.Stream:
        """Speak to the hop until what is sent on the stream goes to the origin, and return that stream.

        Raises:
            ConnectError: made by `refuse`. `stream` is then closed by the caller, as on every other error.
        """

    def _check(self, origin: Origin) -> None:
        # Neither may break out of the line or the field in which the hop is told of it.
        if not 1 <= origin.port <= 65535:
            raise connect_error(self.describe(), origin, "expected a port from 1 to 65535")
        if not origin.host or not all("!" <= character <= "~" for character in origin.host):
            raise connect_error(self.describe(), origin, "not a valid host name: expected printable ASCII")

    async def _reach_hop(self, origin: Origin) -> trio.abc.Stream:
        hop = Origin("https" if self._encrypted else "http", self._hop.host, self._hop.port)
        try:
            stream = await self._inner.connect(hop)
            if not self._encrypted or (self._inner.secure and self._ssl_context is None):
                return stream
            from nai_trio.transports.tls import open_tls  # noqa: PLC0415 - not needed, and not loaded, without TLS

            allowed = self._allow_unverified_tls
            return await open_tls(stream, hop.host, context=self._ssl_context, allow_unverified_tls=allowed)
        except (ConnectError, OSError, trio.BrokenResourceError) as error:
            raise self._unreachable(origin, hop, error) from error

    def _unreachable(self, origin: Origin, hop: Origin, error: Exception) -> ConnectError:
        """A refusal on an inner leg stays one, with what it says; which leg it was stands in the inner error's text."""
        reason = str(error) if isinstance(error, ConnectError) else connect_reason(error)
        if not isinstance(self._inner, LayeredTransport):
            reason = reason.removeprefix(connect_prefix(self._inner.describe(), hop))
        facts: dict[str, Any] = {}
        kind = type(error) if isinstance(error, ProxyError) else ConnectError
        if isinstance(error, ProxyError):
            facts = {"status": error.status, "message": error.message}
        return connect_error(self.describe(), origin, f"the proxy cannot be reached: {reason}", kind, **facts)

    def _refuser(self, origin: Origin) -> Refuse:
        def refuse(reason: str, kind: type[ConnectError] = ProxyError, **facts: Any) -> ConnectError:
            return connect_error(self.describe(), origin, reason, kind, **facts)

        return refuse


def hops_of(transport: object) -> Iterator[Hop]:
    """The hops of a route, outermost leg first, as far as its transports tell what is `inner` to them."""
    while isinstance(transport, Transport):
        if isinstance(transport, LayeredTransport):
            yield transport.hop
        transport = getattr(transport, "inner", None)
