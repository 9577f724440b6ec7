"""HTTP proxies: CONNECT (RFC 9110, 9.3.6), spoken by h11.

The proxy is asked for a tunnel and gets nothing else: the origin's TLS, and the API key in it, go through the tunnel.
What the proxy says when it refuses is shown, so it is cleaned first: no control characters, not much of it, and none of
the credentials, which some proxies repeat.

Its answer is bounded: the heads together in bytes, what is read of a refusal's body in bytes and in time. How long the
answer may take is the caller's business, as with every transport.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

import h11
import trio

from nai_trio._version import __version__
from nai_trio.errors import ProxyAuthenticationError
from nai_trio.transports.hop import Hop, hop_error, shown_words
from nai_trio.transports.layered import LayeredTransport
from nai_trio.transports.leftover import with_leftover

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from nai_trio.transport import Origin, Transport
    from nai_trio.transports.layered import Refuse

__all__ = ["HTTPProxyTransport", "read_http_proxy"]

PORTS: Final = {"http": 80, "https": 443}

_HEADS_SIZE: Final = 64 * 1024
"""Bytes of all heads together, informational ones too."""

_BODY_SIZE: Final = 8 * 1024
_BODY_SECONDS: Final = 2.0
"""How much of a refusal's body is read, and for how long: the head said all that matters."""


class HTTPProxyTransport(LayeredTransport):
    """Goes through an HTTP proxy.

    Args:
        url: the proxy, "http://host:port", or "https://host:port" for TLS on the way to it; with its credentials, where
            it wants any: "http://user:password@host:port", both percent-encoded UTF-8. Ports 80 and 443 by default.
        inner: opens the stream to the proxy; plain TCP by default.
        ssl_context: for TLS to an https proxy; None for the shared default.
        allow_unverified_tls: take an `ssl_context` that does not verify the peer, so that anybody on the way can read
            everything; without it such a one is refused.

    Raises:
        InvalidParamsError: it is no such URL, `inner` is no transport, or `ssl_context` does not verify the peer.
    """

    def __init__(
        self,
        url: str,
        *,
        inner: Transport | None = None,
        ssl_context: ssl.SSLContext | None = None,
        allow_unverified_tls: bool = False,
    ) -> None:
        try:
            hop = read_http_proxy(url)
            super().__init__(
                hop,
                encrypted=hop.scheme == "https",
                inner=inner,
                ssl_context=ssl_context,
                allow_unverified_tls=allow_unverified_tls,
            )
        finally:
            del url, inner  # an error may be shown with the locals of this frame

    async def _open_way(self, stream: trio.abc.Stream, origin: Origin, refuse: Refuse) -> trio.abc.Stream:
        answer = _Answer(stream, refuse)
        await stream.send_all(_connect_request(answer.connection, self._hop, origin))
        await answer.read_head()
        if answer.opened:
            return with_leftover(stream, answer.connection.trailing_data[0])
        await answer.read_body()
        words = shown_words(answer.words(), _secrets(self._hop))
        facts = {"status": answer.status, "message": words}
        if answer.status in {401, 407}:  # tinyproxy has 401 for credentials that it does not take
            raise refuse(_unauthorized(answer, words, self._hop), ProxyAuthenticationError, **facts)
        raise refuse(f"the proxy refused: {answer.status} {words}".rstrip(), **facts)


def read_http_proxy(url: object, *, field: str = "url") -> Hop:
    """Read an HTTP proxy's URL.

    Raises:
        InvalidParamsError: it is none; `field` is what the error calls it.
    """
    try:
        hop = Hop.parse(url, PORTS, field=field, path=False)
    finally:
        del url
    if ":" in hop.username:  # Basic ends the name there (RFC 7617, 2)
        raise hop_error(field, "a user name without a colon", "one with a colon")
    return hop


def _connect_request(connection: h11.Connection, hop: Hop, origin: Origin) -> memoryview:
    """The bytes of the request; unlike bytes, the repr of a view does not show the credentials."""
    target = origin.authority
    headers = [("Host", target), ("User-Agent", f"nai-trio/{__version__}")]
    if hop.has_credentials:
        headers.append(("Proxy-Authorization", f"Basic {hop.basic}"))
    head = connection.send(h11.Request(method="CONNECT", target=target, headers=headers))
    connection.send(h11.EndOfMessage())
    return memoryview(head or b"")


