"""A tape's records as lines for people: requests and responses are taken apart, events decoded, pictures measured.

It works on one record after another, as they stand on the tape, with the parsers of the protocol package: nothing but
the request or event at hand is in memory. What cannot be understood is a line that says so, never the end of the list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from nai_trio.cli.tape_words import Body, json_lines, short_value, shortened
from nai_trio.errors import NovelAIError, ProtocolError
from nai_trio.protocol.http import HTTPExchange, Request
from nai_trio.transports.tape_contents import facts_of
from nai_trio.transports.tape_requests import RequestReader, TapedRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.transports.tape import Record

__all__ = ["Line", "TapeView"]


@attrs.frozen(kw_only=True)
class Line:
    """One thing that happened.

    Attributes:
        time: nanoseconds since the tape began.
        connection: on which connection; 0 for the tape.
        mark: ">" to the service, "<" from it, "-" of the connection, "!" for what is wrong.
        what: its kind, for programs.
        text: what happened, in one line.
        details: lines to stand below it.
        facts: the same for programs.
    """

    time: int
    connection: int
    mark: str
    what: str
    text: str
    details: tuple[str, ...] = ()
    facts: dict[str, Any] = attrs.field(factory=dict)


class TapeView:
    """Makes lines of records."""

    def __init__(self) -> None:
        self._connections: dict[int, _Connection] = {}
        self._counts = dict.fromkeys(("request", "event", "sent", "received", "struck"), 0)
        self._time = 0

    def take(self, record: Record) -> Iterator[Line]:
        """What a record tells.

        Raises:
            ProtocolError: it tells nothing that is known.
        """
        self._time = max(self._time, record.time)
        self._counts["struck"] += record.struck
        if record.kind in {"send", "receive"}:
            self._counts["sent" if record.kind == "send" else "received"] += len(record.data)
        if record.kind == "tape":
            yield _tape_line(record)
            return
        connection = self._connections.setdefault(record.connection, _Connection(record.connection))
        for line in connection.take(record):
            if line.what in self._counts:
                self._counts[line.what] += 1
            yield line

    def finish(self, torn: int) -> Iterator[Line]:
        """What is to be said at the end.

        Args:
            torn: bytes of a record that was not written whole.
        """
        if torn:
            text = f"{torn} bytes of a record that was not written whole: recording did not end in order"
            yield Line(time=self._time, connection=0, mark="!", what="torn", text=text, facts={"bytes": torn})
        facts = {"connections": len(self._connections), **self._counts}
        words = [_counted(facts["connections"], "connection"), _counted(facts["request"], "request")]
        words += [_counted(facts["event"], "event"), f"{_counted(facts['sent'], 'byte')} sent"]
        words += [f"{_counted(facts['received'], 'byte')} received", f"{_counted(facts['struck'], 'byte')} struck out"]
        yield Line(time=self._time, connection=0, mark="-", what="total", text=", ".join(words), facts=facts)


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"


def _tape_line(record: Record) -> Line:
    facts = short_value(facts_of(record))
    text = f"tape begun {facts.get('recorded', 'at a time unknown')} by {facts.get('program', 'a program unknown')}"
    return Line(time=record.time, connection=0, mark="-", what="tape", text=text, facts=facts)


class _Connection:
    """One connection, and the exchange on it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._requests: RequestReader | None = RequestReader()
        self._response: _Response | None = None
        self._receiving: _Response | None = None  # whose piece may go on, also after the next request

    def take(self, record: Record) -> Iterator[Line]:
        what = {"send": self._send, "receive": self._receive, "end": self._end}.get(record.kind, self._other)
        for line in what(record):
            yield attrs.evolve(line, time=record.time, connection=self._number)

    def _send(self, record: Record) -> Iterator[Line]:
        if self._requests is None:
            return
        try:
            found = self._requests.feed(record.data)
        except ProtocolError as error:
            self._requests = None
            yield _line("!", "unread", f"what was sent cannot be shown: {error}")
            return
        for request in found:
            self._response = _Response(request)
            yield _request_line(request)

    def _receive(self, record: Record) -> Iterator[Line]:
        if not record.continued:
            self._receiving = self._response
        if self._receiving is None:
            yield _line("<", "early", f"{len(record.data):,} bytes before any request", bytes=len(record.data))
        else:
            yield from self._receiving.take(record.data)

    def _end(self, _record: Record) -> Iterator[Line]:
        if self._response is not None:
            yield from self._response.take(b"")
        yield _line("-", "end", "the service closed the connection")

    def _other(self, record: Record) -> Iterator[Line]:
        facts = short_value(facts_of(record))
        took = facts.get("nanoseconds", 0)
        after = f" ({(took + 500_000) // 1_000_000:,} ms)" if isinstance(took, int) else ""
        route = f"{facts.get('origin')} via {facts.get('route')}{', TLS' if facts.get('tls') else ''}"
        reason = f"{facts.get('error')}: {facts.get('message')}"
        words = {
            "open": f"connected to {route}{after}",
            "refused": f"no connection to {route}: {reason}{after}",
            "error": f"broken while {'sending' if facts.get('during') == 'send' else 'receiving'}: {reason}",
            "close": "closed",
        }
        mark = "!" if record.kind in {"refused", "error"} else "-"
        yield Line(time=0, connection=0, mark=mark, what=record.kind, text=words[record.kind], facts=facts)


