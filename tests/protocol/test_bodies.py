"""Which body a response has: status, media type and first bytes, the whole table of them."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import TYPE_CHECKING

import msgpack
import pytest

from nai_trio import (
    AuthenticationError,
    ConcurrencyLockedError,
    ConflictError,
    FinalChunk,
    GenerationError,
    HTTPStatusError,
    IntermediateChunk,
    InvalidRequestError,
    LimitExceeded,
    NotFoundError,
    NovelAIError,
    PaymentRequiredError,
    ProtocolError,
    RateLimitError,
    ServerError,
    StreamInterrupted,
)
from nai_trio.protocol import Limits, ResponseHead
from nai_trio.protocol.bodies import bytes_to_see, open_body, promises_pictures
from nai_trio.protocol.events import EventReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.protocol import Chunk

PNG = b"\x89PNG\r\n\x1a\nfinal"
JPEG = b"\xff\xd8\xff\xe0preview"
WEBP = b"RIFF\x24\0\0\0WEBPVP8L"

FINAL = {"event_type": "final", "samp_ix": 0, "gen_id": 7, "image": PNG}
PREVIEW = {"event_type": "intermediate", "samp_ix": 0, "step_ix": 0, "gen_id": 7, "sigma": 20000.0, "image": JPEG}


def sse(*events: dict[str, object]) -> bytes:
    lines = []
    for fields in events:
        image = fields.get("image")
        shown = {**fields, "image": base64.b64encode(image).decode()} if isinstance(image, bytes) else fields
        lines.append(f"event: {fields['event_type']}\ndata: {json.dumps(shown)}\n\n")
    return "".join(lines).encode()


def frames(*events: dict[str, object]) -> bytes:
    packed = [msgpack.packb(fields) for fields in events]
    return b"".join(len(payload).to_bytes(4, "big") + payload for payload in packed)


def zipped(*images: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for index, image in enumerate(images):
            archive.writestr(f"image_{index}.png", image)
    return target.getvalue()


SSE, FRAMES, ZIP = sse(PREVIEW, FINAL), frames(PREVIEW, FINAL), zipped(PNG)
BARE = msgpack.packb(PREVIEW) + msgpack.packb(FINAL)
HTML = b"<!DOCTYPE html>\n<html><head><title>Just a &amp; moment...</title></head><body>x</body></html>"
ERROR = b'{"statusCode":500,"message":"Internal Server Error"}\n'

STREAMED = [
    IntermediateChunk(samp_ix=0, step_ix=0, steps=2, gen_id=7, sigma=20000.0, image=JPEG),
    FinalChunk(samp_ix=0, gen_id=7, image=PNG),
]


def head(status: int = 200, content_type: str | None = None, **others: str) -> ResponseHead:
    headers = tuple((name.replace("_", "-"), value) for name, value in others.items())
    if content_type is not None:
        headers += (("content-type", content_type),)
    return ResponseHead(status=status, reason="Some Reason", headers=headers)


def read(
    response: ResponseHead, content: bytes, *, limits: Limits | None = None, delimited: bool = True, step: int = 0
) -> tuple[list[Chunk], NovelAIError | None]:
    """Read a whole body, its opening first, then `step` bytes at a time; the chunks and the error it ends in."""
    events = EventReader(steps=2, n_samples=2)
    size = max(bytes_to_see(content), step) if step else len(content)
    chunks: list[Chunk] = []
    try:
        body = open_body(response, content[:size], events=events, limits=limits or Limits())
        chunks += body.feed(content[:size])
        for start in range(size, len(content), step or 1):
            chunks += body.feed(content[start : start + step])
        body.raise_fault()
        for chunk in body.finish(delimited=delimited):
            chunks.append(chunk)
    except NovelAIError as error:
        return chunks, error
    return chunks, None


def both_cuts(
    response: ResponseHead, content: bytes, **options: object
) -> Iterator[tuple[list[Chunk], NovelAIError | None]]:
    for step in (0, 1, 7):
        yield read(response, content, step=step, **options)  # type: ignore[arg-type]


TYPES = {
    "text/event-stream": SSE,
    "text/event-stream; charset=utf-8": SSE,
    "Text/Event-Stream;charset=UTF-8": SSE,
    " text/event-stream ; x=y": SSE,
    "application/msgpack": FRAMES,
    "application/x-msgpack": FRAMES,
    "APPLICATION/VND.MSGPACK; a=b": FRAMES,
    "application/octet-stream": FRAMES,
    "binary/octet-stream": SSE,
    "": FRAMES,
}


@pytest.mark.parametrize(("content_type", "content"), TYPES.items())
def test_a_stream_of_the_declared_type_is_read(content_type: str, content: bytes) -> None:
    for result in both_cuts(head(200, content_type), content):
        assert result == (STREAMED, None)


@pytest.mark.parametrize("content", [SSE, FRAMES, BARE, b"\xef\xbb\xbf" + SSE, b": hi\n\n" + SSE, b"\r\n" + SSE])
@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "binary/octet-stream"])
def test_without_a_telling_type_the_first_bytes_tell(content_type: str | None, content: bytes) -> None:
    for result in both_cuts(head(200, content_type), content):
        assert result == (STREAMED, None)


@pytest.mark.parametrize("status", [200, 201, 206, 299])
def test_every_2xx_is_read_alike(status: int) -> None:
    assert read(head(status, "text/event-stream"), SSE) == (STREAMED, None)


@pytest.mark.parametrize(
    "start", [b"unknown: 1\n\n", b"\n", b"\xef\xbb\xbf", b"id: 4\n", b"retry: 5\n", b"\t\n", b"z\r"]
)
def test_an_event_stream_may_begin_with_any_line(start: bytes) -> None:
    for result in both_cuts(head(200, "text/event-stream"), start + SSE):
        assert result == (STREAMED, None)


@pytest.mark.parametrize(
    "content_type",
    ["application/zip", "application/x-zip-compressed", "binary/octet-stream", "application/octet-stream", None],
)
def test_a_zip_gives_its_finals_at_the_end(content_type: str | None) -> None:
    expected = [FinalChunk(samp_ix=0, gen_id=None, image=PNG), FinalChunk(samp_ix=1, gen_id=None, image=WEBP)]
    for delimited in (True, False):
        for result in both_cuts(head(200, content_type), zipped(PNG, WEBP), delimited=delimited):
            assert result == (expected, None)


@pytest.mark.parametrize("image", [PNG, JPEG, WEBP])
@pytest.mark.parametrize("content_type", ["image/png", "IMAGE/WEBP", "image/jpeg; q=1", "binary/octet-stream", None])
def test_a_bare_picture_is_a_final_whose_end_must_be_marked(content_type: str | None, image: bytes) -> None:
    expected = [FinalChunk(samp_ix=0, gen_id=None, image=image)]
    for result in both_cuts(head(200, content_type), image):
        assert result == (expected, None)
    chunks, error = read(head(200, content_type), image, delimited=False)
    assert chunks == expected
    assert isinstance(error, StreamInterrupted)


def test_a_bare_picture_has_the_pictures_limit() -> None:
    assert read(head(200, "image/png"), PNG, limits=Limits(max_image_size=len(PNG)))[1] is None
    for chunks, error in both_cuts(head(200, "image/png"), PNG, limits=Limits(max_image_size=len(PNG) - 1)):
        assert isinstance(error, LimitExceeded)
        assert (chunks, error.limit) == ([], "max_image_size")


def test_an_answer_that_is_read_whole_has_a_limit_of_its_own() -> None:
    for content_type, content in (("application/zip", ZIP), ("application/json", b'{"message":"no"}')):
        limits = Limits(max_answer_size=len(content) - 1)
        for chunks, error in both_cuts(head(200, content_type), content, limits=limits):
            assert isinstance(error, LimitExceeded)
            assert (chunks, error.limit) == ([], "max_answer_size")


CONTRADICTIONS = {
    "frames as an event stream": ("text/event-stream", FRAMES),
    "bare maps as an event stream": ("text/event-stream", BARE),
    "a ZIP as an event stream": ("text/event-stream", ZIP),
    "a picture as an event stream": ("text/event-stream", PNG),
    "events as frames": ("application/msgpack", SSE),
    "a comment as frames": ("application/msgpack", b": hi\n\n" + SSE),
    "a ZIP as frames": ("application/msgpack", ZIP),
    "a picture as frames": ("application/msgpack", JPEG),
    "events as a ZIP": ("application/zip", SSE),
    "frames as a ZIP": ("application/zip", FRAMES),
    "a picture as a ZIP": ("application/zip", PNG),
    "frames as a picture": ("image/png", FRAMES),
    "a ZIP as a picture": ("image/png", ZIP),
    "events as a picture": ("image/png", SSE),
    "a ZIP as JSON": ("application/json", ZIP),
    "a picture as JSON": ("application/json", PNG),
}


@pytest.mark.parametrize(("content_type", "content"), CONTRADICTIONS.values(), ids=list(CONTRADICTIONS))
def test_a_body_that_contradicts_its_type_is_refused_and_shown(content_type: str, content: bytes) -> None:
    for chunks, error in both_cuts(head(200, content_type), content):
        assert type(error) is ProtocolError
        assert chunks == []
        assert error.offset == 0
        assert content_type in error.received


CARRIERS = ["text/event-stream", "application/msgpack", "application/zip", "image/png"]


@pytest.mark.parametrize("content_type", [*CARRIERS, "application/octet-stream", None, "application/json"])
def test_json_under_a_2xx_is_the_services_error_whatever_the_type_says(content_type: str | None) -> None:
    for chunks, error in both_cuts(head(200, content_type), ERROR):
        assert isinstance(error, GenerationError)
        assert (chunks, error.message, error.code) == ([], "Internal Server Error", 500)


@pytest.mark.parametrize(
    ("content", "message", "code"),
    [
        (b'{"message":"m"}', "m", None),
        (b'{"message":"m","code":"E1"}', "m", "E1"),
        (b'\xef\xbb\xbf {"message":"m","code":[1]}', "m", None),
        (b'{"message":"m"}PK\x03\x04rest', "m", None),
    ],
)
def test_the_shapes_of_a_json_error(content: bytes, message: str, code: object) -> None:
    _, error = read(head(200, "application/json"), content)
    assert isinstance(error, GenerationError)
    assert (error.message, error.code) == (message, code)


@pytest.mark.parametrize(
    "content", [b'{"images":[]}', b'{"images":null}', b'{"message":5}', b"[1]", b"{broken", b'"x"', b"", b"null", b"\0"]
)
def test_other_json_is_no_answer(content: bytes) -> None:
    chunks, error = read(head(200, "application/json"), content)
    assert type(error) is ProtocolError
    assert (chunks, error.expected) == ([], "a stream of pictures")


@pytest.mark.parametrize("content_type", [*CARRIERS, None, "text/html", "text/html; charset=utf-8", "application/xml"])
def test_a_page_never_reaches_a_parser(content_type: str | None) -> None:
    for chunks, error in both_cuts(head(200, content_type), HTML):
        assert type(error) is ProtocolError
        assert chunks == []
        assert "an HTML page titled 'Just a & moment...'" in error.received


@pytest.mark.parametrize("content_type", ["text/plain", "video/mp4", "multipart/form-data", "nonsense"])
def test_another_type_is_refused_with_its_words(content_type: str) -> None:
    for content in (b"some   plain\nwords", SSE, FRAMES, b""):
        _, error = read(head(200, content_type), content)
        assert type(error) is ProtocolError
        assert error.received.startswith(f"content-type {content_type!r}: ")
    assert read(head(200, content_type), b"some   plain\nwords")[1].received.endswith(": some plain words")  # type: ignore[union-attr]


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/msgpack", None])
def test_an_empty_stream_gives_nothing(content_type: str | None) -> None:
    assert read(head(200, content_type), b"") == ([], None)


def test_a_stream_that_ends_inside_an_event_or_frame_is_interrupted_behind_what_was_whole() -> None:
    streams = [(head(200, "text/event-stream"), SSE), (head(200, "application/msgpack"), FRAMES), (head(200), BARE)]
    for response, content in streams:
        for missing in (1, 5):
            chunks, error = read(response, content[:-missing])
            assert chunks == STREAMED[:1]
            assert isinstance(error, StreamInterrupted)
            assert "the body ended inside" in str(error)


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"data: not json\n\n", "an event whose data is JSON"),
        (b"data: \xff\n\n", "an event whose data is JSON"),
        (b"data:\n\n", "an event whose data is JSON"),
        (b"data: [DONE]\n\n", "an event whose data is JSON"),
        (b"data: [1]\n\n", "an event whose data is a JSON object"),
        (b"data: null\n\n", "an event whose data is a JSON object"),
        (b'data: {"sigma": NaN}\n\n', "an event whose data is JSON"),
        (b'data: {"sigma": -Infinity}\n\n', "an event whose data is JSON"),
        (b'data: {"gen_id": ' + b"9" * 5000 + b"}\n\n", "an event whose data is JSON"),
        (b"data: " + b"[" * 32 + b"\n\n", "an event whose data is JSON"),
        (b"data: " + b"[" * 32 + b"]" * 32 + b"\n\n", "an event whose data is a JSON object"),
        (b'event: final\ndata: {"event_type":"intermediate"}\n\n', "data of event type 'final'"),
        (b'event: final\ndata: {"event_type":' + b"[" * 31 + b"]" * 31 + b"}\n\n", "data of event type 'final'"),
        (b'data: {"a":1}\n\n', "an event with 'event_type'"),
        (sse({**PREVIEW, "sigma": float("1e308")}).replace(b"1e+308", b"1e999"), "'sigma' is a finite number"),
    ],
)
def test_event_data_that_is_not_the_services_is_refused_with_its_place(stream: bytes, words: str) -> None:
    for chunks, error in both_cuts(head(200, "text/event-stream"), SSE + stream):
        assert type(error) is ProtocolError
        assert chunks == STREAMED
        assert words in error.expected
        assert error.offset == len(SSE)
        assert len(str(error)) < 400


def test_the_events_name_counts_where_the_data_has_no_type() -> None:
    stream = sse(FINAL).replace(b'"event_type": "final", ', b"")
    assert b"event_type" not in stream
    assert read(head(200, "text/event-stream"), stream) == (STREAMED[1:], None)


def test_an_error_event_ends_the_stream_behind_what_came() -> None:
    failed: dict[str, object] = {"event_type": "error", "message": "Error generating image", "code": 500}
    for response, content in ((head(200, "text/event-stream"), sse), (head(200, "application/msgpack"), frames)):
        for chunks, error in both_cuts(response, content(PREVIEW, failed, FINAL)):
            assert isinstance(error, GenerationError)
            assert (chunks, error.message, error.code) == (STREAMED[:1], "Error generating image", 500)


STATUSES = [
    (300, HTTPStatusError),
    (304, HTTPStatusError),
    (400, InvalidRequestError),
    (401, AuthenticationError),
    (402, PaymentRequiredError),
    (403, HTTPStatusError),
    (404, NotFoundError),
    (405, HTTPStatusError),
    (409, ConflictError),
    (422, InvalidRequestError),
    (429, RateLimitError),
    (500, ServerError),
    (502, ServerError),
    (503, ServerError),
    (504, ServerError),
    (599, ServerError),
]


@pytest.mark.parametrize(("status", "kind"), STATUSES)
@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", "application/zip", None])
def test_a_status_decides_before_the_type_does(status: int, kind: type[NovelAIError], content_type: str | None) -> None:
    response = head(status, content_type, x_id="1")
    for content in (b'{"statusCode":0,"message":"the words"}\n', b'{"message":"the words"}' + ZIP):
        for chunks, error in both_cuts(response, content):
            assert type(error) is kind
            assert isinstance(error, HTTPStatusError)
            assert (chunks, error.status, error.headers) == ([], status, response.headers)
            assert error.message.endswith("the words")


@pytest.mark.parametrize(
    "words", ["Concurrent generation is locked", "Concurrent free generation requests are not allowed"]
)
def test_the_accounts_lock_has_its_own_class(words: str) -> None:
    _, error = read(head(429, "application/json"), json.dumps({"statusCode": 429, "message": words}).encode())
    assert type(error) is ConcurrencyLockedError


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HTML, "an HTML page titled 'Just a & moment...'"),
        (b"<html><TITLE lang=en> Blocked\n</TITLE>", "an HTML page titled 'Blocked'"),
        (b"  Bad \r\n Gateway  ", "Bad Gateway"),
        (b'{"error":"from text host"}', "from text host"),
        (b'{"message":5}', '{"message":5}'),
        (b'{"other":[1]}', '{"other":[1]}'),
        (b"[1, 2]", "[1, 2]"),
        (b'{"message":"cut', '{"message":"cut'),
        (b'{"message":""}', "Some Reason"),
        (b"", "Some Reason"),
        (b" \n ", "Some Reason"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"a":' * 100_000, '{"a":' * 40),
        (b'{"a":' + b"[" * 960 + b"]" * 960 + b"}", '{"a":' + "[" * 195),
    ],
)
def test_a_refusals_words(content: bytes, words: str) -> None:
    _, error = read(head(502), content)
    assert isinstance(error, ServerError)
    assert error.message == words
    assert str(error) == f"502: {words}"


def test_json_at_every_depth_of_nesting_is_an_error_of_ours() -> None:
    for depth in range(850, 1001):
        content = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
        assert isinstance(read(head(500), content)[1], ServerError)
        assert isinstance(read(head(200, "text/event-stream"), b"data: " + content + b"\n\n")[1], ProtocolError)


def test_a_refusal_without_words_or_reason_says_so() -> None:
    _, error = read(ResponseHead(status=418, reason="", headers=()), b"")
    assert str(error) == "418: no message"


def test_a_redirect_is_an_error_that_names_its_target() -> None:
    _, error = read(head(302, None, location="https://elsewhere.example/"), b"moved")
    assert type(error) is HTTPStatusError
    assert error.message == "a redirect to 'https://elsewhere.example/', which is not followed; moved"


@pytest.mark.parametrize("status", [200, 500])
def test_what_goes_over_the_limit_of_an_error_body_is_left_unread(status: int) -> None:
    limits = Limits(max_error_size=10)
    at_limit = [str(error) for _, error in both_cuts(head(status, "text/plain"), b"0123456789", limits=limits)]
    over = [str(error) for _, error in both_cuts(head(status, "text/plain"), b"0123456789abc", limits=limits)]
    assert len({*at_limit, *over}) == 1
    assert "0123456789" in over[0]
    assert "0123456789a" not in over[0]


def test_an_endless_error_body_ends_with_the_limit() -> None:
    body = open_body(head(500), b"abcd", events=EventReader(steps=1, n_samples=1), limits=Limits(max_error_size=100))
    for _ in range(25):
        assert body.feed(b"abcd") == []
    with pytest.raises(ServerError):
        body.feed(b"a")


PROMISES = [
    (200, "text/event-stream", True),
    (201, "application/msgpack; x=y", True),
    (200, "application/zip", True),
    (200, "image/png", True),
    (200, "application/octet-stream", False),
    (200, "application/json", False),
    (200, "text/html", False),
    (200, None, False),
    (302, "text/event-stream", False),
    (401, "text/event-stream", False),
    (500, "application/zip", False),
]


@pytest.mark.parametrize(("status", "content_type", "expected"), PROMISES)
def test_a_head_promises_pictures_or_not(status: int, content_type: str | None, expected: bool) -> None:
    assert promises_pictures(head(status, content_type)) is expected


@pytest.mark.parametrize(
    ("status", "content_type", "content", "expected"),
    [
        (200, "text/event-stream", SSE, True),
        (200, None, FRAMES, True),
        (200, None, ZIP, True),
        (200, None, PNG, True),
        (200, "application/json", ERROR, False),
        (200, "text/html", HTML, False),
        (429, "text/event-stream", ERROR, False),
    ],
)
def test_an_open_body_says_whether_it_carries_pictures(
    status: int, content_type: str | None, content: bytes, expected: bool
) -> None:
    events = EventReader(steps=1, n_samples=1)
    body = open_body(head(status, content_type), content[: bytes_to_see(content)], events=events, limits=Limits())
    assert body.carries_answer is expected


@pytest.mark.parametrize("content", [SSE, FRAMES, BARE], ids=["sse", "frames", "bare maps"])
def test_events_are_counted_and_one_too_many_comes_behind_those_before_it(content: bytes) -> None:
    kind = "text/event-stream" if content is SSE else "application/msgpack"
    whole, error = read(head(content_type=kind), content, limits=Limits(max_events=2))
    assert (len(whole), error) == (2, None)
    some, error = read(head(content_type=kind), content, limits=Limits(max_events=1))
    assert some == whole[:1]
    assert isinstance(error, LimitExceeded)
    assert (error.limit, error.allowed) == ("max_events", 1)


@pytest.mark.parametrize("delimited", [True, False])
def test_a_zip_that_was_cut_is_interrupted_where_only_the_connections_end_marks_its_end(delimited: bool) -> None:
    for size in (1, 2, len(ZIP) // 2, len(ZIP) - 1):
        chunks, error = read(head(200, "application/zip"), ZIP[:size], delimited=delimited)
        assert (chunks, type(error)) == ([], ProtocolError if delimited else StreamInterrupted)


@pytest.mark.parametrize(
    ("content_type", "content", "whole"),
    [("application/zip", ZIP, 1), ("text/event-stream", SSE, 0), ("application/msgpack", FRAMES, 0)],
)
def test_only_a_body_that_proves_its_own_end_can_be_salvaged(content_type: str, content: bytes, whole: int) -> None:
    body = open_body(head(200, content_type), content, events=EventReader(steps=2, n_samples=2), limits=Limits())
    body.feed(content[:-1])
    assert body.salvage() == []
    if whole:
        body.feed(content[-1:])
    assert [chunk.image for chunk in body.salvage()] == [PNG] * whole  # type: ignore[union-attr]
