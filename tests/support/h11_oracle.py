"""What a plain `h11.Connection` makes of a response: the oracle that whatever reads bodies here is held against.

`Verdict` has no word of h11 in it, so the same record can be filled by any reader of HTTP/1.1: `read_with_h11` does
it for the oracle, `read_with_exchange` for the library's own `HTTPExchange`. Nothing of the library's reading is
used by the oracle, and it has no limits of its own, so that all of them are the library's. A response is judged by
itself: what stands behind its end decides about the connection alone, while h11 has an error for it where the
connection is to be closed, and none where it is not.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs
import h11

from nai_trio import LimitExceeded, ProtocolError, StreamInterrupted
from nai_trio.protocol import HTTPExchange, Limits, Request

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_LIMIT = 1 << 40


class Outcome(enum.Enum):
    """How far a response has come."""

    COMPLETE = "the whole response has come"
    INCOMPLETE = "more bytes are needed"
    INTERRUPTED = "the connection ended before the response did"
    REFUSED = "the bytes are no response"


@attrs.frozen(kw_only=True)
class Head:
    """Status line and header lines, names in lower case."""

    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.fields if each == name]


@attrs.frozen(kw_only=True)
class Verdict:
    """What a reader says after it was given some bytes.

    Attributes:
        outcome: how far the response has come.
        head: the final response's head, once it has come; None also where that head was refused.
        body: the body's bytes so far; where the response is refused, those in front of the fault.
        reusable: whether another request may follow on the connection.
        limited: whether it was refused for a limit and for nothing else.
        delimited: whether anything but the connection's end marks the body's end; h11 does not say.
    """

    outcome: Outcome
    head: Head | None
    body: bytes
    reusable: bool = False
    limited: bool = False
    delimited: bool = attrs.field(default=True, eq=False)


def read_with_h11(pieces: Iterable[bytes], *, eof: bool = False, method: str = "POST") -> Verdict:
    """Let h11 read a response in pieces, and the connection's end if `eof`."""
    connection = _asked(method)
    head, body, outcome = None, b"", Outcome.INCOMPLETE
    for piece in [*filter(None, pieces), *([b""] if eof else [])]:
        connection.receive_data(piece)
        try:
            while outcome is not Outcome.COMPLETE and isinstance(event := connection.next_event(), h11.Event):
                if isinstance(event, h11.Response):
                    head = _head(event)
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    outcome = Outcome.COMPLETE
        except h11.RemoteProtocolError:
            outcome = Outcome.REFUSED if piece else Outcome.INTERRUPTED
            break
    return Verdict(outcome=outcome, head=head, body=body, reusable=_may_go_on(connection))


def _asked(method: str) -> h11.Connection:
    """A client's connection on which a request was sent."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=NO_LIMIT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "h"), ("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    return connection


def _head(response: h11.Response) -> Head:
    fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers)
    return Head(status=response.status_code, reason=bytes(response.reason).decode("latin-1"), fields=fields)


def _may_go_on(connection: h11.Connection) -> bool:
    if connection.trailing_data != (b"", False):
        return False
    try:
        connection.start_next_cycle()
    except h11.LocalProtocolError:
        return False
    return True


def read_with_exchange(
    pieces: Iterable[bytes], *, eof: bool = False, method: str = "POST", limits: Limits | None = None
) -> Verdict:
    """Let the library read a response in pieces, as a driver does, and the connection's end if `eof`."""
    exchange = HTTPExchange(Request(method=method, target="/", headers=(("Host", "h"),)), limits=limits)
    exchange.data_to_send()
    body, refused = b"", None
    try:
        for piece in [*filter(None, pieces), *([b""] if eof else [])]:
            body += b"".join(exchange.feed(piece))
            exchange.raise_fault()
    except StreamInterrupted:
        refused = Outcome.INTERRUPTED
    except ProtocolError:
        refused = Outcome.REFUSED
    assert not (refused and exchange.ended)
    head = exchange.head
    return Verdict(
        outcome=refused or (Outcome.COMPLETE if exchange.ended else Outcome.INCOMPLETE),
        head=None if head is None else Head(status=head.status, reason=head.reason, fields=head.headers.fields),
        body=body,
        reusable=exchange.reusable,
        limited=isinstance(exchange.fault, LimitExceeded),
        delimited=exchange.delimited,
    )
