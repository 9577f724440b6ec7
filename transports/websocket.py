"""WebSocket relays: the byte stream in binary messages (RFC 6455), for where nothing but WebSocket passes.

The relay on the other side turns the messages into a TCP connection to the service, and TLS to the service goes through
it end to end. `nai-trio tunnel` is such a relay (`nai_trio.transports.tunnel`); others speak the sub-protocol "binary"
too, websockify for one. Those forward to one target of their own; a tunnel of ours with several is told by the `to` in
the query which one is meant.

The token and the headers are for the relay alone. They appear in no repr and no error, not even where the relay repeats
them; the key of the service is not known here.

Each connection has tasks in a nursery of the transport's (see websocket_link.py), so it has to be entered; those of one
connection end when its stream is closed.
"""

from __future__ import annotations

import re
import string
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, parse_qsl, quote

import attrs
import trio
import trio_websocket

from nai_trio._version import __version__
from nai_trio.closing import close_now
from nai_trio.errors import InvalidParamsError
from nai_trio.transport import host_in_url
from nai_trio.transports.background import Background
from nai_trio.transports.hop import Hop, hop_error
from nai_trio.transports.layered import LayeredTransport
from nai_trio.transports.websocket_answer import read_refusal
from nai_trio.transports.websocket_link import MAX_MESSAGE_SIZE, Link
from nai_trio.transports.websocket_stream import WebSocketStream
from nai_trio.transports.websocket_wire import Wire

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self, TypeAlias

    from trio_websocket import WebSocketConnection

    from nai_trio.transport import Origin, Transport
    from nai_trio.transports.layered import Refuse

    GivenHeaders: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]

__all__ = ["SUBPROTOCOL", "WebSocketTransport"]

SUBPROTOCOL: Final = "binary"
"""Bytes in binary messages; what websockify calls it."""

PORTS: Final = {"ws": 80, "wss": 443}

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"(?:[!-~]+(?:[ \t]+[!-~]+)*)?")
_SECRET: Final = re.compile(r"[!-~]+")
_SHORTEST_SECRET: Final = 8
"""Characters; a shorter value of a header or in the query would be found in words by chance."""

_OURS: Final = {"host", "connection", "upgrade", "content-length", "transfer-encoding", "te", "trailer", "expect"}


class WebSocketTransport(LayeredTransport):
    """Goes through a WebSocket relay.

        async with NovelAI(transport=WebSocketTransport("wss://relay.example/tunnel", token="...")) as client: ...

    Args:
        url: the relay, "ws://host:port/path", or "wss://" for TLS on the way to it; ports 80 and 443 by default. With
            "user:password@" before the host, the relay gets them as Basic authentication.
        headers: more headers for the relay's eyes, e.g. `{"CF-Access-Client-Id": "..."}`.
        token: a bearer token for the relay. Never the service's key, which the relay must not see.
        inner: opens the stream to the relay; plain TCP by default.
        ssl_context: for TLS to a wss relay; None for the shared default.
        allow_unverified_tls: take an `ssl_context` that does not verify the peer, so that anybody on the way can read
            everything; without it such a one is refused.
        origin_in_query: tell the relay the origin, as `to=https://host:443` in the query, unless the URL's query has a
            `to` already. Relays with one target of their own do not look.
        ping_interval: seconds between pings, which keep the way open through silence and find out that it is not; None
            sends none.
        ping_timeout: how many seconds of silence after a ping break the connection.

    Raises:
        InvalidParamsError: one of them is not what it must be.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: GivenHeaders = (),
        token: str | None = None,
        inner: Transport | None = None,
        ssl_context: ssl.SSLContext | None = None,
        allow_unverified_tls: bool = False,
        origin_in_query: bool = True,
        ping_interval: float | None = 20.0,
        ping_timeout: float = 60.0,
    ) -> None:
        try:
            hop = _read_url(url)
            found = _read_headers(headers, hop, token)
        finally:
            del url, headers, token  # an error may be shown with the locals of this frame
        if isinstance(found, InvalidParamsError):
            raise found
        self._headers, self._secrets = found
        super().__init__(
            hop,
            encrypted=hop.scheme == "wss",
            inner=inner,
            ssl_context=ssl_context,
            allow_unverified_tls=allow_unverified_tls,
        )
        self._origin_in_query = origin_in_query
        self._ping_interval = None if ping_interval is None else _seconds("ping_interval", ping_interval)
        self._ping_timeout = _seconds("ping_timeout", ping_timeout)
        self._background = Background(type(self).__name__)

    async def __aenter__(self) -> Self:
        """Enter the transport below, and make room for tasks.

        Raises:
            RuntimeError: the transport is entered already.
        """
        await super().__aenter__()
        try:
            await self._background.open()
        except BaseException as error:
            await super().__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Close every connection that is still open, and leave the transport below."""
        try:
            swallowed = await self._background.close(exc_type, exc, traceback)
        except BaseException as error:
            await super().__aexit__(type(error), error, error.__traceback__)
            raise
        if swallowed:
            exc_type = exc = traceback = None
        return await super().__aexit__(exc_type, exc, traceback) or swallowed

    async def connect(self, origin: Origin) -> trio.abc.Stream:
        """Reach the relay, and open a WebSocket that it connects to `origin.host`, `origin.port`.

        Raises:
            ConnectError: the relay cannot be reached.
            ProxyError: it was, and refused, or speaks no WebSocket. Some relays accept before they try to reach the
                origin: then it is the stream that breaks, with the relay's words.
            ProxyAuthenticationError: because of the token or the credentials.
            RuntimeError: the transport is not entered.
        """
        self._background.check_open()
        return await super().connect(origin)

    async def _open_way(self, stream: trio.abc.Stream, origin: Origin, refuse: Refuse) -> trio.abc.Stream:
        wire = Wire(stream)
        link = Link["WebSocketConnection"](wire)
        self._background.start(partial(link.run, self._greeter(wire, origin)), name=f"{self!r} for {origin}")
        try:
            connection = await link.opened()
        except BaseException:
            await close_now(wire)
            raise
        if connection is None:
            await close_now(wire)
            raise self._refused(wire, refuse)
        link.carry(connection, ping_interval=self._ping_interval, ping_timeout=self._ping_timeout)
        return WebSocketStream(link, connection)

    def _greeter(self, wire: Wire, origin: Origin) -> Callable[[trio.Nursery], Awaitable[WebSocketConnection]]:
        return partial(
            trio_websocket.wrap_client_stream,
            stream=wire,  # type: ignore[arg-type]  # any stream will do, its documentation says
            host=_host_header(self._hop),
            resource=self._resource(origin),
            subprotocols=[SUBPROTOCOL],
            extra_headers=self._headers,
            message_queue_size=0,
            max_message_size=MAX_MESSAGE_SIZE,
            receive_buffer_size=None,
        )

    def _refused(self, wire: Wire, refuse: Refuse) -> Exception:
        refusal = read_refusal(
            bytes(wire.greeting),
            wire.fault or wire.send_fault,
            subprotocol=SUBPROTOCOL,
            secrets=self._secrets,
            credentials=any(name == b"authorization" for name, _ in self._headers),
        )
        error = refuse(refusal.reason, refusal.kind, **refusal.facts)
        # Errors of trio-websocket and h11 carry the whole answer, with what the relay may have repeated.
        if isinstance(wire.fault, trio.BrokenResourceError):
            error.__cause__ = wire.fault
        return error

    def _resource(self, origin: Origin) -> str:
        target = self._hop.target
        if not self._origin_in_query or "to" in parse_qs(target.partition("?")[2], keep_blank_values=True):
            return target
        return f"{target}{'&' if '?' in target else '?'}to={quote(origin.address, safe=':/')}"


