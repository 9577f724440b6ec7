"""The work that is measured: one generation as the service sends it (wire document, sections 4.1 to 4.3 and 10).

28 steps of 832x1216 are 27 previews, JPEG files of 9.0 to 17.7 kB that grow with the steps, and one final, a PNG file
of 1.65 MB. All are real files that Pillow opens, of noise, brought to their size by a comment (JPEG) or a private chunk
(PNG); the same seed gives the same bytes. The encoding is written out here and not taken from the library: what is
measured must not also be the yardstick.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import random
import struct
import zlib
from typing import TYPE_CHECKING, Literal

import attrs
import msgpack
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["STEPS", "VARIANTS", "Event", "Framing", "Variant", "body", "events", "response"]

Framing = Literal["sse", "msgpack"]

STEPS = 28
SMALLEST_PREVIEW, LARGEST_PREVIEW, HEAVY_PREVIEW = 9_000, 17_700, 60_000
FINAL = 1_650_000
GEN_ID = 2807180
SIGMAS = (20000.0, 0.05)


@attrs.frozen
class Variant:
    """How a generation is cut, and how large it is.

    Attributes:
        chunk: bytes of each HTTP chunk; None: one chunk per event; 0: no chunks, a Content-Length.
        preview: bytes of each preview, None for those of the service.
        previews: how many there are.
        final: bytes of the final.
    """

    chunk: int | None = 16 * 1024
    preview: int | None = None
    previews: int = STEPS - 1
    final: int = FINAL


VARIANTS = {
    "service": Variant(),
    "chunk per event": Variant(chunk=None),
    "chunks of 4 KiB": Variant(chunk=4096),
    "heavy": Variant(preview=HEAVY_PREVIEW, previews=28),
}


@attrs.frozen
class Event:
    """One event.

    Attributes:
        fields: its members in wire order, without the picture.
        image: the picture's bytes.
    """

    fields: dict[str, object]
    image: bytes

    def sse(self) -> bytes:
        text = base64.b64encode(self.image).decode("ascii")
        data = json.dumps({**self.fields, "image": text}, separators=(",", ":"))
        return f"event: {self.fields['event_type']}\ndata: {data}\n\n".encode()

    def msgpack(self) -> bytes:
        packed: bytes = msgpack.packb({**self.fields, "image": self.image}, use_bin_type=True)
        return struct.pack(">I", len(packed)) + packed


def jpeg(size: int, seed: int) -> bytes:
    """A JPEG file of `size` bytes: noise, then comments."""
    noise = Image.frombytes("L", (64, 64), random.Random(seed).randbytes(4096))
    target = io.BytesIO()
    noise.save(target, "JPEG", quality=75)
    image = target.getvalue()
    while left := size - len(image):
        length = min(left, 65_000) if left < 65_000 or left - 65_000 >= 4 else 64_000
        comment = b"\xff\xfe" + struct.pack(">H", length - 2) + random.Random(seed + left).randbytes(length - 4)
        image = image[:2] + comment + image[2:]
    return image


def png(size: int, seed: int) -> bytes:
    """A PNG file of `size` bytes: noise, then a private chunk."""
    side = max(1, int((size * 0.9 / 3) ** 0.5))
    noise = Image.frombytes("RGB", (side, side), random.Random(seed).randbytes(side * side * 3))
    target = io.BytesIO()
    noise.save(target, "PNG", compress_level=0)
    image = target.getvalue()
    filling = b"naTr" + random.Random(seed + 1).randbytes(size - len(image) - 12)
    end = image.rindex(b"IEND") - 4
    chunk = struct.pack(">I", len(filling) - 4) + filling + struct.pack(">I", zlib.crc32(filling))
    return image[:end] + chunk + image[end:]


@functools.cache
def events(variant: Variant) -> tuple[Event, ...]:
    """The events of one generation, in order."""
    count = variant.previews
    result = []
    for step in range(count):
        grown = SMALLEST_PREVIEW + (LARGEST_PREVIEW - SMALLEST_PREVIEW) * step // max(1, count - 1)
        sigma = SIGMAS[0] if step == 0 else SIGMAS[1] + 14.6 * (1 - step / count) ** 3
        fields = {"event_type": "intermediate", "samp_ix": 0, "step_ix": step, "gen_id": GEN_ID, "sigma": sigma}
        result.append(Event(fields, jpeg(variant.preview or grown, seed=step)))
    result.append(Event({"event_type": "final", "samp_ix": 0, "gen_id": GEN_ID}, png(variant.final, seed=STEPS)))
    return tuple(result)


def encoded(variant: Variant, framing: Framing) -> list[bytes]:
    """Each event as it goes over the wire."""
    return [event.sse() if framing == "sse" else event.msgpack() for event in events(variant)]


def body(variant: Variant, framing: Framing) -> bytes:
    """The response's body, its transfer coding removed."""
    return b"".join(encoded(variant, framing))


def response(variant: Variant, framing: Framing) -> bytes:
    """A whole HTTP/1.1 response: head, and the body in chunks (or with its length)."""
    kind = "text/event-stream" if framing == "sse" else "application/msgpack"
    whole = body(variant, framing)
    if variant.chunk == 0:
        return _head(kind, f"Content-Length: {len(whole)}") + whole
    pieces: Iterable[bytes] = encoded(variant, framing)
    if variant.chunk is not None:
        pieces = (whole[start : start + variant.chunk] for start in range(0, len(whole), variant.chunk))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return _head(kind, "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n"


def _head(kind: str, length: str) -> bytes:
    lines = ("HTTP/1.1 200 OK", f"Content-Type: {kind}", length, "Connection: keep-alive", "Cache-Control: no-cache")
    return "\r\n".join((*lines, "", "")).encode("ascii")
