"""What the records of a tape mean: connections, requests, and what came back of each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from nai_trio.errors import LimitExceeded, ProtocolError
from nai_trio.transports.tape import MAGIC, Record, encode_record
from nai_trio.transports.tape_contents import Attempt, Event, Tape, facts_of

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN = "https://image.example:443"
REQUEST = b"POST /ai/generate-image HTTP/1.1\r\nHost: image.example\r\nContent-Length: 4\r\n\r\nbody"
NEXT = b"GET /user/subscription HTTP/1.1\r\nHost: image.example\r\n\r\n"


def opened(number: int = 1, **facts: Any) -> Record:
    return record("open", number, {"origin": ORIGIN, "nanoseconds": 5, **facts})


def record(kind: str, number: int, data: bytes | dict[str, Any] = b"", **members: Any) -> Record:
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Record(kind=kind, connection=number, data=content, **members)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.tape"


def load(path: Path, *records: Record, **options: Any) -> Tape:
    path.write_bytes(MAGIC + b"".join(map(encode_record, records)))
    return Tape.load(path, **options)


def test_a_request_and_what_came_back_are_an_exchange(path: Path) -> None:
    tape = load(
        path,
        record("tape", 0, {"program": "nai-trio", "recorded": "today"}),
        opened(),
        record("send", 1, REQUEST[:20], time=1),
        record("send", 1, REQUEST[20:], time=2),
        record("receive", 1, b"HTTP/1.1 ", time=3),
        record("receive", 1, b"200 OK\r\n", time=3, continued=True),
        record("receive", 1, b"\r\n", time=4),
        record("end", 1, time=5),
    )
    assert tape.about == {"program": "nai-trio", "recorded": "today"}
    assert tape.attempts == (Attempt(number=1, origin=ORIGIN, nanoseconds=5),)
    [exchange] = tape.exchanges
    assert (exchange.connection, exchange.origin, exchange.sent) == (1, ORIGIN, 2)
    assert (exchange.request.line, exchange.request.body) == ("POST /ai/generate-image", b"body")
    assert exchange.events == (
        Event(kind="receive", time=3, data=b"HTTP/1.1 200 OK\r\n"),
        Event(kind="receive", time=4, data=b"\r\n"),
        Event(kind="end", time=5),
    )


def test_exchanges_are_in_the_order_of_their_requests_and_attempts_in_that_of_their_numbers(path: Path) -> None:
    tape = load(path, opened(2), opened(1), record("send", 2, REQUEST), record("send", 1, NEXT + REQUEST))
    assert [attempt.number for attempt in tape.attempts] == [1, 2]
    assert [(each.connection, each.request.method) for each in tape.exchanges] == [(2, "POST"), (1, "GET"), (1, "POST")]


def test_a_connection_that_is_open_when_the_tape_ends_ends_there(path: Path) -> None:
    tape = load(path, opened(), record("send", 1, REQUEST), record("receive", 1, b"HTTP", time=9))
    assert tape.exchanges[0].events[-1] == Event(kind="close", time=9, message="the tape ends here")


@pytest.mark.parametrize(
    ("kind", "facts", "event"),
    [
        ("error", {"during": "send", "message": "reset"}, Event(kind="error", time=7, during="send", message="reset")),
        (
            "close",
            {},
            Event(kind="close", time=7, message="the recording ends here: the client closed the connection then"),
        ),
    ],
)
def test_how_a_connection_ended_is_told(path: Path, kind: str, facts: dict[str, Any], event: Event) -> None:
    tape = load(path, opened(), record("send", 1, REQUEST), record(kind, 1, facts, time=7))
    assert tape.exchanges[0].events == (event,)


def test_what_came_before_any_request_belongs_to_the_first(path: Path) -> None:
    tape = load(path, opened(), record("receive", 1, b"HTTP/1.1 408 Slow\r\n\r\n"), record("send", 1, NEXT))
    assert tape.exchanges[0].events[0].data == b"HTTP/1.1 408 Slow\r\n\r\n"


def test_a_connection_that_was_refused_is_an_attempt_with_its_error(path: Path) -> None:
    facts = {"origin": ORIGIN, "nanoseconds": 3, "error": "ConnectError", "message": "nothing listens there"}
    [attempt] = load(path, record("refused", 1, facts)).attempts
    assert (attempt.error, attempt.message) == ("ConnectError", "nothing listens there")


def test_what_is_no_http_is_told_and_the_rest_of_that_connection_left(path: Path) -> None:
    tape = load(
        path, opened(1), opened(2), record("send", 1, b"\0\r\n\r\n"), record("send", 1, NEXT), record("send", 2, NEXT)
    )
    assert [exchange.connection for exchange in tape.exchanges] == [2]
    [words] = tape.unread
    assert words.startswith("connection 1: expected an HTTP/1.1 request")


def test_a_request_that_was_not_sent_whole_is_told(path: Path) -> None:
    tape = load(path, opened(), record("send", 1, REQUEST[:-1]))
    assert (tape.exchanges, tape.unread) == ((), ("connection 1: a request that was not sent whole",))


@pytest.mark.parametrize(
    ("head", "body", "struck", "masked"),
    [(b"*", b"body", 1, False), (b"h", b"bo*y", 1, True), (b"*", b"bo*y", 2, True), (b"h", b"bo*y", 0, False)],
)
def test_asterisks_of_a_body_may_stand_for_something_where_more_was_struck_out_than_the_head_shows(
    path: Path, head: bytes, body: bytes, struck: int, masked: bool
) -> None:
    request = b"POST /a HTTP/1.1\r\nHost: %s\r\nContent-Length: 4\r\n\r\n" % head + body
    [exchange] = load(path, opened(), record("send", 1, request, struck=struck)).exchanges
    assert exchange.request.masked is masked


def test_a_tape_of_one_exchange_has_nothing_else(path: Path) -> None:
    tape = load(path, opened(1), opened(2), record("send", 1, b"\0\r\n\r\n"), record("send", 2, NEXT))
    one = tape.only(tape.exchanges[0])
    assert one.attempts == (Attempt(number=2, origin=ORIGIN, nanoseconds=0),)
    assert (one.exchanges, one.unread, one.name) == (tape.exchanges, (), str(path))


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([record("send", 1, NEXT)], "expected a record of an open connection, got 'send' on 1"),
        ([opened(1), opened(1)], "expected a new connection and its origin"),
        ([record("open", 1, {"nanoseconds": 1})], "expected a new connection and its origin"),
        ([opened(1, nanoseconds=-1)], "expected a new connection and its origin"),
        ([opened(1, nanoseconds=True)], "expected a new connection and its origin"),
        ([opened(), record("receive", 1, b"x", continued=True)], "expected a piece that begins, got one that goes on"),
        ([record("tape", 0, b"[1]")], "expected a JSON object in the record 'tape'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_tapes_name(path: Path, records: list[Record], words: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        load(path, *records)
    assert str(caught.value).startswith(f"{path} makes no sense: {words}")


def test_the_bound_on_its_size_is_exact(path: Path) -> None:
    records = [opened(), record("send", 1, REQUEST)]
    size = sum(len(each.data) for each in records)
    assert load(path, *records, max_size=size).exchanges
    with pytest.raises(LimitExceeded) as caught:
        load(path, *records, max_size=size - 1)
    assert (caught.value.limit, caught.value.allowed) == ("max_size", size - 1)


@pytest.mark.parametrize("data", [b"[]", b"3", b"{", b'{"a":NaN}', b"[" * 5000, b"\xff"])
def test_facts_are_a_json_object_or_refused(data: bytes) -> None:
    assert facts_of(record("end", 1)) == {}
    assert facts_of(record("end", 1, {"a": 1})) == {"a": 1}
    with pytest.raises(ProtocolError, match="expected a JSON object in the record 'end'"):
        facts_of(record("end", 1, data))
