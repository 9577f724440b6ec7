"""Prices, worked out by hand from the formula (wire document, section 8)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from nai_trio.emulator.cost import MAX_PRICE, anlas_cost, price
from nai_trio.emulator.settings import Settings


def job(*, model: str = "nai-diffusion-4-5-full", action: str = "generate", **parameters: Any) -> Settings:
    members = {"width": 832, "height": 1216, "steps": 28, **parameters}
    return Settings.of({"input": "cat", "model": model, "action": action, "parameters": members})


@pytest.mark.parametrize(
    ("width", "height", "steps", "anlas"),
    [(832, 1216, 28, 20), (832, 1216, 23, 17), (1024, 1024, 28, 20), (64, 64, 1, 2), (1024, 1536, 50, 50)],
)
def test_one_picture_costs_by_its_pixels_and_steps(width: int, height: int, steps: int, anlas: int) -> None:
    pixels = width * height
    by_hand = math.ceil(2.951823174884865e-6 * pixels + 5.753298233447344e-7 * pixels * steps)
    assert price(job(width=width, height=height, steps=steps)) == max(by_hand, 2) == anlas


@pytest.mark.parametrize(
    ("model", "parameters", "factor"),
    [
        ("nai-diffusion-5-full", {}, 1.5),
        ("nai-diffusion-3", {}, 1.0),
        ("nai-diffusion-3", {"sm": True}, 1.2),
        ("nai-diffusion-3", {"sm": True, "sm_dyn": True}, 1.4),
        ("nai-diffusion-3", {"sm_dyn": True}, 1.0),
        ("nai-diffusion-4-5-full", {"sm": True, "sm_dyn": True}, 1.0),
    ],
)
def test_v5_and_smea_cost_more(model: str, parameters: dict[str, Any], factor: float) -> None:
    assert price(job(model=model, **parameters)) == math.ceil(20 * factor)


@pytest.mark.parametrize(("strength", "anlas"), [(1.0, 20), (0.7, 14), (0.51, 11), (0.01, 2)])
def test_a_source_costs_its_share_and_never_below_two(strength: float, anlas: int) -> None:
    assert price(job(action="img2img", strength=strength)) == anlas


@pytest.mark.parametrize(
    ("parameters", "opus", "anlas"),
    [
        ({}, False, 20),
        ({}, True, 0),
        ({"n_samples": 4}, False, 80),
        ({"n_samples": 4}, True, 60),
        ({"steps": 29}, True, 20),
        ({"width": 1024, "height": 1024}, True, 0),
        ({"width": 1088, "height": 1024}, True, 22),
    ],
)
def test_opus_has_the_first_small_picture_for_nothing(parameters: dict[str, Any], opus: bool, anlas: int) -> None:
    assert anlas_cost(job(**parameters), opus=opus) == anlas


@pytest.mark.parametrize(("count", "extra"), [(1, 0), (4, 0), (5, 2), (16, 24)])
def test_vibes_beyond_four_cost_two_each_whatever_the_number_of_pictures(count: int, extra: int) -> None:
    vibes = {"reference_image_multiple": ["AAAA"] * count}
    assert anlas_cost(job(n_samples=2, **vibes)) == 40 + extra
    assert anlas_cost(job(model="nai-diffusion-3", **vibes)) == 20


def test_references_cost_five_for_each_picture() -> None:
    assert anlas_cost(job(n_samples=2, director_reference_images=["AAAA"] * 3)) == 40 + 5 * 3 * 2


def test_the_largest_picture_of_most_steps_is_beyond_what_the_service_sells() -> None:
    assert price(job(model="nai-diffusion-5-full", width=2048, height=1536, steps=50)) > MAX_PRICE