class _Hidden(bytes):
    """A header's value; its repr is what formatters of tracebacks would show."""

    def __repr__(self) -> str:
        return "b'***'"


def _read_url(url: object) -> Hop:
    try:
        hop = Hop.parse(url, PORTS)
        _host_header(hop).encode("idna")
    except UnicodeError:
        raise hop_error("url", "a URL such as ws://host:80", "one whose host is not a valid name") from None
    finally:
        del url
    return attrs.evolve(hop, target=quote(hop.target, safe=string.punctuation))


def _host_header(hop: Hop) -> str:
    """Host, and port where it is not the scheme's own (RFC 9110, 7.2)."""
    host = host_in_url(hop.host)
    return host if hop.port == PORTS[hop.scheme] else f"{host}:{hop.port}"


def _read_headers(
    given: GivenHeaders, hop: Hop, token: str | None
) -> tuple[list[tuple[bytes, bytes]], list[str]] | InvalidParamsError:
    """What is sent, and what of it is shown nowhere; or what is wrong, not raised, since frames here hold secrets."""
    pairs = _pairs(given)
    if isinstance(pairs, InvalidParamsError):
        return pairs
    if token is not None and not (isinstance(token, str) and _SECRET.fullmatch(token)):
        return hop_error("token", "printable ASCII without blanks", "something else")
    query = hop.target.partition("?")[2]
    perhaps = [value for _, value in pairs]
    perhaps += [value for _, value in parse_qsl(query)]
    perhaps += [member.partition("=")[2] for member in query.split("&")]  # as it is sent, and repeated
    pairs += _authorizations(hop, token)
    authorizations = [value.partition(" ")[2] for name, value in pairs if name.lower() == "authorization"]
    if len(authorizations) > 1:
        return hop_error("token", "a token, credentials in the URL or an Authorization header", "more than one of them")
    if not any(name.lower() == "user-agent" for name, _ in pairs):
        pairs.append(("User-Agent", f"nai-trio/{__version__}"))
    sent: list[tuple[bytes, bytes]] = [(name.lower().encode(), _Hidden(value.encode())) for name, value in pairs]
    secrets = {value for value in perhaps if len(value) >= _SHORTEST_SECRET}
    secrets |= {value for value in (*authorizations, hop.password, hop.username) if value}
    return sent, sorted(secrets, key=len, reverse=True)


def _authorizations(hop: Hop, token: str | None) -> list[tuple[str, str]]:
    found = [] if token is None else [("Authorization", f"Bearer {token}")]
    if hop.has_credentials:
        found.append(("Authorization", f"Basic {hop.basic}"))
    return found


def _pairs(given: GivenHeaders) -> list[tuple[str, str]] | InvalidParamsError:
    """The headers as pairs, or what is wrong with them."""
    try:
        pairs = [(name, value) for name, value in (given.items() if hasattr(given, "items") else given)]
    except (TypeError, ValueError):
        return hop_error("headers", "a mapping, or pairs, of names and values", "something else")
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, str) or not _TOKEN.fullmatch(name):
            return hop_error("headers", "names and values as text, the names as in RFC 9110", "something else")
        if name.lower() in _OURS or name.lower().startswith("sec-websocket-"):
            return hop_error("headers", "headers that are not the WebSocket's own", name)
        if not _VALUE.fullmatch(value):
            return hop_error("headers", f"printable ASCII as the value of {name}", "something else")
    return pairs


def _seconds(field: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InvalidParamsError.for_field(field, value, "seconds greater than 0")
    return value
