"""One HTTP/1.1 exchange (RFC 9112) on h11: request bytes out; response head and body pieces in.

h11 builds and checks; this file adds what a client of one paid request needs:

- The limit on the head is one verdict for every chunking: h11 is handed at most what is left of the head's budget, and
  nothing that follows it, so it does not matter how many bytes came with it.
- The body is read by framing.py, as views of what came.
- What follows the message is not kept, only that something did.
- A length beside chunking is the mark of a smuggled response (RFC 9112, 6.3): read as chunked, never reused.
- A content coding is refused: identity is asked for, because compressed event streams arrive in clumps.
- End of file before the message's end is `StreamInterrupted`, every other fault is a `ProtocolError`.
- A body without length or chunking ends with the connection, cut or not: `delimited` says if its end proves anything.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, NoReturn

import attrs
import h11

from nai_trio._version import __version__
from nai_trio.errors import LimitExceeded, NovelAIError, ProtocolError, StreamInterrupted
from nai_trio.headers import Headers
from nai_trio.protocol.credentials import APIKey
from nai_trio.protocol.decoder import Buffer, Decoder
from nai_trio.protocol.framing import ChunkedFraming, CloseFraming, LengthFraming
from nai_trio.protocol.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.protocol.framing import Framing, Write

__all__ = ["HTTPExchange", "Request", "ResponseHead", "get_request", "json_request"]

_HEAD_END = re.compile(rb"\A\r?\n|\n\r?\n")
"""A blank line, of which the beginning may have been in the bytes before. h11 takes either kind of line end."""

USER_AGENT = f"nai-trio/{__version__}"
"""Always sent: the service's CDN blocks some libraries' defaults (wire document, section 1)."""


@attrs.frozen(kw_only=True)
class Request:
    """A request, ready to be sent.

    Attributes:
        method: e.g. "POST".
        target: path and query (RFC 9112, 3.2.1), e.g. "/ai/generate-image-stream".
        headers: names and values in order, `Host` among them. Not shown in the repr: they hold the key.
        body: the content; `Content-Length` is added, but not to a GET without one (RFC 9110, 8.6).
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    body: bytes = attrs.field(default=b"", repr=lambda body: f"<{len(body)} bytes>")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Request is not pickled or copied: it holds the key")

    def to_bytes(self) -> bytes:
        """The request as it goes over the wire.

        Raises:
            ValueError: method, target or a header has characters that HTTP does not allow.
        """
        return HTTPExchange(self).data_to_send()


