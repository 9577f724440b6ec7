"""What tests ask of byte streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def rest_of(stream: trio.abc.Stream) -> bytes:
    """All that comes until the end."""
    received = b""
    while data := await stream.receive_some():
        received += data
    return received


async def waits(function: Callable[..., Awaitable[object]], *arguments: Any) -> bool:
    """Whether a call is still waiting when every other task is. On a virtual clock."""
    with trio.move_on_after(0.001) as scope:
        await function(*arguments)
    return scope.cancelled_caught
