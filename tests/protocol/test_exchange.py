"""One generation from the request's bytes to the last chunk: over both framings, in every cut, ended anywhere."""

from __future__ import annotations

import base64
import copy
import io
import json
import pickle
import zipfile
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs
import h11
import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio import (
    AuthenticationError,
    ConcurrencyLockedError,
    FinalChunk,
    GenerationError,
    HTTPStatusError,
    IntermediateChunk,
    InvalidParamsError,
    InvalidRequestError,
    LimitExceeded,
    MissingAPIKeyError,
    NovelAIError,
    ProtocolError,
    RetryChunk,
    ServerError,
    StreamInterrupted,
    UnknownChunk,
)
from nai_trio.params import ImageParams
from nai_trio.protocol import Chunk, ImageExchange, Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KEY = "pst-not-a-real-key"
ONE = ImageParams("1girl", size=(64, 64), steps=3, seed=1)
TWO = attrs.evolve(ONE, n_samples=2)

JPEG = b"\xff\xd8\xff\xe0preview"
PNG = b"\x89PNG\r\n\x1a\nfinal"


def preview(samp_ix: int, step_ix: int) -> dict[str, Any]:
    image = JPEG + bytes([samp_ix, step_ix])
    sigma = 20000.0 / (step_ix + 1)
    event = {"event_type": "intermediate", "samp_ix": samp_ix, "step_ix": step_ix, "gen_id": 2807180}
    return {**event, "sigma": sigma, "image": image}


def final(samp_ix: int) -> dict[str, Any]:
    return {"event_type": "final", "samp_ix": samp_ix, "gen_id": 2807180, "image": PNG + bytes([samp_ix])}


def preview_chunk(samp_ix: int, step_ix: int) -> IntermediateChunk:
    fields = {name: value for name, value in preview(samp_ix, step_ix).items() if name != "event_type"}
    return IntermediateChunk(steps=3, **fields)


def final_chunk(samp_ix: int) -> FinalChunk:
    return FinalChunk(samp_ix=samp_ix, gen_id=2807180, image=PNG + bytes([samp_ix]), seed=ONE.seed + samp_ix)


SINGLE = [preview(0, 0), preview(0, 1), final(0)]
SINGLE_CHUNKS = [preview_chunk(0, 0), preview_chunk(0, 1), final_chunk(0)]
DOUBLE = [preview(0, 0), preview(1, 0), preview(1, 1), preview(0, 1), final(1), final(0)]
DOUBLE_CHUNKS = [
    *(preview_chunk(0, 0), preview_chunk(1, 0), preview_chunk(1, 1), preview_chunk(0, 1)),
    *(final_chunk(1), final_chunk(0)),
]


def sse(events: Iterable[dict[str, Any]]) -> bytes:
    lines = []
    for fields in events:
        image = fields.get("image")
        shown = {**fields, "image": base64.b64encode(image).decode()} if image else fields
        data = json.dumps(shown, separators=(",", ":"))
        lines.append(f"event: {fields['event_type']}\ndata: {data}\n\n")
    return "".join(lines).encode()


def frames(events: Iterable[dict[str, Any]]) -> bytes:
    payloads = [msgpack.packb(fields) for fields in events]
    return b"".join(len(payload).to_bytes(4, "big") + payload for payload in payloads)


FRAMINGS = {"sse": ("text/event-stream", sse), "msgpack": ("application/msgpack", frames)}
each_framing = pytest.mark.parametrize("framing", list(FRAMINGS))


def response(
    body: bytes,
    content_type: str = "text/event-stream",
    *,
    status: str = "200 OK",
    framing: str = "sized",
    extra: str = "",
) -> bytes:
    marks = {
        "sized": f"Content-Length: {len(body)}",
        "chunked": "Transfer-Encoding: chunked",
        "close": "Connection: close",
    }
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n{extra}{marks[framing]}\r\n\r\n".encode()
    if framing != "chunked":
        return head + body
    half = len(body) // 2
    pieces = [piece for piece in (body[:half], body[half:]) if piece]
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def streamed(events: Iterable[dict[str, Any]], kind: str, *, framing: str = "sized") -> bytes:
    content_type, encode = FRAMINGS[kind]
    return response(encode(events), content_type, framing=framing)


