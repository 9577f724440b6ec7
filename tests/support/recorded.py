"""A small generation as the service sends it, in both framings: the bytes that tests cut, break and replay.

The pictures are tiny but real (Pillow opens them); events, member order and encodings are the wire document's.
"""

from __future__ import annotations

import base64
import io
import json
from functools import cache
from typing import Any, Literal

import msgpack
from PIL import Image

from nai_trio import ImageParams

STEPS = 4
GEN_ID = 2807180
SIGMAS = (20000, 14.5, 0.3121)


ACCOUNT: dict[str, Any] = {
    "tier": 3,
    "active": True,
    "expiresAt": 1790000000,
    "isGracePeriod": False,
    "perks": {
        "maxPriorityActions": 1000,
        "startPriority": 10,
        "contextTokens": 8192,
        "unlimitedMaxPriority": True,
        "moduleTrainingSteps": 10000,
    },
    "trainingStepsLeft": {"fixedTrainingStepsLeft": 9000, "purchasedTrainingSteps": 5},
}
"""An account as the service answers it (wire document, section 9); without `usage`, which only Opus has."""


def params(**changes: Any) -> ImageParams:
    """Parameters that ask for what `events` has."""
    fields: dict[str, Any] = {"prompt": "1girl, cat ears", "size": (64, 64), "steps": STEPS, "seed": 7}
    return ImageParams(**{**fields, **changes})


def seed_of(body: bytes) -> int:
    """The seed that a request asks for."""
    seed: int = json.loads(body)["parameters"]["seed"]
    return seed


@cache
def picture(kind: Literal["JPEG", "PNG"], shade: int) -> bytes:
    """A real picture of one shade of grey."""
    target = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(target, kind)
    return target.getvalue()


def events(n_samples: int = 1) -> list[dict[str, Any]]:
    """Previews interleaved by sample, then a final for each sample."""
    found: list[dict[str, Any]] = []
    for step, sigma in enumerate(SIGMAS):
        for sample in range(n_samples):
            found.append(
                {
                    "event_type": "intermediate",
                    "samp_ix": sample,
                    "step_ix": step,
                    "gen_id": GEN_ID,
                    "sigma": sigma,
                    "image": picture("JPEG", 40 * step + sample),
                }
            )
    for sample in range(n_samples):
        image = picture("PNG", 200 + sample)
        found.append({"event_type": "final", "samp_ix": sample, "gen_id": GEN_ID, "image": image})
    return found


def sse(*fields: dict[str, Any]) -> bytes:
    """Events as server-sent events."""
    return b"".join(map(_sse_event, fields))


def _sse_event(fields: dict[str, Any]) -> bytes:
    text = {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in fields.items()
    }
    data = json.dumps(text, separators=(",", ":"))
    return f"event: {fields['event_type']}\ndata: {data}\n\n".encode()


def frames(*fields: dict[str, Any]) -> bytes:
    """Events as length-prefixed msgpack maps."""
    return b"".join(map(_frame, fields))


def _frame(fields: dict[str, Any]) -> bytes:
    if "sigma" in fields:
        fields = {**fields, "sigma": float(fields["sigma"])}
    payload: bytes = msgpack.packb(fields)
    return len(payload).to_bytes(4, "big") + payload


def body(kind: Literal["sse", "msgpack"], n_samples: int = 1) -> bytes:
    """A whole body."""
    return (sse if kind == "sse" else frames)(*events(n_samples))


MEDIA_TYPES = {"sse": "text/event-stream", "msgpack": "application/msgpack"}


def response(
    content: bytes,
    media_type: str,
    *,
    status: int = 200,
    framing: Literal["chunked", "length", "close"] = "chunked",
    chunk: int = 1000,
    extra: str = "",
) -> bytes:
    """A whole HTTP response."""
    head = f"HTTP/1.1 {status} Whatever\r\ncontent-type: {media_type}\r\ncache-control: no-cache\r\n{extra}"
    if framing == "close":
        return f"{head}connection: close\r\n\r\n".encode() + content
    if framing == "length":
        return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content
    pieces = [content[start : start + chunk] for start in range(0, len(content), chunk)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return f"{head}transfer-encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n\r\n"


def stream_response(kind: Literal["sse", "msgpack"], n_samples: int = 1, **options: Any) -> bytes:
    """The response to a streamed generation, chunked."""
    return response(body(kind, n_samples), MEDIA_TYPES[kind], **options)
