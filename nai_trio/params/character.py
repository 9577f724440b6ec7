"""Characters: a part of the picture with a prompt, a negative prompt and, if wished, a place of its own.

Positions (wire document, section 2.5): fractions of width (x) and height (y) from the top left; grid names
have the column first, A to E from the left, then the row, 1 to 5 from the top. They are kept as given and
snapped only when the request is built, since the grid is the model's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

import attrs

from nai_trio.params.checks import SpecialRule, flag, is_number, refusal, text
from nai_trio.params.names import Position  # noqa: TC001 - keeps the annotations resolvable
from nai_trio.params.records import Record, plain_text

__all__ = ["CENTER", "GRID", "Character", "CharacterLike", "snapped"]

_CENTERS: Final = (0.1, 0.3, 0.5, 0.7, 0.9)

CENTER: Final = (0.5, 0.5)
"""Where the service puts what has no position."""

GRID: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        f"{column}{row}": (x, y)
        for column, x in zip("ABCDE", _CENTERS, strict=True)
        for row, y in zip("12345", _CENTERS, strict=True)
    }
)
"""Cell names to cell centers."""


def _position(value: Position | Sequence[float] | None) -> Position | None:
    if isinstance(value, list):
        return cast("Position", tuple(value))
    return value.upper() if isinstance(value, str) else cast("Position | None", value)


_POSITIONS: Final = 'None, (x, y) with both from 0 to 1, or a cell name from "A1" to "E5"'


def _check_position(field: str, value: Any) -> None:
    if value is None or (isinstance(value, str) and value in GRID):
        return
    if isinstance(value, tuple) and len(value) == 2 and all(is_number(each, 0, 1) for each in value):
        return
    raise refusal(field, value, _POSITIONS)


_POSITION = SpecialRule("str or (float, float)", _POSITIONS, _check_position)


@attrs.frozen
class Character(Record):
    """One character of a V4, V4.5 or V5 picture.

    Attributes:
        prompt: what it looks like and does.
        negative_prompt: what it shall not.
        position: (x, y) from (0, 0) at the top left to (1, 1); or a cell of the 5 by 5 grid, "A1" (top left)
            to "E5", "C3" in the middle; None lets the model choose, as long as no enabled character has a position, and
            is the middle else. V4 and V4.5 snap to the grid.
        enabled: False keeps it in the request but out of the picture.

    Raises:
        InvalidParamsError: a field has a wrong type or value.
    """

    prompt: str = attrs.field(converter=plain_text, validator=text(), metadata={"wire": "char_caption"})
    negative_prompt: str = attrs.field(
        default="", kw_only=True, converter=plain_text, validator=text(), metadata={"wire": "uc"}
    )
    position: Position | None = attrs.field(
        default=None, kw_only=True, converter=_position, validator=_POSITION, metadata={"wire": "center"}
    )
    enabled: bool = attrs.field(default=True, kw_only=True, validator=flag, metadata={"wire": "enabled"})

    @property
    def center(self) -> tuple[float, float]:
        """The position as (x, y); the middle when there is none."""
        if self.position is None:
            return CENTER
        return GRID[self.position] if isinstance(self.position, str) else self.position


CharacterLike: TypeAlias = Character | Mapping[str, Any]
"""A `Character`, or a mapping of its fields."""


def snapped(center: tuple[float, float], *, free: bool) -> tuple[float, float]:
    """Where a model puts a center: on the grid or, where positions are free, at three decimals as the web does."""
    x, y = center
    return (round(x, 3), round(y, 3)) if free else (_on_grid(x), _on_grid(y))


def _on_grid(value: float) -> float:
    return _CENTERS[min(int(value * 5), 4)]
