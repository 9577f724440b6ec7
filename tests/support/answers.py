"""Small whole answers of every kind that the service gives, for tests that try each of their bytes.

The pictures are real (one grey pixel); members, order and encodings are as in `recorded`.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import attrs
import recorded
from PIL import Image

if TYPE_CHECKING:
    from nai_trio import ImageParams
    from nai_trio.protocol.exchange import Delivery

Framing = Literal["chunked", "length", "close"]
FRAMINGS: tuple[Framing, ...] = ("chunked", "length", "close")
STEPS = 3
UNTYPED = "binary/octet-stream"
"""As the service sends its archives."""


@attrs.frozen(kw_only=True)
class Answer:
    """What the service answers to a generation.

    Attributes:
        name: what tests call it.
        delivery: what was asked for.
        content: the whole body.
        media_type: what it is said to be.
        status: the HTTP status.
        n_samples: how many pictures were asked for.
        error: the name of the error that the whole of it is; "" for one with all pictures.
    """

    name: str
    delivery: Delivery
    content: bytes = attrs.field(repr=False)
    media_type: str
    status: int = 200
    n_samples: int = 1
    error: str = ""

    @property
    def params(self) -> ImageParams:
        """What was asked for."""
        return _params(self.n_samples)

    @property
    def promises_pictures(self) -> bool:
        """Whether its media type, or where that says nothing its first bytes, promise pictures."""
        media_type = self.media_type.partition(";")[0]
        carriers = {*recorded.MEDIA_TYPES.values(), "application/zip", UNTYPED}
        return media_type in carriers or (self.delivery == "json" and media_type == "application/json")

    @property
    def telling(self) -> int:
        """How many bytes of the body it takes to know what it is."""
        return 4 if self.media_type == UNTYPED else 0

    def response(self, framing: Framing = "chunked", *, chunk: int = 300) -> bytes:
        """The whole response."""
        return recorded.response(
            self.content, self.media_type, status=self.status, framing=framing, chunk=chunk, extra="x-trace: 7f\r\n"
        )

    def __str__(self) -> str:
        return self.name


@cache
def _params(n_samples: int) -> ImageParams:
    return recorded.params(steps=STEPS, n_samples=n_samples)


@cache
def pixel(kind: Literal["JPEG", "PNG"], shade: int) -> bytes:
    """The smallest picture of a kind."""
    target = io.BytesIO()
    Image.new("L", (1, 1), shade).save(target, kind, optimize=True)
    return target.getvalue()


def events(n_samples: int = 1) -> list[dict[str, Any]]:
    """The events of a generation: those that are recorded, with such pictures, and a preview fewer each."""
    found = [fields for fields in recorded.events(n_samples) if fields.get("step_ix", 0) < STEPS - 1]
    kinds: dict[str, Literal["JPEG", "PNG"]] = {"intermediate": "JPEG", "final": "PNG"}
    return [
        {**fields, "image": pixel(kinds[fields["event_type"]], 10 * place)} for place, fields in enumerate(found, 1)
    ]


def broken_off() -> list[dict[str, Any]]:
    """The events of a generation that fails."""
    failure = {"event_type": "error", "message": "Generation failed", "code": 500}
    return [*events()[:2], failure]


def finals(n_samples: int) -> list[bytes]:
    """The finished pictures of the answers that are not streamed."""
    return [pixel("PNG", 200 + index) for index in range(n_samples)]


def archive(n_samples: int) -> bytes:
    """The pictures in a ZIP."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as opened:
        for index, image in enumerate(finals(n_samples)):
            opened.writestr(f"image_{index}.png", image)
    return target.getvalue()


def picture_list(n_samples: int) -> bytes:
    """The pictures in a JSON text."""
    images = [
        {"image": base64.b64encode(image).decode(), "index": index, "seed": 7 + index}
        for index, image in enumerate(finals(n_samples))
    ]
    return json.dumps({"images": images}).encode()


def _streamed(kind: Literal["sse", "msgpack"], n_samples: int = 1) -> Answer:
    write = recorded.sse if kind == "sse" else recorded.frames
    name = kind if n_samples == 1 else f"{kind}-{n_samples}-samples"
    return Answer(
        name=name,
        delivery=kind,
        content=write(*events(n_samples)),
        media_type=recorded.MEDIA_TYPES[kind],
        n_samples=n_samples,
    )


def _trailed(kind: Literal["sse", "msgpack"]) -> Answer:
    """One with an event behind its last final, in which it can be cut although all pictures are there."""
    write = recorded.sse if kind == "sse" else recorded.frames
    more = {"event_type": "retry", "message": "of no consequence"}
    content = write(events()[-1], more)
    return Answer(name=f"{kind}-and-more", delivery=kind, content=content, media_type=recorded.MEDIA_TYPES[kind])


def _plain(name: str, kind: Literal["zip", "json"], media_type: str) -> Answer:
    content = archive(2) if kind == "zip" else picture_list(2)
    return Answer(name=name, delivery=kind, content=content, media_type=media_type, n_samples=2)


def _failed(kind: Literal["sse", "msgpack"]) -> Answer:
    write = recorded.sse if kind == "sse" else recorded.frames
    content = write(*broken_off())
    media_type = recorded.MEDIA_TYPES[kind]
    return Answer(name=f"{kind}-error", delivery=kind, content=content, media_type=media_type, error="GenerationError")


def _refused(status: int, content: bytes, media_type: str, error: str) -> Answer:
    return Answer(
        name=f"{error}-{status}", delivery="sse", content=content, media_type=media_type, status=status, error=error
    )


def busy(status: int) -> bytes:
    """A whole response that asks to come again, on a connection that is kept."""
    return recorded.response(b'{"message":"busy"}', "application/json", status=status, framing="length")


LOCKED = b'{"statusCode":429,"message":"Concurrent generation is locked"}\n'
PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>\r\n"
IN_PLACE = b'{"statusCode":500,"message":"Internal Server Error"}'

ANSWERS = {
    answer.name: answer
    for answer in (
        _streamed("sse"),
        _streamed("msgpack"),
        _streamed("sse", 2),
        _streamed("msgpack", 2),
        _trailed("sse"),
        _trailed("msgpack"),
        _plain("zip", "zip", "application/zip"),
        _plain("zip-untyped", "zip", UNTYPED),
        _plain("json", "json", "application/json"),
        _failed("sse"),
        _failed("msgpack"),
        _refused(429, LOCKED, "application/json; charset=utf-8", "ConcurrencyLockedError"),
        _refused(502, PAGE, "text/html", "ServerError"),
        _refused(200, IN_PLACE, "application/json", "GenerationError"),
    )
}
"""Every answer by its name."""
