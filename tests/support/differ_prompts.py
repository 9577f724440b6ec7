"""Differences in texts: prompts, presets, characters. See differences.py."""

from __future__ import annotations

import expected
from compare import ABSENT, Case, Difference, Side
from expected import field
from wishes import FURRY, V3, V4, V4C, V45, V45C

NOTHING = Side("not sent", ABSENT)

_CAPTION = "parameters.v4_prompt.caption"
_NEGATIVE_CAPTION = "parameters.v4_negative_prompt.caption"
_NEGATIVES = ("parameters.negative_prompt", f"{_NEGATIVE_CAPTION}.base_caption")
_GUARD = 'the preset, then the user\'s; "nsfw" first on models that are not Curated, unless the prompt has the word'
_POSITIVES = ("input", f"{_CAPTION}.base_caption")


def _standard(case: Case) -> bool:
    return case.wish.fields["quality"] == "standard"


def _v3(case: Case) -> bool:
    return case.wish.family == "V3"


def _in_sections(case: Case) -> bool:
    return "text:" in case.wish.fields["prompt"] or "|" in case.wish.fields["prompt"]


def _prompt_repeats(case: Case) -> bool:
    return expected.without_repeats(case.wish.positive) != case.wish.positive


def _negative_repeats(case: Case) -> bool:
    return expected.without_repeats(case.wish.negative) != case.wish.negative


def _placed(case: Case) -> bool:
    return any("position" in each and each.get("enabled", True) for each in case.wish.characters)


def _nekoai_preset(worker: str, preset: str) -> int:
    if worker == V45:
        return ("heavy", "light", "furryFocus", "humanFocus").index(preset)
    return ("heavy", "light", "humanFocus", "none").index(preset)


PROMPTS = (
    Difference(
        members=("input",),
        ours=Side("the prompt with the quality words", expected.positive),
        sdk=Side("the user's prompt alone", field("prompt")),
        reason="The web client sends the words here too; V4 and later read `v4_prompt` (2.1, 11).",
    ),
    Difference(
        members=("parameters.prompt",),
        ours=NOTHING,
        sdk=Side("V3: the prompt with quality words", expected.sdk_positive),
        reason="An optional copy of `input` (2.3).",
        when=_v3,
    ),
    Difference(
        members=(f"{_CAPTION}.base_caption",),
        ours=Side("each model's own quality words", expected.positive),
        sdk=Side("those of V4.5 Full for every model", expected.sdk_positive),
        reason="The web client's texts, captured for each model (2.6, 11).",
        when=lambda case: _standard(case) and case.wish.worker in {V45C, V4, V4C},
    ),
    Difference(
        members=_POSITIVES,
        ours=Side(
            "V4.5 Curated `very aesthetic, masterpiece, ...`; V4 Curated `... best quality, ...`", expected.positive
        ),
        nekoai=Side("`location, masterpiece, ...`; `... amazing quality, ...`", expected.nekoai_positive),
        reason="The web client's texts, captured (2.6, 11).",
        when=lambda case: _standard(case) and case.wish.worker in {V45C, V4C},
    ),
    Difference(
        members=_POSITIVES,
        ours=Side(
            "words before a `text:` section, in the first part before a bar (V3: in every part)", expected.positive
        ),
        nekoai=Side("at the end", expected.nekoai_positive),
        reason="The web client's way, as one source has it: what follows `text:` is drawn (2.6).",
        when=_in_sections,
    ),
    Difference(
        members=(f"{_CAPTION}.base_caption",),
        ours=Side("as above", expected.positive),
        sdk=Side("at the end", expected.sdk_positive),
        reason="As above.",
        when=_in_sections,
    ),
    Difference(
        members=(f"{_CAPTION}.base_caption",),
        ours=Side("`transparent background` before the quality words", expected.positive),
        sdk=Side("no such words", expected.sdk_positive),
        nekoai="no V5",
        reason="The words alone make the background transparent; the hint is passed through (2.3, 2.6).",
        when=lambda case: bool(case.wish.fields.get("transparent_background")),
    ),
    Difference(
        members=_POSITIVES,
        ours=Side("the user's text as it is", expected.positive),
        nekoai=Side("tags that came before are dropped", expected.nekoai_positive),
        reason="Nobody else drops tags (11).",
        when=_prompt_repeats,
    ),
    Difference(
        members=_NEGATIVES,
        ours=Side(_GUARD, expected.negative),
        sdk=Side("user's + V4.5 Full's preset + a comma, for every model, never `nsfw`", expected.sdk_negative),
        reason="The web client's order, texts and guard (2.6, 11).",
    ),
    Difference(
        members=_NEGATIVES,
        ours=Side("V4.5 Full: no `nsfw` before the preset where the prompt asks for it", expected.negative),
        nekoai=Side("always `nsfw`", expected.nekoai_negative),
        reason="The web client's guard (2.6, 11).",
        when=lambda case: case.wish.worker == V45 and "nsfw" in case.wish.fields["prompt"].lower(),
    ),
    Difference(
        members=_NEGATIVES,
        ours=Side("V4 Full, V3, Furry V3: `nsfw` before the preset", expected.negative),
        nekoai=Side("never `nsfw`", expected.nekoai_negative),
        reason="The web client's guard (2.6, 11).",
        when=lambda case: case.wish.worker in {V4, V3, FURRY} and case.wish.fields["uc_preset"] != "none",
    ),
    Difference(
        members=_NEGATIVES,
        ours=Side("V4: `..., white blank page, blank page`", expected.negative),
        nekoai=Side("without these", expected.nekoai_negative),
        reason="The web client's texts (2.6, 11).",
        when=lambda case: case.wish.worker in {V4, V4C} and case.wish.fields["uc_preset"] != "none",
    ),
    Difference(
        members=_NEGATIVES[:1],
        ours=Side('V3, Furry V3: preset "none" is `lowres`', expected.negative),
        nekoai=Side("nothing", expected.nekoai_negative),
        reason="One source has it, and none has another (2.6).",
        when=lambda case: _v3(case) and case.wish.fields["uc_preset"] == "none",
    ),
    Difference(
        members=_NEGATIVES,
        ours=Side("the user's text as it is", expected.negative),
        nekoai=Side("tags that came before are dropped", expected.nekoai_negative),
        reason="As for the prompt (11).",
        when=_negative_repeats,
    ),
    Difference(
        members=("parameters.qualityToggle",),
        ours=NOTHING,
        sdk=Side("the switch", _standard),
        nekoai=Side("the switch", _standard),
        reason="The web client does not send it any more; on V5 it still changes the picture a little, when the words "
        "are in the text already (2.3).",
    ),
    Difference(
        members=("parameters.ucPreset",),
        ours=NOTHING,
        sdk=Side(
            "its own number, 0 to 3",
            lambda case: ("heavy", "light", "furryFocus", "humanFocus").index(case.wish.fields["uc_preset"]),
        ),
        nekoai=Side(
            "its own number, 0 to 3", lambda case: _nekoai_preset(case.wish.worker, case.wish.fields["uc_preset"])
        ),
        reason="A label that the web client does not send any more; peers number differently (2.3, 11).",
    ),
)

