"""What a user gives as bytes or by its path, taken with care: no hang, and no error but one in words.

A path may name anything. A pipe never begins and a device never ends, so nothing but a regular file is read; it is
opened without waiting and looked at once it is open, so that it cannot become something else in between.
"""

from __future__ import annotations

import os
import stat
from typing import BinaryIO, Final

__all__ = ["Unreadable", "bytes_of", "opened", "path_of", "read_up_to", "size_of"]

_AT_ONCE: Final = getattr(os, "O_NONBLOCK", 0)
_LONGEST_NAME: Final = 255


class Unreadable(ValueError):
    """It cannot be read; the text says what came."""


def bytes_of(value: bytes | bytearray | memoryview) -> bytes:
    """The bytes, copied where they could change.

    Raises:
        Unreadable: it is a memoryview that was released.
    """
    if type(value) is bytes:
        return value
    try:
        return bytes(memoryview(value))
    except ValueError as error:
        raise Unreadable(f"a {type(value).__name__} that cannot be read ({error})") from None


def path_of(value: str | os.PathLike[str]) -> str:
    """The path as text, also where it comes as bytes.

    Raises:
        Unreadable: its `__fspath__` fails.
    """
    try:
        return os.fsdecode(value)
    except Exception as error:  # noqa: BLE001 - a method of the user's own can raise anything
        raise Unreadable(f"a {type(value).__name__} that gives no path ({type(error).__name__}: {error})") from None


def opened(path: str) -> BinaryIO:
    """A regular file, open for reading.

    Raises:
        Unreadable: it cannot be opened, or is something else.
    """
    try:
        file = open(path, "rb", opener=_open)  # noqa: SIM115 - a path of any kind; the caller closes it
    except (OSError, ValueError) as error:
        raise _unreadable(path, getattr(error, "strerror", None) or str(error)) from None
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise _unreadable(path, "not a regular file")


def read_up_to(path: str, count: int) -> bytes:
    """The first bytes of a regular file.

    Raises:
        Unreadable: as for `opened`, or reading fails.
    """
    with opened(path) as file:
        try:
            return file.read(count)
        except OSError as error:
            raise _unreadable(path, error.strerror or str(error)) from None


def size_of(path: str) -> int:
    """A regular file's size in bytes.

    Raises:
        Unreadable: as for `opened`.
    """
    with opened(path) as file:
        return os.fstat(file.fileno()).st_size


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | _AT_ONCE)


def _unreadable(path: str, reason: str) -> Unreadable:
    hint = "; base64 text is not taken: give the bytes" if len(path) > _LONGEST_NAME else ""
    shown = path if len(path) <= _LONGEST_NAME else f"{path[:77]}..."
    return Unreadable(f"the path {shown!r}, which cannot be read ({reason}{hint})")
