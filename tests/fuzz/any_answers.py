"""A whole generation on any response bytes: what the targets of `ImageExchange` share."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Literal

import attrs
from invariants import FROM_PEER, Pieces, check_held, held, lent, raise_fault, words_of

from nai_trio import ImageParams
from nai_trio.errors import NovelAIError
from nai_trio.protocol import Buffers, Chunk, Delivery, FinalChunk, ImageExchange, IntermediateChunk, Limits

KEY = "pst-not-a-real-key"
PARAMS = {samples: ImageParams("cat", size=(64, 64), steps=4, seed=2**32 - 1, n_samples=samples) for samples in (1, 2)}
LIMITS = Limits(
    max_head_size=512,
    max_framing_size=600,
    max_event_size=400,
    max_field_size=70,
    max_frame_size=300,
    max_text_size=300,
    max_members=24,
    max_depth=6,
    max_events=8,
    max_body_size=1500,
    max_answer_size=1000,
    max_error_size=200,
    max_image_size=250,
    max_images=3,
    max_call_size=800,
)
_MOST = 4 * LIMITS.max_body_size + LIMITS.max_head_size
"""Bytes that an exchange may hold beside its request: a body, or pictures, what is being parsed, and words."""

Framing = Literal["length", "chunked", "close"]
FRAMINGS: tuple[Framing, ...] = ("length", "chunked", "close")


def comparable(value: Any) -> Any:
    """Chunks and what they hold, with a text in place of not-a-number, which is not equal to itself."""
    if isinstance(value, dict | MappingProxyType):
        return {name: comparable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    if attrs.has(type(value)):
        return type(value), comparable(attrs.asdict(value, recurse=False))
    return "not a number" if isinstance(value, float) and math.isnan(value) else value


@attrs.frozen
class Answer:
    """How a generation came out; equal for every cut.

    Attributes:
        chunks: what was yielded.
        error: the error's class, or None.
        words: its text.
        state: status, whether complete, reusable and accepted, whether it may be billed, and the finals that are kept.
    """

    chunks: list[Chunk] = attrs.field(repr=lambda chunks: repr(chunks)[:600], eq=comparable)
    error: type[NovelAIError] | None
    words: str
    state: tuple[object, ...]


def answered(pieces: Pieces, *, delivery: Delivery, samples: int = 1, eof: bool = True) -> Answer:
    """Run an exchange on response bytes, and check what holds whatever they are."""
    exchange = ImageExchange(
        PARAMS[samples],
        api_key=KEY,
        host="image.novelai.net",
        stream=delivery,
        body=b"{}",
        limits=LIMITS,
        buffers=Buffers(),
    )
    exchange.data_to_send()
    exchange.get_buffer()  # of a fixed size, and not what is measured
    own, chunks, error, unread = held(exchange), list[Chunk](), None, b""
    try:
        for number, piece in enumerate([*pieces, b""] if eof else pieces):
            if exchange.complete:
                unread = b"".join(pieces[number:])  # a driver leaves it on the connection, and does not use that again
                break
            chunks += _receive(exchange, piece)
            if number % 100 == 99 or number == len(pieces) - 1:
                check_held(exchange, own + _MOST + len(piece))
        raise_fault(exchange)
    except NovelAIError as raised:
        error = raised
        _check_error(exchange, error, chunks)
    _check_chunks(exchange, chunks, samples)
    assert not (exchange.complete and error)
    assert exchange.complete or error or not eof, "the end came, and neither pictures nor an error"
    reusable = exchange.reusable and not (error or unread)  # after an error it depends on how much had been read
    status, billing_unknown = exchange.status, error and error.billing_unknown
    state = (status, exchange.complete, reusable, exchange.accepted, billing_unknown, comparable(exchange.finals))
    return Answer(chunks, type(error) if error else None, words_of(error), state)


def _receive(exchange: ImageExchange, piece: bytes) -> list[Chunk]:
    """By one door or the other, the data decides."""
    if zlib.crc32(piece) % 3:
        with lent(piece) as buffer:
            return exchange.receive_data(buffer)
    with exchange.get_buffer() as buffer:
        buffer[: len(piece)] = piece
    return exchange.buffer_updated(len(piece))


def _check_error(exchange: ImageExchange, error: NovelAIError, chunks: Sequence[Chunk]) -> None:
    assert isinstance(error, FROM_PEER), f"bytes of a peer ended in {error!r}"
    assert KEY not in str(error)
    assert len(str(error)) < 3 * (LIMITS.max_head_size + LIMITS.max_error_size)
    assert (error.previews, error.finals) == (exchange.previews, exchange.finals), (
        "what had arrived is not on the error"
    )
    for more in (b"more", b""):
        try:
            exchange.receive_data(more)
        except NovelAIError as again:
            assert again is error
        else:
            raise AssertionError(f"bytes were taken after {error!r}")


def _check_chunks(exchange: ImageExchange, chunks: Sequence[Chunk], samples: int) -> None:
    previews, finals = _arrived(chunks)
    assert exchange.previews == previews, "what was yielded is not kept"
    assert exchange.finals == finals or (exchange.fault and not finals), "what was yielded is not kept"
    finals = [chunk for chunk in chunks if isinstance(chunk, FinalChunk)] or exchange.finals  # salvaged ones
    assert len(chunks) <= LIMITS.max_events
    for chunk in (*chunks, *finals):
        _check_members(chunk, samples)
    assert sum(len(chunk.image) for chunk in finals) <= LIMITS.max_body_size
    assert all(chunk.seed is not None and 0 <= chunk.seed < 2**32 for chunk in finals)
    assert not exchange.complete or len(exchange.finals) >= samples, "complete without all that was asked for"


def _check_members(chunk: Chunk, samples: int) -> None:
    """Check that a chunk is what its class says, without asking the readers of events."""
    if isinstance(chunk, FinalChunk | IntermediateChunk):
        assert type(chunk.image) is bytes
        assert chunk.image
        assert type(chunk.samp_ix) is int
        assert chunk.samp_ix >= 0
    if isinstance(chunk, IntermediateChunk):
        assert type(chunk.step_ix) is type(chunk.gen_id) is int
        assert chunk.samp_ix < samples
        assert chunk.step_ix >= 0
        assert type(chunk.sigma) is float
        assert math.isfinite(chunk.sigma)
        assert 0 < chunk.progress <= 1
    elif isinstance(chunk, FinalChunk):
        assert chunk.gen_id is None or (type(chunk.gen_id) is int and chunk.gen_id >= 0)
    else:
        assert type(chunk.event_type) is str


def _arrived(chunks: Sequence[Chunk]) -> tuple[list[IntermediateChunk], list[FinalChunk]]:
    previews = {chunk.samp_ix: chunk for chunk in chunks if isinstance(chunk, IntermediateChunk)}
    finals = {chunk.samp_ix: chunk for chunk in chunks if isinstance(chunk, FinalChunk)}
    return [previews[index] for index in sorted(previews)], [finals[index] for index in sorted(finals)]


def framed(body: bytes, media_type: str, framing: Framing, *, status: int = 200, cut: bool = False) -> bytes:
    """A response with this body; a cut one ends before its framing does."""
    head = f"HTTP/1.1 {status} Whatever\r\ncontent-type: {media_type}\r\n".encode()
    if framing == "close":
        return head + b"\r\n" + body
    if framing == "length":
        return head + b"content-length: %d\r\n\r\n" % (len(body) + cut) + body
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]) if part)
    return head + b"transfer-encoding: chunked\r\n\r\n" + chunks + (b"" if cut else b"0\r\n\r\n")


def options(data: bytes) -> tuple[int, bytes]:
    """The first byte, which chooses among the cases of a target, and the rest; where there is none, 0."""
    return (data[0], data[1:]) if data else (0, b"")