def exchange(params: ImageParams = ONE, **options: Any) -> ImageExchange:
    result = ImageExchange(params, api_key=KEY, host="image.novelai.net", **options)
    result.data_to_send()
    return result


def drive(run: ImageExchange, pieces: Iterable[bytes], *, eof: bool = False) -> tuple[list[Chunk], NovelAIError | None]:
    """Feed as a driver does: look at `fault` before more bytes, stop there."""
    chunks: list[Chunk] = []
    raised = None
    try:
        for piece in pieces:
            if piece:
                chunks += run.receive_data(piece)
                run.raise_fault()
        if eof:
            chunks += run.receive_data(b"")
            run.raise_fault()
    except NovelAIError as error:
        raised = error
    assert raised is run.fault
    return chunks, raised


def bytewise(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


def cuttings(stream: bytes) -> Iterator[list[bytes]]:
    yield [stream]
    yield bytewise(stream)
    for place in range(1, len(stream)):
        yield [stream[:place], stream[place:]]


@pytest.mark.parametrize(
    ("stream", "target", "member"),
    [
        ("sse", b"/ai/generate-image-stream", "sse"),
        ("msgpack", b"/ai/generate-image-stream", "msgpack"),
        (None, b"/ai/generate-image", None),
    ],
)
def test_a_server_reads_the_request(stream: Any, target: bytes, member: str | None) -> None:
    run = ImageExchange(ONE, api_key=KEY, host="localhost:8000", stream=stream)
    server = h11.Connection(h11.SERVER)
    server.receive_data(run.data_to_send())
    assert run.data_to_send() == b""
    head, data, end = server.next_event(), server.next_event(), server.next_event()
    assert isinstance(head, h11.Request)
    assert (head.method, head.target) == (b"POST", target)
    headers = dict(head.headers)
    assert (headers[b"host"], headers[b"authorization"]) == (b"localhost:8000", b"Bearer pst-not-a-real-key")
    assert isinstance(data, h11.Data)
    sent = json.loads(data.data)
    assert sent == ONE.to_wire(stream=stream)
    assert sent["parameters"].get("stream") == member
    assert isinstance(end, h11.EndOfMessage)


def test_a_path_prefix_goes_in_front() -> None:
    run = ImageExchange(ONE, api_key=KEY, host="h", path_prefix="/novelai")
    assert run.data_to_send().startswith(b"POST /novelai/ai/generate-image-stream HTTP/1.1\r\n")


def test_what_is_wrong_is_refused_before_a_byte_is_sent() -> None:
    with pytest.raises(MissingAPIKeyError):
        ImageExchange(ONE, api_key="", host="h")
    with pytest.raises(InvalidParamsError):
        ImageExchange(ONE, api_key="a\r\nX: b", host="h")
    with pytest.raises(InvalidParamsError):
        ImageExchange(ONE, api_key=KEY, host="h", stream="xml")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="HTTP"):
        ImageExchange(ONE, api_key=KEY, host="h\r\nX: b").data_to_send()


def test_the_key_shows_in_no_repr() -> None:
    run = exchange()
    assert KEY not in repr(run)
    assert KEY not in repr(vars(run))


@each_framing
@pytest.mark.parametrize("http", ["sized", "chunked"])
def test_one_generation_is_the_same_chunks_over_both_framings_in_every_cut(framing: str, http: str) -> None:
    for pieces in cuttings(streamed(SINGLE, framing, framing=http)):
        run = exchange(stream=framing)
        assert drive(run, pieces) == (SINGLE_CHUNKS, None)
        assert (run.complete, run.reusable, run.accepted) == (True, True, True)
        assert run.previews == [preview_chunk(0, 1)]
        assert run.finals == [final_chunk(0)]


