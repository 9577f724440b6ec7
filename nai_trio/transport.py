"""The contract of a transport: it opens a byte stream to an origin, and nothing more.

TLS, HTTP and everything above run on whatever stream it returns. A transport of your own is one class:

    class MyTransport(Transport):
        async def connect(self, origin: Origin) -> trio.abc.Stream:
            return await trio.open_tcp_stream(origin.host, origin.port)

Connecting. `connect` may be called from several tasks at once, and again at any time; each call gives a stream of its
own. It closes what it opened when it raises or is cancelled, and has no deadline of its own: the client sets one. What
fails is a `ConnectError`; a bare `OSError` or `trio.BrokenResourceError` is made one by the client.

Streams. A `trio.abc.Stream` (a `HalfCloseableStream` where one direction can end alone) that keeps trio's rules:
`trio.testing.check_two_way_stream` is the test to run on it, `check_half_closeable_stream` where it is one. Closing is
at once when it is cancelled, since that is how a cancelled generation leaves, and bounded otherwise. Bytes arrive as
they were sent, cut anywhere. Two things a stream may offer beyond that, both optional:

- `readable() -> bool`: whether a read would return at once. An idle HTTP connection that is readable is dead (the peer
  closed it, or spoke out of turn), so this is how the pool tells. A stream without it is used for one request only.
- `receive_into(buffer) -> int` (async): read into the caller's buffer, 0 at end of file.
- `receive_when_ready(get_buffer) -> int` (async): the same, but `get_buffer()` is called when bytes are there to be put
  into the buffer, and nothing is awaited after that. So one buffer serves all streams of a run, and a stream that waits
  holds none; the client reads this way where it can.
- `receive_nowait(buffer) -> int`: the same without waiting; raises `trio.WouldBlock` where nothing is there. Where a
  stream is fast, the client reads this way between two waits, without timers.

Layers. A transport that goes through another host takes `inner`, the transport that opens the stream to that host
(plain TCP by default), so that layers combine in any order: the hop is for the inner one an origin like any other. It
passes these on where the stream below has them. Entering it enters the inner one, once,
and leaving it leaves that. TLS to the origin is no layer of this kind: the client adds it on top of all of them, unless
`secure`.

Describing. `describe` is the route in one line, outermost leg first, without secrets. It stands in the client's repr
and at the head of every `ConnectError`: "connect via socks5://127.0.0.1:1080 via tcp to https://image.novelai.net:443:
the proxy cannot be reached: refused (nothing listens there)".
"""

from __future__ import annotations

import abc
import ipaddress
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import attrs
import trio

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["DEFAULT_PORTS", "Origin", "Readable", "Transport", "host_in_url"]

DEFAULT_PORTS = {"https": 443, "http": 80}


def host_in_url(host: str) -> str:
    """A host as URLs have it: brackets around an IPv6 address (RFC 3986, 3.2.2)."""
    return f"[{host}]" if ":" in host else host


@attrs.frozen
class Origin:
    """Where a request goes (RFC 6454): scheme, host, port.

    Attributes:
        scheme: "https" or "http".
        host: a name or an address, lower case, without brackets.
        port: 1 to 65535.
    """

    scheme: Literal["https", "http"]
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """What the Host header says: brackets around IPv6, no port where it is the scheme's own (RFC 9110, 7.2)."""
        return host_in_url(self.host) if self.port == DEFAULT_PORTS[self.scheme] else self.authority

    @property
    def authority(self) -> str:
        """Host and port, brackets around IPv6, e.g. "image.novelai.net:443"."""
        return f"{host_in_url(self.host)}:{self.port}"

    @property
    def address(self) -> str:
        """Scheme, host and port, the port always, e.g. "https://image.novelai.net:443"."""
        return f"{self.scheme}://{self.authority}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine by definition (RFC 6761, RFC 1122): localhost, 127.0.0.0/8, ::1."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


class Transport(abc.ABC):
    """Opens byte streams to origins.

    A transport that needs background tasks overrides `__aenter__` and `__aexit__` and keeps them in a nursery of its
    own; the client enters the transport once, before the first `connect`, and leaves it when the client is left.

    Attributes:
        secure: True when nobody but the peer can read the streams (in-process, or encrypted already); the client then
            adds no TLS, whatever the origin's scheme.
    """

    secure: bool = False

    @abc.abstractmethod
    async def connect(self, origin: Origin) -> trio.abc.Stream:
        """Open a stream to `origin.host`, `origin.port`.

        The transport closes whatever it opened if it raises or is cancelled; from its return on the caller owns the
        stream. It sets no deadline: the client does (`Timeouts.connect`).

        Raises:
            ConnectError: no stream could be opened; says where and why, with the cause kept.
        """

    def describe(self) -> str:
        """The route in one line, outermost leg first, without secrets, e.g. "socks5://127.0.0.1:1080 via tcp".

        It stands in the client's repr and in errors. The default is the class's name.
        """
        return type(self).__name__

    async def __aenter__(self) -> Self:
        """Start what the transport needs; the default needs nothing."""
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Stop what `__aenter__` started; the default has nothing to stop."""
        return None


@runtime_checkable
class Readable(Protocol):
    """A stream that can tell, without waiting, whether a read would return at once."""

    def readable(self) -> bool:
        """True when bytes or the end of file are waiting."""
