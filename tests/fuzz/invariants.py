"""What every reader of bytes promises, whatever the bytes are; the targets say it through these functions.

- It gives what it reads, or one of the library's errors; any other exception comes out of `check` and is a finding.
- The outcome is the same however the bytes are cut (`same_however_cut`).
- What it holds is bounded by its limits (`held`).
- After a fault it takes nothing more, and says the same again (`refuses_more`).
- It keeps no view of a caller's buffer (`lent`).

Nothing here is random from run to run: places to cut at come from the data.
"""

from __future__ import annotations

import atexit
import random
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any, TypeVar

import attrs
import h11

from nai_trio.errors import GenerationError, HTTPStatusError, NovelAIError, ProtocolError, StreamInterrupted
from nai_trio.protocol.decoder import Decoder
from nai_trio.protocol.gather import SHARED

T = TypeVar("T")
Pieces = list[bytes]

FROM_PEER = (ProtocolError, StreamInterrupted, GenerationError, HTTPStatusError)
"""What a peer's bytes may end in. The others are about parameters, keys and connections."""

WORDS_OF_A_FAULT = 400
"""Bytes that a decoder may hold besides once it is at fault: the error's."""

_SHORT = 100
"""Bytes that are always fed one by one, too; longer data would take too long that way."""


@attrs.frozen
class Outcome:
    """What came of some bytes.

    Attributes:
        items: what was read, in order.
        error: the error's class, or None.
        words: its text, see `words_of`.
    """

    items: list[Any] = attrs.field(repr=lambda items: f"<{len(items)} items, the last {items[-1:]!r:.300}>")
    error: type[Exception] | None = None
    words: str = ""


def ways_to_cut(data: bytes) -> Iterator[Pieces]:
    """The same bytes whole, and in one or two other ways, which the data choose; no piece is empty: that is an end."""
    yield [data] if data else []
    if len(data) < 2:
        return
    choice = zlib.crc32(data)
    if len(data) <= _SHORT or (choice % 4 == 0 and len(data) <= 8 * _SHORT):
        yield [data[place : place + 1] for place in range(len(data))]
    if choice % 4:
        draw = random.Random(choice)
        places = sorted({draw.randrange(1, len(data)) for _ in range(6 if choice % 2 else 1)})
        yield [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def same_however_cut(data: bytes, run: Callable[[Pieces], T]) -> T:
    """The outcome of the bytes, which is that of every way to cut them."""
    first, *others = [run(pieces) for pieces in ways_to_cut(data)]
    for number, other in enumerate(others, 1):
        assert other == first, f"cut otherwise (way {number}) it comes out otherwise:\n{other!r:.1500}\n{first!r:.1500}"
    return first


@contextmanager
def lent(piece: bytes) -> Iterator[bytes | memoryview]:
    """The bytes, every other time in a buffer that is overwritten afterwards, as drivers that reuse one do."""
    if len(piece) % 2:
        yield piece
        return
    buffer = bytearray(piece)
    with memoryview(buffer) as view:
        yield view
    buffer[:] = b"\xa5" * len(buffer)  # a BufferError here: somebody kept a view of it


def decoded(decoder: Decoder[Any], pieces: Pieces, *, most: int, finish: Callable[[], object] | None = None) -> Outcome:
    """Feed a decoder to its end or fault.

    Args:
        decoder: a fresh one.
        pieces: what to feed.
        most: how many bytes it may hold, an error's words not counted.
        finish: says that the end has come.
    """
    items: list[Any] = []
    try:
        for count, piece in enumerate(pieces):
            with lent(piece) as buffer:
                items += decoder.feed(buffer)
            if count % 100 == 99 or count == len(pieces) - 1:
                check_held(decoder, most + (WORDS_OF_A_FAULT if decoder.fault else 0))
        raise_fault(decoder)
        if finish is not None:
            finish()
    except NovelAIError as error:
        refuses_more(decoder, error)
        return Outcome(items, type(error), words_of(error))
    return Outcome(items)


def words_of(error: NovelAIError | None) -> str:
    """An error's text, without what shows as much as happened to be there: h11's part, and a body's first bytes."""
    if isinstance(error, ProtocolError) and isinstance(error.__cause__, h11.RemoteProtocolError):
        return f"expected {error.expected}"
    return str(error or "").partition(", first bytes ")[0]


def raise_fault(decoder: Any) -> None:
    """What a driver does before it waits for more bytes."""
    if decoder.fault is not None:
        decoder.raise_fault()


def refuses_more(decoder: Any, error: NovelAIError) -> None:
    """Check the end of a decoder: an error that a peer can cause, and the same again for whatever else is fed."""
    assert isinstance(error, FROM_PEER), f"bytes of a peer ended in {error!r}"
    assert decoder.fault is error
    for more in (b"more", b"\n\n", b""):
        try:
            decoder.feed(more)
        except NovelAIError as again:
            assert again is error, f"another error after the fault: {again!r}"
        else:
            raise AssertionError(f"bytes were taken after {error!r}")


@cache
def scratch_folder() -> Path:
    """A folder for files that are read by their path; in memory where the system has such a place."""
    memory = Path("/dev/shm")
    folder = Path(mkdtemp(prefix="nai-trio-fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def check_held(value: object, most: int) -> None:
    """Check that an object holds no more than so many bytes."""
    size = held(value)
    assert size <= most, f"{type(value).__name__} holds {size} bytes, and {most} are allowed"


def held(value: object) -> int:
    """The bytes and characters that an object holds, itself or through others."""
    total, seen, todo = 0, set[int](), [value]
    while todo:
        each = todo.pop()
        if id(each) in seen or each is None or each is SHARED or isinstance(each, int | float | type):
            continue
        seen.add(id(each))
        if isinstance(each, bytes | bytearray | str):
            total += len(each)
        elif isinstance(each, memoryview):
            todo.append(each.obj)  # all of which it keeps
        elif isinstance(each, dict | MappingProxyType):
            todo += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset):
            todo += each
        else:
            todo += _attributes(each)
    return total


def _attributes(value: object) -> list[object]:
    """What hangs on an object; what is written in C cannot be looked into, what is shared by all is not its own."""
    if isinstance(value, ModuleType | FunctionType | MethodType):
        return []
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*getattr(value, "__dict__", {}).values(), *(getattr(value, name, None) for name in slots)]
