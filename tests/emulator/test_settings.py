"""A request as the service reads it: nulls are absent, unknown members are ignored, the rest has defaults."""

from __future__ import annotations

from typing import Any

import pytest

from nai_trio.emulator.settings import Character, Settings, present


def settings(
    *, model: str = "nai-diffusion-4-5-full", prompt: str = "1girl", action: str | None = None, **parameters: Any
) -> Settings:
    request = {"input": prompt, "model": model, "action": action, "parameters": parameters}
    return Settings.of({name: value for name, value in request.items() if value is not None})


def prompt_of(*characters: dict[str, Any], base: Any = "two girls", use_coords: Any = None) -> dict[str, Any]:
    caption = {"base_caption": base, "char_captions": list(characters)}
    return {"caption": caption, "use_coords": use_coords}


def test_a_bare_request_has_the_services_defaults() -> None:
    job = settings()
    assert (job.action, job.family, job.width, job.height, job.pixels) == ("generate", "V4.5", 832, 1216, 1_011_712)
    assert (job.steps, job.frames, job.n_samples, job.strength) == (23, 23, 1, 1.0)
    assert (job.noise_schedule, job.image_format) == ("karras", "png")
    assert (job.vibes, job.references, job.characters, job.figures) == ((), (), (), ())


def test_null_is_as_good_as_nothing_and_unknown_members_change_the_fingerprint_alone() -> None:
    assert settings(steps=None, width=None).steps == 23
    odd = settings(hidden="member")
    assert odd.parameters == {"hidden": "member"}
    assert odd.fingerprint != settings().fingerprint


@pytest.mark.parametrize("members", [None, [], "text", 3])
def test_what_is_no_object_has_no_members(members: object) -> None:
    assert present(members) == {}


def test_the_framing_changes_nothing_and_anything_else_all_that_is_drawn() -> None:
    one, other = settings(stream="sse"), settings(stream="msgpack")
    assert one.fingerprint == other.fingerprint
    assert 1_000_000 <= one.gen_id < 10_000_000
    assert settings(steps=5).gen_id != one.gen_id
    assert settings().seed == settings().seed != settings(steps=5).seed
    assert settings(seed=7).seed == 7


@pytest.mark.parametrize(
    ("model", "action", "parameters", "strength", "frames"),
    [
        ("nai-diffusion-4-5-full", "img2img", {}, 0.7, 16),
        ("nai-diffusion-4-5-full", "img2img", {"strength": 0.5, "steps": 28}, 0.5, 14),
        ("nai-diffusion-4-5-full", "img2img", {"strength": 0.01, "steps": 5}, 0.01, 1),
        ("nai-diffusion-4-5-full-inpainting", "infill", {"inpaintImg2ImgStrength": 0.4}, 0.4, 23),
        ("nai-diffusion-4-5-full-inpainting", "infill", {}, 1.0, 23),
        ("nai-diffusion-3-inpainting", "infill", {"inpaintImg2ImgStrength": 0.4}, 1.0, 23),
        ("nai-diffusion-4-5-full", "generate", {"strength": 0.4}, 1.0, 23),
    ],
)
def test_strength_is_that_of_the_action(
    model: str, action: str, parameters: dict[str, Any], strength: float, frames: int
) -> None:
    job = settings(model=model, action=action, **parameters)
    assert (job.strength, job.frames) == (strength, frames)


def test_v5_is_always_karras() -> None:
    assert settings(model="nai-diffusion-5-full", noise_schedule="native").noise_schedule == "karras"
    assert settings(noise_schedule="native").noise_schedule == "native"


@pytest.mark.parametrize(
    ("base", "description"), [("two girls", "two girls"), ("", "1girl"), (None, "1girl"), (3, "1girl")]
)
def test_the_base_caption_counts_more_than_the_prompt_where_there_is_one(base: object, description: str) -> None:
    assert settings(v4_prompt=prompt_of(base=base)).description == description


@pytest.mark.parametrize(("model", "transparent"), [("nai-diffusion-5-full", True), ("nai-diffusion-4-5-full", False)])
def test_words_ask_for_transparency_on_v5(model: str, transparent: bool) -> None:
    job = settings(model=model, prompt="a cat, Transparent Background")
    assert job.transparent is transparent
    assert job.figures == ((Character("a cat, Transparent Background"),) if transparent else ())


GIRL = {"char_caption": "girl", "centers": [{"x": 0.1, "y": 1}]}


@pytest.mark.parametrize(
    ("own", "general", "placed"), [(True, False, True), (False, True, False), (None, True, True), (None, None, False)]
)
def test_characters_have_places_where_the_prompt_says_so_or_else_the_request(
    own: object, general: object, placed: bool
) -> None:
    job = settings(v4_prompt=prompt_of(GIRL, use_coords=own), use_coords=general)
    assert job.characters == job.figures == (Character("girl", (0.1, 1.0) if placed else None),)


def test_a_character_without_a_place_has_none_and_half_a_place_is_the_middle() -> None:
    bare, half = {"char_caption": "boy"}, {"char_caption": "cat", "centers": [{"x": 0.3}]}
    job = settings(v4_prompt=prompt_of(bare, half, use_coords=True))
    assert job.characters == (Character("boy"), Character("cat", (0.3, 0.5)))


def test_vibes_are_as_strong_as_all_of_them_together_may_be() -> None:
    given = {"reference_image_multiple": ["AAAA", "BBBB"], "reference_strength_multiple": [0.6, -0.2]}
    assert settings(**given).vibes == (("AAAA", 0.6), ("BBBB", -0.2))
    assert settings(**given, controlnet_strength=0.5).vibes == (("AAAA", 0.3), ("BBBB", -0.1))


@pytest.mark.parametrize(("kind", "figures"), [("character", 1), ("character&style", 1), ("style", 0)])
def test_a_reference_to_somebody_puts_somebody_into_the_picture(kind: str, figures: int) -> None:
    job = settings(
        director_reference_images=["AAAA"],
        director_reference_descriptions=[{"caption": {"base_caption": kind}}],
        director_reference_strength_values=[0.8],
    )
    assert job.references == ((kind, "AAAA", 0.8),)
    assert len(job.figures) == figures
