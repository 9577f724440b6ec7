"""The small syntaxes of options whose one text holds several values.

    --size       832x1216, or a name
    --character  PROMPT [@ POSITION] [! NEGATIVE]
    --vibe       FILE[,strength=X][,extracted=X]
    --reference  FILE[,type=NAME][,fidelity=X][,strength=X]

Prompts are full of punctuation, so a mark counts only with a blank on both sides. File names may hold commas, so what
follows a comma is taken for an option from the right, as long as it looks like one ("word=..."). Whatever these rules
cannot say, the file of `--params` can.

Each function takes any text and gives fields of the record in question, unchecked, or raises a `ValueError` that says
what was expected.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from nai_trio.params.checks import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["REFERENCE_OPTIONS", "VIBE_OPTIONS", "read_character", "read_reference", "read_size", "read_vibe"]

_SIDES: Final = re.compile(r"([0-9]{1,6})[xX×]([0-9]{1,6})")
_MARK: Final = re.compile(r"(?<=\s)([@!])(?=\s)")
_PLACE: Final = re.compile(r"([-+.\w]+)\s*,\s*([-+.\w]+)")
_OPTION: Final = re.compile(r"\s*([A-Za-z_]+)\s*=\s*(.*)", re.DOTALL)

_MARKS: Final = {"@": "position", "!": "negative_prompt"}


def read_size(text: str) -> str | tuple[int, int]:
    """Two sides, or a name; a hyphen in a name stands for an underscore."""
    sides = _SIDES.fullmatch(text)
    return (int(sides[1]), int(sides[2])) if sides else text.replace("-", "_")


def read_character(text: str) -> dict[str, Any]:
    """The fields of a `Character`.

    Raises:
        ValueError: a mark stands twice, or a position's x or y is no number.
    """
    prompt, *rest = _MARK.split(text)
    fields: dict[str, Any] = {"prompt": prompt.strip()}
    for mark, value in zip(rest[::2], rest[1::2], strict=True):
        if _MARKS[mark] in fields:
            raise ValueError(f"expected ' {mark} ' at most once, got {text!r}")
        fields[_MARKS[mark]] = value.strip()
    if "position" in fields:
        fields["position"] = _position(fields["position"])
    return fields


def _position(text: str) -> str | tuple[float, float]:
    place = _PLACE.fullmatch(text)
    if place is None:
        return text
    return _number(place[1], "x"), _number(place[2], "y")


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name}: expected a number, got {text!r}") from None


def _name(text: str, _name: str) -> str:
    return text.strip()


VIBE_OPTIONS: Final[Mapping[str, tuple[str, Callable[[str, str], Any]]]] = {
    "strength": ("strength", _number),
    "extracted": ("information_extracted", _number),
}
REFERENCE_OPTIONS: Final[Mapping[str, tuple[str, Callable[[str, str], Any]]]] = {
    "type": ("type", _name),
    "fidelity": ("fidelity", _number),
    "strength": ("strength", _number),
}
"""Option to the field that it sets, and what reads it."""


def read_vibe(text: str) -> dict[str, Any]:
    """The fields of a `Vibe`.

    Raises:
        ValueError: there is no file's name, or an option is unknown, stands twice or is no number.
    """
    return _file_with_options(text, VIBE_OPTIONS)


def read_reference(text: str) -> dict[str, Any]:
    """The fields of a `CharacterReference`.

    Raises:
        ValueError: as for `read_vibe`.
    """
    return _file_with_options(text, REFERENCE_OPTIONS)


def _file_with_options(text: str, known: Mapping[str, tuple[str, Callable[[str, str], Any]]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    name, comma, last = text.rpartition(",")
    while comma and (option := _OPTION.fullmatch(last)):
        if option[1] not in known:
            hint = did_you_mean(option[1], known) or f" ({', '.join(known)})"
            raise ValueError(f"expected an option that exists{hint}, got {option[1]!r}")
        field, read = known[option[1]]
        if field in fields:
            raise ValueError(f"expected {option[1]} at most once, got {text!r}")
        fields[field] = read(option[2], option[1])
        text = name
        name, comma, last = text.rpartition(",")
    if not text.strip():
        raise ValueError("expected a file's name, got none")
    return {"image": text, **fields}
