"""From a finished picture's metadata back to the fields of `ImageParams`, to repeat or vary it.

The metadata has the texts as the service got them, and says neither which presets made them nor, before V5, whether
the model was the Full or the Curated one (wire document, section 7). Both are found by synthesis: every preset of every
model of the family is taken off the texts and put on again, and only what gives the recorded texts exactly is believed.
Of several such readings the one counts that leaves the user the fewest words; then a model whose default guidance is
the recorded one; then the first of the table. Texts that no preset explains stay whole, with the presets off.

What the metadata does not hold cannot come back: pictures that were sent (img2img and inpainted pictures, vibes and
references give the fields of a plain generation), disabled characters, `auto_smea`. Nor can what `ImageParams` has no
words for: a variety threshold of another client's own comes back as `variety_boost`; and on V3, where every preset
begins with "lowres", a negative text without it gets it.

Values go to `ImageParams.from_fields` as they are, and it refuses what it does not know. Only what has to be looked
into is checked here; those errors have the metadata's own names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from nai_trio.params.checks import is_number, refusal
from nai_trio.params.models import MODELS
from nai_trio.params.prompts import negative_text, positive_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.params.models import ModelInfo
    from nai_trio.pictures.metadata import PictureMetadata

__all__ = ["fields_from_metadata"]

_REQUIRED: Final = {"steps": "steps", "scale": "scale", "seed": "seed", "sampler": "sampler"}
"""Fields without which a picture is another one, and the members that hold them."""

_USUAL: Final = {
    "cfg_rescale": "cfg_rescale",
    "noise_schedule": "noise_schedule",
    "decrisper": "dynamic_thresholding",
}
"""Fields that keep the library's default where the metadata is silent."""

_OPTIONAL: Final = {"smea": "sm", "smea_dyn": "sm_dyn", "straight_alpha": "straight_alpha"}
"""The same, for models that have the option."""


def fields_from_metadata(metadata: PictureMetadata) -> dict[str, Any]:
    """The fields of the request that made a picture, for `ImageParams.from_fields`.

    The request built from them has the same texts and numbers. It asks for this one picture: the seed is the
    sample's own, and `n_samples` is left at 1.

    Args:
        metadata: what `read_metadata` found in the picture.

    Raises:
        InvalidParamsError: the model's family is unknown, a member that the picture depends on is missing, or one has
            a type that it cannot have; the error's `field` is the member's name.
    """
    comment = metadata.comment
    rows = _models(metadata)
    prompts = _Prompts.of(comment, objects=rows[0].prompt_objects)
    reading = _best_reading(rows, prompts, comment)
    return {
        **reading.fields(),
        "size": (_required(comment, "width"), _required(comment, "height")),
        **{field: _required(comment, member) for field, member in _REQUIRED.items()},
        **_present(comment, _USUAL),
        **_of_the_model(reading.info, comment, prompts),
        "image_format": metadata.image_format,
    }


def _models(metadata: PictureMetadata) -> list[ModelInfo]:
    """The models that can have made a picture: those of the family, or the one of them that V5 names."""
    source = metadata.source or ""
    rows = [info for info in MODELS.values() if f"{source} ".startswith(f"{info.metadata_source} ")]
    if not rows:
        known = ", ".join(dict.fromkeys(info.metadata_source for info in MODELS.values()))
        allowed = f"the name of a model's family, which generated pictures have ({known})"
        raise refusal("Source", metadata.source, allowed)
    name = metadata.comment.get("model_name")
    return [info for info in rows if name in (info.id, info.inpainting_id)] or rows


def _required(comment: Mapping[str, Any], member: str) -> Any:
    value = comment.get(member)
    if value is None:
        raise refusal(member, value, "a value in the picture's metadata, which generated pictures have")
    return value


def _present(comment: Mapping[str, Any], members: Mapping[str, str]) -> dict[str, Any]:
    found = {field: comment.get(member) for field, member in members.items()}
    return {field: value for field, value in found.items() if value is not None}