CHARACTERS = (
    Difference(
        members=("parameters.use_coords", "parameters.v4_prompt.use_coords"),
        ours=Side("true when somebody was placed, be it in the middle", True),
        nekoai=Side("true when a center is not the middle", expected.nekoai_coords),
        reason="The web client's switch says whether the user places anybody (2.5).",
        when=_placed,
    ),
    Difference(
        members=("parameters.use_coords", "parameters.v4_prompt.use_coords"),
        ours=Side("disabled characters do not count", False),
        nekoai=Side("they do", expected.nekoai_coords),
        reason="They are not in the captions (2.4, 2.5).",
        when=lambda case: bool(case.wish.characters) and not _placed(case),
    ),
    Difference(
        members=("parameters.characterPrompts[*].center", f"{_CAPTION}.char_captions[*].centers[*]"),
        ours=Side("V4, V4.5: the center of the grid's cell", expected.grid_center),
        nekoai=Side("as given", expected.given_center),
        reason="The web client's canvas snaps to the grid (2.5).",
        when=lambda case: case.wish.family != "V5",
    ),
    Difference(
        members=(
            "parameters.characterPrompts[*].center",
            f"{_CAPTION}.char_captions[*].centers[*]",
            f"{_NEGATIVE_CAPTION}.char_captions[*].centers[*]",
        ),
        ours=Side("V5: three decimals", expected.fine_center),
        sdk=Side("as given", expected.given_center),
        nekoai="no V5",
        reason="The web client sends three (2.5).",
        when=lambda case: case.wish.family == "V5",
    ),
    Difference(
        members=(f"{_NEGATIVE_CAPTION}.char_captions",),
        ours=Side("one for each enabled character, empty ones too", expected.negative_captions),
        nekoai=Side("empty ones are dropped", expected.nekoai_negative_captions),
        reason="The web client keeps them, in the order of the positive ones (2.4, 11).",
    ),
    Difference(
        members=("parameters.characterPrompts[*].prompt", f"{_CAPTION}.char_captions[*].char_caption"),
        ours=Side("as the user wrote it", expected.character_text("prompt")),
        nekoai=Side("repeated tags are dropped", expected.character_text_without_repeats("prompt")),
        reason="As for the prompt (11).",
    ),
    Difference(
        members=("parameters.characterPrompts[*].uc", f"{_NEGATIVE_CAPTION}.char_captions[*].char_caption"),
        ours=Side("as the user wrote it", expected.character_text("negative_prompt")),
        nekoai=Side("commas are spaced evenly", expected.character_text_without_repeats("negative_prompt")),
        reason="As for the prompt (11).",
    ),
)
