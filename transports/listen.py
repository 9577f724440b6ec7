"""Listening on TCP: for the emulator's command, which serves clients that are not in this process."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import trio

from nai_trio.closing import close_now
from nai_trio.errors import NetworkError
from nai_trio.transports.reasons import connect_reason

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["open_listeners", "port_of"]


async def open_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Listen on every address of `host`.

    Args:
        host: a name or an address of this machine.
        port: 1 to 65535; 0 takes a free one, and then listens on the host's first address alone, since its other
            addresses would get other ports.

    Raises:
        NetworkError: it is not possible; says where and why.
    """
    try:
        listeners: Sequence[trio.SocketListener] = await trio.open_tcp_listeners(port, host=host)
    except (OSError, UnicodeError) as error:
        raise NetworkError(f"listen on {host}, port {port}: {_reason(error)}") from error
    kept = listeners if port else listeners[:1]
    for listener in listeners[len(kept) :]:
        await close_now(listener)
    return list(kept)


def port_of(listener: trio.SocketListener) -> int:
    """The port that a listener got."""
    port: int = listener.socket.getsockname()[1]
    return port


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "the port is in use"
    return connect_reason(error)
