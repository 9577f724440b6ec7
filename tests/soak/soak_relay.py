"""An HTTP proxy that breaks connections as the plans say: below HTTP, and below TLS where there is TLS.

The user's name in the proxy's URL is the number of the generation; only its first connection is broken.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import struct
from collections import OrderedDict
from typing import TYPE_CHECKING

import trio
from soak_plan import Break, Network, ProxyRefuses

from nai_trio.closing import close_now

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Relay"]

_MAX_HEAD = 16 * 1024
_REMEMBERED = 1000
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Relay:
    """Serves CONNECT.

    Args:
        network: what shall happen to a generation's first connection.
    """

    def __init__(self, network: Callable[[int], Network | None]) -> None:
        self._network = network
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def serve(self, client: trio.SocketStream) -> None:
        """Serve one connection; owns the stream."""
        try:
            with contextlib.suppress(trio.BrokenResourceError, OSError):
                await self._serve(client)
        finally:
            await close_now(client)

    async def _serve(self, client: trio.SocketStream) -> None:
        head = await _read_head(client)
        if not head.startswith(b"CONNECT "):
            return
        fault = self._fault(_user(head))
        if isinstance(fault, ProxyRefuses):
            await client.send_all(b"HTTP/1.1 %d Refused\r\nContent-Length: 0\r\n\r\n" % fault.status)
        elif fault is not None and fault.way == "connect":
            await _break(fault, client)
        else:
            await self._tunnel(client, int(head.split()[1].rpartition(b":")[2]), fault)

    def _fault(self, user: str) -> Network | None:
        if not user.isdigit() or user in self._seen:
            return None
        self._seen[user] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return self._network(int(user))

    async def _tunnel(self, client: trio.SocketStream, port: int, fault: Break | None) -> None:
        service = await trio.open_tcp_stream("127.0.0.1", port)
        try:
            await client.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            limits = {way: fault.after if fault and fault.way == way else None for way in ("request", "response")}
            async with trio.open_nursery() as nursery:

                async def pump(source: trio.SocketStream, sink: trio.SocketStream, limit: int | None) -> None:
                    if await _pump(source, sink, limit):
                        assert fault is not None
                        await _break(fault, client)
                    nursery.cancel_scope.cancel()

                nursery.start_soon(pump, service, client, limits["response"])
                await pump(client, service, limits["request"])
        finally:
            await close_now(service)


async def _read_head(stream: trio.SocketStream) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MAX_HEAD:
        data = await stream.receive_some(1)  # what follows belongs to the tunnel
        if not data:
            return b""
        head += data
    return head


def _user(head: bytes) -> str:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"proxy-authorization":
            return base64.b64decode(value.split()[1]).decode().partition(":")[0]
    return ""


async def _pump(source: trio.SocketStream, sink: trio.SocketStream, limit: int | None) -> bool:
    """Hand bytes on until the source ends, or the limit is reached; then True."""
    passed = 0
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while data := await source.receive_some(64 * 1024):
            if limit is not None and passed + len(data) > limit:
                await sink.send_all(data[: limit - passed])
                return True
            await sink.send_all(data)
            passed += len(data)
    return False


async def _break(fault: Break, client: trio.SocketStream) -> None:
    if fault.how == "silence":
        if fault.way != "response":  # there, the other way's pump sees the client leave
            await _drain(client)
        else:
            await trio.sleep_forever()
    elif fault.how == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    await close_now(client)


async def _drain(client: trio.SocketStream) -> None:
    """Read until the client leaves."""
    with contextlib.suppress(trio.BrokenResourceError):
        while await client.receive_some(64 * 1024):
            pass
