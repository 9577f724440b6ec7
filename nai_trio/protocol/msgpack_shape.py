"""How large one msgpack value would be, found without building it (msgpack specification, "Formats").

A byte of msgpack can become eighty of Python's: an empty map is one byte, and text keeps four bytes for each character
where one of them needs that. So a value is walked over before it is unpacked: a few steps for an event of the service,
and nothing is allocated for what a count or length claims. Counts are judged as claims, as soon as they are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nai_trio.errors import LimitExceeded

if TYPE_CHECKING:
    from nai_trio.protocol.limits import Limits

__all__ = ["ValueShape", "is_map_start"]

_ARRAY, _MAP, _TEXT, _BINARY, _OTHER = range(5)

_LONG: Final = {
    **{0xC4 + power: (_BINARY, 2**power, 0) for power in range(3)},
    **{0xC7 + power: (_OTHER, 2**power, 1) for power in range(3)},  # extensions have a byte for their type
    **{0xD9 + power: (_TEXT, 2**power, 0) for power in range(3)},
    **{0xDC + power: (_ARRAY, 2 ** (power + 1), 0) for power in range(2)},
    **{0xDE + power: (_MAP, 2 ** (power + 1), 0) for power in range(2)},
    **{0x90 + count: (_ARRAY, 0, count) for count in range(16)},
    **{0x80 + count: (_MAP, 0, count) for count in range(16)},
}
"""By first byte: the kind, how many bytes of a length or count follow, and what is added to that."""

_NUMBERS: Final = {0xCA: 5, 0xCB: 9, **{start + power: 1 + 2**power for start in (0xCC, 0xD0) for power in range(4)}}
_EXTENSIONS: Final = {0xD4 + power: 2 + 2**power for power in range(5)}
_TEXTS: Final = [first & 0x1F if 0xA0 <= first < 0xC0 else 0 for first in range(256)]
"""By first byte: the length of a short text, 0 for all else."""

_SIZES: Final = [
    0 if first in _LONG else 1 + _TEXTS[first] if _TEXTS[first] else {**_NUMBERS, **_EXTENSIONS}.get(first, 1)
    for first in range(256)
]
"""By first byte: the size of what that byte tells the size of, 0 for all else."""


def is_map_start(first: int) -> bool:
    """Whether a byte begins a msgpack map (msgpack specification, "map format family")."""
    return 0x80 <= first <= 0x8F or first in (0xDE, 0xDF)


class ValueShape:
    """One value being walked over, as its bytes come.

    Args:
        limits: `max_frame_size`, `max_text_size`, `max_members` and `max_depth` are used here.
        offset: where in the stream it stands, for errors.

    Attributes:
        size: its bytes as far as is known: what was walked over, and what that claims.
        whole: whether that is all of it.
        binary: the last binary that was met: where it starts, where its content does, and how many bytes that claims.
    """

    def __init__(self, limits: Limits, *, offset: int) -> None:
        self.size = 0
        self.binary = (0, 0, 0)
        self._limits = limits
        self._offset = offset
        self._left = 1  # values still to come on this level
        self._outer: list[int] = []  # and on the levels around it
        self._members = 0
        self._text = 0
        self._exceeded: LimitExceeded | None = None

    @property
    def whole(self) -> bool:
        """Whether its size is known."""
        return not (self._left or self._outer)

    def walk(self, data: bytes | bytearray | memoryview) -> None:
        """Go on as far as the bytes go.

        Args:
            data: the value's bytes from its first one, as many as there are.

        Raises:
            LimitExceeded: it has more of something than it may, as far as it was walked over now or before.
        """
        if self._exceeded is not None:
            raise self._exceeded.with_traceback(None)
        end, most, most_text = len(data), self._limits.max_frame_size, self._limits.max_text_size
        size, text, left = self.size, self._text, self._left  # in this loop, names cost half of what attributes do
        while left and size < end:
            first = data[size]
            if step := _SIZES[first]:
                size += step
                text += _TEXTS[first]
                left -= 1
            else:
                self.size, self._text, self._left = size, text, left
                if not self._pass_long(first, data):
                    return
                size, text, left = self.size, self._text, self._left
            if size > most or text > most_text:
                self._check("max_frame_size", size)
                self._check("max_text_size", text)
            while not left and self._outer:
                left = self._outer.pop()
        self.size, self._text, self._left = size, text, left

    def _pass_long(self, first: int, data: bytes | bytearray | memoryview) -> bool:
        """Pass over a value with a length or count, or enter it; False where that has not come whole."""
        kind, width, count = _LONG[first]
        start = self.size + 1 + width
        if start > len(data):
            return False
        if width:
            count += int.from_bytes(data[self.size + 1 : start], "big")
        if kind == _BINARY:
            self.binary = (self.size, start, count)
        self._left -= 1
        self.size = start
        if kind in (_ARRAY, _MAP):
            self._enter(count, 2 * count if kind == _MAP else count)
            return True
        self.size += count
        self._text += count if kind == _TEXT else 0
        return True

    def _enter(self, members: int, values: int) -> None:
        self._outer.append(self._left)
        self._left = values
        self._check("max_depth", len(self._outer))
        self._members += members
        self._check("max_members", self._members)

    def _check(self, limit: str, count: int) -> None:
        allowed = getattr(self._limits, limit)
        if count > allowed:
            self._exceeded = LimitExceeded.of(limit, allowed, f"{count} or more in one frame", offset=self._offset)
            raise self._exceeded
