"""Every field at, below and above its limits, and the message it then gives."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from asked import MASK, PNG, kept, refused
from drawn import drawing, encoded

from nai_trio.emulator.generation import Generation
from nai_trio.errors import InvalidParamsError, NovelAIError
from nai_trio.params import ImageParams, ImageToImage

CHANGES: dict[str, list[object]] = {
    "model": ["nai-diffusion-5-full", "nai-diffusion-5-curated", "nai-diffusion-4-full", "nai-diffusion-3"],
    "size": [None, "portrait", (64, 64), (640, 640)],
    "i2i": [None, {"image": PNG}],
    "inpaint": [None, {"image": PNG, "mask": MASK}],
    "scale": [None, 7, 5],
    "straight_alpha": [None, False, True],
}

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 1),
        ("steps", 50),
        ("scale", 0),
        ("scale", 10),
        ("scale", 10.0),
        ("cfg_rescale", 0),
        ("cfg_rescale", 1.0),
        ("seed", 0),
        ("seed", 4294967295),
        ("size", (64, 64)),
        ("size", (64, 49152)),
        ("size", (49152, 64)),
        ("size", (2048, 1536)),
        ("n_samples", 1),
        ("n_samples", 4),
        ("negative_prompt", ""),
        ("image_format", "webp"),
        ("prompt", "x" * 7500),
    ],
)
def test_values_at_the_limits_are_kept(name: str, value: object) -> None:
    assert kept(name, value) == value


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", 0, "steps: expected an integer from 1 to 50, got 0"),
        ("steps", 51, "steps: expected an integer from 1 to 50, got 51"),
        ("steps", 28.0, "steps: expected an integer from 1 to 50, got 28.0"),
        ("steps", True, "steps: expected an integer from 1 to 50, got True"),
        ("steps", "28", "steps: expected an integer from 1 to 50, got '28'"),
        ("steps", None, "steps: expected an integer from 1 to 50, got None"),
        ("scale", -0.01, "scale: expected a number from 0 to 10, got -0.01"),
        ("scale", 10.01, "scale: expected a number from 0 to 10, got 10.01"),
        ("scale", NAN, "scale: expected a number from 0 to 10, got nan"),
        ("scale", INF, "scale: expected a number from 0 to 10, got inf"),
        ("scale", True, "scale: expected a number from 0 to 10, got True"),
        ("scale", "5", "scale: expected a number from 0 to 10, got '5'"),
        ("cfg_rescale", -0.1, "cfg_rescale: expected a number from 0 to 1, got -0.1"),
        ("cfg_rescale", 1.1, "cfg_rescale: expected a number from 0 to 1, got 1.1"),
        ("cfg_rescale", NAN, "cfg_rescale: expected a number from 0 to 1, got nan"),
        ("cfg_rescale", None, "cfg_rescale: expected a number from 0 to 1, got None"),
        ("seed", -1, "seed: expected an integer from 0 to 4294967295, got -1"),
        ("seed", 4294967296, "seed: expected an integer from 0 to 4294967295, got 4294967296"),
        ("seed", 1.0, "seed: expected an integer from 0 to 4294967295, got 1.0"),
        ("seed", False, "seed: expected an integer from 0 to 4294967295, got False"),
        ("n_samples", 0, "n_samples: expected an integer from 1 to 8, got 0"),
        ("n_samples", 9, "n_samples: expected an integer from 1 to 8, got 9"),
        ("n_samples", "2", "n_samples: expected an integer from 1 to 8, got '2'"),
        ("prompt", "", "prompt: expected text that is not empty, got ''"),
        ("prompt", " \n", "prompt: expected text that is not empty, got ' \\n'"),
        ("prompt", b"cat", "prompt: expected text that is not empty, got b'cat'"),
        ("prompt", None, "prompt: expected text that is not empty, got None"),
        ("negative_prompt", None, "negative_prompt: expected text, got None"),
        ("quality", 1, "quality: expected one of standard, light, none, got 1"),
        ("quality", None, "quality: expected one of standard, light, none, got None"),
        ("image_format", "jpeg", "image_format: expected one of png, webp, got 'jpeg'"),
    ],
)
def test_values_past_the_limits_are_refused_in_plain_words(name: str, value: object, message: str) -> None:
    error = refused(**{name: value})
    assert str(error) == message
    assert error.field == name
    assert error.value is value


@pytest.mark.parametrize(
    "name",
    [
        "variety_boost",
        "decrisper",
        "smea",
        "smea_dyn",
        "auto_smea",
        "legacy_uc",
        "transparent_background",
        "straight_alpha",
    ],
)
@pytest.mark.parametrize("value", [1, 0, "yes", "false", [], 0.0])
def test_switches_take_true_and_false_alone(name: str, value: object) -> None:
    error = refused(**{name: value})
    assert str(error) == f"{name}: expected True or False, got {value!r}"


@pytest.mark.parametrize(
    ("name", "value", "closest"),
    [
        ("model", "nai-diffusion-4-curated", "nai-diffusion-4-curated-preview"),
        ("model", "nai-diffusion-3-furry", "nai-diffusion-furry-3"),
        ("model", "NAI-Diffusion-5-Full", "nai-diffusion-5-full"),
        ("size", "potrait", "portrait"),
        ("sampler", "k_euler_ancestrall", "k_euler_ancestral"),
        ("noise_schedule", "karas", "karras"),
        ("quality", "Standard", "standard"),
        ("uc_preset", "human_focus", "humanFocus"),
        ("image_format", "PNG", "png"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_closest(name: str, value: str, closest: str) -> None:
    message = str(refused(**{name: value}))
    assert f"(did you mean {closest!r}?)" in message
    assert message.startswith(f"{name}: expected one of ")
    assert message.endswith(f"got {value!r}")


def test_an_unknown_model_is_answered_with_all_models() -> None:
    message = str(refused(model="stable-diffusion"))
    assert "nai-diffusion-5-full, nai-diffusion-5-curated, nai-diffusion-4-5-full, " in message


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
@pytest.mark.parametrize("text", ["cat \ud83d", "\udc00"])
def test_half_a_surrogate_pair_is_refused(name: str, text: str) -> None:
    error = refused(**{name: text})
    assert f"character {len(text) - 1} is half a surrogate pair" in str(error)


def test_an_error_is_one_of_ours_and_a_value_error() -> None:
    error = refused(steps=0)
    assert isinstance(error, ValueError)
    assert isinstance(error, NovelAIError)
    assert error.allowed == "an integer from 1 to 50"


def test_an_integer_too_long_to_print_is_refused_like_any_other() -> None:
    """Python refuses to print it, with a plain ValueError."""
    assert str(refused(steps=10**5000)).startswith("steps: expected an integer from 1 to 50")


def test_a_value_whose_repr_fails_is_refused_like_any_other() -> None:
    class Hostile:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    assert str(refused(scale=Hostile())).startswith("scale: expected a number from 0 to 10")


def test_a_seed_is_drawn_once_and_readable() -> None:
    drawn = ImageParams("cat")
    assert 1 <= drawn.seed <= 4294967295
    assert drawn.to_wire()["parameters"]["seed"] == drawn.seed == drawn.to_wire()["parameters"]["seed"]
    assert ImageParams("cat", seed=None).seed != drawn.seed or ImageParams("cat").seed != drawn.seed


def test_seeds_cover_all_32_bits() -> None:
    seeds = [ImageParams("cat").seed for _ in range(200)]
    assert max(seeds) > 2**31
    assert min(seeds) < 2**31
    assert len(set(seeds)) > 190


def test_a_drawn_seed_is_never_0(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service may take 0 as a wish for a seed of its own."""
    monkeypatch.setattr(os, "urandom", bytes)
    assert ImageParams("cat").seed == 1
    assert ImageParams("cat", seed=0).seed == 0


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(CHANGES, 2)))
def test_replacing_gives_what_building_gives_or_refuses_alike(one: str, other: str) -> None:
    """Whatever was replaced before, a value that is given now counts, and a default is the one of the new record."""
    for first, second in itertools.product(CHANGES[one], CHANGES[other]):
        given = {one: first, other: second}
        try:
            expected = ImageParams.from_fields(prompt="cat", seed=1, **given)
        except InvalidParamsError:
            with pytest.raises(InvalidParamsError):
                ImageParams("cat", seed=1).replace(**given)
        else:
            assert ImageParams("cat", seed=1).replace(**given) == expected


