"""JSON with one value made another: a right document with one wrong member is what a fuzzer of bytes hits by luck."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**32, 10**25, 0.5, -0.0, 1e308, float("inf"), float("nan")),
    *("", "x", "aGk=", "\ud800", "a" * 70, [], [None], [[]], [0, 0], {}, {"x": 1}, {"": []}),
)


def shaken(text: bytes, times: int = 3) -> Iterator[bytes]:
    """The document with one of its values replaced, doubled or left out, some times over; the text says which.

    Nothing comes where it is no JSON.
    """
    try:
        document = json.loads(text)
        places = list(_places(document))
    except (ValueError, RecursionError):
        return
    draw = random.Random(zlib.crc32(text))
    for _ in range(times):
        changed = json.loads(text)
        place = draw.choice(places)
        yield json.dumps(_changed(changed, place, draw)).encode()


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each value stands, the whole among them."""
    yield place
    for name, each in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        yield from _places(each, (*place, name))


def _changed(document: Any, place: tuple[Any, ...], draw: random.Random) -> Any:
    if not place:
        return draw.choice(ODD)
    *way, last = place
    around = document
    for name in way:
        around = around[name]
    change = draw.randrange(4)
    if change == 0:
        del around[last]
    elif change == 1 and isinstance(around, list):
        around.append(around[last])
    else:
        around[last] = draw.choice(ODD)
    return document
