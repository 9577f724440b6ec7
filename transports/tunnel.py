"""The other end of `WebSocketTransport`: takes WebSockets, and connects each to an origin of its own list over TCP.

It moves bytes and nothing else: TLS is between the client and the service, and neither the key nor a picture is seen
here.

Who may use it: whoever has the token. Without one, on loopback only, every program of this machine, but no web page: a
browser says with `Origin` that a page asks, and would let any page of the web reach a port of this machine. Where it
leads: to the origins it was given. What a client names is looked up among their names, never parsed or resolved.

What bounds it: the number of connections, the time of a handshake, of reaching the origin, of silence, and of the last
goodbye. Back-pressure goes through both ways: what is read on one side is sent on the other before more is read.

How a connection ends: the origin's end of file is a close with 1000, the client's close ends the connection to the
origin after its last byte was passed on; a broken origin is 1011, silence and a stopped tunnel are 1001.
"""

from __future__ import annotations

import base64
import hmac
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

import h11
import trio
import trio_websocket
import wsproto.utilities

from nai_trio.closing import close_now, is_cancelled, reraise, unwrap_group
from nai_trio.errors import ConnectError, InvalidParamsError
from nai_trio.transport import Origin
from nai_trio.transports.hop import hop_error
from nai_trio.transports.tcp import TCPTransport
from nai_trio.transports.tunnel_relay import TunnelRelay
from nai_trio.transports.websocket import SUBPROTOCOL
from nai_trio.transports.websocket_link import MAX_MESSAGE_SIZE, Link
from nai_trio.transports.websocket_stream import WebSocketStream
from nai_trio.transports.websocket_wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nai_trio.transport import Transport

__all__ = ["Tunnel"]

_HANDSHAKE_SECONDS: Final = 10.0
_CONNECT_SECONDS: Final = 15.0
_KNOCKING: Final = 64
"""How many may be in their handshake beside those that are served; more are dropped on the spot."""


