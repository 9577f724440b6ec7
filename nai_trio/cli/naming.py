"""What parameters are called when something is wrong with them: as the user wrote them.

An error of `ImageParams` names the way to a field: "characters[1].position". On the command line that was the second
`--character`; in a file it is just that, behind the file's name; in the picture of `--like`, the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from nai_trio.cli.options import FLAGS, RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nai_trio.errors import InvalidParamsError

__all__ = ["Naming", "Origin", "flag_origin", "nth", "usage_text", "without_api_words"]

_OTHERS: Final = {
    "prompt": "PROMPT",
    "image_base": "--image-base (NOVELAI_IMAGE_BASE)",
    "proxy": "--proxy",
    "stream": "--stream",
    "vibe_cache": "--vibe-cache",
}
_FLAGS: Final = {**FLAGS, **_OTHERS, **{field: record.head for field, record in RECORDS.items()}}

_API_WORDS: Final = {
    "(allow_plain_http=True)": "(or give --allow-plain-http)",
    " (bytes, a path, or a Pillow image)": "",
}
"""What an error says to programs, and what it is on the command line."""

_LAST_STEP: Final = re.compile(r"(\.[^.\[\]]+|\[[0-9]+\])$")
_STEPS: Final = {"information_extracted": "extracted", "negative_prompt": "negative"}
"""Fields inside a record whose name is another one in an option's text."""


@attrs.frozen
class Origin:
    """Where a value came from.

    Attributes:
        label: what to call it.
        option: whether it is an option; else it is a place in a file.
    """

    label: str
    option: bool

    def with_rest(self, rest: str) -> str:
        """The label and what follows it on the way to a field inside."""
        if not self.option:
            return self.label + rest
        inner = rest.rpartition(".")[2]
        return f"{self.label}: {_STEPS.get(inner, inner)}" if inner and inner != "image" else self.label


def flag_origin(flag: str, index: int | None = None) -> Origin:
    """An option, or one of several of the same name."""
    return Origin(flag if index is None else f"{flag} (the {nth(index)})", option=True)


def nth(index: int) -> str:
    """A 0-based index as people count: 1st, 2nd, 3rd, 4th."""
    number = index + 1
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


class Naming:
    """Knows where each value came from, by its way: "steps", "i2i.strength", "characters[1]"."""

    def __init__(self) -> None:
        self._origins: dict[str, Origin] = {}

    def set(self, place: str, origin: Origin) -> None:
        """Note where a value, and all inside it, came from; what was noted of it before is forgotten."""
        self._origins = {each: known for each, known in self._origins.items() if not _inside(each, place)}
        self._origins[place] = origin

    def set_all(self, places: Iterable[str], label: str) -> None:
        """Note that fields came from a file."""
        for place in places:
            self.set(place, Origin(f"{label}: {place}", option=False))

    def knows(self, place: str) -> bool:
        """Whether a value at just this place was noted."""
        return place in self._origins

    def origin(self, place: str) -> Origin:
        """Where a value came from: as the nearest known one around it, else its option."""
        known = place
        while known and known not in self._origins:
            shorter = _LAST_STEP.sub("", known)
            known = "" if shorter == known else shorter
        if not known:
            return Origin(_FLAGS.get(place, place), option=True)
        origin = self._origins[known]
        return attrs.evolve(origin, label=origin.with_rest(place[len(known) :]))

    def of(self, place: str) -> str:
        """What to call the value at a place."""
        return self.origin(place).label

    def text(self, error: InvalidParamsError) -> str:
        """The error's text with the names that things have for the user."""
        text = without_api_words(str(error))
        return self.of(error.field) + text.removeprefix(error.field) if error.field else text


def usage_text(error: InvalidParamsError) -> str:
    """The text of an error about something that can only have come from an option."""
    return Naming().text(error)


def without_api_words(text: str) -> str:
    """An error's text without what it says to programs alone."""
    for words, ours in _API_WORDS.items():
        text = text.replace(words, ours)
    return text


def _inside(place: str, outer: str) -> bool:
    return place == outer or place.startswith((f"{outer}.", f"{outer}["))