def _of_the_model(info: ModelInfo, comment: Mapping[str, Any], prompts: _Prompts) -> dict[str, Any]:
    """Fields that not every model has; the metadata has members for them all the same."""
    fields = _present(comment, {field: member for field, member in _OPTIONAL.items() if field in info.options})
    if "variety_boost" in info.options:
        fields["variety_boost"] = _varies(comment)
    if "legacy_uc" in info.options:
        fields["legacy_uc"] = _flag(prompts.negative, "legacy_uc", "v4_negative_prompt.legacy_uc")
    if info.max_characters:
        fields["characters"] = _characters(prompts)
    return fields


def _varies(comment: Mapping[str, Any]) -> bool:
    sigma = comment.get("skip_cfg_above_sigma")
    if sigma is not None and not is_number(sigma, 0, math.inf):
        raise refusal("skip_cfg_above_sigma", sigma, "a number of at least 0, or null")
    return sigma is not None


def _flag(members: Mapping[str, Any], member: str, place: str) -> bool:
    value = members.get(member)
    if value is not None and not isinstance(value, bool):
        raise refusal(place, value, "true, false or null")
    return value is True


@attrs.frozen(kw_only=True)
class _Prompts:
    """What the service read: the prompt objects where the family has them (empty otherwise), and both texts."""

    positive: Mapping[str, Any]
    negative: Mapping[str, Any]
    prompt: str
    uc: str

    @classmethod
    def of(cls, comment: Mapping[str, Any], *, objects: bool) -> _Prompts:
        positive = _object(comment.get("v4_prompt"), "v4_prompt") if objects else {}
        negative = _object(comment.get("v4_negative_prompt"), "v4_negative_prompt") if objects else {}
        prompt = _text(comment, "prompt", positive, "v4_prompt")
        if prompt is None:
            prompt = _required(comment, "prompt")
        uc = _text(comment, "uc", negative, "v4_negative_prompt")
        return cls(positive=positive, negative=negative, prompt=prompt, uc=uc or "")


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise refusal(place, value, "an object, or null")
    return value


