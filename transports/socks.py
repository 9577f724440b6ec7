"""SOCKS5 proxies (RFC 1928, RFC 1929), spoken by socksio.

The proxy looks the origin's name up, for socks5:// too: what this machine can resolve is often not what the proxy can
reach, and the name is told to nobody else.

socksio writes what is sent and says when it may be; it reads whole messages only, so their ends are found here. Each is
read to its last byte and no further: what comes after the last one belongs to the tunnel. socksio is an extra, loaded
when a proxy is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nai_trio.errors import InvalidParamsError, ProxyAuthenticationError
from nai_trio.transports.hop import Hop, hop_error
from nai_trio.transports.layered import LayeredTransport

if TYPE_CHECKING:
    import trio
    from socksio.socks5 import SOCKS5Connection

    from nai_trio.transport import Origin, Transport
    from nai_trio.transports.layered import Refuse

__all__ = ["SOCKSTransport", "read_socks_proxy"]

PORTS: Final = {"socks5": 1080, "socks5h": 1080}

_LONGEST: Final = 255
"""Bytes of a host name, a user name, a password: their length is one byte."""

_PASSWORD, _NONE = 0x02, 0xFF
"""Methods of authentication: user name and password; none of those offered."""

_REPLIES: Final = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable, or its name not found",
    5: "refused by the origin (nothing listens there)",
    6: "the origin does not answer (time to live expired)",
    7: "command not supported",
    8: "address type not supported",
}
"""RFC 1928, section 6."""


class SOCKSTransport(LayeredTransport):
    """Goes through a SOCKS5 proxy, which looks the origin's name up.

    Args:
        url: the proxy, "socks5://host:port" or "socks5h://host:port", which mean the same; with its credentials, where
            it wants any: "socks5://user:password@host:port", both percent-encoded UTF-8. Port 1080 by default.
        inner: opens the stream to the proxy; plain TCP by default.

    Raises:
        InvalidParamsError: it is no such URL, `inner` is no transport, or the extra is not installed:
            pip install 'nai-trio[socks]'.
    """

    def __init__(self, url: str, *, inner: Transport | None = None) -> None:
        try:
            super().__init__(read_socks_proxy(url), inner=inner)
        finally:
            del url, inner  # an error may be shown with the locals of this frame

    async def _open_way(self, stream: trio.abc.Stream, origin: Origin, refuse: Refuse) -> trio.abc.Stream:
        if len(origin.host) > _LONGEST:
            raise refuse(f"not a valid host name: expected at most {_LONGEST} bytes")
        dialogue = _Dialogue(stream, refuse)
        await dialogue.authenticate(self._hop)
        await dialogue.open_way(origin)
        return stream


def read_socks_proxy(url: object, *, field: str = "url") -> Hop:
    """Read a SOCKS proxy's URL.

    Raises:
        InvalidParamsError: it is none, or the extra is not installed; `field` is what the error calls it.
    """
    try:
        hop = Hop.parse(url, PORTS, field=field, path=False)
    finally:
        del url
    if any(len(text.encode()) > _LONGEST for text in (hop.username, hop.password)):
        raise hop_error(field, f"a user name and a password of at most {_LONGEST} bytes each", "longer ones")
    try:
        import socksio  # noqa: F401, PLC0415 - an extra
    except ImportError:
        missing = f"{field}: a SOCKS proxy needs socksio, which is not installed: pip install 'nai-trio[socks]'"
        raise InvalidParamsError(missing) from None
    return hop


class _Dialogue:
    """What is said to a SOCKS proxy before the tunnel is open."""

    def __init__(self, stream: trio.abc.Stream, refuse: Refuse) -> None:
        from socksio import socks5  # noqa: PLC0415 - an extra

        self._socks5 = socks5
        self._connection: SOCKS5Connection = socks5.SOCKS5Connection()
        self._stream = stream
        self._refuse = refuse

    async def authenticate(self, hop: Hop) -> None:
        """Agree on a method, and do what it asks for. The credentials are sent only to a proxy that wants them."""
        methods = self._socks5.SOCKS5AuthMethod
        offered = [methods.NO_AUTH_REQUIRED, *([methods.USERNAME_PASSWORD] if hop.has_credentials else [])]
        self._connection.send(self._socks5.SOCKS5AuthMethodsRequest(offered))
        await self._send()
        reply = await self._read(2)
        self._check(reply, version=5)
        # Some choose the password without having been offered it.
        if reply[1] == _NONE or (reply[1] == _PASSWORD and not hop.has_credentials):
            raise self._refuse(_no_method(hop), ProxyAuthenticationError)
        if bytes([reply[1]]) not in offered:
            raise self._refuse(f"the proxy chose authentication method {reply[1]}, which was not offered")
        self._connection.receive_data(reply)
        if reply[1] == _PASSWORD:
            await self._give_password(hop)

    async def open_way(self, origin: Origin) -> None:
        """Ask for the connection, and wait until it is open."""
        request = self._socks5.SOCKS5CommandRequest
        command = self._socks5.SOCKS5Command.CONNECT
        self._connection.send(request.from_address(command, (origin.host, origin.port)))
        await self._send()
        start = await self._read(2)
        self._check(start, version=5)
        if code := start[1]:  # some proxies send no address with a refusal
            words = _REPLIES.get(code, "for a reason that the standard does not know")
            raise self._refuse(f"the proxy refused: {words} (reply {code})", status=code, message=words)
        _reserved, kind = await self._read(2)
        await self._skip_address(kind)

    async def _give_password(self, hop: Hop) -> None:
        request = self._socks5.SOCKS5UsernamePasswordRequest
        self._connection.send(request(hop.username.encode(), hop.password.encode()))
        await self._send()
        reply = await self._read(2)
        self._check(reply, version=1)
        if reply[1]:
            words = "the proxy does not take the user name and password given"
            raise self._refuse(words, ProxyAuthenticationError)
        self._connection.receive_data(reply)

    async def _skip_address(self, kind: int) -> None:
        """Read the address that the proxy connects from, and its port, which nobody needs."""
        match kind:
            case 1:
                await self._read(4 + 2)
            case 4:
                await self._read(16 + 2)
            case 3:
                (length,) = await self._read(1)
                await self._read(length + 2)
            case _:
                raise self._refuse(f"the proxy answered with an address of unknown type {kind}")

    async def _send(self) -> None:
        # Unlike bytes, the repr of a view does not show the credentials.
        await self._stream.send_all(memoryview(self._connection.data_to_send()))

    async def _read(self, count: int) -> bytes:
        """Just so many bytes."""
        data = b""
        while len(data) < count:
            piece = await self._stream.receive_some(count - len(data))
            if not piece:
                raise self._refuse("the proxy closed the connection before the way was open")
            data += piece
        return data

    def _check(self, reply: bytes, *, version: int) -> None:
        if reply[0] != version:
            hint = " (is it an HTTP proxy?)" if reply == b"HT" else ""
            raise self._refuse(f"the proxy did not answer in SOCKS5{hint}")


def _no_method(hop: Hop) -> str:
    if hop.has_credentials:
        return "the proxy takes neither a user name and password nor none"
    return f"the proxy wants a user name and a password, as in {hop.scheme}://user:password@host"
