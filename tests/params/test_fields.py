"""Every field of every record at, below and above its limits; a new field without a place in the list fails here."""

from __future__ import annotations

import itertools
import math
from typing import Any

import attrs
import pytest
from drawn import drawing, encoded, mask_of

import nai_trio.params
from nai_trio.errors import InvalidParamsError
from nai_trio.params import (
    MODELS,
    SIZES,
    Character,
    CharacterReference,
    ControlNet,
    EncodedVibe,
    ImageParams,
    ImageToImage,
    Inpaint,
    Vibe,
)
from nai_trio.params.records import Record
from nai_trio.pictures import ImageSource

PNG = encoded(drawing((64, 64)))
MASK = encoded(mask_of((64, 64), (0, 0, 32, 32)))
TOKEN = EncodedVibe(token=b"x", encoding="v4-5full", information_extracted=1)


@attrs.frozen
class Limits:
    """What a field takes, at its limits; what it refuses, just past them and of other types; and the words for it."""

    allowed: str
    taken: tuple[object, ...]
    refused: tuple[object, ...]
    beside: dict[str, object] = attrs.field(factory=dict)


def number(low: float, high: float) -> Limits:
    past = (low - 0.001, high + 0.001, -math.inf, math.inf, math.nan)
    return Limits(f"a number from {low} to {high}", (low, high, float(high)), (*past, str(high), True, None, 1j))


def integer(low: int, high: int, *, none: bool = False, **beside: object) -> Limits:
    past = (low - 1, high + 1, float(low), str(low), True, [low])
    return Limits(
        f"an integer from {low} to {high}",
        (low, high, *([None] if none else [])),
        (*past, *([] if none else [None])),
        beside,
    )


def flag(**beside: object) -> Limits:
    return Limits("True or False", (True, False), (1, 0, "yes", 0.0, []), beside)


def names(*taken: str, listed: tuple[str, ...] = (), refused: tuple[object, ...] = ("", None, 1, b"x")) -> Limits:
    return Limits(f"one of {', '.join(listed or taken)}", taken, refused)


TEXT = Limits("text", ("", "x" * 7500, "\0\U0001f408"), (None, 1, b"x"))
NEEDED_TEXT = Limits("text that is not empty", ("x", " x\n", "x" * 7500), ("", " \t\n", None, 1, b"x"))
PICTURE = Limits(
    "a PNG, JPEG or WebP picture (bytes, a path, or a Pillow image)",
    (PNG, bytearray(PNG), drawing((64, 64)), ImageSource.of(PNG)),
    (None, 3, b"", b"no picture", "/no/such/file.png", [PNG]),
)
SHARE = number(0.01, 1)


def record(cls: type, *taken: object) -> Limits:
    article = "an" if cls.__name__[0] in "AEIOU" else "a"
    return Limits(f"{article} {cls.__name__}, or a mapping of its fields", (*taken, None), ("x", 3, True, [PNG], b""))


def records(cls: type, *taken: object, **beside: object) -> Limits:
    return Limits(f"a list or tuple of {cls.__name__}", ((), *taken), (None, "x", {}, 3, iter([])), beside)


