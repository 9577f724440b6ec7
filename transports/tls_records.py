"""Where TLS records begin and end, and nothing else of them.

The TLS object swallows a part of a record without a trace: it is neither pending nor readable. But that the peer has
begun to speak is what the pool must know of an idle connection, so the records' headers are followed from outside.
"""

from __future__ import annotations

from typing import Final

__all__ = ["RECORD_SIZE", "RecordEdge"]

RECORD_SIZE: Final = 16 * 1024
"""The most plain bytes in one record (RFC 8446, 5.1)."""

_HEADER_SIZE = 5


class RecordEdge:
    """Whether the bytes so far end between two records or inside one.

    A header is 5 bytes, the last two of them the length of what follows (RFC 8446, 5.1). Bytes that are no records at
    all are the TLS object's to refuse.
    """

    __slots__ = ("_header", "_left")

    def __init__(self) -> None:
        self._header = b""
        self._left = 0

    @property
    def inside(self) -> bool:
        """True when a part of a record has come and the rest has not."""
        return bool(self._header) or self._left > 0

    def pass_over(self, data: bytes | bytearray | memoryview) -> None:
        """Follow the headers in the next bytes; a few steps for each record, whatever its size."""
        if self._header:
            data = self._header + bytes(data)
        at, end = self._left, len(data)
        while at + _HEADER_SIZE <= end:
            at += _HEADER_SIZE + (data[at + 3] << 8) + data[at + 4]
        self._header = bytes(data[at:end])
        self._left = max(at - end, 0)
