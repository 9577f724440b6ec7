"""Finished pictures, made by the emulator, become the request again that made them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_bytes import png, text_chunk
from PIL import Image

from nai_trio.emulator import Generation
from nai_trio.emulator.metadata import text_chunks
from nai_trio.params import MODELS, ImageParams, ModelInfo
from nai_trio.params.recall import fields_from_metadata
from nai_trio.pictures.metadata import read_metadata

CHARACTERS: list[list[dict[str, Any]]] = [
    [],
    [{"prompt": "girl, red hair", "negative_prompt": "hat"}],
    [{"prompt": "girl", "position": "A2"}, {"prompt": "boy, nsfw", "negative_prompt": "coat", "position": (0.9, 0.9)}],
    [{"prompt": "girl", "position": "C3"}],
    [{"prompt": "girl"}, {"prompt": "boy", "position": (0.123, 0.456)}],
]


def pictures(params: ImageParams) -> list[bytes]:
    request = params.to_wire(stream="sse" if params.info.streams else None)
    images = [event["image"] for event in Generation(request).finals()]
    assert all(isinstance(image, bytes) for image in images)
    return images  # type: ignore[return-value]


def recalled(picture: bytes) -> ImageParams:
    return ImageParams.from_fields(**fields_from_metadata(read_metadata(picture)))


def wire(params: ImageParams) -> dict[str, Any]:
    return params.to_wire(stream=None)


def texts_alone(params: ImageParams) -> bytes:
    """The first picture with the pixels left out: painting them takes most of the time."""
    generation = Generation(params.to_wire(stream="sse" if params.info.streams else None))
    chunks = text_chunks(generation.settings, 0, streamed=True)
    return png(*(text_chunk(name, text.encode()) for name, text in chunks.items()))


def requests() -> list[Any]:
    return [
        pytest.param(info.id, quality, uc_preset, id=f"{info.id} {quality} {uc_preset}")
        for info in MODELS.values()
        for quality in info.quality_texts
        for uc_preset in info.uc_texts
    ]


def tells_the_model(info: ModelInfo, quality: str, uc_preset: str) -> bool:
    """Before V5 the presets' words and the default scale alone tell the models of a family apart."""
    rows = [row for row in MODELS.values() if row.family == info.family]
    first = rows[0] is info
    return first or info.family == "V5" or (quality, uc_preset) != ("none", "none") or info.default_scale == 6.2


@pytest.mark.parametrize(("model", "quality", "uc_preset"), requests())
def test_every_preset_of_every_model_comes_back(model: str, quality: str, uc_preset: str) -> None:
    info = MODELS[model]
    for characters in CHARACTERS if info.max_characters else [[]]:
        params = ImageParams.from_fields(
            prompt="1girl, solo",
            negative_prompt="bad hands",
            model=model,
            quality=quality,
            uc_preset=uc_preset,
            characters=characters,
            size=(64, 128),
            steps=2,
        )
        (picture,) = pictures(params)
        found = recalled(picture)
        if tells_the_model(info, quality, uc_preset):
            assert wire(found) == wire(params)
            assert (found.prompt, found.negative_prompt) == ("1girl, solo", "bad hands")
            assert (found.quality, found.uc_preset) == (quality, uc_preset)
        else:
            assert wire(found) == {**wire(params), "model": model.replace("curated", "full").removesuffix("-preview")}


@pytest.mark.parametrize("model", [id_ for id_, info in MODELS.items() if "transparent_background" in info.options])
@pytest.mark.parametrize("transparent", [True, False])
@pytest.mark.parametrize("straight", [True, False])
@pytest.mark.parametrize("prompt", ["1girl", "1girl, transparent background", "1girl, text: hi"])
@pytest.mark.parametrize("quality", ["standard", "none"])
def test_transparency_comes_back(model: str, transparent: bool, straight: bool, prompt: str, quality: str) -> None:
    params = ImageParams.from_fields(
        prompt=prompt,
        model=model,
        quality=quality,
        transparent_background=transparent,
        straight_alpha=straight,
        size=(64, 64),
        steps=2,
    )
    found = recalled(pictures(params)[0])
    assert wire(found) == wire(params)
    assert (found.transparent_background, found.straight_alpha) == (transparent, straight)


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 2])
def test_each_sample_comes_back_as_one_picture_with_its_own_seed(seed: int) -> None:
    params = ImageParams("1girl", size=(64, 64), steps=2, seed=seed, n_samples=3)
    found = [recalled(picture) for picture in pictures(params)]
    assert [each.seed for each in found] == [(seed + sample) % 2**32 for sample in range(3)]
    assert [each.n_samples for each in found] == [1, 1, 1]
    assert found[0] == params.replace(n_samples=1)


