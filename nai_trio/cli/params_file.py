"""The file of `--params`: fields of `ImageParams` by their names, as TOML or JSON.

Only its form is judged here: readable, of its kind, an object at the top, no key twice. What is in it is judged by
`ImageParams`, like everything else. Paths in it are relative to its own folder, so that a file and its pictures move
together.
"""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["read_params_file"]

_MAX_SIZE: Final = 1024 * 1024
"""Of a file in bytes; prompts are kilobytes, and pictures are named, not contained."""

_PICTURES: Final = {
    "i2i": ("image",),
    "inpaint": ("image", "mask"),
    "controlnet": ("image",),
    "character_references": ("image",),
}
"""Field to the members that name files, in it or in each of its entries."""


def read_params_file(path: Path) -> dict[str, Any]:
    """The fields in a file.

    Raises:
        click.ClickException: it cannot be read, or is not what its ending says; names the file and the place in it.
    """
    fields = _parsed(path, _text(path))
    if "" in fields:
        raise click.ClickException(f"{path}: expected the name of a parameter, got ''")
    return {field: _located(value, _PICTURES[field], path.parent) if field in _PICTURES else value
            for field, value in fields.items()}  # fmt: skip


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise click.ClickException(f"--params: cannot read {path}: {reason}") from error
    if len(data) > _MAX_SIZE:
        raise click.ClickException(f"{path}: expected at most {_MAX_SIZE} bytes, got more")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path}: expected text in UTF-8, got {data[error.start]:#04x} at byte {error.start}"
                               ) from None  # fmt: skip


def _parsed(path: Path, text: str) -> Mapping[str, Any]:
    ending = path.suffix.lower()
    if ending not in _READERS:
        raise click.ClickException(f"--params: expected a file whose name ends with .toml or .json, got {str(path)!r}")
    try:
        fields = _READERS[ending](text)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else _reason(error)
        raise click.ClickException(f"{path}: expected {ending[1:].upper()}, got text that is none: {reason}") from None
    if not isinstance(fields, dict):
        raise click.ClickException(f"{path}: expected an object of parameters, got {type(fields).__name__}")
    return fields


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (at line {error.lineno}, column {error.colno})"
    return str(error)


def _read_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


_READERS: Final[dict[str, Callable[[str], Any]]] = {".json": _read_json, ".toml": tomllib.loads}


def _located(value: Any, members: tuple[str, ...], folder: Path) -> Any:
    """A record, or a list of them, with the paths in it made relative to the working directory."""
    if isinstance(value, list):
        return [_located(each, members, folder) for each in value]
    if not isinstance(value, dict):
        return value
    located = {
        name: str(folder / member) if name in members and isinstance(member, str) and member else member
        for name, member in value.items()
    }
    if isinstance(value.get("images"), list):
        located["images"] = _located(value["images"], members, folder)
    return located
