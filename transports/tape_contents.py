"""What a tape's records mean: connections that were opened or refused, and requests with all that came back.

Where a request ends is told by parsing what was sent (tape_requests.py), not by where the pieces were cut. What came
back is left as it came, piece by piece with its time, for that is what a replay is for.

A tape is read into memory, up to `MAX_SIZE`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import attrs

from nai_trio.errors import LimitExceeded, ProtocolError
from nai_trio.transports.tape import Kind, Record, open_tape
from nai_trio.transports.tape_requests import RequestReader, TapedRequest

if TYPE_CHECKING:
    import os

__all__ = ["Attempt", "Event", "Exchange", "Tape", "facts_of"]

MAX_SIZE: Final = 512 * 1024 * 1024
"""Bytes of data on a tape that is read into memory."""

_LAST: Final = frozenset({"end", "error", "close"})
_MAX_RECORDS: Final = 1_000_000
_LONGEST: Final = 10**19
"""Nanoseconds; the times of records are shorter."""


@attrs.frozen(kw_only=True)
class Event:
    """Something that came back, or ended the connection.

    Attributes:
        kind: "receive", "end", "error" or "close".
        time: nanoseconds since the tape began.
        data: of "receive", the bytes: a piece as one call got it.
        during: of "error", "send" or "receive".
        message: of "error" and "close", why nothing more comes.
    """

    kind: Kind
    time: int
    data: bytes = attrs.field(default=b"", repr=lambda data: f"<{len(data)} bytes>")
    during: str = ""
    message: str = ""


@attrs.frozen(kw_only=True)
class Exchange:
    """A request, and all that happened on its connection until the next one.

    Attributes:
        connection: the connection's number.
        origin: where it led, e.g. "https://image.novelai.net:443".
        request: what was asked.
        sent: when the last of it was sent, in nanoseconds since the tape began.
        events: what came back.
    """

    connection: int
    origin: str
    request: TapedRequest
    sent: int
    events: tuple[Event, ...]


@attrs.frozen(kw_only=True)
class Attempt:
    """A connection that was opened, or was not.

    Attributes:
        number: from 1.
        origin: where to, e.g. "https://image.novelai.net:443".
        nanoseconds: how long it took.
        error: the class of the error that it ended in, or "".
        message: its words.
    """

    number: int
    origin: str
    nanoseconds: int
    error: str = ""
    message: str = ""


@attrs.frozen(kw_only=True)
class Tape:
    """A tape in memory.

    Attributes:
        name: its path, for errors.
        about: what its first record says: "recorded" (when), "program".
        attempts: connections, in the order in which they were asked for.
        exchanges: requests, in the order in which they were sent.
        unread: what was sent and is no whole request, in words.
        torn: bytes at the end that were not written whole.
    """

    name: str
    about: dict[str, Any]
    attempts: tuple[Attempt, ...]
    exchanges: tuple[Exchange, ...]
    unread: tuple[str, ...] = ()
    torn: int = 0

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, max_size: int = MAX_SIZE) -> Tape:
        """Read a tape.

        Args:
            path: where it is.
            max_size: bytes of data to accept.

        Raises:
            InvalidParamsError: it cannot be read, is no tape, or one of another version.
            ProtocolError: it is damaged.
            LimitExceeded: it holds more than `max_size`.
        """
        with open_tape(path) as reader:
            builder = _Builder(str(Path(path)), max_size)
            for record in reader:
                builder.add(record)
            return builder.finish(reader.torn)

    def only(self, exchange: Exchange) -> Tape:
        """A tape with one of its exchanges, on a connection that opens at once."""
        attempt = Attempt(number=exchange.connection, origin=exchange.origin, nanoseconds=0)
        return attrs.evolve(self, attempts=(attempt,), exchanges=(exchange,), unread=())


def facts_of(record: Record) -> dict[str, Any]:
    """The members of a record that is no bytes of a stream.

    Raises:
        ProtocolError: it holds something else.
    """
    try:
        facts = json.loads(record.data or b"{}", parse_constant=_refuse)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise ProtocolError.mismatch(expected=f"a JSON object in the record {record.kind!r}", received=_shown(record))
    return facts


def _is_time(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LONGEST


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _shown(record: Record) -> str:
    return repr(record.data[:40])


class _Link:
    """One connection while a tape is being read."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.exchange: _Draft | None = None
        self.early: list[_Coming] = []
        self.unread = ""
        self._piece: _Coming | None = None
        self._reader = RequestReader()
        self._struck = 0
        self._sent = bytearray()

    def send(self, record: Record) -> list[_Draft]:
        """Take what was sent; return the exchanges that begin with it."""
        if self.unread:
            return []
        self._struck += record.struck
        self._sent += record.data
        try:
            requests = self._reader.feed(record.data)
        except ProtocolError as error:
            self.unread = f"connection {self.attempt.number}: {error}"
            return []
        return [self._draft(request, record.time) for request in requests]

    def _draft(self, request: TapedRequest, time: int) -> _Draft:
        head = bytes(self._sent).partition(b"\r\n\r\n")[0]
        masked = attrs.evolve(request, masked=self._struck > head.count(b"*"))
        self._sent.clear()
        self._struck = 0
        self.exchange = _Draft(self.attempt, masked, time, self.early)
        self.early = []
        return self.exchange

    def came(self, record: Record) -> None:
        """Take what came back."""
        if record.continued:  # also after the next request: its last bytes may have been held back so long
            if self._piece is None:
                raise ProtocolError.mismatch(expected="a piece that begins", received="one that goes on")
            self._piece.more.append(record.data)
            return
        coming = _Coming(_event(record))
        (self.early if self.exchange is None else self.exchange.events).append(coming)
        if record.kind == "receive":
            self._piece = coming

    def cut(self, time: int) -> None:
        """Say that the tape ends; a connection that was open then ends there, too."""
        if self.exchange is not None and not any(each.event.kind in _LAST for each in self.exchange.events):
            self.exchange.events.append(_Coming(Event(kind="close", time=time, message="the tape ends here")))

    def finish(self) -> str:
        """What cannot be replayed of it, in words."""
        if not self.unread and not self._reader.idle:
            return f"connection {self.attempt.number}: a request that was not sent whole"
        return self.unread


