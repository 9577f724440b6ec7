"""The members of a JSON object or msgpack map that the peer sent, taken one by one, each with its type.

A member that is promised must be there and be what it must be, else the error says what was expected and what came.
What is left over at the end is what nobody knew; the records keep it as `extra`.
"""

from __future__ import annotations

import math
import reprlib
from typing import TYPE_CHECKING, Any

from nai_trio.errors import ProtocolError
from nai_trio.protocol import _base64

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Members", "show"]


class _Short(reprlib.Repr):
    """Stops at a depth and a length, where repr would go as deep and as far as the peer likes."""

    def repr_bytes(self, value: bytes, _level: int) -> str:
        return repr(value) if len(value) <= self.maxother else f"{value[: self.maxother]!r}..."

    def repr_ExtType(self, value: Any, level: int) -> str:  # noqa: N802 - named by the class, msgpack's
        return f"ExtType(code={value.code}, data={self.repr_bytes(value.data, level)})"


def show(value: object) -> str:
    """A value of the peer's for an error: short, and never the cause of another one."""
    shown = _Short().repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}... ({type(value).__name__})"


class Members:
    """One object's members.

    Args:
        fields: the object; a copy is taken.
        of: what the object is, for errors, e.g. "an event".
        offset: where in the body it starts, for errors.

    Attributes:
        fields: what was not taken yet.
    """

    def __init__(self, fields: Mapping[str, Any], *, of: str, offset: int | None = None) -> None:
        self.fields = dict(fields)
        self._of = of
        self._offset = offset

    @classmethod
    def of_object(cls, value: object, *, of: str, offset: int | None = None) -> Members:
        """The members of what must be an object.

        Raises:
            ProtocolError: it is none.
        """
        if not isinstance(value, dict):
            raise ProtocolError.mismatch(expected=f"{of}, a JSON object", received=show(value), offset=offset)
        return cls(value, of=of, offset=offset)

    def has(self, name: str) -> bool:
        """Whether a member is there and is not null."""
        return self.fields.get(name) is not None

    def drop(self, name: str) -> None:
        """Leave a member out of what is left over."""
        self.fields.pop(name, None)

    def wrong(self, name: str, expected: str, value: object) -> ProtocolError:
        """The error for a member that is not what it must be."""
        return ProtocolError.mismatch(
            expected=f"{self._of} whose {name!r} is {expected}", received=show(value), offset=self._offset
        )

    def take(self, name: str, expected: str) -> object:
        """A member of any type; `expected` says in words what it must be."""
        try:
            return self.fields.pop(name)
        except KeyError:
            present = ", ".join(sorted(map(show, self.fields)))[:120] or "no members"
            raise ProtocolError.mismatch(
                expected=f"{self._of} with {name!r} ({expected})", received=f"one with {present}", offset=self._offset
            ) from None

    def take_text(self, name: str) -> str:
        """A member that is text."""
        value = self.take(name, "text")
        if not isinstance(value, str):
            raise self.wrong(name, "text", value)
        return value

    def take_flag(self, name: str) -> bool:
        """A member that is true or false."""
        value = self.take(name, "true or false")
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false", value)
        return value

    def take_integer(self, name: str) -> int:
        """A member that is an integer."""
        value = self.take(name, "an integer")
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(name, "an integer", value)
        return value

    def take_index(self, name: str) -> int:
        """A member that is an integer of at least 0."""
        value = self.take(name, "an integer")
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(name, "an integer of at least 0", value)
        return value

    def take_number(self, name: str) -> float:
        """A member that is a finite number."""
        value = self.take(name, "a number")
        try:
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                return float(value)
        except OverflowError:  # an integer beyond every float
            pass
        raise self.wrong(name, "a finite number", value)

    def take_members(self, name: str, *, of: str) -> Members:
        """A member that is an object itself; `of` says what it is, for its own errors."""
        value = self.take(name, "an object")
        if not isinstance(value, dict):
            raise self.wrong(name, "an object", value)
        return Members(value, of=of, offset=self._offset)

    def take_message(self) -> str:
        """The words of an `error` or `retry`; their full form is not established, so anything is taken."""
        value = self.fields.pop("message", "")
        return value if isinstance(value, str) else show(value)

    def take_image(self) -> bytes:
        """A picture: bytes, or base64 text."""
        value = self.take("image", "bytes or base64 text")
        if isinstance(value, str):
            try:
                value = _base64.decode(value)
            except ValueError as error:
                raise self.wrong("image", f"valid base64 ({error})", value) from error
        if not isinstance(value, bytes) or not value:
            raise self.wrong("image", "the bytes of a picture", value)
        return value
