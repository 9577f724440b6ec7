"""Two request bodies side by side, member by member, each way; what differs is explained by a record or it is not.

A record (`Difference`) pins both sides: its values are exact, or are computed from the wish alone, so that it cannot
cover for a mistake in what it explains.
"""

from __future__ import annotations

import base64
import hashlib
import io
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from wishes import Wish


class Absent:
    """The type of `ABSENT`, which stands for a member that is not there."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent()

_MAGICS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


@attrs.frozen
class Picture:
    """A picture in a body: equal when the format, the size and every pixel are."""

    format: str
    size: tuple[int, int]
    pixels: str

    @classmethod
    def of(cls, image: Image.Image, format: str = "PNG") -> Picture:
        return cls(format, image.size, hashlib.sha256(image.convert("RGBA").tobytes()).hexdigest()[:12])

    @classmethod
    def decoded(cls, content: bytes) -> Picture:
        with Image.open(io.BytesIO(content)) as image:
            return cls.of(image, str(image.format))


def readable(value: Any) -> Any:
    """A body with its base64 pictures decoded."""
    if isinstance(value, dict):
        return {name: readable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [readable(each) for each in value]
    return _picture(value) if isinstance(value, str) and len(value) > 64 else value


def _picture(text: str) -> str | Picture:
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        return text
    return Picture.decoded(content) if content.startswith(_MAGICS) else text


@attrs.frozen
class Case:
    """What values may be computed from.

    Attributes:
        wish: what was asked for.
        pictures: the folder that its pictures are in.
        member: the one that is looked at.
        index: the places in the lists on the way to it.
    """

    wish: Wish
    pictures: Path
    member: str = ""
    index: tuple[int, ...] = ()


@attrs.frozen
class Side:
    """What one client sends.

    Attributes:
        says: it in words, for the document.
        value: it exactly; or a function of the case; or a set, for one of some values; or a range, for a number that
            the client draws.
    """

    says: str
    value: Any

    def holds(self, case: Case, value: Any) -> bool:
        expected = self.value(case) if callable(self.value) else self.value
        if isinstance(expected, range):
            return type(value) is int and value in expected
        if isinstance(expected, frozenset):
            return any(same(each, value) for each in expected)
        return same(expected, value)


@attrs.frozen(kw_only=True)
class Difference:
    """One way in which peers differ from this library.

    Attributes:
        members: where, from the top of the body; `[*]` stands for any place in a list.
        ours: what this library sends.
        sdk: what novelai-sdk sends; or words, where it does not differ in this (a dash) or cannot be asked.
        nekoai: the same of nekoai-api.
        reason: why ours is as it is, with the section of the wire document.
        when: whether a wish is one that it happens with.
    """

    members: tuple[str, ...]
    ours: Side
    sdk: Side | str = "–"
    nekoai: Side | str = "–"
    reason: str
    when: Callable[[Case], bool] = lambda _case: True

    def side(self, peer: str) -> Side | None:
        side = self.sdk if peer == "novelai-sdk" else self.nekoai
        return side if isinstance(side, Side) else None

    def explains(self, peer: str, case: Case, ours: Any, theirs: Any) -> bool:
        side = self.side(peer)
        return side is not None and self.ours.holds(case, ours) and side.holds(case, theirs)


@attrs.frozen
class Found:
    """A member that differs, and the record that explains it."""

    member: str
    ours: Any
    theirs: Any
    record: Difference | None

    def __str__(self) -> str:
        return f"{self.member}\n    ours:   {self.ours!r}\n    theirs: {self.theirs!r}"


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; true is not 1, but 5.0 is 5."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@attrs.frozen(slots=False)
class Comparison:
    """What two bodies are compared with."""

    peer: str
    records: Sequence[Difference]

    @cached_property
    def _records(self) -> dict[str, list[Difference]]:
        """By member, those that the peer has a part in."""
        found: dict[str, list[Difference]] = {}
        for record in self.records:
            for member in record.members if record.side(self.peer) else ():
                found.setdefault(member, []).append(record)
        return found

    def differences(self, case: Case, ours: Any, theirs: Any, member: str = "") -> Iterator[Found]:
        """Every difference, from the outside in: a member as a whole, then what is in it.

        Values that are equal though a record has them otherwise are one, too: a peer's mistake made ours.
        """
        case = attrs.evolve(case, member=member)
        records = [each for each in self._records.get(member, ()) if each.when(case)]
        equal = same(ours, theirs)
        record = (
            None if equal else next((each for each in records if each.explains(self.peer, case, ours, theirs)), None)
        )
        if record is not None:
            yield Found(member, ours, theirs, record)
        elif equal and not all(each.explains(self.peer, case, ours, theirs) for each in records):
            yield Found(member, ours, theirs, None)
        elif isinstance(ours, dict) and isinstance(theirs, dict):
            for name in {**ours, **theirs, **self._members_in(member)}:
                inner = f"{member}.{name}" if member else name
                yield from self.differences(case, ours.get(name, ABSENT), theirs.get(name, ABSENT), inner)
        elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
            for index, pair in enumerate(zip(ours, theirs, strict=True)):
                yield from self.differences(attrs.evolve(case, index=(*case.index, index)), *pair, f"{member}[*]")
        elif not equal:
            yield Found(member, ours, theirs, None)

    def _members_in(self, member: str) -> dict[str, None]:
        """The members right inside one that records are about, be they there or not."""
        start = f"{member}." if member else ""
        inner = (each.removeprefix(start) for each in self._records if each.startswith(start))
        return dict.fromkeys(each for each in inner if each.isidentifier())
