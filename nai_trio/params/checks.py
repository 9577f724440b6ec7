"""The checks that fields are made of: attrs validators that raise `InvalidParamsError` and nothing else.

A rule knows what it takes in words (`allowed`), which is what its error says and what the table of parameters prints
(docs/parameters.md), so that the three cannot differ.

Types are exact in the ways that matter on the wire: a bool is not a number, NaN and infinities are none either, and
text must be encodable as UTF-8, so that no valid record can fail to become JSON.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import attrs

from nai_trio.errors import InvalidParamsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = [
    "Rule",
    "SpecialRule",
    "choice",
    "did_you_mean",
    "flag",
    "integer",
    "is_integer",
    "is_number",
    "known_fields",
    "number",
    "refusal",
    "renamed",
    "text",
    "within",
]

_SUGGESTIBLE = 64
"""Longer text is no misspelt name, and comparing it would take long."""


refusal = InvalidParamsError.for_field


@attrs.frozen
class Rule:
    """A validator with words.

    Attributes:
        kind: the Python type of what it takes, for documents, e.g. "int".
        allowed: what it takes, e.g. "an integer from 1 to 50".
        fits: whether a value is taken.
        hint: what to add to the error for a value that is not, e.g. a name that was meant.
    """

    kind: str
    allowed: str
    fits: Callable[[object], bool]
    hint: Callable[[object], str] = lambda _value: ""

    def __call__(self, _instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        """Refuse a value that does not fit."""
        if not self.fits(value):
            raise refusal(attribute.name, value, self.allowed + self.hint(value))


@attrs.frozen
class SpecialRule:
    """A validator with words and a check of its own, for what one test and one message cannot say.

    Attributes:
        kind: as for `Rule`.
        allowed: as for `Rule`; its errors may say it in parts.
        check: raises `InvalidParamsError` for a field's name and a value that is not taken.
    """

    kind: str
    allowed: str
    check: Callable[[str, Any], None]

    def __call__(self, _instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        """Refuse a value that does not fit."""
        self.check(attribute.name, value)


def integer(low: int, high: int) -> Rule:
    """Integers of a closed range."""
    return Rule("int", f"an integer from {low} to {high}", lambda value: is_integer(value, low, high))


def number(low: float, high: float) -> Rule:
    """Numbers of a closed range."""
    return Rule("float", f"a number from {low} to {high}", lambda value: is_number(value, low, high))


def choice(names: Iterable[str]) -> Rule:
    """One of some names."""
    known = tuple(names)
    return Rule(
        "str",
        f"one of {', '.join(known)}",
        lambda value: isinstance(value, str) and value in known,
        lambda value: did_you_mean(value, known),
    )


def text(*, empty: bool = True) -> Rule:
    """Text that UTF-8 can encode; if `empty` is False, with something in it besides white space."""
    allowed = "text" if empty else "text that is not empty"

    def hint(value: object) -> str:
        position = _half_surrogate(value)
        return "" if position < 0 else f" (character {position} is half a surrogate pair, which UTF-8 cannot encode)"

    def fits(value: object) -> bool:
        return isinstance(value, str) and (empty or bool(value.strip())) and _half_surrogate(value) < 0

    return Rule("str", allowed, fits, hint)


flag = Rule("bool", "True or False", lambda value: isinstance(value, bool))
"""Switches: numbers and text do not stand in for a bool."""


def _half_surrogate(value: object) -> int:
    try:
        str(value).encode("utf-8") if isinstance(value, str) else b""
    except UnicodeEncodeError as error:
        return error.start
    return -1


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """A hint at the known name closest to a misspelt one, "" when none is close."""
    if not isinstance(name, str) or len(name) > _SUGGESTIBLE:
        return ""
    by_lower = {each.lower(): each for each in known}
    given = name.lower()
    import difflib  # noqa: PLC0415 - for an error's words alone

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


@contextlib.contextmanager
def within(place: str) -> Iterator[None]:
    """Say in an error where its field is, e.g. "characters[1].position"."""
    with _refused_as(lambda field: f"{place}.{field}"):
        yield


@contextlib.contextmanager
def renamed(field: str) -> Iterator[None]:
    """Say in an error which field is meant, where what raises it does not know."""
    with _refused_as(lambda _field: field):
        yield


@contextlib.contextmanager
def _refused_as(name: Callable[[str], str]) -> Iterator[None]:
    try:
        yield
    except InvalidParamsError as error:
        moved = InvalidParamsError(name(error.field) + str(error).removeprefix(error.field))
        moved.field, moved.value, moved.allowed = name(error.field), error.value, error.allowed
        raise moved from error.__cause__
