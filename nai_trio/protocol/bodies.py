"""What a response body is read as: chosen by status, then media type, then checked against the body's first bytes.

    status 300 and above       an error with the service's words (JSON, or a gateway's page)
    text/event-stream          server-sent events
    application/msgpack, ...   msgpack frames
    application/zip, ...       a ZIP of finished pictures, which the service does send here (wire document, 4.4)
    image/*                    one bare picture (reverse proxies)
    application/json           a list of finished pictures, where JSON was asked for; or an error under a 2xx status
    octet-stream or no type    whatever the first bytes say, in the order of the wire document, 4.4
    anything else              an error that shows what came: a proxy's HTML page never reaches a parser

A body whose first bytes contradict its media type is refused, not guessed at: the first letters of a gateway's page
would read as a frame of a gigabyte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nai_trio.errors import GenerationError, LimitExceeded, NovelAIError, ProtocolError, StreamInterrupted
from nai_trio.protocol import _json
from nai_trio.protocol.chunks import Chunk, FinalChunk
from nai_trio.protocol.collected import Body, CollectedBody, ErrorBody, RefusalBody, first_json, words
from nai_trio.protocol.members import show
from nai_trio.protocol.msgpack_shape import is_map_start
from nai_trio.protocol.picture_json import fields_with_picture
from nai_trio.protocol.picture_list import finals_from_json
from nai_trio.protocol.sse import LentEvent, SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.protocol.events import EventReader
    from nai_trio.protocol.framing import Write
    from nai_trio.protocol.gather import Buffers
    from nai_trio.protocol.http import ResponseHead
    from nai_trio.protocol.limits import Limits

__all__ = ["bytes_to_see", "open_body", "promises_pictures"]

_TELLING = 4
"""Bytes that tell every kind apart; no event is shorter, so waiting for them delays none."""

_MAX_BLANK = 60
"""Bytes that may stand before them and tell nothing."""

_BOM = b"\xef\xbb\xbf"

_KINDS = {
    "text/event-stream": "sse",
    "application/msgpack": "msgpack",
    "application/x-msgpack": "msgpack",
    "application/vnd.msgpack": "msgpack",
    "application/zip": "zip",
    "application/x-zip-compressed": "zip",
    "application/json": "json",
    "application/octet-stream": "any",
    "binary/octet-stream": "any",
    "": "any",
}

_CARRIERS = ("sse", "msgpack", "zip", "image")
_TEXTS = ("json", "html")
"""Kinds whose words are worth more than the complaint that they are not what was declared."""

_MAGIC = {"zip": (b"PK",), "image": (b"\x89PNG", b"RIFF", b"\xff\xd8\xff")}
"""What bodies of a kind begin with."""

_NAMES = {
    "sse": "an event stream",
    "msgpack": "msgpack frames",
    "zip": "a ZIP archive",
    "image": "a picture",
    "json": "JSON",
    "html": "an HTML page",
}


def open_body(
    head: ResponseHead,
    first: bytes,
    *,
    events: EventReader,
    limits: Limits,
    asked_for_json: bool = False,
    buffers: Buffers | None = None,
) -> Body[Chunk]:
    """Choose how to read a body.

    Args:
        head: the response's head.
        first: the body's first bytes: at least `bytes_to_see(first)`, fewer only when it has no more.
        events: turns events into chunks.
        limits: bounds on what the body may hold.
        asked_for_json: whether JSON is an answer here, and not only an error.
        buffers: where memory for unfinished events comes from.

    Raises:
        ProtocolError: the first bytes are not what the media type says.
    """
    if head.status >= 300:
        return RefusalBody(head, limits)
    opening = first[: bytes_to_see(first)]  # not what came with it, else the verdict would hang on the cut
    declared, seen = _declared(head), _sniff(opening)
    kind = seen if declared == "any" or (seen in _TEXTS and declared in _CARRIERS) else declared
    if kind != seen and not _agrees(kind, opening):
        received = f"{_NAMES[seen]} ({_type_of(head)}, first bytes {first[:16]!r})"
        raise ProtocolError.mismatch(expected=_NAMES[kind], received=received, offset=0)
    if kind == "sse":
        return SSEBody(events, limits, buffers)
    if kind == "msgpack":
        return FramesBody(events, limits, buffers)
    if kind in ("zip", "image"):
        return ZipBody(limits) if kind == "zip" else ImageBody(limits)
    if kind == "json":
        return JSONBody(events, limits, carries_answer=asked_for_json)
    return WrongBody(limits, _type_of(head))


def bytes_to_see(first: bytes | bytearray) -> int:
    """How many of a body's first bytes must be there to choose how to read it, as far as those that are there tell."""
    opening = bytes(first[: _MAX_BLANK + _TELLING])
    blank = len(opening) - len(opening.removeprefix(_BOM).lstrip())
    return min(blank, _MAX_BLANK) + _TELLING


