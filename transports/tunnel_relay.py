"""Bytes between one WebSocket and one connection to an origin, both ways at once, until one of them ends.

The two pumps live in one nursery inside `run`. What they meet is noted as the way it ended, so nothing of theirs leaves
the nursery, whose deadline is the idle limit and moves with every byte.

An origin that no longer reads may still have an answer under way, so a failed send to it ends nothing: what the client
sends on is read and dropped until the answer, too, has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import trio

if TYPE_CHECKING:
    from nai_trio.transports.websocket_stream import WebSocketStream

__all__ = ["TunnelRelay"]

_LAST_SECONDS: Final = 30.0
"""How long a client may take to read the last bytes and answer the close: after that they are lost to it."""

_STOP_SECONDS: Final = 1.0
"""How long a tunnel that is being stopped stays for its goodbye."""


@attrs.frozen
class _Ending:
    """How it ended: the close code and reason for the client, and words for the log."""

    code: int
    reason: str
    words: str


class TunnelRelay:
    """Moves bytes between a client and an origin.

    Args:
        near: the client.
        far: the origin; closed by whoever opened it.
        idle_seconds: how long nothing may pass.

    Attributes:
        up: bytes passed on to the origin.
        down: bytes passed on to the client.
    """

    def __init__(self, near: WebSocketStream, far: trio.abc.Stream, *, idle_seconds: float) -> None:
        self.up = self.down = 0
        self._near = near
        self._far = far
        self._idle_seconds = idle_seconds
        self._scope = trio.CancelScope()
        self._ending: _Ending | None = None

    async def run(self) -> str:
        """Move bytes until one side ends or both are silent, and close the WebSocket; return how it ended."""
        try:
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                self._scope = nursery.cancel_scope
                self._has_passed()
                nursery.start_soon(self._pump_up)
                nursery.start_soon(self._pump_down)
        except BaseException:
            with trio.move_on_after(_STOP_SECONDS, shield=True):
                await self._near.close(1001, "the tunnel stops")
            raise
        silent = f"idle for {self._idle_seconds:g} s"
        ending = self._ending or _Ending(1001, silent, silent)
        await self._near.close(ending.code, ending.reason, seconds=_LAST_SECONDS)
        return ending.words

    async def _pump_up(self) -> None:
        deaf = False
        try:
            while data := await self._near.receive_some():
                try:
                    if not deaf:
                        await self._far.send_all(data)
                        self.up += len(data)
                except trio.BrokenResourceError:
                    deaf = True
                self._has_passed()
        except trio.BrokenResourceError as error:
            self._end(1000, "", _gone(error))
        else:
            self._end(1000, "", "closed by the client")

    async def _pump_down(self) -> None:
        while True:
            try:
                data = await self._far.receive_some()
            except trio.BrokenResourceError as error:
                self._end(1011, "the connection to the origin broke", f"the connection to the origin broke ({error})")
                return
            if not data:
                self._end(1000, "", "closed by the origin")
                return
            try:
                await self._near.send_all(data)
            except trio.BrokenResourceError as error:
                self._end(1000, "", _gone(error))
                return
            self.down += len(data)
            self._has_passed()

    def _has_passed(self) -> None:
        self._scope.deadline = trio.current_time() + self._idle_seconds

    def _end(self, code: int, reason: str, words: str) -> None:
        if self._ending is None:
            self._ending = _Ending(code, reason, words)
            self._scope.cancel(reason=words)


def _gone(error: trio.BrokenResourceError) -> str:
    """Most clients just hang up, which is how a cancelled generation leaves."""
    return "the client left" if error.__cause__ is None else f"lost the client: {error}"