FIELDS: dict[type, dict[str, Limits]] = {
    ImageParams: {
        "prompt": NEEDED_TEXT,
        "model": names(*MODELS, refused=("", None, 1, "nai-diffusion-2")),
        "size": Limits(
            "width and height as multiples of 64 from 64 to 49152",
            (*SIZES, (64, 64), (64, 49152), (49152, 64), (2048, 1536), None),
            ((64, 0), (0, 64), (63, 64), (64, 65), (64, 49216), (49216, 64), (64.0, 64), (True, 64)),
        ),
        "steps": integer(1, 50),
        "scale": attrs.evolve(
            number(0, 10), refused=(-0.001, 10.001, math.nan, math.inf, "5", True), taken=(0, 10, None)
        ),
        "sampler": names(
            "k_euler_ancestral",
            "k_euler",
            "k_dpmpp_2s_ancestral",
            "k_dpmpp_2m_sde",
            "k_dpmpp_2m",
            "k_dpmpp_sde",
            listed=(
                *("k_euler_ancestral", "k_euler", "k_dpmpp_2s_ancestral", "k_dpmpp_2m_sde", "k_dpmpp_2m"),
                *("k_dpmpp_sde", "ddim_v3"),
            ),
        ),
        "noise_schedule": names(
            *("karras", "exponential", "polyexponential"), listed=("karras", "exponential", "polyexponential", "native")
        ),
        "seed": integer(0, 2**32 - 1, none=True),
        "n_samples": integer(1, 8),
        "negative_prompt": TEXT,
        "quality": names("standard", "none", listed=("standard", "light", "none")),
        "uc_preset": names(
            *("heavy", "light", "humanFocus", "furryFocus", "none"), refused=("Heavy", None, 0, True, "human_focus")
        ),
        "cfg_rescale": number(0, 1),
        "variety_boost": flag(),
        "decrisper": flag(),
        "smea": flag(model="nai-diffusion-3"),
        "smea_dyn": flag(model="nai-diffusion-3"),
        "auto_smea": flag(),
        "legacy_uc": flag(),
        "image_format": names("png", "webp", refused=("", None, 1, "jpeg")),
        "transparent_background": flag(model="nai-diffusion-5-full"),
        "straight_alpha": flag(model="nai-diffusion-5-full"),
        "characters": records(Character, (Character("girl"),) * 6),
        "i2i": record(ImageToImage, ImageToImage(PNG)),
        "inpaint": record(Inpaint, Inpaint(PNG, MASK)),
        "controlnet": record(ControlNet, ControlNet([Vibe(PNG)])),
        "character_references": records(CharacterReference, (CharacterReference(PNG),) * 3),
    },
    Character: {
        "prompt": TEXT,
        "negative_prompt": TEXT,
        "position": Limits(
            'None, (x, y) with both from 0 to 1, or a cell name from "A1" to "E5"',
            (None, (0, 0), (1, 1), (0.0, 1.0), *map("".join, itertools.product("ABCDE", "12345"))),
            ((-0.001, 0), (0, 1.001), (0.5,), (0, 0, 0), (True, 0), (math.nan, 0), 0.5, "A0", "A6", "F1", "", b"A1"),
        ),
        "enabled": flag(),
    },
    ImageToImage: {
        "image": PICTURE,
        "strength": number(0.01, 0.99),
        "noise": number(0, 0.99),
        "seed": integer(0, 2**32 - 1, none=True),
        "fit": names("stretch", "crop", "letterbox"),
    },
    Inpaint: {
        "image": PICTURE,
        "mask": PICTURE,
        "strength": number(0.01, 1),
        "seed": integer(0, 2**32 - 1, none=True),
        "fit": names("stretch", "crop", "letterbox"),
        "add_original_image": flag(),
    },
    ControlNet: {
        "images": Limits("1 to 16 vibes", ((Vibe(PNG),), (Vibe(PNG),) * 16), ((), (Vibe(PNG),) * 17)),
        "strength": number(0, 1),
        "normalize": flag(),
    },
    Vibe: {
        "image": attrs.evolve(PICTURE, taken=(*PICTURE.taken, TOKEN)),
        "strength": number(-1, 1),
        "information_extracted": SHARE,
    },
    CharacterReference: {
        "image": PICTURE,
        "type": names("character", "style", "character&style"),
        "fidelity": number(0, 1),
        "strength": number(0, 1),
    },
    EncodedVibe: {
        "token": Limits(
            "the bytes that the service made of a picture", (b"x", b"\0" * 50_000), (b"", "x", None, bytearray(b"x"), 1)
        ),
        "encoding": NEEDED_TEXT,
        "information_extracted": SHARE,
        "image_id": TEXT,
    },
}
OTHERS: dict[type, dict[str, object]] = {
    ImageParams: {"prompt": "cat", "size": (512, 704)},
    Character: {"prompt": "girl"},
    ImageToImage: {"image": PNG},
    Inpaint: {"image": PNG, "mask": MASK},
    ControlNet: {"images": [Vibe(PNG)]},
    Vibe: {"image": PNG},
    CharacterReference: {"image": PNG},
    EncodedVibe: {"token": b"x", "encoding": "v4-5full", "information_extracted": 1},
}
"""A valid record of each kind, as its fields."""

