"""A server on a port until a signal: what `nai-trio emulate` and `nai-trio tunnel` have in common.

A connection that fails, whatever the reason, is one line on stderr; the server goes on.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio

from nai_trio.closing import close_now
from nai_trio.transports.listen import open_listeners, port_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nai_trio.cli.stopping import StopSignals
    from nai_trio.cli.streams import Streams

__all__ = ["serve_until_stopped"]


async def serve_until_stopped(
    host: str,
    port: int,
    stop: StopSignals,
    streams: Streams,
    *,
    announce: Callable[[int], None],
    serve: Callable[[trio.SocketStream], Awaitable[None]],
) -> None:
    """Serve every connection to `host` and `port` until `stop` cancels.

    Args:
        host: a name or an address to listen on.
        port: 0 takes a free one.
        stop: the signals that end it.
        streams: where a failed connection is told.
        announce: gets the port, once it listens.
        serve: serves one connection; the stream is closed when it returns or fails.
    """
    with stop.scope():
        listeners = await open_listeners(host, port)
        announce(port_of(listeners[0]))
        await trio.serve_listeners(partial(_serve_one, streams, serve), listeners)


async def _serve_one(
    streams: Streams, serve: Callable[[trio.SocketStream], Awaitable[None]], stream: trio.SocketStream
) -> None:
    try:
        await serve(stream)
    except Exception as error:  # noqa: BLE001 - one connection never ends the server
        streams.error(f"a connection failed: {type(error).__name__}: {error}")
    finally:
        await close_now(stream)
