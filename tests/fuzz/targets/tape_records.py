"""What a tape's records mean: any records, written as tapes are, so that no checksum stands in a fuzzer's way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import attrs
from invariants import scratch_folder
from real_bytes import TAPES

from nai_trio.errors import LimitExceeded, ProtocolError
from nai_trio.transports.tape import MAGIC, Kind, Record, TapeReader, encode_record
from nai_trio.transports.tape_contents import Tape

MEASURED = ("nai_trio.transports.tape_contents", "nai_trio.transports.tape_requests")
LONGEST = 2500
KINDS: tuple[Kind, ...] = ("tape", "open", "refused", "send", "receive", "end", "error", "close")
SEPARATOR = b"~~~~"
MOST = 1200
WORDS = (
    SEPARATOR, SEPARATOR + b"\3\1\0\0", SEPARATOR + b"\4\1\0\0", SEPARATOR + b"\x0c\1\0\0", b"POST / HTTP/1.1\r\n",
    b"Host: a\r\n", b"Content-Length: 2\r\n\r\nhi", b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n", b'"origin":"a"',
    b'"nanoseconds":', b"1e999", b"NaN", b'{"during":"send","message":"no"}', b"***", b"1" * 25, b"[" * 60,
)  # fmt: skip


def check(data: bytes) -> None:
    """Any records make a tape, or an error that says what makes no sense."""
    records = list(_records(data))
    path = scratch_folder() / "fuzzed.tape"
    path.write_bytes(MAGIC + b"".join(map(encode_record, records)))
    with path.open("rb") as file:
        reader = TapeReader(file)
        assert list(reader) == records
        assert reader.torn == 0
    try:
        tape = Tape.load(path, max_size=MOST)
    except LimitExceeded:
        assert sum(len(record.data) for record in records) > MOST
        return
    except ProtocolError as error:
        assert "makes no sense" in str(error)
        return
    _check_tape(tape, records)


def _check_tape(tape: Tape, records: list[Record]) -> None:
    """Nothing that came back is lost: it is with the first request of its connection or a later one."""
    assert len(tape.attempts) == sum(record.kind in {"open", "refused"} for record in records)
    for number in {exchange.connection for exchange in tape.exchanges}:
        came = b"".join(
            event.data for exchange in tape.exchanges if exchange.connection == number for event in exchange.events
        )
        said = [record.data for record in records if record.kind == "receive" and record.connection == number]
        assert sorted(came) == sorted(b"".join(said)), "bytes of a tape are lost"
    for exchange in tape.exchanges:
        assert tape.only(exchange).exchanges == (exchange,)
    for last in {exchange.connection: exchange for exchange in tape.exchanges}.values():
        assert last.events, "a request after which nothing happened, not even the tape's end"


def _records(data: bytes) -> Iterator[Record]:
    """Records from bytes: after each separator kind, connection, time, struck, and the data."""
    for part in data.split(SEPARATOR):
        head, content = part[:4].ljust(4, b"\0"), part[4:]
        kind = KINDS[head[0] % 8]
        streams = kind in {"send", "receive"}
        yield Record(
            kind=kind,
            connection=head[1] % 4,
            time=int(head[2]) ** 7,
            data=content,
            struck=min(head[3], len(content)),
            continued=streams and bool(head[0] & 8),
        )


def _written(records: list[Record]) -> bytes:
    """The other way round, for seeds."""
    return SEPARATOR.join(
        bytes([KINDS.index(cast("Kind", record.kind)) + 8 * record.continued, record.connection % 4])
        + bytes([min(round(record.time ** (1 / 7)), 255), min(record.struck, 255)])
        + record.data
        for record in records
    )


def seeds() -> Iterator[bytes]:
    for path in sorted(TAPES.glob("*.tape"), key=lambda path: path.stat().st_size)[:5]:
        with path.open("rb") as file:
            yield _written([_shorter(record) for record in TapeReader(file)])
    opened = Record(kind="open", connection=1, data=b'{"origin":"https://localhost:443","nanoseconds":1}')
    sent = Record(kind="send", connection=1, data=b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    came = Record(kind="receive", connection=1, data=b"hello")
    more = Record(kind="receive", connection=1, data=b" world", continued=True)
    yield _written([opened, sent, came, more, Record(kind="end", connection=1)])
    yield _written([opened, came, sent, more, sent, Record(kind="close", connection=1)])
    yield _written([Record(kind="refused", connection=2, data=b'{"origin":"a","error":"ConnectError"}')])
    yield _written([opened, Record(kind="send", connection=1, data=b"no HTTP\r\n\r\n"), came])
    yield _written([opened, Record(kind="error", connection=1, data=b'{"during":"receive","message":"reset"}')])


def _shorter(record: Record) -> Record:
    """A record whose request is small enough: the bodies on real tapes are long."""
    if record.kind != "send":
        return record
    return attrs.evolve(record, data=b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", struck=0)
