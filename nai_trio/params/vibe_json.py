"""JSON and base64 of vibe files, with bounds before everything that grows (see `vibe_files`).

Files come from strangers. A few megabytes of brackets become gigabytes of lists, so members are counted before parsing;
a member named twice would lose one of two encodings without a word, so it is refused; NaN is no JSON.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import math
import os
from collections.abc import Mapping
from typing import Any, Final, NoReturn, TypeAlias

from nai_trio.errors import InvalidParamsError
from nai_trio.params.checks import refusal
from nai_trio.pictures.files import Unreadable, bytes_of, path_of, read_up_to

__all__ = [
    "MAX_DEPTH",
    "MAX_FILE_SIZE",
    "MAX_MEMBERS",
    "Json",
    "VibeSource",
    "content_of",
    "from_base64",
    "js_number",
    "json_bytes",
    "parsed",
    "place",
    "sha256",
    "to_base64",
    "to_object",
]

MAX_FILE_SIZE: Final = 128 * 1024 * 1024
"""Bytes of a file: a bundle of a few dozen pictures."""

MAX_MEMBERS: Final = 100_000
"""Commas and opening brackets in a file."""

MAX_DEPTH: Final = 32
"""Objects and arrays inside one another; the format itself has six."""

_EXPECTED: Final = "the JSON of a .naiv4vibe or .naiv4vibebundle file"

VibeSource: TypeAlias = "bytes | bytearray | memoryview | str | os.PathLike[str]"
"""A vibe file as a user has it: its bytes, or its path."""

Json: TypeAlias = Mapping[str, Any]


def content_of(source: VibeSource) -> bytes:
    """A file's bytes, read from its path if need be.

    Raises:
        InvalidParamsError: it is neither bytes nor a path, cannot be read, or is too large.
    """
    try:
        content = _content(source)
    except Unreadable as error:
        _refuse(str(error))
    if len(content) > MAX_FILE_SIZE:
        _refuse(f"more than {MAX_FILE_SIZE} bytes")
    return content


def _content(source: VibeSource) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes_of(source)
    if isinstance(source, str | os.PathLike):
        return read_up_to(path_of(source), MAX_FILE_SIZE + 1)
    raise refusal("source", source, "a .naiv4vibe or .naiv4vibebundle file: its bytes, or its path")


def _refuse(came: str) -> NoReturn:
    """Raise the error whose words are not a repr, because they describe a file."""
    raise InvalidParamsError.in_words("source", came, _EXPECTED, value=came)


def parsed(content: bytes) -> Json:
    """A file's JSON object.

    Raises:
        InvalidParamsError: it is no JSON, no object, too large or too deep, or names a member twice.
    """
    members = sum(content.count(mark) for mark in (b",", b"[", b"{"))
    if members > MAX_MEMBERS:
        _refuse(f"JSON with more than {MAX_MEMBERS} members")
    try:
        text = content.decode("utf-8-sig")
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        _refuse(f"JSON nested deeper than {MAX_DEPTH}")
    except ValueError as error:
        _refuse(f"{_excerpt(content)} ({error})")
    if not isinstance(document, dict):
        _refuse(_excerpt(content))
    _check_depth(document)
    return document


def _excerpt(content: bytes) -> str:
    return repr(content) if len(content) <= 40 else f"{content[:40]!r}..."


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object names a member twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value


def _check_depth(document: object) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return
    _refuse(f"JSON nested deeper than {MAX_DEPTH}")


def _inside(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def json_bytes(document: Json) -> bytes:
    """A file of an object: compact, in ASCII, so that any text can be written.

    Raises:
        InvalidParamsError: something in it is no JSON.
    """
    try:
        return json.dumps(document, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        words = "what JSON can hold"
        raise InvalidParamsError(f"extra: expected {words}, got something else ({error})") from None


def to_object(value: object, field: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        InvalidParamsError: it is none.
    """
    if not isinstance(value, dict):
        raise refusal(field, value, "a JSON object")
    return value


def place(*names: str) -> str:
    """Where something is, for errors; a name of a stranger's choice is cut short."""
    first, *others = names
    return first + "".join(f"[{name if len(name) <= 40 else name[:37] + '...'!r}]" for name in others)


def from_base64(value: object, field: str) -> bytes:
    """The bytes of base64 text, bare or as a data URL, in one line or several; never none.

    Raises:
        InvalidParamsError: it is no base64.
    """
    if isinstance(value, str):
        text = value.partition(",")[2] if value.startswith("data:") else value
        try:
            content = binascii.a2b_base64("".join(text.split()), strict_mode=True)
        except ValueError:
            content = b""
        if content:
            return content
    raise refusal(field, value, "base64 text")


def to_base64(content: bytes) -> str:
    """Base64 text in one line."""
    return binascii.b2a_base64(content, newline=False).decode("ascii")


def sha256(text: str) -> str:
    """The SHA-256 of a text in hexadecimal."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def js_number(value: float) -> str:
    """A number from 0.01 to 1 as JavaScript writes it: 1, not 1.0."""
    return str(int(value)) if value == int(value) else repr(value)
