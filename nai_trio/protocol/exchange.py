"""One generation, from the request's bytes to the last chunk, as a state machine without I/O.

A driver sends `data_to_send()` once, then hands every read to `receive_data` and takes the chunks, until `complete`.
Before it waits for more bytes it looks at `fault` (see decoder.py). An end of file is `receive_data(b"")`.

The generation is complete when the response has ended *and* every sample has its final: an end that the transfer
framing does not mark proves nothing, and neither does a well-framed body in which a picture is missing.

Whatever ends the generation early carries what had arrived: the last preview of each sample, the finals, and whether
the account may have been charged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nai_trio.errors import HTTPStatusError, NovelAIError, StreamInterrupted
from nai_trio.headers import Headers
from nai_trio.protocol.bodies import SNIFF_SIZE, Body, open_body, promises_pictures
from nai_trio.protocol.chunks import Chunk
from nai_trio.protocol.decoder import Buffer, Decoder
from nai_trio.protocol.events import EventReader
from nai_trio.protocol.http import HTTPExchange, json_request
from nai_trio.protocol.limits import Limits
from nai_trio.protocol.pictures import Pictures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.params import ImageParams, StreamKind
    from nai_trio.protocol.chunks import FinalChunk, IntermediateChunk
    from nai_trio.protocol.credentials import APIKey

__all__ = ["ImageExchange"]

_STREAM_TARGET = "/ai/generate-image-stream"
_ZIP_TARGET = "/ai/generate-image"
_READ_SIZE = 64 * 1024


class ImageExchange(Decoder[Chunk]):
    """A generation on one HTTP/1.1 connection.

    Args:
        params: what to generate.
        api_key: the bearer token.
        host: what the Host header says, e.g. "image.novelai.net" or "localhost:8000".
        stream: the framing to ask for, "sse" or "msgpack"; None asks the endpoint that does not stream, which answers
            with a ZIP of the finals. What comes is told by the response, not by this.
        limits: bounds on what the response may hold.
        path_prefix: what stands before the service's own paths, for reverse proxies, e.g. "/novelai".

    Attributes:
        fault: the error that the next `receive_data` raises, or None.
    """

    def __init__(
        self,
        params: ImageParams,
        *,
        api_key: str | APIKey,
        host: str,
        stream: StreamKind | None = "sse",
        limits: Limits | None = None,
        path_prefix: str = "",
    ) -> None:
        self._limits = limits or Limits()
        self._n_samples = params.n_samples
        self._events = EventReader(steps=params.steps, n_samples=params.n_samples)
        target = path_prefix + (_ZIP_TARGET if stream is None else _STREAM_TARGET)
        body = params.to_json(stream=stream)
        request = json_request(host=host, target=target, api_key=api_key, body=body)
        self._http = HTTPExchange(request, limits=self._limits)
        self._opening = bytearray()
        self._body: Body | None = None
        self._finished = False
        self._pictures = Pictures()
        self._buffer = bytearray()

    @property
    def status(self) -> int | None:
        """The response's status, or None before its head has come."""
        return None if self._http.head is None else self._http.head.status

    @property
    def headers(self) -> Headers:
        """The response's headers, a mapping in any case; empty before the head has come."""
        return Headers() if self._http.head is None else self._http.head.headers

    @property
    def accepted(self) -> bool:
        """Whether the response is one that carries pictures, as far as its head and first bytes tell."""
        if self._body is not None:
            return self._body.carries_pictures
        return self._http.head is not None and promises_pictures(self._http.head)

    @property
    def complete(self) -> bool:
        """Whether the response has ended and every sample has its final."""
        return self._finished and self.fault is None

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow on the same connection, however this one turned out."""
        return self._http.reusable

    @property
    def previews(self) -> list[IntermediateChunk]:
        """The last preview of each sample so far, ordered by `samp_ix`."""
        return self._pictures.previews

    @property
    def finals(self) -> list[FinalChunk]:
        """The finished pictures so far, ordered by `samp_ix`."""
        return self._pictures.finals

    def data_to_send(self) -> bytes:
        """The whole request the first time, then b""."""
        return self._http.data_to_send()

    def receive_data(self, data: Buffer) -> list[Chunk]:
        """Take response bytes, cut anywhere, and return the chunks they complete.

        Args:
            data: what was read; b"" is the end of file.

        Raises:
            HTTPStatusError: the service refused.
            GenerationError: the service gave up on the job inside the stream.
            StreamInterrupted: the response ended too early.
            ProtocolError: the response is not what it must be.
        """
        return super().feed(data)

    def get_buffer(self, sizehint: int = -1, /) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Memory to read into, for drivers in the shape of asyncio's BufferedProtocol; valid until `buffer_updated`."""
        if not self._buffer:
            self._buffer = bytearray(_READ_SIZE)
        return memoryview(self._buffer)

    def buffer_updated(self, count: int) -> list[Chunk]:
        """Say that `count` bytes (0: end of file) were read into `get_buffer()`; otherwise as `receive_data`."""
        if not 0 <= count <= len(self._buffer):
            raise ValueError(f"count: expected 0 to {len(self._buffer)}, what get_buffer() has room for, got {count}")
        return self.receive_data(memoryview(self._buffer)[:count])

    def attach_evidence(self, error: NovelAIError) -> NovelAIError:
        """Put on an error what is known about this generation: pictures that came, and whether it may be billed."""
        unknown = error.billing_unknown if isinstance(error, HTTPStatusError) else True
        error.attach(billing_unknown=unknown, previews=self.previews, finals=self.finals)
        return error

    def _parse(self, data: Buffer) -> Iterator[Chunk]:
        try:
            for chunk in self._chunks(data):
                self._pictures.take(chunk)
                yield chunk
        except NovelAIError as error:
            raise self.attach_evidence(error)  # noqa: B904 - the same error, with its evidence

    def _chunks(self, data: Buffer) -> Iterator[Chunk]:
        try:
            for piece in self._http.feed(data):
                yield from self._feed_body(piece)
            self._http.raise_fault()
        except NovelAIError as error:
            if self._refused and error is self._http.fault:
                yield from self._finish_body()  # a refusal that was cut or garbled is still a refusal
            raise
        if self._http.ended and not self._finished:
            yield from self._finish_body()
            self._check_finals()
            self._finished = True

    @property
    def _refused(self) -> bool:
        return self.status is not None and self.status >= 300

    def _feed_body(self, piece: bytes) -> Iterator[Chunk]:
        if self._body is None:
            self._opening += piece
            if len(self._opening) < SNIFF_SIZE:
                return
            yield from self._open_body()
        else:
            yield from _feed(self._body, piece)

    def _open_body(self) -> Iterator[Chunk]:
        first = bytes(self._opening)
        self._body = open_body(self._http.require_head(), first, events=self._events, limits=self._limits)
        yield from _feed(self._body, first)

    def _finish_body(self) -> Iterator[Chunk]:
        if self._body is None:
            yield from self._open_body()
        if self._body is not None:
            yield from self._body.finish(delimited=self._http.delimited)

    def _check_finals(self) -> None:
        finished = len(self.finals)
        if finished < self._n_samples:
            raise StreamInterrupted(f"the response ended with {finished} of {self._n_samples} finished pictures")


def _feed(body: Body, data: bytes) -> Iterator[Chunk]:
    yield from body.feed(data)
    body.raise_fault()
