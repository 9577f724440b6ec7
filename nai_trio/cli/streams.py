"""What the command says: results on stdout, everything else on stderr, one line each.

Text from outside (the service's words, file names) is made one printable line, so that it can neither forge a line nor
control the terminal, and the API key is struck out of it, should the service ever repeat it.

A reader of stdout that goes away (`| head -1`) does not stop a generation that may cost something: the command goes on
without it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

from nai_trio.cli.exit_codes import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Streams", "one_line", "warnings_as_notes"]

_SECRET_LENGTH = 12
"""A shorter key, made up for the emulator, would be found in words and paths by chance; no real one is that short."""

_LONGEST = 600
"""Characters of a line that come from elsewhere; an error page can be as long as it likes."""


def one_line(text: str) -> str:
    """Printable text on one line: runs of blanks become one, control characters become question marks."""
    line = " ".join(text.split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


class Streams:
    """The process's stdout and stderr.

    Args:
        secret: text that must not be shown; "" for none.

    Attributes:
        failure: what cannot be written besides the pictures: stdout, unless its reader merely went away, or a tape;
            else None.
    """

    def __init__(self, *, secret: str = "") -> None:
        self.failure: OutputError | None = None
        self._secret = secret
        self._stdout_gone = sys.stdout is None

    def path(self, path: Path) -> None:
        """A written file, as one line of stdout, in the file system's own bytes."""
        self._write(os.fsencode(path) + b"\n")

    def record(self, record: Mapping[str, Any]) -> None:
        """One JSON line on stdout."""
        text = self._strike(json.dumps(record, allow_nan=False, separators=(", ", ": ")))
        self._write(text.encode("ascii") + b"\n")

    def text(self, text: str) -> None:
        """One line of text on stdout."""
        self._write(f"{text}\n".encode())

    def note(self, text: str) -> None:
        """One line on stderr, marked as ours."""
        line = self.clean(text)
        with contextlib.suppress(OSError, AttributeError):  # nobody is there to be told
            sys.stderr.write(f"nai-trio: {line}\n")
            sys.stderr.flush()

    def error(self, text: str) -> None:
        """The one line that says what went wrong."""
        self.note(f"error: {text}")

    def clean(self, text: str) -> str:
        """Text from outside, fit for a terminal: one printable line without the secret."""
        return self._strike(one_line(text))

    def _strike(self, text: str) -> str:
        return text.replace(self._secret, "***") if len(self._secret) >= _SECRET_LENGTH else text

    def _write(self, line: bytes) -> None:
        if self._stdout_gone:
            return
        try:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        except OSError as error:
            self._stdout_gone = True
            if not isinstance(error, BrokenPipeError):
                self.failure = OutputError(f"cannot write to stdout: {(error.strerror or str(error)).lower()}")
            self.abandon_stdout()

    def last_note(self, text: str) -> None:
        """One line on stderr from a signal handler, past the buffer in whose middle the handler may have come."""
        with contextlib.suppress(OSError, AttributeError, ValueError):
            os.write(sys.stderr.fileno(), f"nai-trio: {self.clean(text)}\n".encode(errors="backslashreplace"))

    @staticmethod
    def abandon_stdout() -> None:
        """Point stdout nowhere: the interpreter flushes its buffer at exit, and would complain, or wait for ever."""
        with contextlib.suppress(OSError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


@contextlib.contextmanager
def warnings_as_notes(streams: Streams) -> Iterator[None]:
    """Say what the library warns its user of, such as a cache that cannot be written, in lines as all others are."""

    def show(message: Warning | str, category: type[Warning], *_rest: object, **_more: object) -> None:
        if category.__name__ == "RecordingWarning":  # by name: the class is not loaded where nothing is recorded
            streams.failure = streams.failure or OutputError(str(message))
        else:
            streams.note(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield
