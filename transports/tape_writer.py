"""The writing end of a tape: the file, and one track on it for each connection.

Only `ConnectionTrack` sees bytes that are not struck yet; `TapeFile` gets records that may be read by anybody.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import warnings
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import trio

from nai_trio._version import __version__
from nai_trio.errors import InvalidParamsError
from nai_trio.transports.tape import MAGIC, MAX_DATA, Kind, Record, encode_record
from nai_trio.transports.tape_redact import Direction, Redactor, Secrets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["ConnectionTrack", "RecordingWarning", "TapeFile"]


class RecordingWarning(UserWarning):
    """A tape could not be written on; the connections go on without it."""


class TapeFile:
    """The file, as long as it takes what is written.

    Attributes:
        failure: why it takes no more, or None.
    """

    def __init__(self, path: Path, secrets: Secrets) -> None:
        self.failure: OSError | None = None
        self._path = path
        self._secrets = secrets
        self._file: int | None = None
        self._entered = False
        self._began = False
        self._zero = 0.0
        self._last = 0
        self._untold: RecordingWarning | None = None

    def open(self, *, overwrite: bool) -> None:
        """Open the file; the first time it is made."""
        if self._entered:
            raise RuntimeError("this RecordingTransport is entered already: one client has it at a time")
        how = 0 if self._began else (os.O_CREAT | (0 if overwrite else os.O_EXCL))
        try:
            self._file = _open_file(self._path, how, empty=not self._began)
        except FileExistsError as error:
            raise InvalidParamsError(
                f"{self._path}: expected a tape that is not there yet (or overwrite=True)"
            ) from error
        except (OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            raise InvalidParamsError(f"{self._path}: the tape cannot be made: {reason}") from error
        self._entered = True
        self._zero = trio.current_time() - self._last / 1e9
        if not self._began:
            self._put(MAGIC)
        self._began = True
        recorded = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self.write("tape", 0, self._last, {"recorded": recorded, "program": f"nai-trio {__version__}"})

    def close(self) -> None:
        """Close the file."""
        self._entered = False
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def check_open(self) -> None:
        """Raise `RuntimeError` unless the tape was opened."""
        if not self._entered:
            raise RuntimeError("this RecordingTransport is not entered: give it to a client, or use `async with` on it")

    def now(self) -> int:
        """Nanoseconds since the tape began."""
        self._last = max(self._last, round((trio.current_time() - self._zero) * 1e9))
        return self._last

    def write(self, kind: Kind, connection: int, time: int, facts: dict[str, Any]) -> None:
        """Write a record that is no bytes of a stream."""
        data = self._secrets.strike(json.dumps(facts)).encode("ascii") if facts else b""
        self.put(Record(kind=kind, connection=connection, time=time, data=data[:MAX_DATA]))

    def put(self, record: Record) -> None:
        """Write a record whose data has nothing secret in it."""
        self._put(encode_record(record))

    def _put(self, data: bytes) -> None:
        if self._file is None:
            return
        start = 0
        try:
            start = os.lseek(self._file, 0, os.SEEK_END)
            with memoryview(data) as view:
                written = 0
                while written < len(view):
                    written += os.write(self._file, view[written:])
        except OSError as error:
            self._stop(error, start)

    def _stop(self, error: OSError, whole: int) -> None:
        """Record no more; what is whole stays."""
        self.failure = error
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, whole)
            os.close(self._file)
            self._file = None
        reason = (error.strerror or str(error)).lower()
        self._untold = RecordingWarning(f"recording on {str(self._path)!r} stopped: {reason}; the connection goes on")
        self.warn(raising=False)

    def warn(self, *, raising: bool) -> None:
        """Warn of a failure, once; where warnings are made errors, only if `raising`: not amid what is paid for."""
        if self._untold is None:
            return
        warning, self._untold = self._untold, None
        try:
            warnings.warn(warning, stacklevel=2)
        except RecordingWarning:
            if raising:
                raise
            self._untold = warning


def _open_file(path: Path, how: int, *, empty: bool) -> int:
    """Open a file for one writer, its owner's eyes alone.

    Raises:
        OSError: it cannot be opened, is no file, or is being written on.
    """
    # Opening a pipe without a reader would wait, and hold up everything else.
    flags = os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        file = os.open(path, flags | how, 0o600)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a pipe that nobody reads, or a socket
            raise OSError(errno.ENXIO, "it is no file") from error
        raise
    try:
        _check_file(file)
        _lock(file)
        if empty:
            os.ftruncate(file, 0)
            if hasattr(os, "fchmod"):  # Windows has other means
                os.fchmod(file, 0o600)
    except BaseException:
        os.close(file)
        raise
    return file


def _check_file(file: int) -> None:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError(errno.EINVAL, "it is no file")


def _lock(file: int) -> None:
    """Keep other recorders away until the file is closed; where the system has no such locks, nothing."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(errno.EBUSY, "another recorder writes on it") from None
    except OSError:  # some network file systems have none
        return


class ConnectionTrack:
    """One connection on the tape: strikes out what is secret, and puts what comes out back into its pieces."""

    def __init__(self, tape: TapeFile, number: int, secrets: Secrets) -> None:
        self._tape = tape
        self._number = number
        redactor = Redactor(secrets)
        self._directions: dict[Kind, Direction] = {"send": redactor.sent, "receive": redactor.received}
        self._pieces: dict[Kind, deque[_Piece]] = {"send": deque(), "receive": deque()}

    def piece(self, kind: Kind, data: bytes | bytearray | memoryview) -> None:
        """Keep what one call sent or received."""
        if len(data):
            self._pieces[kind].append(_Piece(self._tape.now(), len(data)))
            self._write(kind, *self._directions[kind].feed(data))

    def event(self, kind: Kind, *, finished: Sequence[Kind] = ("send", "receive"), **facts: Any) -> None:
        """Keep what happened besides; what was held back of directions that it ends goes before it."""
        time = self._tape.now()
        for direction in finished:
            self._write(direction, *self._directions[direction].finish())
        self._tape.write(kind, self._number, time, facts)

    def _write(self, kind: Kind, data: bytes, marks: bytes) -> None:
        start = 0
        pieces = self._pieces[kind]
        while start < len(data):
            piece = pieces[0]
            end = min(start + piece.left, start + MAX_DATA, len(data))
            self._tape.put(
                Record(
                    kind=kind,
                    connection=self._number,
                    time=piece.time,
                    data=data[start:end],
                    struck=marks.count(1, start, end),
                    continued=piece.begun,
                )
            )
            piece.begun = True
            piece.left -= end - start
            start = end
            if not piece.left:
                pieces.popleft()


class _Piece:
    """What one call moved, as far as it is not on the tape yet."""

    __slots__ = ("begun", "left", "time")

    def __init__(self, time: int, size: int) -> None:
        self.time = time
        self.left = size
        self.begun = False