def promises_pictures(head: ResponseHead, *, asked_for_json: bool = False) -> bool:
    """Whether a response's head alone says that its body carries pictures; JSON does where it was asked for."""
    declared = _declared(head)
    return head.status < 300 and (declared in _CARRIERS or (asked_for_json and declared == "json"))


def _declared(head: ResponseHead) -> str:
    media_type = head.media_type
    return "image" if media_type.startswith("image/") else _KINDS.get(media_type, "other")


def _type_of(head: ResponseHead) -> str:
    return f"content-type {head.media_type!r}" if head.media_type else "no content-type"


def _sniff(first: bytes) -> str:
    """Tell a body's kind by its first bytes (wire document, 4.4)."""
    for kind, magic in _MAGIC.items():
        if first.startswith(magic):
            return kind
    text = first.removeprefix(_BOM).lstrip()
    if text.startswith(b"{"):
        return "json"
    if text.startswith(b"<"):
        return "html"
    if text.startswith((b"e", b"d", b":", b"i", b"r")):
        return "sse"
    return "msgpack"


def _agrees(kind: str, first: bytes) -> bool:
    """Whether bytes that do not look like their media type can still be it, as what was cut right there can."""
    if not first or any(magic.startswith(first) for magic in _MAGIC.get(kind, ())):
        return True
    if kind == "sse":  # may begin with any text: an unknown field, a blank line
        return _sniff(first) == "msgpack" and first[0] >= 0x09 and not is_map_start(first[0])
    return kind == "other" or (kind == "json" and _sniff(first) in ("msgpack", "sse"))


class EventsBody(Body[Chunk]):
    """Events one after another, in either framing; so many of them and no more."""

    def __init__(self, events: EventReader, limits: Limits) -> None:
        self._events = events
        self._limits = limits
        self._count = 0

    def _count_event(self, offset: int) -> None:
        self._count += 1
        if self._count > self._limits.max_events:
            raise LimitExceeded.of("max_events", self._limits.max_events, "one more", offset=offset)


class SSEBody(EventsBody):
    """Server-sent events whose data is one JSON object each."""

    def __init__(self, events: EventReader, limits: Limits, buffers: Buffers | None) -> None:
        super().__init__(events, limits)
        self._decoder = SSEDecoder(
            max_event_size=limits.max_event_size, max_field_size=limits.max_field_size, buffers=buffers
        )

    @property
    def sink(self) -> Write:
        """See `Body.sink`."""
        return self._decoder.sink

    def read(self) -> Iterator[Chunk]:
        """Yield the chunks of the events that have come."""
        for event in self._decoder.read():
            self._count_event(event.offset)
            yield self._events.chunk(_event_fields(event, self._limits), offset=event.offset)

    def finish(self, *, delimited: bool) -> Iterator[Chunk]:  # noqa: ARG002 - finals prove the end
        """Report an event that no blank line finished."""
        if self._decoder.unfinished:
            raise StreamInterrupted("the body ended inside an event")
        yield from ()


def _event_fields(event: LentEvent, limits: Limits) -> dict[str, Any]:
    """The JSON members of an event; its `event_type` is the stream's event name where the data has none."""
    name, offset = event.event, event.offset
    fields = fields_with_picture(event.memory, event.start, event.end, limits=limits)
    if fields is None:
        fields = _any_fields(event, limits)
    if name != "message" and fields.setdefault("event_type", name) != name:
        raise ProtocolError.mismatch(
            expected=f"data of event type {name[:60]!r} as its event line says",
            received=show(fields["event_type"]),
            offset=offset,
        )
    return fields


def _any_fields(event: LentEvent, limits: Limits) -> dict[str, Any]:
    """The members of any JSON object."""
    offset = event.offset
    try:
        fields = _json.parse_text(
            _json.checked_text(event.memory, event.start, event.end, limits=limits, offset=offset)
        )
    except ValueError as error:
        beginning = bytes(event.memory[event.start : min(event.end, event.start + 60)])
        raise ProtocolError.mismatch(
            expected="an event whose data is JSON", received=f"{beginning!r} ({error})", offset=offset
        ) from error
    if not isinstance(fields, dict):
        raise ProtocolError.mismatch(
            expected="an event whose data is a JSON object", received=show(fields), offset=offset
        )
    return fields


class FramesBody(EventsBody):
    """Msgpack frames."""

    def __init__(self, events: EventReader, limits: Limits, buffers: Buffers | None) -> None:
        from nai_trio.protocol.frames import MsgpackDecoder  # noqa: PLC0415 - loads msgpack, for such a body alone

        super().__init__(events, limits)
        self._decoder = MsgpackDecoder(
            max_frame_size=limits.max_frame_size,
            max_text_size=limits.max_text_size,
            max_members=limits.max_members,
            max_depth=limits.max_depth,
            buffers=buffers,
        )

    @property
    def sink(self) -> Write:
        """See `Body.sink`."""
        return self._decoder.sink

    def read(self) -> Iterator[Chunk]:
        """Yield the chunks of the frames that have come."""
        for frame in self._decoder.read():
            self._count_event(frame.offset)
            yield self._events.chunk(frame.fields, offset=frame.offset)

    def finish(self, *, delimited: bool) -> Iterator[Chunk]:  # noqa: ARG002 - finals prove the end
        """Report a frame that is not whole."""
        try:
            self._decoder.close()
        except ProtocolError as error:
            raise StreamInterrupted(f"the body ended inside a frame: {error}") from error
        yield from ()


