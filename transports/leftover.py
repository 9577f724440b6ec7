"""A stream with bytes that were read before it was handed out.

A proxy may send the first bytes of the tunnel in one packet with its answer. They are delivered first, by the same
calls as all others; a stream without any is left as it is.
"""

from __future__ import annotations

import operator
from typing import Any

import trio

from nai_trio.conflict import ConflictGuard
from nai_trio.transport import Readable

__all__ = ["with_leftover"]


def with_leftover(stream: trio.abc.Stream, data: bytes) -> trio.abc.Stream:
    """`stream`, or where there is data, one that delivers it first and can do all that `stream` can."""
    if not data:
        return stream
    kind = _HalfCloseable if isinstance(stream, trio.abc.HalfCloseableStream) else _Leftover
    return kind(stream, data)


class _Leftover(trio.abc.Stream):
    """What `readable` and `receive_into` do is set only where the stream below has them.

    So who asks for them (see `nai_trio.transport`) gets the truth.
    """

    _stream: Any

    def __init__(self, stream: trio.abc.Stream, data: bytes) -> None:
        self._stream = stream
        self._data = data
        self._closed = False
        self._receiving = ConflictGuard("another task is receiving from this stream")
        if isinstance(stream, Readable):
            self.readable = self._readable
        if hasattr(stream, "receive_into"):
            self.receive_into = self._receive_into

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        with self._receiving:
            if not self._has_data():
                received: bytes | bytearray = await self._stream.receive_some(max_bytes)
                return received
            if max_bytes is not None and operator.index(max_bytes) < 1:
                raise ValueError(f"max_bytes: expected at least 1, or None, got {max_bytes}")
            await trio.lowlevel.checkpoint()
            return self._take(len(self._data) if max_bytes is None else max_bytes)

    async def _receive_into(self, buffer: bytearray | memoryview) -> int:
        with self._receiving:
            if not self._has_data():
                count: int = await self._stream.receive_into(buffer)
                return count
            if len(buffer) == 0:
                raise ValueError("receive_into: expected a buffer of at least 1 byte, got 0")
            await trio.lowlevel.checkpoint()
            data = self._take(len(buffer))
            buffer[: len(data)] = data
            return len(data)

    def _readable(self) -> bool:
        return bool(self._data) or bool(self._stream.readable())

    async def aclose(self) -> None:
        self._closed = True
        self._data = b""
        await self._stream.aclose()

    def _has_data(self) -> bool:
        return bool(self._data) and not self._closed

    def _take(self, count: int) -> bytes:
        # Closed during the checkpoint: what was left went with it.
        if self._closed:
            raise trio.ClosedResourceError("this stream is closed")
        data, self._data = self._data[:count], self._data[count:]
        return data


class _HalfCloseable(_Leftover, trio.abc.HalfCloseableStream):
    async def send_eof(self) -> None:
        await self._stream.send_eof()
