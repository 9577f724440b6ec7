"""Ways to cut a stream of bytes into the pieces that a decoder is fed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def byte_by_byte(stream: bytes) -> list[bytes]:
    return [stream[place : place + 1] for place in range(len(stream))]


def in_two(stream: bytes) -> Iterator[list[bytes]]:
    """Cut once, at every place."""
    for place in range(1, len(stream)):
        yield [stream[:place], stream[place:]]


def cuttings(stream: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, and cut once at every place."""
    yield [stream]
    yield byte_by_byte(stream)
    yield from in_two(stream)


def split_at(stream: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut at any numbers, taken modulo the length; some pieces may be empty."""
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]
