"""Secrets out of the environment, a file or standard input: the API key, a tunnel's token.

Never out of an option, since every user of the machine can read the command lines of all. What is in a file is never
repeated in an error, whatever it is: it may be the secret with something beside it.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "KEY_VARIABLE",
    "TOKEN_VARIABLE",
    "SecretError",
    "check_secret",
    "from_environment",
    "hide_environment",
    "read_secret",
]

KEY_VARIABLE: Final = "NOVELAI_API_KEY"
TOKEN_VARIABLE: Final = "NAI_TRIO_TUNNEL_TOKEN"  # noqa: S105 - its name

_STDIN: Final = "-"
_hidden: Final[dict[str, str]] = {}
"""Variables that are no longer in the environment."""

_LONGEST: Final = 4096
"""Bytes; keys and tokens have less than a hundred."""

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class SecretError(Exception):
    """There is no secret where one was looked for; the text says what is wrong, and shows nothing of what is there."""


def hide_environment() -> None:
    """Take the secrets out of this process's environment, so that no other program inherits them."""
    for variable in (KEY_VARIABLE, TOKEN_VARIABLE):
        if variable in os.environ:
            _hidden[variable] = os.environ.pop(variable)


def from_environment(variable: str) -> str | None:
    """A variable's value, also where it was taken out; None where there is none."""
    return _hidden[variable] if variable in _hidden else os.environ.get(variable)


def read_secret(source: str, *, flag: str, what: str, warn: Callable[[str], None]) -> str:
    """The secret in a file; its line end is not part of it.

    Args:
        source: the file's name; "-" for standard input, which is asked without an echo if it is a terminal.
        flag: the option that names the file.
        what: what the secret is called, e.g. "an API key".
        warn: is told, in one line, when others can read the file.

    Raises:
        SecretError: it cannot be read, or holds something else.
    """
    where = f"{flag} {source}"
    try:
        # In no name of its own, since an error may be shown with the locals of this frame.
        return check_secret(
            _from_stdin(what) if source == _STDIN else _from_file(source, where, warn), source=where, what=what
        )
    except OSError as error:
        shown = flag if source.startswith("pst-") else where  # the key itself in place of a file's name
        reason = (error.strerror or str(error)).lower()
        hint = " (it takes the name of a file, not the key)" if shown == flag else ""
        raise SecretError(f"{shown}: cannot be read: {reason}{hint}") from None


def check_secret(content: bytes, *, source: str, what: str) -> str:
    """The secret in some bytes: one line of printable ASCII without blanks.

    Raises:
        SecretError: they are something else.
    """
    line = content.rstrip(b"\r\n")
    reason = _what_is_wrong(line, len(content))
    if reason is not None:
        del content, line  # the error may be shown with the locals of this frame
        expected = f"{what} of printable ASCII without blanks, at most {_LONGEST} characters"
        raise SecretError(f"{source}: expected {expected}, got {reason}")
    return line.decode("ascii")


def _what_is_wrong(line: bytes, size: int) -> str | None:
    if size > _LONGEST:
        return "more"
    if not line:
        return "nothing"
    if b"\n" in line or b"\r" in line:
        return "several lines"
    if not all(0x21 <= byte <= 0x7E for byte in line):
        return "other characters"
    return None


def _from_stdin(what: str) -> bytes:
    if sys.stdin is None:
        raise OSError("it is closed")
    if sys.stdin.isatty():
        import getpass  # noqa: PLC0415 - seldom needed

        return getpass.getpass(f"{what.partition(' ')[2]}: ", stream=sys.stderr).encode()
    return sys.stdin.buffer.read(_LONGEST + 1)


def _from_file(path: str, where: str, warn: Callable[[str], None]) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - any name will do, also that of a pipe
        mode = os.fstat(file.fileno()).st_mode
        if os.name == "posix" and stat.S_ISREG(mode) and mode & _OTHERS:
            warn(f"warning: {where}: other users can get at it (mode {stat.S_IMODE(mode):04o}); chmod 600 it")
        return file.read(_LONGEST + 1)
