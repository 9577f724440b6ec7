"""Real bytes for corpora to begin with: the recorded tapes, and small generations as the service sends them.

The pictures on the tapes are too large for a fuzzer's taste, so where a whole event matters and its picture does not,
the picture is cut down to its first bytes.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

TESTS = Path(__file__).resolve().parents[1]
TAPES = TESTS / "tapes"
if str(TESTS / "support") not in sys.path:  # under pytest it is there
    sys.path.insert(0, str(TESTS / "support"))

import recorded  # noqa: E402

from nai_trio.transports.tape_contents import Tape  # noqa: E402

Kind = Literal["sse", "msgpack"]


def short_events(kind: Kind) -> Iterator[bytes]:
    """Events one by one as the service frames them, their pictures cut short."""
    encode = recorded.sse if kind == "sse" else recorded.frames
    retry, error = {"event_type": "retry", "message": "again"}, {"event_type": "error", "message": "no", "code": 5}
    for event in (*_events(), retry, error):
        yield encode(event)


def short_body(kind: Kind, n_samples: int = 1) -> bytes:
    """A whole generation, its pictures cut short."""
    return (recorded.sse if kind == "sse" else recorded.frames)(*_events(n_samples))


def _events(n_samples: int = 1) -> list[dict[str, Any]]:
    return [{**event, "image": event["image"][:12]} for event in recorded.events(n_samples)]


@cache
def responses(longest: int) -> dict[str, bytes]:
    """What came back on each tape that is at most so long."""
    found = {}
    for path in sorted(TAPES.glob("*.tape")):
        for exchange in Tape.load(path).exchanges:
            said = b"".join(event.data for event in exchange.events)
            if len(said) <= longest:
                found[path.stem] = said
    return found


def zipped(*contents: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    """A ZIP of files, as the service names them."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for number, content in enumerate(contents):
            archive.writestr(zipfile.ZipInfo(f"image_{number}.png"), content, method)
    return target.getvalue()


def json_pictures(*entries: dict[str, Any]) -> bytes:
    """The JSON answer of the endpoint that does not stream."""
    return json.dumps({"images": list(entries)}, separators=(",", ":")).encode()


SUBSCRIPTION: dict[str, Any] = recorded.ACCOUNT | {
    "usage": {"percent": 93.5, "isNegative": False, "timeUntilNextPercent": 600},
    "accountType": 0,
}
"""An account, its members as in the wire document, section 9."""
