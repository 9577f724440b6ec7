"""Response headers as a mapping, in any case (RFC 9110, section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import final

__all__ = ["Headers"]


@final
class Headers(Mapping[str, str]):
    """Header fields, looked up by name in any case; immutable.

    Iterating gives each name once, in lower case. The lines of a repeated field are joined by ", " as the standard
    allows (RFC 9110, 5.3); `get_all` and `fields` keep them apart.

    Args:
        fields: names and values in their order, or a mapping.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        if isinstance(fields, Headers):
            fields = fields.fields
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        self._fields = tuple((name.lower(), value) for name, value in pairs)

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Every line: name in lower case and value, in their order."""
        return self._fields

    def get_all(self, name: str) -> tuple[str, ...]:
        """The values of all lines of that name, in their order."""
        wanted = name.lower()
        return tuple(value for each, value in self._fields if each == wanted)

    def __getitem__(self, name: str) -> str:
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._fields))

    def __len__(self) -> int:
        return len(dict(self._fields))

    def __repr__(self) -> str:
        return f"Headers({list(self._fields)})"