class _Answer:
    """What a proxy answers to CONNECT. It has no repr of its own: the words in it are not cleaned."""

    def __init__(self, stream: trio.abc.Stream, refuse: Refuse) -> None:
        self.connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEADS_SIZE)
        self.status = 0
        self._stream = stream
        self._refuse = refuse
        self._received = 0
        self._reason = ""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()

    @property
    def opened(self) -> bool:
        """Whether the tunnel is open; any 2xx opens it."""
        return 200 <= self.status < 300

    async def read_head(self) -> None:
        """Read until the final answer's head is there; informational ones before it mean nothing here."""
        while not self.status:
            event = self._next()
            if event is None:
                raise self._refuse("the proxy did not answer in HTTP")
            if event is h11.NEED_DATA:
                await self._receive()
            elif isinstance(event, h11.Response):
                self.status = event.status_code
                self._reason = event.reason.decode("utf-8", "replace")
                self._headers = list(event.headers)

    async def read_body(self) -> None:
        """Read some of the body. A body that is late, broken or too long is what has come of it by then."""
        with trio.move_on_after(_BODY_SECONDS):
            while len(self._body) < _BODY_SIZE:
                event = self._next()
                if event is h11.NEED_DATA:
                    try:
                        self.connection.receive_data(bytes(await self._stream.receive_some(_BODY_SIZE)))
                    except (OSError, trio.BrokenResourceError):
                        return
                elif isinstance(event, h11.Data):
                    self._body += event.data
                else:
                    return

    def words(self) -> str:
        """The reason phrase, and the body's text, or the title of its page."""
        content = self._body.decode("utf-8", "replace")
        kind = next(iter(self.values(b"content-type")), "").partition(";")[0].strip().lower()
        if kind == "text/html":
            title = re.search(r"<title[^>]*>([^<]*)", content, re.IGNORECASE)
            content = html.unescape(title[1]) if title else ""
        elif kind != "text/plain":
            content = ""
        content = content.strip().removeprefix(f"{self.status} ")
        return self._reason if content in {"", self._reason} else f"{self._reason}: {content}".removeprefix(": ")

    def values(self, name: bytes) -> list[str]:
        """The values of all headers of that name."""
        return [value.decode("latin-1") for each, value in self._headers if each == name]

    def _next(self) -> type[h11.NEED_DATA | h11.PAUSED] | h11.Event | None:
        """h11's next event; None where the answer is not HTTP. h11's error repeats the answer, so it is not kept."""
        try:
            return self.connection.next_event()
        except h11.RemoteProtocolError:
            return None

    async def _receive(self) -> None:
        room = _HEADS_SIZE - self._received
        if not room:
            raise self._refuse(f"the proxy's answer has more than {_HEADS_SIZE} bytes of headers")
        data = await self._stream.receive_some(room)
        if not data:
            when = "in the middle of its answer" if self._received else "without an answer"
            raise self._refuse(f"the proxy closed the connection {when}")
        self._received += len(data)
        self.connection.receive_data(bytes(data))


def _unauthorized(answer: _Answer, words: str, hop: Hop) -> str:
    challenges = answer.values(b"proxy-authenticate") + answer.values(b"www-authenticate")
    schemes = list(dict.fromkeys(_schemes(challenges)))
    takes = f" (it takes {', '.join(schemes)})" if schemes else ""
    if schemes and "basic" not in {scheme.lower() for scheme in schemes}:
        problem = "the proxy takes no Basic authentication, the only one that is spoken here"
    elif hop.has_credentials:
        problem = "the proxy does not take the user name and password given"
    else:
        problem = f"the proxy wants a user name and a password, as in {hop.scheme}://user:password@host"
    return f"{problem}: {answer.status} {shown_words(words + takes, _secrets(hop))}".rstrip()


def _schemes(values: Iterable[str]) -> list[str]:
    """The names of the challenges (RFC 9110, 11.6.1): what is neither quoted nor a parameter."""
    items = [item.split() for value in values for item in re.sub(r'"(\\.|[^"\\])*"?', "", value).split(",")]
    names = [item[0] for item in items if item and "=" not in item[0] and not (len(item) > 1 and item[1][0] == "=")]
    return [name for name in names if re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}", name)]


def _secrets(hop: Hop) -> list[str]:
    """What of a proxy's words must not be shown."""
    return [hop.basic, hop.password, hop.username] if hop.has_credentials else []