class SelfEndingBody(CollectedBody[Chunk]):
    """A body whose own syntax says where its end is, so that a lost end of the transfer framing loses no picture."""

    def salvage(self) -> list[Chunk]:
        """The pictures, if all of it has come; it may go on all the same."""
        try:
            return list(self._pictures(self._content))
        except (NovelAIError, ValueError):
            return []

    def _pictures(self, content: bytes | bytearray) -> Iterator[Chunk]:
        """The pictures in a whole body; raises where it is not one."""
        raise NotImplementedError


class ZipBody(SelfEndingBody):
    """A ZIP of finished pictures; its central directory proves that it is whole."""

    limit = "max_answer_size"

    def finish(self, *, delimited: bool) -> Iterator[Chunk]:
        """Yield the pictures; where only the connection's end marks the end, one without its directory was cut."""
        from nai_trio.protocol.archive import has_directory  # noqa: PLC0415 - loads zipfile, for such a body alone

        content = self._take_content()
        if not (delimited or has_directory(content)):
            raise StreamInterrupted("the ZIP's end is not marked, and it is not whole")
        return self._pictures(content)

    def _pictures(self, content: bytes | bytearray) -> Iterator[Chunk]:
        from nai_trio.protocol.archive import finals_from_zip  # noqa: PLC0415 - loads zipfile, for such a body alone

        return finals_from_zip(content, limits=self._limits)


class ImageBody(CollectedBody[Chunk]):
    """One bare picture."""

    limit = "max_image_size"

    def finish(self, *, delimited: bool) -> Iterator[Chunk]:
        """Yield the picture; where only the connection's end marks its end, report that it may be cut."""
        yield FinalChunk(samp_ix=0, gen_id=None, image=self._take_content())
        if not delimited:
            raise StreamInterrupted("the picture's end is not marked: it may be cut")


class JSONBody(SelfEndingBody):
    """JSON under a 2xx status: a list of pictures, the service's error shape, or something that is no answer at all.

    Where a stream was asked for it was always an error, so it promises nothing before its end.
    """

    limit = "max_answer_size"

    def __init__(self, events: EventReader, limits: Limits, *, carries_answer: bool) -> None:
        super().__init__(limits)
        self.carries_answer = carries_answer
        self._events = events

    def finish(self, *, delimited: bool) -> Iterator[Chunk]:
        """Yield the pictures, or raise the error."""
        fields = self._fields()
        if isinstance(fields, dict) and fields.get("images"):
            return finals_from_json(fields, n_samples=self._events.n_samples, limits=self._limits)
        error = self._error()
        if fields is None and not delimited and isinstance(error, ProtocolError):
            error = StreamInterrupted("the JSON's end is not marked, and it is not whole")
        raise error

    def _pictures(self, content: bytes | bytearray) -> Iterator[Chunk]:
        fields = _json.parse_text(_json.checked_text(content, limits=self._limits))
        if not (isinstance(fields, dict) and fields.get("images")):
            return iter(())
        return finals_from_json(fields, n_samples=self._events.n_samples, limits=self._limits)

    def _fields(self) -> object:
        """What the JSON says, None where it is none. Of the bytes the beginning is kept, for an error's words."""
        try:
            text = _json.checked_text(self._content, limits=self._limits)
            self._content = self._content[: self._limits.max_error_size]
            return _json.parse_text(text)
        except ValueError:
            return None

    def _error(self) -> NovelAIError:
        fields = first_json(self.content[: self._limits.max_error_size])
        if isinstance(fields, dict) and isinstance(fields.get("message"), str):
            code = fields.get("statusCode", fields.get("code"))
            return GenerationError(fields["message"], code=code if isinstance(code, int | str) else None)
        return ProtocolError.mismatch(
            expected="a stream of pictures", received=f"JSON: {self.content[:120]!r}", offset=0
        )


class WrongBody(ErrorBody):
    """A 2xx body of a kind that cannot hold a generation."""

    def __init__(self, limits: Limits, content_type: str) -> None:
        super().__init__(limits)
        self._content_type = content_type

    def _error(self) -> NovelAIError:
        said = words(self.content) or "nothing"
        return ProtocolError.mismatch(
            expected="text/event-stream, application/msgpack or a ZIP",
            received=f"{self._content_type}: {said}",
            offset=0,
        )
