"""Strict base64 (RFC 4648, section 4), by pybase64: for a final of 2.2 MB a thirtieth of the standard library's time.

That was the most that any single step of a generation took, so pybase64 is a plain dependency (docs/performance.md).
"""

from __future__ import annotations

import pybase64

__all__ = ["decode"]


def decode(text: str | bytes | memoryview) -> bytes:
    """Decode padded standard base64.

    Raises:
        ValueError: a character outside the alphabet, wrong padding, or text that is not ASCII.
    """
    return pybase64.b64decode(text, validate=True)
