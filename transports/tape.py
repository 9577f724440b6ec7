r"""The format of a tape: what went over the wire of one or more connections, and when.

    nai-trio tape 1\n                                  what it is, and the format's version
    KIND CONNECTION TIME LENGTH STRUCK CRC\n           a record's line, in ASCII
    LENGTH bytes, as they are, then \n                 its data
    ...

docs/tapes.md has it byte by byte. What shaped it:

- Records are only ever added at the end, each by one write, so whatever ends the program, what was recorded is kept. A
  last record that is not whole is no damage: the reader says so and stops before it (`TapeReader.torn`).
- Every record has a checksum over its line and its data, so that damage shows where it is, not as a strange picture.
- Lengths are claims: one beyond `MAX_DATA` is refused before a byte of it is read. Longer pieces of a stream are
  several records, joined by `continued`.
- The lines are text, so `less` and `grep -a` show a tape to whoever has nothing else.

This file knows bytes alone: what is struck out is tape_redact.py's business, what the records mean tape_contents.py's.
"""

from __future__ import annotations

import re
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, TypeAlias, cast

import attrs

from nai_trio.errors import InvalidParamsError, ProtocolError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["MAGIC", "MAX_DATA", "Kind", "Record", "TapeReader", "encode_record", "open_tape"]

MAGIC: Final = b"nai-trio tape 1\n"
"""The first line; its number is the format's version."""

MAX_DATA: Final = 1024 * 1024
"""The most bytes of data that one record has."""

Kind: TypeAlias = Literal["tape", "open", "refused", "send", "receive", "end", "error", "close"]
"""What a record tells; see docs/tapes.md."""

_LINE: Final = re.compile(
    rb"(tape|open|refused|end|error|close|(?:send|receive)\+?)"
    rb" (0|[1-9][0-9]{0,8}) (0|[1-9][0-9]{0,18}) (0|[1-9][0-9]{0,8}) (0|[1-9][0-9]{0,8}) ([0-9a-f]{8})\n"
)
_MAX_LINE: Final = 80
"""Bytes of the longest line that `_LINE` matches are fewer."""

_FAMILY: Final = b"nai-trio tape "


@attrs.frozen(kw_only=True)
class Record:
    """One thing that happened.

    Attributes:
        kind: what.
        connection: on which connection, from 1; 0 for what concerns the whole tape.
        time: nanoseconds since the tape began.
        data: for "send" and "receive" the bytes, with what is secret struck out; for others a JSON object or nothing.
        struck: how many bytes of `data` are asterisks in place of something secret.
        continued: whether `data` goes on where the last record of this kind and connection stopped, as one piece.
    """

    kind: Kind
    connection: int = 0
    time: int = 0
    data: bytes = attrs.field(default=b"", repr=lambda data: f"<{len(data)} bytes>")
    struck: int = 0
    continued: bool = False


def encode_record(record: Record) -> bytes:
    """A record as it stands on a tape.

    Raises:
        ValueError: its data is longer than `MAX_DATA`.
    """
    if len(record.data) > MAX_DATA:
        raise ValueError(f"data: expected at most {MAX_DATA} bytes, got {len(record.data)}")
    name = record.kind + ("+" if record.continued else "")
    line = f"{name} {record.connection} {record.time} {len(record.data)} {record.struck} ".encode("ascii")
    return b"%b%08x\n%b\n" % (line, _checksum(line, record.data), record.data)


def _checksum(line: bytes, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(line))


class TapeReader:
    """Reads the records of a tape, one after another; in memory is one at a time.

    Args:
        file: the tape, at its beginning.
        name: what errors call it.

    Attributes:
        torn: how many bytes at the end are of a record that was not written whole; 0 when there are none, or the end
            has not been reached yet.

    Raises:
        InvalidParamsError: it is no tape, or one of another version.
    """

    def __init__(self, file: BinaryIO, name: str = "tape") -> None:
        self.torn = 0
        self._file = file
        self._name = name
        self._offset = 0
        first = self._read_line(len(MAGIC))
        if first != MAGIC:
            raise InvalidParamsError(f"{name}: expected {_wanted(first)}")

    def __iter__(self) -> Iterator[Record]:
        """The records from here on.

        Raises:
            ProtocolError: the tape is damaged; says at which byte.
        """
        while (record := self._next()) is not None:
            yield record

    def _next(self) -> Record | None:
        line = self._read_line(_MAX_LINE)
        if not line.endswith(b"\n") and len(line) < _MAX_LINE:
            self.torn = len(line)
            return None
        found = _LINE.fullmatch(line)
        if found is None:
            raise self._damage("a record's line", f"{line[:40]!r}")
        name, *numbers, checksum = found.groups()
        connection, time, length, struck = map(int, numbers)
        if length > MAX_DATA or struck > length:
            raise self._damage(f"at most {MAX_DATA} bytes of data", f"{length}, {struck} of them struck")
        content = self._read(length + 1)
        if len(content) <= length:
            self.torn = len(line) + len(content)
            return None
        data = content[:length]
        if content[length:] != b"\n" or _checksum(line[:-9], data) != int(checksum, 16):
            raise self._damage("a record as its checksum says", "another one")
        self._offset += len(line) + len(content)
        kind = cast("Kind", name.removesuffix(b"+").decode("ascii"))
        return Record(
            kind=kind, connection=connection, time=time, data=data, struck=struck, continued=name.endswith(b"+")
        )

    def _read_line(self, limit: int) -> bytes:
        try:
            line = self._file.readline(limit)
        except OSError as error:
            raise self._damage("a file that can be read", _reason(error)) from error
        if self._offset == 0:
            self._offset = len(line)
        return line

    def _read(self, count: int) -> bytes:
        try:
            return self._file.read(count)
        except OSError as error:
            raise self._damage("a file that can be read", _reason(error)) from error

    def _damage(self, expected: str, received: str) -> ProtocolError:
        text = f"{self._name} is damaged at byte {self._offset}: expected {expected}, got {received}"
        return ProtocolError(text, expected=expected, received=received)


@contextmanager
def open_tape(path: str | os.PathLike[str]) -> Iterator[TapeReader]:
    """Open a tape for reading.

    Raises:
        InvalidParamsError: it cannot be read, is no tape, or one of another version.
    """
    where = Path(path)
    try:
        if where.exists() and not where.is_file():  # opening a pipe would wait
            raise InvalidParamsError(f"{where}: expected a tape, got something that is no file")
        file = where.open("rb")
    except (OSError, ValueError) as error:
        raise InvalidParamsError(f"{where}: cannot be read: {_reason(error)}") from error
    with file:
        yield TapeReader(file, str(where))


def _wanted(first: bytes) -> str:
    version = first.removeprefix(_FAMILY).strip()
    if first.startswith(_FAMILY) and version.isdigit():
        return f"a tape of version 1, got version {version.decode('ascii')}: it needs a newer nai-trio"
    return f"a tape, which begins with {MAGIC!r}, got {first!r}"


def _reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