def _caption(prompt: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    return _object(prompt.get("caption"), f"{place}.caption")


def _text(comment: Mapping[str, Any], member: str, prompt: Mapping[str, Any], place: str) -> str | None:
    """A whole picture's text: the prompt object's, which models that have one go by, else the plain member's."""
    value, place = _caption(prompt, place).get("base_caption"), f"{place}.caption.base_caption"
    if value is None:
        value, place = comment.get(member), member
    if value is not None and not isinstance(value, str):
        raise refusal(place, value, "text")
    return value


def _characters(prompts: _Prompts) -> tuple[dict[str, Any], ...]:
    wanted = _char_captions(prompts.positive, "v4_prompt")
    unwanted = _char_captions(prompts.negative, "v4_negative_prompt")
    if len(unwanted) > len(wanted):
        allowed = f"at most {len(wanted)} entries, as many as v4_prompt has"
        raise refusal("v4_negative_prompt.caption.char_captions", f"{len(unwanted)} entries", allowed)
    placed = _flag(prompts.positive, "use_coords", "v4_prompt.use_coords")
    # Some clients leave empty negative texts out.
    texts = [each.get("char_caption") for each in unwanted] + [""] * (len(wanted) - len(unwanted))
    return tuple(
        {
            "prompt": each.get("char_caption"),
            "negative_prompt": text,
            "position": _position(each, f"v4_prompt.caption.char_captions[{index}]") if placed else None,
        }
        for index, (each, text) in enumerate(zip(wanted, texts, strict=True))
    )


def _char_captions(prompt: Mapping[str, Any], place: str) -> list[Mapping[str, Any]]:
    entries = _list(_caption(prompt, place).get("char_captions"), f"{place}.caption.char_captions")
    return [_object(entry, f"{place}.caption.char_captions[{index}]") for index, entry in enumerate(entries)]


def _list(value: Any, place: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise refusal(place, value, "an array, or null")
    return value


def _position(entry: Mapping[str, Any], place: str) -> tuple[Any, Any] | None:
    centers = _list(entry.get("centers"), f"{place}.centers")
    if not centers:
        return None
    center = _object(centers[0], f"{place}.centers[0]")
    return center.get("x"), center.get("y")


@attrs.frozen(kw_only=True)
class _Reading:
    """One way to divide the recorded texts into the user's words and the presets'."""

    info: ModelInfo
    prompt: str
    quality: str
    transparent: bool
    negative_prompt: str
    uc_preset: str

    def fields(self) -> dict[str, Any]:
        option = {"transparent_background": True} if self.transparent else {}
        return {
            "prompt": self.prompt,
            "model": self.info.id,
            "negative_prompt": self.negative_prompt,
            "quality": self.quality,
            "uc_preset": self.uc_preset,
            **option,
        }


def _best_reading(rows: list[ModelInfo], prompts: _Prompts, comment: Mapping[str, Any]) -> _Reading:
    scale = comment.get("scale")
    hinted = _flag(comment, "tag_hint_transparent_background", "tag_hint_transparent_background")

    def rank(reading: _Reading) -> tuple[int, bool]:
        return len(reading.prompt) + len(reading.negative_prompt), reading.info.default_scale != scale

    return min((each for info in rows for each in _readings(info, prompts, hinted=hinted)), key=rank)


def _readings(info: ModelInfo, prompts: _Prompts, *, hinted: bool) -> Iterator[_Reading]:
    """All readings by one model's presets; the texts as they are, with the presets off, are always among them."""
    for quality, transparent, prompt in _positive_readings(info, prompts.prompt, hinted=hinted):
        exact = list(_negative_readings(info, prompts.uc, prompt))
        for uc_preset, negative_prompt in exact or [("none", prompts.uc)]:
            yield _Reading(
                info=info,
                prompt=prompt,
                quality=quality,
                transparent=transparent,
                negative_prompt=negative_prompt,
                uc_preset=uc_preset,
            )


def _positive_readings(info: ModelInfo, text: str, *, hinted: bool) -> Iterator[tuple[str, bool, str]]:
    """Quality preset, transparent or not, and the prompt that they make the recorded text of.

    Without the hint in the metadata, words for a transparent background are the user's own.
    """
    options = (True, False) if hinted and "transparent_background" in info.options else (False,)
    for quality in info.quality_texts:
        for transparent in options:
            words = positive_text(info, "", quality=quality, transparent=transparent)
            for prompt in _without(info, text, words):
                if positive_text(info, prompt, quality=quality, transparent=transparent) == text:
                    yield quality, transparent, prompt
                    break


def _without(info: ModelInfo, text: str, words: str) -> Iterator[str]:
    """Prompts that may have been there before the words: taken off the last place where they are, then the first.

    Words stand at a part's end, or before a section of text to be drawn, which may repeat them.
    """
    if not words:
        yield text
        return
    parts = text.split("|") if info.quality_in_every_part else text.split("|", 1)
    with_words = len(parts) if info.quality_in_every_part else 1
    if not all(words in part for part in parts[:with_words]):
        return
    for find in (str.rfind, str.find):
        bare = [_cut(part, find(part, words), len(words)) for part in parts[:with_words]]
        prompt = "|".join([*bare, *parts[with_words:]])
        if prompt.strip():  # an empty prompt cannot be asked for
            yield prompt


def _cut(part: str, start: int, length: int) -> str:
    """A part without some of its words and the comma that joined them to it."""
    before, after = part[:start], part[start + length :]
    return before.removesuffix(", ") + after if before.strip() else before + after.removeprefix(", ")


def _negative_readings(info: ModelInfo, text: str, prompt: str) -> Iterator[tuple[str, str]]:
    """Undesired-content preset, and the negative prompt that it makes the recorded text of."""
    for uc_preset in info.uc_texts:
        words = negative_text(info, "", uc_preset=uc_preset, prompt=prompt)
        rest = text.removeprefix(words).removeprefix(", ") if words else text
        if negative_text(info, rest, uc_preset=uc_preset, prompt=prompt) == text:
            yield uc_preset, rest