def _line(mark: str, what: str, text: str, /, *details: str, **facts: Any) -> Line:
    facts = facts or {"text": "\n".join([text, *details])}
    return Line(time=0, connection=0, mark=mark, what=what, text=text, details=details, facts=facts)


def _request_line(request: TapedRequest) -> Line:
    headers = [f"{name}: {value}" for name, value in request.headers]
    body = json_lines(request.body)
    text = f"{request.line} ({len(request.body):,} bytes)"
    return _line(
        ">",
        "request",
        text,
        *headers,
        *body,
        method=request.method,
        target=request.target,
        headers=dict(request.headers),
        body=shortened(request.body),
    )


class _Response:
    """The response to one request, as far as it has come."""

    def __init__(self, request: TapedRequest) -> None:
        # Only its method decides how the response is read.
        self._http = HTTPExchange(Request(method=request.method, target="/", headers=(("Host", "tape"),)))
        self._http.data_to_send()
        self._body: Body | None = None
        self._finished = False
        self._size = 0

    def take(self, data: bytes) -> Iterator[Line]:
        if self._finished:
            if data:
                yield _line("!", "more", f"{len(data):,} bytes after the end", bytes=len(data))
            return
        try:
            pieces = self._http.feed(data)
            fault = self._http.fault
        except NovelAIError as error:
            pieces, fault = [], error
        yield from self._head_line()
        for piece in pieces:
            self._size += len(piece)
            yield from self._events(piece)
        if self._http.ended or fault is not None:
            yield from self._finish(fault)

    def _head_line(self) -> Iterator[Line]:
        head = self._http.head
        if head is not None and self._body is None:
            self._body = Body(head.headers.get("content-type", ""))
            headers = [f"{name}: {value}" for name, value in head.headers.fields]
            yield _line(
                "<",
                "response",
                f"{head.status} {head.reason}",
                *headers,
                status=head.status,
                headers=dict(head.headers),
            )

    def _events(self, piece: bytes) -> Iterator[Line]:
        if self._body is not None:
            for mark, text, facts in self._body.feed(piece):
                yield _line(mark, "event" if mark == "<" else "fault", text, **facts)

    def _finish(self, fault: NovelAIError | None) -> Iterator[Line]:
        self._finished = True
        told = None if self._body is None else self._body.finish()
        if told is not None:
            text, details = told
            yield _line("<", "body", text, *details)
        if fault is not None:
            yield _line("!", "fault", str(fault))
        else:
            yield _line("<", "finished", f"end of the response, {self._size:,} bytes", bytes=self._size)
