"""The checks that fields are made of: attrs validators that raise `InvalidParamsError` and nothing else.

Types are exact in the ways that matter on the wire: a bool is not a number, NaN and infinities are none
either, and text must be encodable as UTF-8, so that no valid record can fail to become JSON.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from nai_trio.errors import InvalidParamsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Validator: TypeAlias = "Callable[[object, attrs.Attribute[Any], Any], None]"

__all__ = [
    "check_text",
    "choice",
    "did_you_mean",
    "flag",
    "integer",
    "is_integer",
    "is_number",
    "known_fields",
    "number",
    "refusal",
]

_SUGGESTIBLE = 64
"""Longer text is no misspelt name, and comparing it would take long."""


refusal = InvalidParamsError.for_field


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """A hint at the known name closest to a misspelt one, "" when none is close."""
    if not isinstance(name, str) or len(name) > _SUGGESTIBLE:
        return ""
    by_lower = {each.lower(): each for each in known}
    given = name.lower()
    close = difflib.get_close_matches(given, by_lower, n=3)
    # A name cut short is likelier than one with a letter changed: peers leave "-preview" off.
    close.sort(key=lambda each: not each.startswith(given))
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""


def known_fields(cls: type[attrs.AttrsInstance], fields: Mapping[str, object]) -> None:
    """Refuse names that are no fields of an attrs class."""
    known = [attribute.name for attribute in attrs.fields(cls)]
    for name, value in fields.items():
        if name not in known:
            hint = did_you_mean(name, known) or ": " + ", ".join(known)
            raise refusal(str(name), value, f"a field of {cls.__name__}{hint}")


def is_number(value: object, low: float, high: float) -> bool:
    """Whether a value is an int or float within bounds; NaN never is."""
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def is_integer(value: object, low: int, high: int) -> bool:
    """Whether a value is an int within bounds; a bool never is."""
    return isinstance(value, int) and is_number(value, low, high)


def integer(low: int, high: int) -> Validator:
    """A validator for integers of a closed range."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not is_integer(value, low, high):
            raise refusal(attribute.name, value, f"an integer from {low} to {high}")

    return check


def number(low: float, high: float) -> Validator:
    """A validator for numbers of a closed range."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not is_number(value, low, high):
            raise refusal(attribute.name, value, f"a number from {low} to {high}")

    return check


def choice(names: Iterable[str]) -> Validator:
    """A validator for one of some names."""
    known = tuple(names)

    def check(_instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not isinstance(value, str) or value not in known:
            raise refusal(attribute.name, value, f"one of {', '.join(known)}{did_you_mean(value, known)}")

    return check


def flag(_instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """A validator for switches: numbers and text do not stand in for a bool."""
    if not isinstance(value, bool):
        raise refusal(attribute.name, value, "True or False")


def check_text(_instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """A validator for text, which may be empty."""
    if not isinstance(value, str):
        raise refusal(attribute.name, value, "text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        allowed = f"text that UTF-8 can encode (character {error.start} is half a surrogate pair)"
        raise refusal(attribute.name, value, allowed) from None