@pytest.mark.parametrize("image_format", ["png", "webp"])
@pytest.mark.parametrize("model", MODELS)
def test_the_pictures_format_comes_back(model: str, image_format: str) -> None:
    params = ImageParams.from_fields(prompt="1girl", model=model, image_format=image_format, size=(64, 64), steps=2)
    assert recalled(pictures(params)[0]) == params


def test_a_recalled_request_makes_the_same_picture() -> None:
    params = ImageParams("1girl, cat ears", size=(128, 64), steps=3, characters=CHARACTERS[2])
    (picture,) = pictures(params)
    assert pictures(recalled(picture)) == [picture]


@pytest.mark.parametrize("image_format", ["PNG", "WEBP"])
def test_a_picture_saved_again_without_its_texts_comes_back_from_its_alpha(image_format: str) -> None:
    params = ImageParams("1girl", size=(192, 192), steps=2)
    (picture,) = pictures(params)
    target = io.BytesIO()
    Image.open(io.BytesIO(picture)).save(target, image_format, lossless=True)
    metadata = read_metadata(target.getvalue())
    assert metadata.origin == "stealth"
    assert wire(recalled(target.getvalue())) == wire(params.replace(image_format=image_format.lower()))


words = st.sampled_from(
    [
        "1girl",
        "nsfw",
        "|",
        " | ",
        ", ",
        "text: hi",
        "Text:",
        "2::text::",
        "no text",
        " ",
        "\n",
        "",
        "lowres",
        "nsfw, ",
        ",",
    ]
    + [text for info in MODELS.values() for text in (*info.quality_texts.values(), *info.uc_texts.values())]
    + ["transparent background"]
)
texts = st.lists(words | st.text(st.characters(exclude_categories=("Cs",)), max_size=8), max_size=4).map("".join)
characters = st.fixed_dictionaries(
    {"prompt": texts},
    optional={
        "negative_prompt": texts,
        "position": st.none() | st.tuples(st.floats(0, 1), st.floats(0, 1)) | st.sampled_from(["A1", "c3", "E5"]),
        "enabled": st.booleans(),
    },
)


def fields_for(info: ModelInfo) -> st.SearchStrategy[dict[str, Any]]:
    optional = {
        **{name: st.booleans() for name in sorted(info.options & {"variety_boost", "smea", "smea_dyn", "legacy_uc"})},
        **{name: st.booleans() for name in sorted(info.options & {"transparent_background", "straight_alpha"})},
        "steps": st.integers(1, 50),
        "size": st.sampled_from([(64, 64), (64, 128), (192, 64)]),
        "scale": st.floats(0, 10) | st.integers(0, 10),
        "sampler": st.sampled_from(info.samplers),
        "noise_schedule": st.sampled_from(info.noise_schedules),
        "negative_prompt": texts,
        "quality": st.sampled_from(sorted(info.quality_texts)),
        "uc_preset": st.sampled_from(sorted(info.uc_texts)),
        "cfg_rescale": st.floats(0, 1),
        "decrisper": st.booleans(),
        "characters": st.lists(characters, max_size=min(3, info.max_characters)),
    }
    required = {"prompt": texts.filter(str.strip), "model": st.just(info.id), "seed": st.integers(0, 2**32 - 1)}
    return st.fixed_dictionaries(required, optional=optional)


@given(st.sampled_from(list(MODELS.values())).flatmap(fields_for))
@settings(max_examples=300)
def test_any_request_comes_back_but_for_the_model_of_the_family_and_disabled_characters(fields: dict[str, Any]) -> None:
    params = ImageParams.from_fields(**fields)
    found = recalled(texts_alone(params))
    told, sent = wire(found), wire(params)
    assert MODELS[told.pop("model")].family == MODELS[sent.pop("model")].family
    enabled = [each for each in sent["parameters"].pop("characterPrompts") if each["enabled"]]
    assert told["parameters"].pop("characterPrompts") == enabled
    assert told == sent
