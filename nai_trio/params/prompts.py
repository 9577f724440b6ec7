"""The prompt texts that the service gets: the user's words and the presets' (wire document, section 2.6).

The web client's rules, where peers differ. Positive: the quality words follow the user's, before a `text:`
section (the words to be drawn, which run to the end), in the first `|` part on V4 and later, in every part on
V3. Negative: the preset goes first, and begins with "nsfw" on models that are not Curated unless the prompt
asks for it.

Not done: the web client turns quoted text into a `teXt:` section on V5. One source says so without the
details, and a wish for drawn words can be written as `text:` by hand; the user's words are never rewritten
here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nai_trio.params.presets import NSFW, TRANSPARENT_BACKGROUND

if TYPE_CHECKING:
    from nai_trio.params.models import ModelInfo

__all__ = ["negative_text", "positive_text"]

_TEXT_SECTION = re.compile(r"\btext:(?!:)", re.IGNORECASE)
"""Not `2::text::`, which is the tag "text" with a weight."""

_GAP_BEFORE_SECTION = " \t\r\n,"


def positive_text(info: ModelInfo, prompt: str, *, quality: str, transparent: bool) -> str:
    """The prompt with a preset's quality words, and the words for a transparent background before them."""
    wanted = (TRANSPARENT_BACKGROUND if transparent else "", info.quality_texts[quality])
    words = ", ".join(filter(None, wanted))
    if not words:
        return prompt
    if info.quality_in_every_part:
        return "|".join(_append(part, words) for part in prompt.split("|"))
    first, bar, rest = prompt.partition("|")
    return _insert(first, words) + bar + rest


def negative_text(info: ModelInfo, negative_prompt: str, *, uc_preset: str, prompt: str) -> str:
    """A preset's undesired content, then the user's; `prompt` is looked at for "nsfw" only."""
    guarded = info.guards_nsfw and uc_preset != "none" and NSFW not in prompt.lower()
    parts = (NSFW if guarded else "", info.uc_texts[uc_preset], negative_prompt)
    return ", ".join(part for part in parts if part.strip())


def _append(part: str, words: str) -> str:
    body = part.rstrip()
    return f"{body}, {words}{part[len(body) :]}" if body else f"{part}{words}"


def _insert(part: str, words: str) -> str:
    section = _TEXT_SECTION.search(part)
    if section is None:
        return _append(part, words)
    before = part[: section.start()].rstrip(_GAP_BEFORE_SECTION)
    return f"{_append(before, words)}, {part[section.start() :]}"