@attrs.frozen(kw_only=True)
class ResponseHead:
    """Status line and headers of a response.

    Attributes:
        status: 200 to 599; from a server that knows no better, up to 999.
        reason: the reason phrase, possibly "".
        headers: a mapping in any case.
    """

    status: int
    reason: str
    headers: Headers = attrs.field(converter=Headers)

    @property
    def media_type(self) -> str:
        """What `Content-Type` says, in lower case and without parameters; "" where there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def json_request(*, host: str, target: str, api_key: str | APIKey, body: bytes, accept: str = "*/*") -> Request:
    """A POST of a JSON text to the service (wire document, section 1).

    Args:
        host: what the Host header says, e.g. "image.novelai.net" or "localhost:8000".
        target: the path, e.g. "/ai/generate-image-stream".
        api_key: the bearer token.
        body: the JSON text, UTF-8.
        accept: the media type asked for; "application/json" switches endpoints that do not stream to JSON.
    """
    headers = _headers(host, api_key, accept, ("Content-Type", "application/json"))
    return Request(method="POST", target=target, headers=headers, body=body)


def get_request(*, host: str, target: str, api_key: str | APIKey, accept: str = "application/json") -> Request:
    """A GET from the service, with the bearer token.

    Args:
        host: what the Host header says, e.g. "image.novelai.net" or "localhost:8000".
        target: path and query, e.g. "/user/subscription".
        api_key: the bearer token.
        accept: the media type asked for.
    """
    return Request(method="GET", target=target, headers=_headers(host, api_key, accept))


def _headers(host: str, api_key: str | APIKey, accept: str, *content: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return (
        ("Host", host),
        ("Authorization", f"Bearer {APIKey(api_key).reveal()}"),
        *content,
        ("Accept", accept),
        ("Accept-Encoding", "identity"),
        ("User-Agent", USER_AGENT),
    )


class HTTPExchange(Decoder[bytes]):
    """One request and its response; `feed` takes response bytes and returns pieces of the body.

    Args:
        request: what to send.
        limits: `max_head_size`, `max_framing_size` and `max_body_size` are used here.

    Attributes:
        head: the response's head, once it has come; interim (1xx) responses are passed over.
        ended: whether the whole response has come.
        delimited: whether the body's end is marked, by its length, by chunking or by the status, and not by the
            connection's end.
    """

    def __init__(self, request: Request, *, limits: Limits | None = None) -> None:
        self.head: ResponseHead | None = None
        self.ended = False
        self.delimited = True
        self._request = request
        self._limits = limits or Limits()
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=self._limits.max_head_size)
        self._framing: Framing | None = None
        self._head_size = 0
        self._two_lengths = False
        self._eof = False
        self._surplus = False

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow on the same connection."""
        kept_open = self._connection.our_state is h11.DONE  # else the head said that it will be closed
        return self.ended and kept_open and not (self._two_lengths or self._surplus or self._eof)

    def require_head(self) -> ResponseHead:
        """The response's head; for callers that know it has come, because body bytes have."""
        if self.head is None:
            raise RuntimeError("the response head has not come yet")
        return self.head

    def data_to_send(self) -> bytes:
        """The whole request the first time, then b""."""
        if self._connection.our_state is not h11.IDLE:
            return b""
        request, body = self._request, self._request.body
        length = [("Content-Length", str(len(body)))] if body or request.method != "GET" else []
        head: h11.Request | None = None
        with contextlib.suppress(h11.LocalProtocolError, UnicodeEncodeError):
            head = h11.Request(method=request.method, target=request.target, headers=[*request.headers, *length])
        if head is None:  # raised out here, for h11's error repeats the offending value, which can hold the key
            raise ValueError(f"{request!r}: characters that HTTP does not allow")
        parts = [self._connection.send(event) for event in (head, h11.Data(data=body), h11.EndOfMessage())]
        return b"".join(part for part in parts if part)

    def read(self, data: memoryview, write: Write) -> None:
        """As `feed`, but hand each piece of the body to `write` as a view of `data`, good for that call alone.

        What is wrong is not raised here but kept as `fault`: what came before it comes first, and was handed on.
        After a fault nothing is read.
        """
        if self.fault is not None:
            return
        try:
            self._read(data, write)
        except NovelAIError as fault:
            self.keep_fault(fault)

    def _parse(self, data: Buffer) -> Iterator[bytes]:
        pieces: list[bytes] = []
        try:
            with memoryview(data) as view:
                self._read(view, lambda piece: pieces.append(bytes(piece)))
        except NovelAIError:
            yield from pieces
            raise
        yield from pieces

    def _read(self, data: memoryview, write: Write) -> None:
        if self._eof:
            if data:
                raise RuntimeError("bytes after the end of file")
            return
        if not data:
            self._end_of_file()
            return
        while data and self.head is None:
            data = self._read_head(data)
        if data and self._framing is not None and not self.ended:
            data = data[self._framing.read(data, write) :]
            if self._framing.ended:
                self._take_trailers(self._framing.trailers)
                self.ended = True
        self._surplus = self._surplus or bool(data)

    def _end_of_file(self) -> None:
        self._eof = True
        if not (self.head is None or self.delimited):
            self.ended = True
        if not self.ended:
            where = "before the response head" if self.head is None else "inside the response body"
            raise StreamInterrupted(f"the connection ended {where}")

    def _read_head(self, data: memoryview) -> memoryview:
        """Give h11 as much as it may see, of the head alone; return the rest."""
        room = self._limits.max_head_size - self._head_size
        if not room:
            raise LimitExceeded.of("max_head_size", self._limits.max_head_size, "a longer response head")
        end = _HEAD_END.search(data[:room])
        count = min(len(data), room) if end is None else end.end()
        self._head_size += count
        self._connection.receive_data(data[:count])  # type: ignore[arg-type] # it takes any buffer
        response = self._next_event("response head")
        while isinstance(response, h11.InformationalResponse):
            response = self._next_event("response head")
        if isinstance(response, h11.Response):
            self._take_head(response)
        return data[count:]

    def _next_event(self, part: str) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
        try:
            return self._connection.next_event()
        except h11.RemoteProtocolError as error:
            raise ProtocolError.mismatch(expected=f"a valid HTTP/1.1 {part}", received=str(error)) from error

    def _take_head(self, response: h11.Response) -> None:
        self.head = ResponseHead(
            status=response.status_code,
            reason=bytes(response.reason).decode("latin-1"),
            headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers),
        )
        chunked, length = self.head.headers.get("transfer-encoding", ""), self.head.headers.get("content-length", "")
        bodiless = isinstance(self._next_event("response head"), h11.EndOfMessage)
        self.delimited = bool(bodiless or chunked or length)
        self._two_lengths = bool(chunked and length)
        coding = self.head.headers.get("content-encoding", "").strip().lower()
        if coding not in ("", "identity"):
            raise ProtocolError.mismatch(expected="a body without content coding", received=f"{coding!r}")
        if bodiless:
            self.ended = True
        elif chunked:
            self._framing = ChunkedFraming(self._limits)
        else:
            self._framing = LengthFraming(int(length), self._limits) if length else CloseFraming(self._limits)

    def _take_trailers(self, trailers: bytes) -> None:
        """Let h11 judge trailers, which are rare; they are fields like those of a head, and are not kept."""
        if len(trailers) > len(b"\r\n"):
            self._connection.receive_data(b"0\r\n" + trailers)
            self._next_event("trailer section")
