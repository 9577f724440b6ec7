"""Figures: what a caption says of somebody, and that it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from nai_trio.emulator.figures import draw_figure, look_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Body = Callable[..., dict[str, Any]]
    WithCharacters = Callable[..., None]


@pytest.mark.parametrize(
    ("caption", "part", "colour"),
    [
        ("girl, red hair", "hair", (196, 48, 52)),
        ("girl, LONG SILVER HAIR", "hair", (198, 204, 216)),
        ("boy, blue winter coat", "coat", (62, 104, 200)),
        ("woman in a black evening dress", "coat", (42, 38, 48)),
        ("girl, green eyes", "eyes", (64, 142, 84)),
    ],
)
def test_named_colours_are_taken(caption: str, part: str, colour: tuple[int, int, int]) -> None:
    for seed in range(5):
        assert getattr(look_of(caption, seed), part) == colour


def test_what_a_caption_leaves_open_follows_from_it_and_the_seed() -> None:
    assert look_of("girl", 1) == look_of("girl", 1)
    assert len({look_of("girl", seed) for seed in range(12)}) > 6
    assert not look_of("boy", 1).long_hair
    assert look_of("girl", 1).long_hair
    assert not look_of("girl, short hair", 1).long_hair
    assert look_of("cat ears", 1).ears


@pytest.mark.parametrize("height", [1, 5, 20, 60.5, 600])
def test_a_figure_has_any_height(height: float) -> None:
    tile = draw_figure(height, look_of("girl", 1))
    assert tile.mode == "RGBA"
    assert tile.height >= height
    assert tile.getchannel("A").getextrema()[1] > 0  # type: ignore[operator]


@pytest.mark.parametrize("words", ["cat ears", "fox girl", "catgirl", "wolf boy"])
def test_ears_of_animals_stand_above_the_hair(words: str) -> None:
    bare = look_of("girl", 1)
    assert look_of(words, 1).ears
    tops = [draw_figure(300, look).getchannel("A").getbbox() for look in (bare, attrs.evolve(bare, ears=True))]
    assert None not in tops
    assert tops[1][1] < tops[0][1]  # type: ignore[index]


@pytest.mark.parametrize("other", [{"long_hair": False}, {"skirt": False}, {"ears": True}, {"eyes": (200, 40, 40)}])
def test_everything_a_look_has_shows_in_the_figure(other: dict[str, object]) -> None:
    look = look_of("girl, long hair", 1)
    assert draw_figure(200, look).tobytes() != draw_figure(200, attrs.evolve(look, **other)).tobytes()


def test_skin_and_the_colour_a_vibe_leans_to_are_taken() -> None:
    assert look_of("girl, dark skin", 1).skin == (150, 102, 74)
    plain, leaning = look_of("girl, blue coat", 1).coat, look_of("girl, blue coat", 1, coat=((255, 0, 0), 1.0)).coat
    assert leaning == (255, 0, 0) != plain
