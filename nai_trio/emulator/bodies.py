"""Response bodies of accepted jobs, piece by piece, faults included. No I/O: the caller sends each piece and paces.

A body is lazy: a piece is painted when it is asked for, so a job that is stopped stops working.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import attrs

from nai_trio.emulator import events, faults
from nai_trio.emulator.checks import failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nai_trio.emulator.events import Event
    from nai_trio.emulator.generation import Generation

__all__ = ["Body", "cdn_page", "plain_body", "stream_body", "wrong_body"]

_HUGE_LINE = 64 * 1024
_NOT_BASE64 = "!!! not base64 !!!"


@attrs.frozen
class Body:
    """What goes out under a 200.

    Attributes:
        content_type: the media type that the head announces.
        pieces: the body's bytes, to be sent one piece at a time.
        attachment: the file name that the head gives, if any.
    """

    content_type: str
    pieces: Iterable[bytes]
    attachment: str | None = None


@attrs.frozen
class _Framing:
    content_type: str
    encode: Callable[[Event], bytes]
    garbled: bytes
    huge: bytes


_SSE = _Framing(
    content_type="text/event-stream",
    encode=events.encode_sse,
    garbled=b'event: intermediate\ndata: {"event_type":"intermediate","samp_ix":0,\n\n',
    huge=b"event: final\ndata: " + b"A" * _HUGE_LINE,
)

_MSGPACK = _Framing(
    content_type="application/msgpack",
    encode=events.encode_msgpack,
    garbled=(8).to_bytes(4) + b"\xc1" * 8,  # 0xc1 is the one byte that msgpack never uses
    huge=b"\xff" * 4 + b"\x86\xaaevent_type\xa5fin",
)

_FRAMINGS = {"sse": _SSE, "msgpack": _MSGPACK}


def stream_body(generation: Generation, framing: str, fault: faults.Fault | None) -> Body:
    """The streaming endpoint's answer; `framing` is "sse" or "msgpack"."""
    form = _FRAMINGS[framing]
    return Body(form.content_type, _spoil(fault, form, _job_events(generation)))


def _job_events(generation: Generation) -> Iterator[Event]:
    """The job's events, or what the service sends when the job breaks (wire document, section 4.4)."""
    reason = failure(generation.settings)
    if reason is None:
        yield from generation.events()
        return
    if generation.settings.family != "V3" and "v4_prompt" not in generation.settings.parameters:
        yield {"event_type": "retry", "message": faults.StreamRetry().message}
    yield _error(500, reason)


def _error(code: int | None, message: str) -> Event:
    event: Event = {"event_type": "error", "code": code, "message": message}
    return {name: value for name, value in event.items() if value is not None}


def _spoil(fault: faults.Fault | None, form: _Framing, good: Iterator[Event]) -> Iterator[bytes]:
    match fault:
        case faults.StreamError(after_events=count, message=message, code=code):
            yield from map(form.encode, itertools.islice(good, count))
            yield form.encode(_error(code, message))
        case faults.StreamRetry(after_events=count, message=message):
            yield from map(form.encode, itertools.islice(good, count))
            yield form.encode({"event_type": "retry", "message": message})
            yield from map(form.encode, good)
        case faults.HugePrefix(after_events=count):
            yield from map(form.encode, itertools.islice(good, count))
            yield form.huge
        case _:
            yield from _spoil_singly(fault, form, good)


def _spoil_singly(fault: faults.Fault | None, form: _Framing, good: Iterator[Event]) -> Iterator[bytes]:
    for index, event in enumerate(good):
        match fault:
            case faults.MissingFinal() if event["event_type"] == "final":
                continue
            case faults.BadJSON(after_events=count) if index == count:
                yield form.garbled
            case faults.BadBase64(after_events=count) if index == count:
                yield form.encode(event | {"image": _NOT_BASE64})
            case faults.MissingField(name=name):
                yield form.encode({key: value for key, value in event.items() if key != name})
            case _:
                yield form.encode(event)


def plain_body(generation: Generation, fault: faults.Fault | None, *, as_json: bool) -> Body:
    """The plain endpoint's answer: a ZIP, or JSON where the client accepts that (wire document, section 5)."""
    finals = [] if isinstance(fault, faults.MissingFinal) else list(generation.finals())
    if as_json:
        return Body("application/json; charset=utf-8", [events.encode_images_json(finals, generation.seed)])
    return Body("binary/octet-stream", [events.encode_zip(finals)], attachment="images.zip")


def wrong_body(generation: Generation, kind: faults.WrongKind) -> Body:
    """What `WrongType` sends."""
    if kind in _FRAMINGS:
        return stream_body(generation, kind, None)
    if kind == "html":
        return Body("text/html; charset=UTF-8", [cdn_page(200)])
    if kind == "json":
        return Body("application/json; charset=utf-8", [b'{"statusCode":500,"message":"Internal Server Error"}\n'])
    finals = list(generation.finals())
    if kind == "zip":
        return Body("binary/octet-stream", [events.encode_zip(finals)], attachment="images.zip")
    image = finals[0]["image"]
    media_type = "image/webp" if generation.settings.image_format == "webp" else "image/png"
    return Body(media_type, [image] if isinstance(image, bytes) else [])


def cdn_page(status: int) -> bytes:
    """A page such as the network in front of the service shows."""
    title = {200: "Just a moment...", 403: "Attention Required!", 429: "Too many requests"}.get(status, "Bad gateway")
    return (
        f"<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>{title}</title></head>\n"
        f"<body><h1>{title}</h1><p>Error {status}</p></body>\n</html>\n"
    ).encode()  # fmt: skip
