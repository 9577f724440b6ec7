"""Colours, and how prompt and seed choose among them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.emulator.palettes import Palette, choose, mix

COLOUR = st.tuples(*[st.integers(0, 255)] * 3)


def chosen(prompt: str) -> tuple[list[Palette], set[str]]:
    """All palettes and places that fifty seeds give."""
    pairs = [choose(random.Random(seed), prompt) for seed in range(50)]
    palettes = [
        palette for index, (palette, _) in enumerate(pairs) if palette not in [each for each, _ in pairs[:index]]
    ]
    return palettes, {place for _, place in pairs}


@pytest.mark.parametrize(
    ("words", "count"),
    [("polar light", 1), ("a starry sky", 2), ("SUNSET", 2), ("at dawn", 2), ("golden hour", 1), ("summer", 2)],
)
def test_words_for_an_hour_choose_its_palettes(words: str, count: int) -> None:
    assert len(chosen(f"1girl, {words}")[0]) == count


@pytest.mark.parametrize(
    ("words", "place"), [("ships", "sea"), ("tokyo", "city"), ("river", "lake"), ("pine trees", "mountains")]
)
def test_words_for_a_place_choose_it(words: str, place: str) -> None:
    assert chosen(words)[1] == {place}


def test_without_such_words_the_seed_chooses_among_all() -> None:
    palettes, places = chosen("1girl, seaside clothes, nightgown")
    assert len(palettes) == 8
    assert places == {"mountains", "lake", "sea", "city"}


def test_northern_lights_hang_where_they_are_asked_for() -> None:
    assert all(palette.aurora and palette.stars == 1 for palette in chosen("northern lights")[0])


def test_the_same_seed_chooses_the_same() -> None:
    assert choose(random.Random(3), "cat") == choose(random.Random(3), "cat")


@given(COLOUR, COLOUR, st.floats(0, 1))
def test_a_mixed_colour_lies_between_the_two(one: tuple[int, ...], other: tuple[int, ...], share: float) -> None:
    assert (mix(one, other, 0), mix(one, other, 1)) == (one, other)
    for low, middle, high in zip(one, mix(one, other, share), other, strict=True):
        assert min(low, high) <= middle <= max(low, high)