HELD_IN: dict[type, tuple[str, Any]] = {
    Character: ("characters[1]", lambda bad: {"characters": [{"prompt": "x"}, bad]}),
    ImageToImage: ("i2i", lambda bad: {"i2i": bad}),
    Inpaint: ("inpaint", lambda bad: {"inpaint": bad}),
    ControlNet: ("controlnet", lambda bad: {"controlnet": bad}),
    Vibe: ("controlnet.images[1]", lambda bad: {"controlnet": {"images": [{"image": PNG}, bad]}}),
    CharacterReference: ("character_references[0]", lambda bad: {"character_references": [bad]}),
}
"""Where `ImageParams` has such records, and how to put one there."""

LISTED = [(cls, name) for cls, fields in FIELDS.items() for name in fields]


def built(cls: type, name: str, value: object) -> Any:
    fields = {**OTHERS[cls], **FIELDS[cls][name].beside, name: value}
    return cls.from_fields(**fields) if issubclass(cls, Record) else cls(**fields)


def test_every_record_and_every_field_is_listed() -> None:
    public = [getattr(nai_trio.params, name) for name in nai_trio.params.__all__]
    found = {each for each in public if isinstance(each, type) and issubclass(each, Record)}
    assert set(FIELDS) == {*found, EncodedVibe}
    for cls, fields in FIELDS.items():
        assert list(fields) == [attribute.name for attribute in attrs.fields(cls)]
        assert all(limits.taken and limits.refused for limits in fields.values())
    assert {*HELD_IN, ImageParams, EncodedVibe} == set(FIELDS)


@pytest.mark.parametrize(("cls", "name"), LISTED)
def test_what_is_at_the_limits_is_taken_and_kept(cls: type, name: str) -> None:
    for value in FIELDS[cls][name].taken:
        kept = getattr(built(cls, name, value), name)
        if isinstance(kept, ImageSource):
            assert kept.header.size == (64, 64)
        elif value is not None:
            assert kept == value
            assert type(kept) is type(value)


@pytest.mark.parametrize(("cls", "name"), LISTED)
def test_what_is_past_the_limits_or_of_another_type_is_refused_by_name_and_in_words(cls: type, name: str) -> None:
    limits = FIELDS[cls][name]
    for value in limits.refused:
        with pytest.raises(InvalidParamsError) as caught:
            built(cls, name, value)
        assert caught.value.field == name
        assert caught.value.allowed.partition(" (did you mean")[0] == limits.allowed
        assert str(caught.value).startswith(f"{name}: expected {limits.allowed}")


@pytest.mark.parametrize(("cls", "name"), [each for each in LISTED if each[0] in HELD_IN])
def test_inside_the_parameters_the_whole_way_to_the_field_is_named(cls: type, name: str) -> None:
    place, put = HELD_IN[cls]
    for value in FIELDS[cls][name].refused:
        with pytest.raises(InvalidParamsError) as caught:
            ImageParams.from_fields(prompt="cat", **put({**OTHERS[cls], name: value}))
        assert caught.value.field == f"{place}.{name}"
        assert str(caught.value).startswith(f"{place}.{name}: expected {FIELDS[cls][name].allowed}")


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ("potrait", "one of small_portrait, "),
        (64, "a preset's name, or (width, height) in pixels"),
        ((64,), "a preset's name, or (width, height) in pixels"),
        ((64, 64, 64), "a preset's name, or (width, height) in pixels"),
        ((2048, 1600), "at most 3145728 pixels, width times height"),
        ((128, 49152), "at most 3145728 pixels, width times height"),
    ],
)
def test_a_size_is_refused_in_its_own_words(value: object, allowed: str) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        ImageParams.from_fields(prompt="cat", size=value)
    assert caught.value.field == "size"
    assert caught.value.allowed.startswith(allowed)


@pytest.mark.parametrize("value", [None, "x", {"image": PNG}, iter([])])
def test_vibes_that_are_no_list_are_refused(value: object) -> None:
    with pytest.raises(InvalidParamsError, match=r"^images: expected a list or tuple of Vibe, got "):
        ControlNet(value)
