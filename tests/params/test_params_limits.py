"""Every field at, below and above its limits, and the message it then gives."""

from __future__ import annotations

import os

import pytest

from nai_trio.errors import InvalidParamsError, NovelAIError
from nai_trio.params import ImageParams

NAN, INF = float("nan"), float("inf")


def refused(**fields: object) -> InvalidParamsError:
    with pytest.raises(InvalidParamsError) as caught:
        ImageParams.from_fields(**{"prompt": "cat", **fields})
    return caught.value


def kept(name: str, value: object, **fields: object) -> object:
    return getattr(ImageParams.from_fields(**{"prompt": "cat", **fields, name: value}), name)


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
        (
            "size",
            (832,),
            "size: expected a preset's name, or (width, height) in pixels, got (832,)",
        ),
        ("size", 832, "size: expected a preset's name, or (width, height) in pixels, got 832"),
        (
            "size",
            (832, 1217),
            "size: expected width and height as multiples of 64 from 64 to 49152, got (832, 1217)",
        ),
        (
            "size",
            (0, 1216),
            "size: expected width and height as multiples of 64 from 64 to 49152, got (0, 1216)",
        ),
        (
            "size",
            (64, 49216),
            "size: expected width and height as multiples of 64 from 64 to 49152, got (64, 49216)",
        ),
        (
            "size",
            (832.0, 1216),
            "size: expected width and height as multiples of 64 from 64 to 49152, got (832.0, 1216)",
        ),
        (
            "size",
            (2048, 1600),
            "size: expected at most 3145728 pixels, width times height, got (2048, 1600)",
        ),
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


@pytest.mark.parametrize(
    ("size", "most"),
    [
        ((512, 704), 8),  # 360,448 pixels
        ((64, 5696), 6),  # one step above
        ((640, 640), 6),  # 409,600 pixels
        ((64, 6464), 4),  # one step above
        ((832, 1216), 4),
        ((2048, 1536), 4),  # 3,145,728 pixels
    ],
)
def test_samples_are_limited_by_the_area(size: tuple[int, int], most: int) -> None:
    assert kept("n_samples", most, size=size) == most
    if most < 8:
        message = str(refused(size=size, n_samples=most + 1))
        wanted = f"n_samples: expected at most {most} at {size[0]}x{size[1]} pixels, got {most + 1}"
        assert message == wanted


def test_a_list_does_for_a_size_and_is_kept_as_a_tuple() -> None:
    assert kept("size", [832, 1216]) == (832, 1216)


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
