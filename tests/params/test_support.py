"""What a model cannot do is refused, and the message names the models that can."""

from __future__ import annotations

import pytest
from asked import EVERYTHING, VIBE, refused

from nai_trio.errors import InvalidParamsError
from nai_trio.params import MODELS, EncodedVibe, ImageParams
from nai_trio.params.support import CHOICES, EXCLUSIONS, OPTIONS

REASONS = {
    ("i2i", "inpaint"): "a picture is either drawn anew as a whole or in part",
    ("controlnet", "inpaint"): "the web client drops vibes when it inpaints",
    ("controlnet", "character_references"): "the service takes one kind of reference at a time",
}

V3 = ("nai-diffusion-3", "nai-diffusion-furry-3")
V4 = ("nai-diffusion-4-full", "nai-diffusion-4-curated-preview")
V45 = ("nai-diffusion-4-5-full", "nai-diffusion-4-5-curated")
V5 = ("nai-diffusion-5-full", "nai-diffusion-5-curated")
ABLE = {
    "i2i": set(MODELS),
    "inpaint": set(MODELS),
    "controlnet": {*V3, *V4, *V45},
    "character_references": set(V45),
}

SUPPORT = [
    ("smea", True, V3),
    ("smea_dyn", True, V3),
    ("variety_boost", True, V3 + V4 + V45),
    ("auto_smea", True, V4 + V45 + V5),
    ("legacy_uc", True, V4 + V45 + V5),
    ("transparent_background", True, V5),
    ("straight_alpha", True, V5),
    ("decrisper", True, V3 + V4 + V45 + V5),
    ("sampler", "ddim_v3", V3),
    ("sampler", "k_dpmpp_2m_sde", V3 + V4 + V45 + V5),
    ("noise_schedule", "native", V3),
    ("noise_schedule", "exponential", V3 + V4 + V45),
    ("noise_schedule", "polyexponential", V3 + V4 + V45),
    ("noise_schedule", "karras", V3 + V4 + V45 + V5),
    ("quality", "light", V5),
    ("quality", "standard", V3 + V4 + V45 + V5),
    ("uc_preset", "humanFocus", ("nai-diffusion-3", *V45, *V5)),
    ("uc_preset", "furryFocus", ("nai-diffusion-4-5-full", *V5)),
    ("uc_preset", "light", V3 + V4 + V45 + V5),
    ("characters", [{"prompt": "girl"}] * 6, V4 + V45 + V5),
    ("characters", [{"prompt": "girl"}] * 7, V5),
    ("characters", [{"prompt": "girl"}] * 32, V5),
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("field", "value", "able"), SUPPORT)
def test_each_model_takes_what_it_can_and_refuses_the_rest(
    model: str, field: str, value: object, able: tuple[str, ...]
) -> None:
    fields = {"prompt": "cat", "model": model, field: value}
    if model in able:
        assert ImageParams.from_fields(**fields).model == model
        return
    with pytest.raises(InvalidParamsError) as caught:
        ImageParams.from_fields(**fields)
    message = str(caught.value)
    assert caught.value.field == field
    assert f"with {model}; " in message
    named = [id_ for id_ in message.partition(f"with {model}; ")[2].replace(",", " ").split() if id_ in MODELS]
    assert sorted(named) == sorted(able)


OF_PICTURES = {"i2i", "inpaint", "controlnet", "character_references"}
"""Tested in test_image_to_image.py."""


def test_everything_that_not_every_model_has_is_in_the_list_above() -> None:
    listed = {field for field, _value, _able in SUPPORT}
    assert set(OPTIONS) <= listed | OF_PICTURES
    for field, column in CHOICES.items():
        offered = [getattr(info, column) for info in MODELS.values()]
        limited = {value for values in offered for value in values if not all(value in each for each in offered)}
        assert limited <= {value for name, value, _able in SUPPORT if name == field}


def test_more_characters_than_any_model_has() -> None:
    with pytest.raises(InvalidParamsError, match="at most 32 with nai-diffusion-5-full; no model can") as caught:
        ImageParams.from_fields(prompt="crowd", model="nai-diffusion-5-full", characters=[{"prompt": "man"}] * 33)
    assert str(caught.value).endswith("got '33 characters'")


@pytest.mark.parametrize("stream", ["sse", "msgpack"])
@pytest.mark.parametrize("model", V3)
def test_v3_does_not_stream(model: str, stream: str) -> None:
    params = ImageParams.from_fields(prompt="cat", model=model)
    for write in (params.to_wire, params.to_json):
        with pytest.raises(InvalidParamsError) as caught:
            write(stream=stream)
        assert caught.value.field == "stream"
        assert all(id_ in str(caught.value) for id_ in V4 + V45 + V5)


@pytest.mark.parametrize("stream", ["SSE", "json", "", 1, True, ["sse"]])
def test_an_unknown_framing_is_refused(stream: object) -> None:
    with pytest.raises(InvalidParamsError, match="stream: expected one of sse, msgpack, or None"):
        ImageParams("cat").to_wire(stream=stream)