class _Coming:
    """An event whose data may go on."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.more: list[bytes] = []

    def finish(self) -> Event:
        return attrs.evolve(self.event, data=b"".join([self.event.data, *self.more])) if self.more else self.event


def _event(record: Record) -> Event:
    if record.kind == "receive":
        return Event(kind="receive", time=record.time, data=record.data)
    facts = facts_of(record)
    message = "the recording ends here: the client closed the connection then" if record.kind == "close" else ""
    return Event(
        kind=record.kind,
        time=record.time,
        during=str(facts.get("during", "")),
        message=message or str(facts.get("message", "")),
    )


class _Draft:
    def __init__(self, attempt: Attempt, request: TapedRequest, sent: int, early: list[_Coming]) -> None:
        self.attempt = attempt
        self.request = request
        self.sent = sent
        self.events = early

    def finish(self) -> Exchange:
        attempt = self.attempt
        return Exchange(
            connection=attempt.number,
            origin=attempt.origin,
            request=self.request,
            sent=self.sent,
            events=tuple(each.finish() for each in self.events),
        )


class _Builder:
    """Makes a `Tape` of records."""

    def __init__(self, name: str, max_size: int) -> None:
        self._name = name
        self._max_size = max_size
        self._size = self._count = self._time = 0
        self._about: dict[str, Any] = {}
        self._attempts: list[Attempt] = []
        self._links: dict[int, _Link] = {}
        self._drafts: list[_Draft] = []

    def add(self, record: Record) -> None:
        try:
            self._add(record)
        except LimitExceeded:
            raise
        except ProtocolError as error:
            text = f"{self._name} makes no sense: {error}"
            raise ProtocolError(text, expected=error.expected, received=error.received) from None

    def _add(self, record: Record) -> None:
        self._size += len(record.data)
        self._count += 1
        if self._size > self._max_size or self._count > _MAX_RECORDS:
            raise LimitExceeded.of("max_size", self._max_size, "a longer tape")
        self._time = max(self._time, record.time)
        if record.kind == "tape":
            self._about = self._about or facts_of(record)
        elif record.kind in {"open", "refused"}:
            self._open(record)
        elif record.connection not in self._links:
            raise ProtocolError.mismatch(
                expected="a record of an open connection", received=f"{record.kind!r} on {record.connection}"
            )
        elif record.kind == "send":
            self._drafts += self._links[record.connection].send(record)
        else:
            self._links[record.connection].came(record)

    def _open(self, record: Record) -> None:
        facts, number = facts_of(record), record.connection
        origin, took = facts.get("origin"), facts.get("nanoseconds", 0)
        if not isinstance(origin, str) or not _is_time(took) or number in self._links:
            raise ProtocolError.mismatch(expected="a new connection and its origin", received=_shown(record))
        reason = [str(facts.get(name, "")) for name in ("error", "message")] if record.kind == "refused" else ["", ""]
        attempt = Attempt(number=number, origin=origin, nanoseconds=took, error=reason[0], message=reason[1])
        self._attempts.append(attempt)
        self._links[number] = _Link(attempt)

    def finish(self, torn: int) -> Tape:
        for link in self._links.values():
            link.cut(self._time)
        return Tape(
            name=self._name,
            about=self._about,
            attempts=tuple(sorted(self._attempts, key=lambda attempt: attempt.number)),
            exchanges=tuple(draft.finish() for draft in self._drafts),
            unread=tuple(words for link in self._links.values() if (words := link.finish())),
            torn=torn,
        )