@each_framing
def test_what_comes_is_told_by_the_response_not_by_what_was_asked_for(framing: str) -> None:
    other = {"sse": "msgpack", "msgpack": "sse"}[framing]
    assert drive(exchange(stream=other), [streamed(SINGLE, framing)]) == (SINGLE_CHUNKS, None)


@each_framing
def test_a_body_that_ends_by_close_is_complete_with_the_end_of_file_alone(framing: str) -> None:
    stream = streamed(SINGLE, framing, framing="close")
    for pieces in ([stream], bytewise(stream)):
        run = exchange()
        assert drive(run, pieces) == (SINGLE_CHUNKS, None)
        assert run.complete is False
        assert run.receive_data(b"") == []
        assert (run.complete, run.reusable) == (True, False)


@each_framing
def test_interleaved_samples_each_have_their_previews_and_final(framing: str) -> None:
    stream = streamed(DOUBLE, framing)
    for pieces in ([stream], bytewise(stream)):
        run = exchange(TWO)
        assert drive(run, pieces) == (DOUBLE_CHUNKS, None)
        assert run.complete
        assert run.previews == [preview_chunk(0, 1), preview_chunk(1, 1)]
        assert run.finals == [final_chunk(0), final_chunk(1)]


@each_framing
def test_each_chunk_is_out_with_the_byte_that_completes_it(framing: str) -> None:
    encode = FRAMINGS[framing][1]
    run = exchange()
    run.receive_data(streamed(SINGLE, framing)[: -len(encode(SINGLE))])
    assert (run.status, run.accepted) == (200, True)
    for event, chunk in zip(SINGLE, SINGLE_CHUNKS, strict=True):
        data = encode([event])
        assert run.receive_data(data[:-1]) == []
        assert run.receive_data(data[-1:]) == [chunk]
    assert run.complete


def test_retries_and_unknown_events_are_chunks_among_the_others() -> None:
    events = [{"event_type": "retry", "message": "again"}, {"event_type": "queue", "position": 2}, *SINGLE]
    for kind in FRAMINGS:
        run = exchange()
        chunks, fault = drive(run, [streamed(events, kind)])
        unknown = UnknownChunk(event_type="queue", fields={"event_type": "queue", "position": 2})
        assert (chunks, fault) == ([RetryChunk(message="again"), unknown, *SINGLE_CHUNKS], None)
        assert run.complete


