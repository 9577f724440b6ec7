"""Strict JSON (RFC 8259): no NaN, no infinities, and one kind of error, whatever is wrong with the text."""

from __future__ import annotations

import json
from typing import NoReturn

__all__ = ["parse"]


def parse(text: bytes | bytearray) -> object:
    """Read a whole JSON text.

    Raises:
        ValueError: it is none, or is nested deeper than Python can follow.
    """
    try:
        value: object = json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
