"""A buffer made large enough from the start.

One that grows is moved as it grows, and leaves holes as large as itself that nothing else fits into: measured with a
4 MB picture, that was half as much again as everything that was in use. What such a buffer holds is handed over by
`getvalue` without a copy.
"""

from __future__ import annotations

import io

__all__ = ["roomy"]


def roomy(size: int) -> io.BytesIO:
    """A buffer with room for `size` bytes and, if need be, more; truncate it when all is written."""
    buffer = io.BytesIO()
    buffer.seek(size)
    buffer.write(b"\0")
    buffer.seek(0)
    return buffer
