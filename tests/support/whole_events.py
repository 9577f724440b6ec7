"""What has arrived of a response that was cut: told by the plainest means, which share nothing with the library.

The whole response is taken apart with `bytes.find`, `json`, `base64` and `msgpack`; each event gets the place on the
wire behind its last byte. What has arrived of the first `n` bytes is then a comparison of numbers.
"""

from __future__ import annotations

import base64
import bisect
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any, Literal

import attrs
import msgpack

if TYPE_CHECKING:
    from answers import Answer

Phase = Literal["before the head", "in the head", "in the framing", "in an event", "between events", "whole"]


@attrs.frozen
class Arrived:
    """What has come when so many bytes have.

    Attributes:
        events: the members of each whole event, pictures as bytes.
        previews: the last one's picture of each sample, by sample.
        finals: the finished pictures by sample.
    """

    events: list[dict[str, Any]]

    @property
    def previews(self) -> dict[int, bytes]:
        return {each["samp_ix"]: each["image"] for each in self.events if each["event_type"] == "intermediate"}

    @property
    def finals(self) -> dict[int, bytes]:
        return {each["samp_ix"]: each["image"] for each in self.events if each["event_type"] == "final"}


class WholeResponse:
    """A response, taken apart.

    Args:
        wire: all of it.
        kind: what its body is: "sse", "msgpack", "zip", "json", or anything else for one without events.

    Attributes:
        head_end: where the body begins.
        ends: where each event ends on the wire, in order.
        framing: "chunked", "length" or "close".
    """

    def __init__(self, wire: bytes, kind: str) -> None:
        self.wire = wire
        self.head_end = wire.index(b"\r\n\r\n") + 4
        head = wire[: self.head_end].lower()
        self.framing = "chunked" if b"transfer-encoding: chunked" in head else "length"
        if self.framing == "length" and b"content-length:" not in head:
            self.framing = "close"
        self._places = self._body_places()
        self._events = list(self._read(kind, bytes(wire[place] for place in self._places)))
        self.ends = [self._places[end - 1] + 1 for end, _ in self._events]

    @classmethod
    def of(cls, answer: Answer, wire: bytes) -> WholeResponse:
        """The response with that answer."""
        return cls(wire, answer.delivery if answer.promises_pictures and answer.status < 300 else "")

    def arrived(self, count: int) -> Arrived:
        """What has come with the first `count` bytes."""
        return Arrived([fields for _, fields in self._events[: bisect.bisect_right(self.ends, count)]])

    def body_bytes(self, count: int) -> int:
        """How many bytes of the body are among the first `count`."""
        return bisect.bisect_left(self._places, count)

    def phase(self, count: int) -> Phase:
        """Where the cut behind the first `count` bytes is."""
        if count == len(self.wire):
            return "whole"
        if count < self.head_end:
            return "in the head" if count else "before the head"
        body_bytes = self.body_bytes(count)
        if body_bytes == len(self._places) or self._places[body_bytes] != count:
            return "in the framing"
        return "between events" if not body_bytes or count in self.ends else "in an event"

    def _body_places(self) -> list[int]:
        """The place on the wire of each byte of the body."""
        if self.framing != "chunked":
            return list(range(self.head_end, len(self.wire)))
        places: list[int] = []
        at = self.head_end
        while size := int(self.wire[at : (line_end := self.wire.index(b"\r\n", at))], 16):
            places += range(line_end + 2, line_end + 2 + size)
            at = line_end + 2 + size + 2
        return places

    @staticmethod
    def _read(kind: str, body: bytes) -> list[tuple[int, dict[str, Any]]]:
        readers = {"sse": _server_sent, "msgpack": _framed, "zip": _zipped, "json": _listed}
        return readers[kind](body) if kind in readers else []


def _server_sent(body: bytes) -> list[tuple[int, dict[str, Any]]]:
    found, start = [], 0
    while (end := body.find(b"\n\n", start) + 2) > 1:
        fields = json.loads(body[start:end].partition(b"data: ")[2])
        if "image" in fields:
            fields["image"] = base64.b64decode(fields["image"])
        found.append((end, fields))
        start = end
    return found


def _framed(body: bytes) -> list[tuple[int, dict[str, Any]]]:
    found, start = [], 0
    while start + 4 <= len(body) and (end := start + 4 + int.from_bytes(body[start : start + 4])) <= len(body):
        found.append((end, msgpack.unpackb(body[start + 4 : end])))
        start = end
    return found


def _zipped(body: bytes) -> list[tuple[int, dict[str, Any]]]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        images = [archive.read(name) for name in archive.namelist()]
    return [(len(body), _final(place, image)) for place, image in enumerate(images)]


def _listed(body: bytes) -> list[tuple[int, dict[str, Any]]]:
    images = json.loads(body)["images"]
    return [(len(body), _final(each["index"], base64.b64decode(each["image"]))) for each in images]


def _final(sample: int, image: bytes) -> dict[str, Any]:
    return {"event_type": "final", "samp_ix": sample, "image": image}
