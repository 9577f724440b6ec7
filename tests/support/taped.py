"""Looking into tapes that a test has recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nai_trio.transports.tape import open_tape

if TYPE_CHECKING:
    from pathlib import Path

    import trio

    from nai_trio.transports.tape import Record


def records_of(path: Path) -> list[Record]:
    with open_tape(path) as reader:
        found = list(reader)
        assert reader.torn == 0
        return found


def kinds_of(path: Path) -> list[str]:
    return [record.kind for record in records_of(path)]


def bytes_of(path: Path, kind: str) -> bytes:
    return b"".join(record.data for record in records_of(path) if record.kind == kind)


async def echo(stream: trio.abc.HalfCloseableStream) -> None:
    async for chunk in stream:
        await stream.send_all(chunk)