@pytest.mark.parametrize(
    ("model", "scale"),
    [
        *((model, 7) for model in V5),
        *((model, 5) for model in V45),
        *((model, 5.5) for model in V4),
        ("nai-diffusion-3", 5),
        ("nai-diffusion-furry-3", 6.2),
    ],
)
def test_scale_and_alpha_default_to_the_models(model: str, scale: float) -> None:
    params = ImageParams.from_fields(prompt="cat", model=model)
    assert params.scale == scale
    assert params.straight_alpha is (model in V5)
    fields = {"prompt": "cat", "model": model, "seed": params.seed}
    assert ImageParams.from_fields(**fields, scale=None, straight_alpha=None) == params


def test_an_unset_default_follows_the_model_when_it_is_replaced() -> None:
    params = ImageParams("cat", model="nai-diffusion-5-full", seed=1)
    older = params.replace(model="nai-diffusion-4-full")
    assert (older.scale, older.straight_alpha, older.seed) == (5.5, False, 1)
    newer = older.replace(model="nai-diffusion-5-curated")
    assert (newer.scale, newer.straight_alpha) == (7, True)


def test_a_chosen_value_stays_when_the_model_is_replaced() -> None:
    params = ImageParams("cat", model="nai-diffusion-5-full", scale=6, straight_alpha=False)
    assert params.replace(model="nai-diffusion-4-full").scale == 6
    assert params.replace(model="nai-diffusion-5-curated").straight_alpha is False


def test_replace_checks_like_construction() -> None:
    params = ImageParams("cat", n_samples=4)
    with pytest.raises(InvalidParamsError, match="steps: expected an integer from 1 to 50, got 0"):
        params.replace(steps=0)
    with pytest.raises(InvalidParamsError, match="with nai-diffusion-3; only"):
        params.replace(model="nai-diffusion-3", legacy_uc=True)


def test_replace_keeps_the_seed_and_the_original() -> None:
    params = ImageParams("cat", steps=10)
    other = params.replace(prompt="dog")
    assert (other.prompt, other.steps, other.seed) == ("dog", 10, params.seed)
    assert params.prompt == "cat"
    assert params.replace() == params
    assert hash(params.replace()) == hash(params)


@pytest.mark.parametrize("build", [ImageParams.from_fields, ImageParams("cat").replace])
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("step", "did you mean 'steps'?"),
        ("negativeprompt", "did you mean 'negative_prompt'?"),
        ("Sampler", "did you mean 'sampler'?"),
        ("zzz", "prompt, model, size, steps, scale, "),
        ("self", "a field of ImageParams"),
        ("cls", "a field of ImageParams"),
        ("x" * 100_000, "prompt, model, "),
    ],
)
def test_an_unknown_name_is_refused_with_the_closest_known(build: object, name: str, hint: str) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        build(**{"prompt": "cat", name: 1})
    assert caught.value.field == name
    assert hint in str(caught.value)


def test_a_missing_prompt_is_named() -> None:
    with pytest.raises(InvalidParamsError, match="prompt: expected text that is not empty, got None"):
        ImageParams.from_fields(steps=3)


def test_params_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        ImageParams("cat").steps = 3


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("field", EVERYTHING)
def test_each_model_takes_the_pictures_it_can_and_refuses_the_rest(field: str, model: str) -> None:
    fields = {"model": model, field: EVERYTHING[field]}
    if model in ABLE[field]:
        assert ImageParams.from_fields(prompt="cat", **fields).has_pictures
        return
    error = refused(**fields)
    assert error.field == field
    assert error.allowed.startswith(f"none with {model}; only ")
    assert {id_ for id_ in MODELS if id_ in error.allowed.partition("; only ")[2].replace(",", " ").split()} == ABLE[
        field
    ]


@pytest.mark.parametrize("model", MODELS)
def test_inpainting_below_full_strength_is_for_models_that_can(model: str) -> None:
    fields = {"model": model, "inpaint": {**EVERYTHING["inpaint"], "strength": 0.5}}
    if model in V3:
        error = refused(**fields)
        assert error.field == "inpaint.strength"
        assert error.allowed.startswith(f"1 with {model}; only nai-diffusion-5-full, ")
    else:
        assert ImageParams.from_fields(prompt="cat", **fields).inpaint.strength == 0.5


@pytest.mark.parametrize(("one", "other"), REASONS)
def test_what_excludes_what(one: str, other: str) -> None:
    error = refused(**{name: EVERYTHING[name] for name in (one, other)})
    assert error.field == one
    assert error.allowed == f"none beside {other} ({REASONS[one, other]})"


def test_every_exclusion_in_the_table_is_tested_above_and_nothing_else_is_excluded() -> None:
    assert {(each.one, each.other) for each in EXCLUSIONS} == set(REASONS)
    for one, other in [("i2i", "controlnet"), ("i2i", "character_references"), ("inpaint", "character_references")]:
        assert ImageParams.from_fields(prompt="cat", **{name: EVERYTHING[name] for name in (one, other)}).has_pictures


@pytest.mark.parametrize(
    ("model", "needs"),
    [
        ("nai-diffusion-4-5-full", "one encoded as v4-5full, or a picture, with nai-diffusion-4-5-full"),
        ("nai-diffusion-3", "a picture with nai-diffusion-3"),
    ],
)
def test_an_encoded_vibe_is_for_its_own_model(model: str, needs: str) -> None:
    other = EncodedVibe(token=b"x", encoding="v4full", information_extracted=1)
    error = refused(model=model, controlnet={"images": [VIBE, other]})
    assert (error.field, error.allowed) == ("controlnet.images[1].image", needs)
    assert "encoding='v4full'" in str(error)