class _RefusedError(Exception):
    """The request gets an answer other than 101.

    Attributes:
        status: of HTTP.
        words: why, for the client and the log.
        headers: more of the answer's.
    """

    def __init__(self, status: int, words: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.headers = headers


class Tunnel:
    """Serves WebSockets on any byte streams.

        tunnel = Tunnel([Origin("https", "image.novelai.net", 443)], token=token)
        await trio.serve_tcp(tunnel.serve, 8080)

    Args:
        origins: where it leads; every other one is refused.
        token: what clients must bring as a bearer token, or as the password in the URL; None asks for none, which is
            for loopback alone.
        transport: opens the streams to the origins; plain TCP by default. Whoever made it enters it.
        max_connections: how many are open at a time.
        idle_seconds: after so much silence in both directions a connection is closed.
        log: is given one line for each connection when it is over: who, where to, how long, how much, how it ended.

    Raises:
        InvalidParamsError: no origin, or one of the others is not what it must be.

    Attributes:
        connections: how many are open now, those in their handshake included.
    """

    def __init__(
        self,
        origins: Iterable[Origin],
        *,
        token: str | None = None,
        transport: Transport | None = None,
        max_connections: int = 32,
        idle_seconds: float = 300.0,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._token = _read_token(token)
        del token  # the errors below may be shown with the locals of this frame
        self._origins = _read_origins(origins)
        if not isinstance(max_connections, int) or isinstance(max_connections, bool) or max_connections < 1:
            raise InvalidParamsError.for_field("max_connections", max_connections, "an integer of at least 1")
        if isinstance(idle_seconds, bool) or not isinstance(idle_seconds, int | float) or not idle_seconds > 0:
            raise InvalidParamsError.for_field("idle_seconds", idle_seconds, "seconds greater than 0")
        self._transport = TCPTransport() if transport is None else transport
        self._max_connections = max_connections
        self._idle_seconds = idle_seconds
        self._log = log or (lambda _line: None)
        self._carrying = 0
        self.connections = 0

    async def serve(self, stream: trio.abc.Stream, *, peer: str = "a client") -> None:
        """Serve one connection to its end, and close it.

        Args:
            stream: connected, and nothing read from it.
            peer: whom the log names.
        """
        if self.connections >= self._max_connections + _KNOCKING:
            self._log(f"{peer}: dropped: too many connections")
            await close_now(stream)
            return
        self.connections += 1
        try:
            self._log(f"{peer}: {await self._serve(stream)}")
        except BaseException as error:
            if is_cancelled(error):
                self._log(f"{peer}: the tunnel stopped")
            raise
        finally:
            self.connections -= 1
            await close_now(stream)

    async def _serve(self, stream: trio.abc.Stream) -> str:
        wire = Wire(stream)
        link = Link[trio_websocket.WebSocketRequest](wire)
        outcome = ""
        try:
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                nursery.start_soon(_run, link)
                try:
                    outcome = await self._welcome(link)
                finally:
                    await close_now(wire)
        except BaseExceptionGroup as group:
            reraise(unwrap_group(group))
        return outcome

    async def _welcome(self, link: Link[trio_websocket.WebSocketRequest]) -> str:
        """Decide about a request, and serve it; return what the log says of it."""
        request = None
        with trio.move_on_after(_HANDSHAKE_SECONDS):
            request = await link.opened()
        if request is None:
            return "no WebSocket was asked for"
        try:
            return await self._answer(link, request)
        except (trio_websocket.ConnectionClosed, h11.ProtocolError, wsproto.utilities.ProtocolError):
            return "left before it was served"  # or sent what breaks HTTP, and was refused for it by then
        except trio.TooSlowError:
            return "did not read its answer"

    async def _answer(
        self, link: Link[trio_websocket.WebSocketRequest], request: trio_websocket.WebSocketRequest
    ) -> str:
        try:
            origin = self._admit(request)
            self._carrying += 1
            try:
                return f"to {origin}: {await self._carry(link, request, origin)}"
            finally:
                self._carrying -= 1
        except _RefusedError as refused:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), *refused.headers]
            with trio.fail_after(_HANDSHAKE_SECONDS):
                await request.reject(refused.status, extra_headers=headers, body=f"{refused.words}\n".encode())
            return f"refused: {refused.status} {refused.words}"

    def _admit(self, request: trio_websocket.WebSocketRequest) -> Origin:
        """Where the request may go."""
        headers = {name.lower(): value for name, value in request.headers}
        if self._token is not None:
            if not _has_token(headers.get(b"authorization", b""), self._token):
                raise _RefusedError(401, "expected a bearer token, and the right one", (b"www-authenticate", b"Bearer"))
        elif b"origin" in headers:
            raise _RefusedError(403, "without a token, web pages are not served")
        if request.proposed_subprotocols and SUBPROTOCOL not in request.proposed_subprotocols:
            raise _RefusedError(400, f"expected the sub-protocol {SUBPROTOCOL}")
        if self._carrying >= self._max_connections:
            raise _RefusedError(503, f"all {self._max_connections} connections are in use")
        return self._find(request.path)

    def _find(self, path: str) -> Origin:
        """The origin that `to` in the query names; the only one where it names none."""
        try:
            named = parse_qs(path.partition("?")[2], keep_blank_values=True, max_num_fields=100).get("to", [])
        except ValueError:
            raise _RefusedError(400, "the query cannot be read") from None
        if not named and len(set(self._origins.values())) == 1:
            return next(iter(self._origins.values()))
        if len(named) != 1:
            raise _RefusedError(400, "expected one origin, as ?to=https://host:443 in the query")
        if named[0].lower() not in self._origins:
            raise _RefusedError(403, "this origin is not served here")
        return self._origins[named[0].lower()]

    async def _carry(
        self, link: Link[trio_websocket.WebSocketRequest], request: trio_websocket.WebSocketRequest, origin: Origin
    ) -> str:
        began = trio.current_time()
        far = await self._reach(origin)
        try:
            offered = SUBPROTOCOL if request.proposed_subprotocols else None
            with trio.fail_after(_HANDSHAKE_SECONDS):
                connection = await request.accept(subprotocol=offered)
            link.carry(connection, ping_interval=None, ping_timeout=0.0)
            relay = TunnelRelay(WebSocketStream(link, connection), far, idle_seconds=self._idle_seconds)
            ending = await relay.run()
        finally:
            await close_now(far)
        seconds = trio.current_time() - began
        return f"{relay.up} bytes up, {relay.down} down in {seconds:.1f} s; {ending}"

    async def _reach(self, origin: Origin) -> trio.abc.Stream:
        try:
            with trio.fail_after(_CONNECT_SECONDS):
                return await self._transport.connect(origin)
        except trio.TooSlowError:
            raise _RefusedError(504, f"{origin} does not answer") from None
        except ConnectError as error:
            raise _RefusedError(502, str(error)) from None


async def _run(link: Link[trio_websocket.WebSocketRequest]) -> None:
    # The shield ends with the wire, which `Tunnel._serve` closes on every way out; until then it carries the goodbye.
    with trio.CancelScope(shield=True):
        await link.run(
            partial(
                trio_websocket.wrap_server_stream,
                stream=link.wire,
                message_queue_size=0,
                max_message_size=MAX_MESSAGE_SIZE,
                receive_buffer_size=None,
            )
        )


def _has_token(authorization: bytes, token: bytes) -> bool:
    """Whether it is the bearer token, or the same as the password of any user: so it fits into a URL."""
    scheme, _, given = authorization.partition(b" ")
    if scheme.lower() == b"basic":
        try:
            given = base64.b64decode(given.strip()).partition(b":")[2]
        except ValueError:
            return False
    elif scheme.lower() != b"bearer":
        return False
    return hmac.compare_digest(given.strip(), token)


def _read_token(token: str | None) -> bytes | None:
    if token is None:
        return None
    if not isinstance(token, str) or not token or not all("!" <= character <= "~" for character in token):
        raise hop_error("token", "printable ASCII without blanks", "something else")
    return token.encode("ascii")


def _read_origins(origins: Iterable[Origin]) -> dict[str, Origin]:
    """By each name that a client may use."""
    listed = list(origins)
    if not listed or not all(isinstance(origin, Origin) for origin in listed):
        raise InvalidParamsError.for_field("origins", listed, "at least one Origin")
    return {name.lower(): origin for origin in listed for name in (str(origin), origin.address)}
