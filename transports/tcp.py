"""TCP: trio opens the connection (happy eyeballs, no delay), this file adds what an HTTP client needs on top.

Ownership: whatever fails between opening the socket and returning the stream closes the socket.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from typing import TYPE_CHECKING

import trio

from nai_trio.closing import close_now
from nai_trio.errors import InvalidParamsError
from nai_trio.transport import Transport
from nai_trio.transports.hop import connect_error
from nai_trio.transports.reasons import connect_reason
from nai_trio.transports.system_stream import DEFAULT_READ_SIZE, SystemStream

if TYPE_CHECKING:
    from nai_trio.transport import Origin

__all__ = ["DEFAULT_READ_SIZE", "TCPStream", "TCPTransport"]

_KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPALIVE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""Probe after 60 s of silence, give up after 4 probes 15 s apart; TCP_KEEPALIVE is what macOS calls TCP_KEEPIDLE.

A picture can take longer than a home router remembers an idle connection, and the system's default is two hours.
"""


class TCPStream(SystemStream):
    """A TCP connection."""

    _kind = "TCP"


class TCPTransport(Transport):
    """Opens TCP connections straight to the origin.

    Args:
        local_address: the address of this machine to connect from; None leaves the choice to the system.
        happy_eyeballs_delay: seconds that one address is tried before the next one joins the race (RFC 8305, 5);
            None for trio's default, 0.25; `math.inf` tries one after the other.

    Raises:
        InvalidParamsError: an address that is none, a delay that is not above 0.
    """

    def __init__(self, *, local_address: str | None = None, happy_eyeballs_delay: float | None = None) -> None:
        self._local_address = local_address
        self._delay = delay = happy_eyeballs_delay
        if local_address is not None and not (isinstance(local_address, str) and local_address):
            raise InvalidParamsError.for_field("local_address", local_address, "an address of this machine, or None")
        if delay is not None and (isinstance(delay, bool) or not isinstance(delay, int | float) or not delay > 0):
            raise InvalidParamsError.for_field("happy_eyeballs_delay", delay, "seconds greater than 0, or None")

    def __repr__(self) -> str:
        given = {"local_address": self._local_address, "happy_eyeballs_delay": self._delay}
        shown = ", ".join(f"{name}={value!r}" for name, value in given.items() if value is not None)
        return f"{type(self).__name__}({shown})"

    def describe(self) -> str:
        """See `Transport.describe`."""
        return "tcp" if self._local_address is None else f"tcp from {self._local_address}"

    async def connect(self, origin: Origin) -> TCPStream:
        """Open a TCP connection to `origin.host`, `origin.port`; addresses are raced as in RFC 8305.

        Raises:
            ConnectError: "connect via tcp to https://host:443: ..." with the reason and the `OSError` as its cause.
        """
        # The system would take such a port modulo 65536 and connect elsewhere.
        if not 1 <= origin.port <= 65535:
            raise connect_error(self.describe(), origin, "expected a port from 1 to 65535")
        try:
            opened = await trio.open_tcp_stream(
                origin.host, origin.port, happy_eyeballs_delay=self._delay, local_address=self._local_address
            )
        except (OSError, UnicodeError) as error:
            raise connect_error(self.describe(), origin, connect_reason(error)) from error
        try:
            _check_peer(opened, origin, self.describe())
            _keep_alive(opened)
            return TCPStream(opened)
        except BaseException:
            await close_now(opened)
            raise


def _check_peer(stream: trio.SocketStream, origin: Origin, route: str) -> None:
    """A name that stands for this machine leads to it, whatever a resolver says (RFC 6761, 6.3).

    Plain http is taken there alone, and not every resolver keeps names below localhost to itself.
    """
    if origin.scheme == "https" or not origin.is_loopback:
        return
    with contextlib.suppress(OSError):  # gone already: nobody reads what is sent
        host = stream.socket.getpeername()[0]
        address = ipaddress.ip_address(host.partition("%")[0])
        if not (getattr(address, "ipv4_mapped", None) or address).is_loopback:
            raise connect_error(route, origin, f"the name was resolved to {host}, which is not this machine")


def _keep_alive(stream: trio.SocketStream) -> None:
    with contextlib.suppress(OSError):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE:
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
