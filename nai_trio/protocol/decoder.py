"""The one rule of faults that every parser of this package follows.

Events before a fault are delivered first: the call that meets the fault returns what came before it, the next one
raises. A call that has nothing else to return raises at once. After a fault a parser refuses further input, because
what follows broken bytes means nothing. A driver looks at `fault` before it waits for more bytes, so that it does not
wait for bytes that nobody will look at.

A parser is written as a generator, `_parse`, that yields what it finds and raises where the bytes are wrong; `feed`
makes the rule out of it. Layers stack the same way: an outer `_parse` walks over `inner.feed(data)` and then calls
`inner.raise_fault()`.
"""

from __future__ import annotations

import abc
import contextlib
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from nai_trio.errors import NovelAIError
from nai_trio.protocol.gather import SLICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Buffer: TypeAlias = bytes | bytearray | memoryview

T_co = TypeVar("T_co", covariant=True)


def slices(data: Buffer, *, first: int = SLICE) -> Iterable[memoryview]:
    """Any bytes in pieces of `SLICE` at most, and `first` the first one; one empty piece where there are none."""
    view = memoryview(data)
    if len(view) <= first:
        return (view,)
    return (view[:first], *(view[start : start + SLICE] for start in range(first, len(view), SLICE)))


class Decoder(abc.ABC, Generic[T_co]):
    """Bytes in, a list of items out.

    Attributes:
        fault: the error that the next `feed` raises, or None.
    """

    fault: NovelAIError | None = None

    def feed(self, data: Buffer) -> list[T_co]:
        """Take bytes, cut anywhere, and return what they complete, in order.

        Raises:
            NovelAIError: the bytes are wrong, now or in an earlier call; see `fault`.
        """
        self.raise_fault()
        items: list[T_co] = []
        try:
            items.extend(self._parse(data))
        except NovelAIError as fault:
            self.keep_fault(fault)
            if not items:
                raise
        return items

    def keep_fault(self, fault: NovelAIError) -> None:
        """Keep an error for the calls to come, but not what its traceback holds: views of the caller's buffer."""
        self.fault = fault
        place = fault.__traceback__
        while place is not None:
            with contextlib.suppress(RuntimeError):  # a frame that is being run
                place.tb_frame.clear()
            place = place.tb_next

    def raise_fault(self) -> None:
        """Raise the fault, if there is one."""
        if self.fault is not None:
            raise self.fault.with_traceback(None)  # else each time it is met adds to it

    @abc.abstractmethod
    def _parse(self, data: Buffer) -> Iterator[T_co]:
        """Yield what `data` completes; raise where it is wrong. Always run to its end."""
