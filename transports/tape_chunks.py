"""Bytes of a response without what the chunked transfer coding puts between them (RFC 9112, 7.1).

A secret that a service repeats may begin in one chunk and end in the next one. Where chunks end is not parsed but
recognized, since a look at any part of a stream has to do; what only looks like it does no harm, for the bytes are
searched as they are, too.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import Final

__all__ = ["Chunks"]

_CHUNK: Final = re.compile(rb"\r\n[1-9A-Fa-f][0-9A-Fa-f]{0,7}[ \t]{0,4}(?:;[^\r\n]{0,64})?\r\n")
"""What stands between the bytes of two chunks (RFC 9112, 7.1)."""

_CHUNK_BEGUN: Final = re.compile(rb"\r(?:\n(?:[1-9A-Fa-f][0-9A-Fa-f]{0,7}[ \t]{0,4}(?:;[^\r\n]{0,64})?\r?)?)?\Z")
_LONGEST_CUT: Final = 90
"""Bytes of the longest that `_CHUNK_BEGUN` finds."""


class Chunks:
    """Bytes without what stands between chunks; false when there is nothing of the kind.

    Args:
        data: bytes.
        start: where to begin.

    Attributes:
        joined: the same without it.
    """

    def __init__(self, data: bytes | bytearray, start: int = 0) -> None:
        cuts = [found.span() for found in _CHUNK.finditer(data, start)]
        begun = _CHUNK_BEGUN.search(data, max(start, cuts[-1][1] if cuts else 0, len(data) - _LONGEST_CUT))
        if begun is not None:
            cuts.append(begun.span())
        begins = [start, *(end for _, end in cuts)]
        ends = [*(begin for begin, _ in cuts), len(data)]
        self.joined = b"".join(data[begin:end] for begin, end in zip(begins, ends, strict=True)) if cuts else b""
        self._begins = begins  # of the parts, in the data and in `joined`
        lengths = (end - begin for begin, end in zip(begins, ends, strict=True))
        self._offsets = list(accumulate(lengths, initial=0))[:-1]

    def __bool__(self) -> bool:
        return len(self._begins) > 1

    def place(self, index: int) -> int:
        """Where in the data a byte of `joined` stands."""
        part = bisect_right(self._offsets, index) - 1
        return self._begins[part] + index - self._offsets[part]
