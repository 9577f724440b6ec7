"""Strict base64 (RFC 4648, section 4): pybase64 (the `[speed]` extra) where it is there, else the standard library."""

from __future__ import annotations

import base64

__all__ = ["decode"]

try:
    from pybase64 import b64decode as _decode
except ImportError:
    _decode = base64.b64decode  # type: ignore[assignment]  # a subset of its signature is used


def decode(text: str | bytes) -> bytes:
    """Decode padded standard base64.

    Raises:
        ValueError: a character outside the alphabet, wrong padding, or text that is not ASCII.
    """
    decoded = bytes(_decode(text, validate=True))
    if len(text) != -(-len(decoded) // 3) * 4:  # the standard library lets surplus padding pass
        raise ValueError("more padding than the text needs")
    return decoded
