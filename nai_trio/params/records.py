"""Records inside `ImageParams`: each may be given as itself or as a mapping of its fields, e.g. from a file.

An error names the whole way to the field at fault: "characters[1].position", "i2i.strength".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

import attrs

from nai_trio.params.checks import known_fields, refusal, within

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Record", "plain_text", "to_record", "to_records"]

_R = TypeVar("_R", bound="Record")


@attrs.frozen
class Record:
    """What has fields of its own and can be made from unchecked names."""

    @classmethod
    def from_fields(cls, /, **fields: Any) -> Self:
        """Build from names that were not checked yet: keywords passed through, a file, a command line.

        Raises:
            InvalidParamsError: a name is unknown (the closest known one is named), a field is missing, or a value is
                wrong.
        """
        known_fields(cls, fields)
        required = {each.name: None for each in attrs.fields(cls) if each.default is attrs.NOTHING}
        return cls(**{**required, **fields})


def plain_text(value: str) -> str:
    """Text of a subclass as plain text: some, for HTML, change what is joined to them, as the presets' words are."""
    return str.__str__(value) if isinstance(value, str) else value


def to_record(cls: type[_R], value: object, field: str) -> _R:
    """Take a record or a mapping of its fields.

    Raises:
        InvalidParamsError: it is neither, or a field in it is wrong.
    """
    if isinstance(value, cls):
        return value
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        article = "an" if cls.__name__[0] in "AEIOU" else "a"
        raise refusal(field, value, f"{article} {cls.__name__}, or a mapping of its fields")
    with within(field):
        return cls.from_fields(**value)


def to_records(
    cls: type[_R], value: Sequence[Any], field: str, take: Callable[[Any, str], _R] | None = None
) -> tuple[_R, ...]:
    """Take a list or tuple of records or of mappings of their fields; `take` replaces `to_record` for each.

    Raises:
        InvalidParamsError: naming the place, e.g. "characters[1].position".
    """
    if not isinstance(value, list | tuple):
        raise refusal(field, value, f"a list or tuple of {cls.__name__}")
    take = take or (lambda each, place: to_record(cls, each, place))
    return tuple(take(each, f"{field}[{index}]") for index, each in enumerate(value))