def test_a_size_that_is_given_counts_more_than_the_source() -> None:
    assert ImageParams("cat", i2i=ImageToImage(PNG)).size == (64, 64)
    assert ImageParams("cat", i2i=ImageToImage(PNG), size="square").size == "square"
    assert ImageParams("cat", size=None).size == "portrait"


def test_a_default_size_follows_when_the_source_is_replaced() -> None:
    params = ImageParams("cat", i2i=ImageToImage(PNG))
    other = encoded(drawing((128, 192)))
    assert params.replace(i2i={"image": other}).size == (128, 192)
    assert params.replace(i2i=None).size == "portrait"
    assert params.replace(size=(256, 256)).replace(i2i=None).size == (256, 256)
    assert ImageParams("cat").replace(i2i=ImageToImage(PNG)).size == (64, 64)


def test_replacing_keeps_what_was_chosen_and_follows_what_was_the_models() -> None:
    params = ImageParams("cat", seed=7, model="nai-diffusion-4-5-full")
    other = params.replace(model="nai-diffusion-3")
    assert (other.seed, other.prompt, other.scale) == (7, "cat", 5)
    assert params.replace(scale=6).replace(model="nai-diffusion-5-full").scale == 6
    assert params.replace(seed=None).seed != 7
    assert params.seed == 7
    with pytest.raises(InvalidParamsError, match="steps: expected an integer from 1 to 50"):
        params.replace(steps=51)


@pytest.mark.parametrize("changes", [{}, {"seed": 9, "steps": 2}])
def test_a_finished_picture_tells_what_it_was_made_with(tmp_path: Path, changes: dict[str, Any]) -> None:
    asked = ImageParams("1girl, cat ears", size=(128, 64), steps=3, seed=5)
    [final] = Generation(asked.to_wire()).finals()
    (tmp_path / "a.png").write_bytes(final["image"])
    wanted = asked.replace(**changes)
    assert (
        ImageParams.from_png(tmp_path / "a.png", **changes) == ImageParams.from_png(final["image"], **changes) == wanted
    )


def test_a_picture_that_tells_nothing_is_refused() -> None:
    with pytest.raises(InvalidParamsError) as caught:
        ImageParams.from_png(PNG)
    assert caught.value.field == "picture"


@pytest.mark.parametrize("stream", ["sse", "msgpack", None])
def test_the_body_is_the_wire_object_with_pictures_and_without(stream: str | None) -> None:
    for fields in ({}, {"i2i": {"image": PNG}}, {"inpaint": {"image": PNG, "mask": MASK}}):
        params = ImageParams.from_fields(prompt="cat", seed=1, **fields)
        assert json.loads(params.to_json(stream=stream)) == params.to_wire(stream=stream)
        assert params.has_pictures is bool(fields)


def test_the_price_is_that_of_one_picture_more_or_less() -> None:
    params = ImageParams("cat")
    assert (params.estimate_anlas(), params.estimate_anlas(opus=True)) == (17, 0)
    assert params.replace(n_samples=2).estimate_anlas(opus=True) == 17