def test_the_head_is_known_before_the_body() -> None:
    run = exchange()
    assert (run.status, run.headers, run.accepted, run.complete, run.reusable) == (None, {}, False, False, False)
    run.receive_data(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-A: 1\r\nConnection: close\r\n\r\n")
    assert run.status == 200
    assert run.headers == {"content-type": "text/event-stream", "x-a": "1", "connection": "close"}
    assert run.accepted


def evidence(error: NovelAIError) -> tuple[bool, list[IntermediateChunk], list[FinalChunk]]:
    return error.billing_unknown, error.previews, error.finals


def arrived(chunks: Iterable[Chunk]) -> tuple[list[IntermediateChunk], list[FinalChunk]]:
    """What a slow and plain reader keeps: the last preview of each sample, and the finals."""
    previews = {chunk.samp_ix: chunk for chunk in chunks if isinstance(chunk, IntermediateChunk)}
    finals = {chunk.samp_ix: chunk for chunk in chunks if isinstance(chunk, FinalChunk)}
    return [previews[key] for key in sorted(previews)], [finals[key] for key in sorted(finals)]


@each_framing
@pytest.mark.parametrize("http", ["sized", "chunked", "close"])
def test_an_end_of_file_at_every_byte_is_an_interruption_that_keeps_what_came(framing: str, http: str) -> None:
    stream = streamed(DOUBLE, framing, framing=http)
    for size in range(len(stream)):
        for pieces in ([stream[:size]], [stream[: size // 2], stream[size // 2 : size]]):
            run = exchange(TWO)
            chunks, error = drive(run, pieces, eof=True)
            assert isinstance(error, StreamInterrupted), size
            assert chunks == DOUBLE_CHUNKS[: len(chunks)]
            assert evidence(error) == (True, *arrived(chunks))
            assert (run.complete, run.reusable) == (False, False)


@pytest.mark.parametrize("http", ["sized", "chunked"])
def test_an_end_of_file_inside_a_refusal_keeps_its_status(http: str) -> None:
    stream = response(b'{"statusCode":401,"message":"Unauthorized"}', status="401 Unauthorized", framing=http)
    head_size = stream.index(b"\r\n\r\n") + 4
    for size in range(len(stream)):
        _, error = drive(exchange(), [stream[:size]], eof=True)
        assert type(error) is (AuthenticationError if size >= head_size else StreamInterrupted), size


@each_framing
@pytest.mark.parametrize("http", ["sized", "chunked", "close"])
def test_a_whole_body_without_every_final_is_an_interruption(framing: str, http: str) -> None:
    run = exchange(TWO)
    chunks, error = drive(run, [streamed(DOUBLE[:-1], framing, framing=http)], eof=http == "close")
    assert chunks == DOUBLE_CHUNKS[:-1]
    assert isinstance(error, StreamInterrupted)
    assert "1 of 2 finished pictures" in str(error)
    assert evidence(error) == (True, *arrived(chunks))
    assert run.reusable is (http != "close")


@each_framing
def test_the_same_final_twice_is_not_two_samples(framing: str) -> None:
    _, error = drive(exchange(TWO), [streamed([final(0), final(0)], framing)])
    assert isinstance(error, StreamInterrupted)


@each_framing
def test_a_sample_that_was_not_asked_for_is_a_protocol_error(framing: str) -> None:
    run = exchange()
    chunks, error = drive(run, [streamed([preview(0, 0), final(1)], framing)])
    assert chunks == [preview_chunk(0, 0)]
    assert isinstance(error, ProtocolError)
    assert "'samp_ix'" in error.expected


@each_framing
def test_a_fault_comes_after_the_chunks_before_it_and_shows_at_once(framing: str) -> None:
    failed = {"event_type": "error", "message": "Error generating image", "code": 500}
    stream = streamed([preview(0, 0), final(0), failed, preview(0, 1)], framing)
    run = exchange(TWO)
    assert run.receive_data(stream) == [preview_chunk(0, 0), final_chunk(0)]
    fault = run.fault
    assert isinstance(fault, GenerationError)
    for data in (b"", b"more"):
        with pytest.raises(GenerationError) as caught:
            run.receive_data(data)
        assert caught.value is fault
    assert evidence(fault) == (True, [preview_chunk(0, 0)], [final_chunk(0)])
    assert run.complete is False


@each_framing
def test_a_fault_has_one_verdict_in_every_cut(framing: str) -> None:
    failed = {"event_type": "error", "message": "Error generating image", "code": 500}
    for pieces in cuttings(streamed([preview(0, 0), failed, final(0)], framing, framing="chunked")):
        chunks, error = drive(exchange(), pieces)
        assert chunks == [preview_chunk(0, 0)]
        assert isinstance(error, GenerationError)
        assert evidence(error) == (True, [preview_chunk(0, 0)], [])


BROKEN_BODIES = {
    "not JSON": ("text/event-stream", sse(SINGLE[:1]) + b"data: {\n\n"),
    "not base64": (
        "text/event-stream",
        sse(SINGLE[:1]) + sse([{**final(0), "image": b"abc"}]).replace(b"YWJj", b"YWJ"),
    ),
    "a member missing": (
        "application/msgpack",
        frames([SINGLE[0], {"event_type": "final", "samp_ix": 0, "gen_id": 1}]),
    ),
    "a frame that lies": ("application/msgpack", frames(SINGLE[:1]) + b"\0\0\0\x02\x80\x80"),
    "a frame of 4 GiB": ("application/msgpack", frames(SINGLE[:1]) + b"\xff\xff\xff\xff"),
}


@pytest.mark.parametrize(("content_type", "body"), BROKEN_BODIES.values(), ids=list(BROKEN_BODIES))
def test_a_broken_body_is_one_protocol_error_with_the_evidence(content_type: str, body: bytes) -> None:
    offset = len(sse(SINGLE[:1]) if content_type == "text/event-stream" else frames(SINGLE[:1]))
    for pieces in cuttings(response(body, content_type)):
        run = exchange()
        chunks, error = drive(run, pieces)
        assert chunks == [preview_chunk(0, 0)]
        assert isinstance(error, ProtocolError)
        assert error.offset == offset
        assert evidence(error) == (True, [preview_chunk(0, 0)], [])


def test_broken_chunking_comes_after_the_chunks_before_it() -> None:
    stream = response(sse(SINGLE), framing="chunked")
    broken = stream.removesuffix(b"0\r\n\r\n") + b"zz\r\n"
    for pieces in cuttings(broken):
        chunks, error = drive(exchange(), pieces)
        assert chunks == SINGLE_CHUNKS
        assert type(error) is ProtocolError
        assert error.finals == [final_chunk(0)]


def test_limits_are_the_callers() -> None:
    body = sse(SINGLE)
    event = max(len(line) for line in body.split(b"\n"))
    cases = {
        "max_event_size": (event, response(body)),
        "max_frame_size": (max(len(msgpack.packb(each)) for each in SINGLE), streamed(SINGLE, "msgpack")),
        "max_body_size": (len(body), response(body)),
        "max_head_size": (response(body).index(b"\r\n\r\n") + 4, response(body)),
    }
    for name, (size, stream) in cases.items():
        for pieces in ([stream], bytewise(stream)):
            assert drive(exchange(limits=Limits(**{name: size})), pieces) == (SINGLE_CHUNKS, None)
            run = exchange(limits=Limits(**{name: size - 1}))
            chunks, error = drive(run, pieces)
            assert isinstance(error, LimitExceeded)
            assert error.limit == name
            assert evidence(error) == (True, *arrived(chunks))


def test_pictures_that_fit_into_the_body_limit_come_before_its_fault_in_every_cut() -> None:
    body = sse(SINGLE)
    limits = Limits(max_body_size=len(sse(SINGLE[:2])) + 3)
    for pieces in cuttings(response(body, framing="chunked")):
        chunks, error = drive(exchange(limits=limits), pieces)
        assert chunks == SINGLE_CHUNKS[:2]
        assert isinstance(error, LimitExceeded)


REFUSALS = [
    ("400 Bad Request", InvalidRequestError, False),
    ("401 Unauthorized", AuthenticationError, False),
    ("403 Forbidden", HTTPStatusError, False),
    ("429 Too Many Requests", ConcurrencyLockedError, False),
    ("500 Internal Server Error", ServerError, False),
    ("502 Bad Gateway", ServerError, True),
    ("504 Gateway Timeout", ServerError, True),
    ("302 Found", HTTPStatusError, False),
]
WORDS = b'{"statusCode":1,"message":"Concurrent generation is locked"}\n'


@pytest.mark.parametrize(("status", "kind", "unknown"), REFUSALS)
@pytest.mark.parametrize("http", ["sized", "chunked", "close"])
def test_a_refusal_raises_with_its_status_and_billing(status: str, kind: type, unknown: bool, http: str) -> None:
    stream = response(WORDS, "application/json", status=status, framing=http, extra="X-A: 1\r\n")
    for pieces in ([stream], bytewise(stream)):
        run = exchange()
        chunks, error = drive(run, pieces, eof=http == "close")
        assert type(error) is kind
        assert isinstance(error, HTTPStatusError)
        assert chunks == []
        assert (error.status, error.headers["X-A"]) == (int(status[:3]), "1")
        assert evidence(error) == (unknown, [], [])
        assert (run.status, run.accepted, run.complete) == (int(status[:3]), False, False)
        assert run.reusable is (http != "close")


@pytest.mark.parametrize(
    "stream",
    [
        response(b"\x1f\x8b\x08", status="429 Too Many Requests", extra="Content-Encoding: gzip\r\n"),
        response(WORDS, status="429 Too Many Requests", framing="chunked").replace(b"0\r\n\r\n", b"zz\r\n"),
    ],
    ids=["compressed", "garbled"],
)
def test_a_refusal_whose_words_cannot_be_read_keeps_its_status(stream: bytes) -> None:
    for pieces in cuttings(stream):
        run = exchange()
        _, error = drive(run, pieces)
        assert isinstance(error, HTTPStatusError)
        assert error.status == 429
        assert error.message in ("Too Many Requests", "Concurrent generation is locked")
        assert error.billing_unknown is False
        assert run.reusable is False


def test_a_refusal_with_a_zip_behind_its_words() -> None:
    stream = response(WORDS + b"PK\x03\x04" + bytes(50), "application/json", status="400 Bad Request")
    _, error = drive(exchange(), [stream])
    assert isinstance(error, InvalidRequestError)
    assert error.message == "Concurrent generation is locked"


def test_a_refusal_longer_than_its_limit_raises_at_once_and_is_not_reusable() -> None:
    stream = response(b"x" * 1000, "text/plain", status="500 Oops")
    run = exchange(limits=Limits(max_error_size=100))
    chunks, error = drive(run, bytewise(stream))
    assert isinstance(error, ServerError)
    assert (chunks, error.message, run.reusable) == ([], "x" * 100, False)


def test_a_compressed_stream_is_refused_as_possibly_billed() -> None:
    _, error = drive(exchange(), [response(b"\x1f\x8b\x08\0", extra="Content-Encoding: gzip\r\n")])
    assert type(error) is ProtocolError
    assert error.billing_unknown is True


def test_a_json_error_under_200() -> None:
    run = exchange()
    _, error = drive(run, [response(b'{"statusCode":500,"message":"failed"}', "application/json")])
    assert isinstance(error, GenerationError)
    assert (error.message, error.code, error.billing_unknown) == ("failed", 500, True)
    assert (run.accepted, run.reusable) == (False, True)


@pytest.mark.parametrize("body", [b"", b"e", b"\0\0\0"])
@pytest.mark.parametrize("content_type", ["text/event-stream", "application/msgpack", "application/octet-stream"])
def test_a_body_too_short_to_be_anything_is_never_a_success(content_type: str, body: bytes) -> None:
    for http in ("sized", "chunked", "close"):
        chunks, error = drive(exchange(), [response(body, content_type, framing=http)], eof=http == "close")
        assert chunks == []
        assert isinstance(error, StreamInterrupted | ProtocolError)
        assert error.billing_unknown is True


def zipped(*images: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for index, image in enumerate(images):
            archive.writestr(f"image_{index}.png", image)
    return target.getvalue()


@pytest.mark.parametrize("http", ["sized", "chunked", "close"])
def test_a_zip_completes_a_generation_and_cut_anywhere_it_does_not(http: str) -> None:
    stream = response(zipped(PNG, PNG + b"2"), "binary/octet-stream", framing=http)
    run = exchange(TWO, stream=None)
    chunks, error = drive(run, bytewise(stream), eof=http == "close")
    assert error is None
    assert [(chunk.samp_ix, chunk.image) for chunk in run.finals] == [(0, PNG), (1, PNG + b"2")]
    assert chunks == run.finals
    assert run.complete
    for size in range(len(stream)):
        cut = exchange(TWO, stream=None)
        _, error = drive(cut, [stream[:size]], eof=True)
        assert isinstance(error, StreamInterrupted | ProtocolError)
        assert (error.billing_unknown, cut.complete) == (True, False)


def test_a_zip_with_too_few_pictures_is_an_interruption_that_keeps_them() -> None:
    run = exchange(TWO)
    chunks, error = drive(run, [response(zipped(PNG), "application/zip")])
    assert isinstance(error, StreamInterrupted)
    assert error.finals == chunks == [FinalChunk(samp_ix=0, gen_id=None, image=PNG, seed=ONE.seed)]


def test_a_bare_picture_is_complete_only_with_a_marked_end() -> None:
    expected = FinalChunk(samp_ix=0, gen_id=None, image=PNG, seed=ONE.seed)
    run = exchange()
    assert drive(run, bytewise(response(PNG, "image/png"))) == ([expected], None)
    assert run.complete
    cut = exchange()
    chunks, error = drive(cut, [response(PNG, "image/png", framing="close")], eof=True)
    assert chunks == [expected]
    assert isinstance(error, StreamInterrupted)
    assert (error.finals, cut.complete) == ([expected], False)


def test_surplus_bytes_spoil_the_connection_not_the_generation() -> None:
    stream = streamed(SINGLE, "sse")
    for pieces in ([stream + b"x"], [stream, b"x"]):
        run = exchange()
        assert drive(run, pieces) == (SINGLE_CHUNKS, None)
        assert (run.complete, run.reusable) == (True, False)


def test_an_end_of_file_after_the_end_leaves_a_complete_generation() -> None:
    run = exchange()
    assert drive(run, [streamed(SINGLE, "sse")], eof=True) == (SINGLE_CHUNKS, None)
    assert (run.complete, run.reusable) == (True, False)


def test_an_early_answer_before_the_request_went_out_is_read() -> None:
    run = ImageExchange(ONE, api_key=KEY, host="h")
    _, error = drive(run, [response(WORDS, status="429 Too Many Requests")])
    assert isinstance(error, ConcurrencyLockedError)
    assert run.reusable is False


def read_into(run: ImageExchange, stream: bytes, size: int) -> list[Chunk]:
    chunks: list[Chunk] = []
    start = 0
    while start < len(stream):
        with run.get_buffer() as buffer:
            piece = stream[start : start + min(size, len(buffer))]
            buffer[: len(piece)] = piece
        chunks += run.buffer_updated(len(piece))
        start += len(piece)
    return chunks


@each_framing
@pytest.mark.parametrize("size", [1, 7, 64 * 1024])
def test_the_buffered_door_gives_the_same_chunks(framing: str, size: int) -> None:
    large = [preview(0, 0), {**final(0), "image": PNG + bytes(range(256)) * 800}]
    for events in (SINGLE, large) if size > 1 else (SINGLE,):
        expected, fault = drive(exchange(), [streamed(events, framing)])
        assert fault is None
        run = exchange()
        assert read_into(run, streamed(events, framing), size) == expected
        assert run.complete


def test_the_buffered_door_reuses_its_memory_and_nothing_keeps_it() -> None:
    run = exchange()
    first = run.get_buffer()
    assert first.obj is run.get_buffer().obj
    assert not first.readonly
    stream = streamed(SINGLE, "msgpack")
    first[: len(stream)] = stream
    chunks = run.buffer_updated(len(stream))
    second = run.get_buffer()
    assert second.obj is first.obj
    second[:] = bytes(len(second))
    assert chunks == SINGLE_CHUNKS


def test_the_buffered_door_ends_with_zero_and_takes_no_impossible_count() -> None:
    run = exchange()
    size = len(run.get_buffer())
    for count in (size + 1, -1):
        with pytest.raises(ValueError, match=f"count: expected 0 to {size}"):
            run.buffer_updated(count)
    with pytest.raises(StreamInterrupted):
        run.buffer_updated(0)


def errors_of_every_way_to_end() -> Iterator[NovelAIError]:
    failed = {"event_type": "error", "message": "failed", "code": 500, "samp_ix": 1}
    limits = Limits(max_event_size=200)
    long_event = {"event_type": "x" * 300}
    yield drive(exchange(TWO), [streamed([*DOUBLE[:-1], failed], "sse")])[1] or NovelAIError()
    yield drive(exchange(TWO), [streamed(DOUBLE[:-1], "sse")])[1] or NovelAIError()
    yield drive(exchange(TWO), [streamed([*DOUBLE[:-1], {"event_type": 5}], "msgpack")])[1] or NovelAIError()
    yield drive(exchange(TWO, limits=limits), [streamed([*DOUBLE[:-1], long_event], "sse")])[1] or NovelAIError()
    headers = "Retry-After: 7\r\n"
    yield drive(exchange(), [response(WORDS, status="429 Too", extra=headers)])[1] or NovelAIError()


def test_errors_survive_pickling_and_copying_with_all_they_carry() -> None:
    errors = list(errors_of_every_way_to_end())
    kinds = [GenerationError, StreamInterrupted, ProtocolError, LimitExceeded, ConcurrencyLockedError]
    assert [type(error) for error in errors] == kinds
    assert [len(error.finals) for error in errors] == [1, 1, 1, 1, 0]
    for error in errors:
        for same in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
            assert type(same) is type(error)
            assert str(same) == str(error)
            assert vars(same) == vars(error)
            assert evidence(same) == evidence(error)


def edges_of(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


places = st.lists(st.integers(0, 5000), max_size=8)
events_of_a_generation = st.lists(
    st.one_of(
        st.builds(preview, st.integers(0, 2), st.integers(0, 5)),
        st.builds(final, st.integers(0, 2)),
        st.just({"event_type": "retry", "message": "again"}),
        st.just({"event_type": "error", "message": "failed", "code": 1}),
        st.just({"event_type": "queue"}),
        st.just({"event_type": "final", "samp_ix": 0}),
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(events_of_a_generation, places, st.sampled_from(["sized", "chunked", "close"]))
def test_any_events_give_equal_chunks_and_equal_ends_over_both_framings(
    events: list[dict[str, Any]], cuts: list[int], http: str
) -> None:
    ends = []
    for kind in FRAMINGS:
        run = exchange(TWO, stream=kind)
        chunks, error = drive(run, edges_of(streamed(events, kind, framing=http), cuts), eof=http == "close")
        assert run.complete is (error is None)
        assert (run.previews, run.finals) == arrived(chunks)
        ends.append((chunks, type(error), error and evidence(error)))
    assert ends[0] == ends[1]


VALID = [
    *(streamed(DOUBLE, kind, framing=http) for kind in FRAMINGS for http in ("sized", "chunked", "close")),
    response(zipped(PNG, PNG), "application/octet-stream"),
    response(WORDS, "application/json", status="429 Too Many Requests"),
]
mutations = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 5000), st.integers(1, 255)),
        st.tuples(st.just("delete"), st.integers(0, 5000), st.integers(1, 40)),
        st.tuples(st.just("insert"), st.integers(0, 5000), st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("truncate"), st.integers(0, 5000), st.none()),
    ),
    min_size=1,
    max_size=4,
)


def mutate(stream: bytes, changes: list[tuple[str, int, Any]]) -> bytes:
    data = bytearray(stream)
    for kind, where, what in changes:
        place = where % (len(data) or 1)
        if kind == "flip" and data:
            data[place] ^= what
        elif kind == "delete":
            del data[place : place + what]
        elif kind == "insert":
            data[place:place] = what
        elif kind == "truncate":
            del data[place:]
    return bytes(data)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.sampled_from(VALID), mutations, places)
def test_any_damage_gives_chunks_or_one_of_our_errors_the_same_in_any_cut(
    stream: bytes, changes: list[tuple[str, int, Any]], cuts: list[int]
) -> None:
    data = mutate(stream, changes)
    outcomes = []
    for pieces in ([data], edges_of(data, cuts)):
        run = exchange(TWO)
        chunks, error = drive(run, pieces, eof=True)
        assert run.complete is (error is None)
        assert not run.complete or len(run.finals) >= 2
        if error is not None:
            assert (error.previews, error.finals) == arrived(chunks)
            assert KEY not in str(error)
        outcomes.append((chunks, type(error)))
    assert outcomes[0] == outcomes[1]


def test_get_buffer_takes_asyncios_size_hint() -> None:
    """asyncio calls `BufferedProtocol.get_buffer(sizehint)`."""
    assert len(exchange().get_buffer(1000)) == len(exchange().get_buffer()) > 0
