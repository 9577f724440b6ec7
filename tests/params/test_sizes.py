"""Sizes: the presets, the grid, the area, how many samples fit, and the size taken from a source."""

from __future__ import annotations

import pytest
from asked import kept, refused
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.params import SIZES, ImageParams
from nai_trio.params.sizes import dimensions, size_for_source


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ((832, 1216), (832, 1216)),
        ((1024, 1024), (1024, 1024)),
        ((900, 700), (896, 704)),
        ((1, 1), (64, 64)),
        ((20, 500), (64, 512)),
        ((4000, 3000), (1152, 896)),
        ((1664, 2432), (832, 1216)),
        ((8192, 64), (8192, 64)),
        ((60_000, 10), (16_384, 64)),
    ],
)
def test_a_size_follows_the_source(source: tuple[int, int], size: tuple[int, int]) -> None:
    assert size_for_source(*source) == size


@given(st.integers(1, 8192), st.integers(1, 8192))
def test_any_source_gets_a_size_that_is_taken(width: int, height: int) -> None:
    size = size_for_source(width, height)
    assert ImageParams("cat", size=size).size == size
    assert size[0] * size[1] <= 1_048_576
    if width * height <= 1_048_576 and width % 64 == height % 64 == 0:
        assert size == (width, height)


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


def test_size_presets_are_on_the_grid_and_within_the_area() -> None:
    assert len(SIZES) == 11
    assert all(w % 64 == h % 64 == 0 and w * h <= 3_145_728 for w, h in SIZES.values())


_SIDES = "width and height as multiples of 64 from 64 to 49152"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((832,), "a preset's name, or (width, height) in pixels"),
        ((832, 1216, 1), "a preset's name, or (width, height) in pixels"),
        (832, "a preset's name, or (width, height) in pixels"),
        ((832, 1217), _SIDES),
        ((0, 1216), _SIDES),
        ((64, 49216), _SIDES),
        ((832.0, 1216), _SIDES),
        ((True, 64), _SIDES),
        ((2048, 1600), "at most 3145728 pixels, width times height"),
    ],
)
def test_what_is_no_size_is_refused_in_plain_words(size: object, expected: str) -> None:
    assert str(refused(size=size)) == f"size: expected {expected}, got {size!r}"


@pytest.mark.parametrize("size", [(64, 49152), (49152, 64), (2048, 1536), "wallpaper_portrait"])
def test_the_largest_sizes_are_taken(size: object) -> None:
    assert kept("size", size) == size


def test_a_misspelt_preset_is_answered_with_the_closest() -> None:
    error = refused(size="potrait")
    assert error.allowed.startswith("one of small_portrait, ")
    assert "(did you mean 'portrait'?)" in str(error)


@pytest.mark.parametrize("name", SIZES)
def test_a_preset_stands_for_its_pixels(name: str) -> None:
    assert dimensions(name) == SIZES[name]
    assert dimensions((832, 64)) == (832, 64)
    params = ImageParams("cat", size=name)
    assert (params.width, params.height) == SIZES[name]
