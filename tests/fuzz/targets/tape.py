"""Tape files as they are: damage is said with its place, a torn end keeps all that stands before it."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator

from invariants import scratch_folder, ways_to_cut
from real_bytes import TAPES

from nai_trio.errors import InvalidParamsError, LimitExceeded, ProtocolError
from nai_trio.transports.tape import MAGIC, MAX_DATA, Record, TapeReader, encode_record
from nai_trio.transports.tape_contents import Tape

MEASURED = ("nai_trio.transports.tape", "nai_trio.transports.tape_contents")
LONGEST = 2500
_LINE = re.compile(
    rb"(?:tape|open|refused|end|error|close|(?:send|receive)\+?) "
    rb"(?:0|[1-9]\d{0,8}) (?:0|[1-9]\d{0,18}) (0|[1-9]\d{0,8}) (0|[1-9]\d{0,8}) ([0-9a-f]{8})"
)
WORDS = (
    MAGIC, b"nai-trio tape 2\n", b"tape 0 0 2 0 99914b93\n{}\n", b"receive 1 ", b"receive+ 1 ", b"send 1 ",
    b"open 1 ", b"refused 1 ", b"end 1 ", b"error 1 ", b"close 1 ", b" 1048577 0 ", b" 999999999 0 ", b"\n",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any file is a tape or one error; a tape cut anywhere has the records before the cut."""
    found = _records(data)
    if data.startswith(MAGIC):
        count, sound = by_the_format(data)
        assert (found is not None) is sound, "what is damaged and what is whole are taken for one another"
        assert found is None or len(found[0]) == count
    if found is not None:
        records, _ = found
        encoded = MAGIC + b"".join(map(encode_record, records))
        assert data.startswith(encoded), "a tape's records are not what stands in the file"
        for pieces in ways_to_cut(data[len(MAGIC) :]):
            _check_cut(MAGIC + b"".join(pieces[: len(pieces) // 2]), records)
    _load(data)


def by_the_format(data: bytes) -> tuple[int, bool]:
    """How many records stand on a tape (docs/tapes.md), and whether it is undamaged."""
    place, count = len(MAGIC), 0
    while place < len(data):
        line = data[place : place + 80].partition(b"\n")
        found = _LINE.fullmatch(line[0])
        if not line[1] and len(line[0]) < 80:
            return count, True  # torn
        if found is None or not line[1] or int(found[1]) > MAX_DATA or int(found[2]) > int(found[1]):
            return count, False
        start, place = place + len(line[0]) + 1, place + len(line[0]) + 2 + int(found[1])
        if place > len(data):
            return count, True
        checksum = zlib.crc32(data[start : place - 1], zlib.crc32(line[0][:-8]))
        if data[place - 1 : place] != b"\n" or b"%08x" % checksum != found[3]:
            return count, False
        count += 1
    return count, True


def _records(data: bytes) -> tuple[list[Record], int] | None:
    """The records, and how many bytes are torn off; None where it was refused."""
    records: list[Record] = []
    try:
        reader = TapeReader(io.BytesIO(data))
        records.extend(reader)
    except InvalidParamsError:
        assert not data.startswith(MAGIC)
        return None
    except ProtocolError as error:
        assert "is damaged at byte" in str(error)
        assert data.startswith(MAGIC + b"".join(map(encode_record, records))), "what stands before the damage is lost"
        return None
    return records, reader.torn


def _check_cut(data: bytes, whole: list[Record]) -> None:
    found = _records(data)
    assert found is not None, "a tape that was cut is refused"
    records, torn = found
    assert records == whole[: len(records)]
    kept = len(MAGIC) + sum(len(encode_record(record)) for record in records)
    assert kept + torn == len(data), "bytes at a tape's end that nobody tells of"


def _load(data: bytes, *, max_size: int = 1500) -> Tape | None:
    path = scratch_folder() / "fuzzed.tape"
    path.write_bytes(data)
    try:
        tape = Tape.load(path, max_size=max_size)
    except (InvalidParamsError, ProtocolError) as error:
        assert str(path) in str(error) or isinstance(error, LimitExceeded)
        return None
    kept = sum(len(event.data) for exchange in tape.exchanges for event in exchange.events)
    assert kept + sum(len(exchange.request.body) for exchange in tape.exchanges) <= max_size
    return tape


def seeds() -> Iterator[bytes]:
    for path in sorted(TAPES.glob("*.tape"), key=lambda path: path.stat().st_size)[:5]:
        whole = path.read_bytes()
        yield whole
        yield whole[: len(whole) // 2]
    opened = Record(kind="open", connection=1, data=b'{"origin":"https://localhost:443","nanoseconds":1}')
    yield MAGIC + encode_record(opened)
    yield MAGIC + encode_record(Record(kind="close", connection=1))
    yield MAGIC.replace(b"1", b"2")
    yield MAGIC
