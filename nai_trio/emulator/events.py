"""The service's encodings, byte for byte (wire document, sections 4.2, 4.3 and 5).

An event is a dict in wire order whose `image` is raw bytes. Written apart from `nai_trio.protocol`: what only agrees
with itself proves nothing.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import TYPE_CHECKING, cast

import msgpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Event", "encode_images_json", "encode_msgpack", "encode_sse", "encode_zip"]

type_name = "event_type"
Event = dict[str, object]


def encode_sse(event: Mapping[str, object]) -> bytes:
    """One server-sent event: an `event:` line, one `data:` line of compact JSON with base64, a blank line."""
    data = json.dumps({name: _json_value(value) for name, value in event.items()}, separators=(",", ":"))
    return f"event: {event.get('event_type', 'message')}\ndata: {data}\n\n".encode()


def _json_value(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, float) and value.is_integer():
        return int(value)  # the service writes 20000, not 20000.0
    return value


def encode_msgpack(event: Mapping[str, object]) -> bytes:
    """One frame: four bytes of big-endian length, then one map with its image as binary."""
    packed: bytes = msgpack.packb(dict(event), use_bin_type=True)
    return len(packed).to_bytes(4) + packed


class _OneWay(io.RawIOBase):
    """A file that cannot seek, so that `zipfile` writes data descriptors as the service does."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.parts.append(bytes(data))  # type: ignore[call-overload]
        return len(self.parts[-1])


def encode_zip(finals: Iterable[Mapping[str, object]]) -> bytes:
    """An archive of the finals' pictures, `image_0.png` and on: deflated, sizes after the data, fixed dates."""
    target = _OneWay()
    with zipfile.ZipFile(target, "w") as archive:
        for index, event in enumerate(finals):
            image = cast("bytes", event["image"])
            entry = zipfile.ZipInfo(f"image_{index}.{'webp' if image.startswith(b'RIFF') else 'png'}")
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, image, compresslevel=1)  # pictures do not shrink further
    return b"".join(target.parts)


def encode_images_json(finals: Iterable[Mapping[str, object]], seed: int) -> bytes:
    """The reply of the plain endpoint to `Accept: application/json`, the only one that tells the seed."""
    images = [
        {"image": _json_value(event["image"]), "index": index, "seed": (seed + index) % 2**32}
        for index, event in enumerate(finals)
    ]
    return json.dumps({"images": images}, separators=(",", ":")).encode() + b"\n"
