"""Characters as they are painted: found by comparing a picture with the same request without them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from nai_trio.emulator import Generation
from nai_trio.emulator.crowd import draw_crowd, label_text, places_of
from nai_trio.emulator.settings import Character

if TYPE_CHECKING:
    from collections.abc import Callable

    Body = Callable[..., dict[str, Any]]
    WithCharacters = Callable[..., None]

SIZE = (256, 320)
LARGE = {"width": SIZE[0], "height": SIZE[1], "steps": 2}


def final(request: dict[str, Any]) -> Image.Image:
    (event,) = Generation(request).finals()
    image = event["image"]
    assert isinstance(image, bytes)
    return Image.open(io.BytesIO(image)).convert("RGB")


def changed(one: Image.Image, other: Image.Image) -> Image.Image:
    """White where two pictures differ clearly; their grain is the same."""
    return ImageChops.difference(one, other).convert("L").point(lambda value: 255 if value > 24 else 0)


def middle(area: Image.Image) -> tuple[float, float]:
    """The centre of the white area's box, as shares of the sides."""
    box = area.getbbox()
    assert box is not None
    return (box[0] + box[2]) / 2 / area.width, (box[1] + box[3]) / 2 / area.height


@pytest.mark.parametrize("place", [(0.3, 0.5), (0.7, 0.3), (0.5, 0.7), (0.123, 0.456)])
@pytest.mark.parametrize("model", ["nai-diffusion-4-5-full", "nai-diffusion-4-full", "nai-diffusion-5-full"])
def test_a_character_stands_where_it_was_placed(
    request_body: Body, with_characters: WithCharacters, place: tuple[float, float], model: str
) -> None:
    empty = request_body(**LARGE) | {"model": model}
    peopled = request_body(**LARGE) | {"model": model}
    with_characters(peopled, ("girl, red hair", *place))
    area = changed(final(empty), final(peopled))
    # The label under the figure draws the middle of it all down a little.
    assert middle(area) == pytest.approx(place, abs=0.06)
    assert area.getpixel((round(place[0] * SIZE[0]), round(place[1] * SIZE[1]))) == 255


def test_two_characters_stand_apart_each_in_the_colours_of_their_caption(
    request_body: Body, with_characters: WithCharacters
) -> None:
    request = request_body(**LARGE)
    with_characters(request, ("girl, white dress", 0.25, 0.5), ("boy, black coat", 0.75, 0.5))
    picture = final(request).resize((64, 80), Image.Resampling.BOX)
    light, dark = (picture.convert("L").getpixel((round(64 * x), 38)) for x in (0.25 + 0.02, 0.75 + 0.02))
    assert isinstance(light, int)
    assert isinstance(dark, int)
    assert light > 180
    assert dark < 80


def test_without_coordinates_the_service_chooses_and_centers_do_not_count(
    request_body: Body, with_characters: WithCharacters
) -> None:
    one, other = request_body(**LARGE), request_body(**LARGE)
    with_characters(one, ("girl", 0.1, 0.1), use_coords=False)
    with_characters(other, ("girl", 0.9, 0.9), use_coords=False)
    assert final(one).tobytes() == final(other).tobytes()
    assert middle(changed(final(request_body(**LARGE)), final(one))) == pytest.approx((0.5, 0.5), abs=0.06)


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 32])
@pytest.mark.parametrize("size", [(832, 1216), (1216, 832), (1024, 1024), (64, 64)])
def test_places_of_the_services_choice_are_apart_and_balanced(count: int, size: tuple[int, int]) -> None:
    places = places_of(size, count)
    assert len(set(places)) == count
    assert all(0 < x < 1 and 0 < y < 1 for x, y in places)
    assert sum(x for x, _ in places) / count == pytest.approx(0.5)
    rows = [sum(y == row for _, y in places) for row in {y for _, y in places}]
    assert max(rows) - min(rows) <= 1


def test_nobody_needs_no_place() -> None:
    assert places_of((64, 64), 0) == []
    assert draw_crowd((64, 64), [], 1).getbbox() is None


def test_disabled_characters_are_not_in_the_captions_and_not_in_the_picture(request_body: Body) -> None:
    disabled = {"prompt": "girl", "uc": "", "center": {"x": 0.5, "y": 0.5}, "enabled": False}
    assert final(request_body(characterPrompts=[disabled])).tobytes() == final(request_body()).tobytes()


def test_v3_does_not_read_characters(request_body: Body) -> None:
    character = {"prompt": "girl", "uc": "", "center": {"x": 0.5, "y": 0.5}, "enabled": True}
    plain = request_body(v4_prompt=None) | {"model": "nai-diffusion-3"}
    with_one = request_body(v4_prompt=None, characterPrompts=[character]) | {"model": "nai-diffusion-3"}
    assert final(plain).tobytes() == final(with_one).tobytes()


def test_a_label_is_written_under_the_figure(request_body: Body, with_characters: WithCharacters) -> None:
    pictures = []
    for caption in ("girl, red hair, blue coat", "girl, red hair, blue coat, ", "woman, red hair, blue coat"):
        request = request_body(width=512, height=512)
        with_characters(request, (caption, 0.5, 0.4))
        pictures.append(final(request))
    same, other = (changed(pictures[0], picture).getbbox() for picture in pictures[1:])
    plate = pictures[0].crop((200, 384, 312, 404))
    darkest, brightest = plate.convert("L").getextrema()
    assert isinstance(darkest, float | int)
    assert isinstance(brightest, float | int)
    assert darkest < 70
    assert brightest > 200
    assert other is not None
    assert same is None or same[1] < other[3]


@pytest.mark.parametrize(
    ("caption", "label"),
    [
        ("girl, red hair", "girl, red hair"),
        ("girl, red hair, blue coat, standing on a hill", "girl, red hair, blue coat"),
        ("a description that has no comma for a long while", "a description that has no co"),
        ("  girl ,, red\nhair ,", "girl, red hair"),
        ("caf\u00e9 \u2014 na\u00efve", "cafe ? naive"),
        ("\u5973\u306e\u5b50", "character 3"),
        ("", "character 3"),
        ("\ud800\U0001f600", "character 3"),
    ],
)
def test_labels_are_a_short_legible_start(caption: str, label: str) -> None:
    assert label_text(caption, 2) == label


@given(st.text(), st.integers(0, 31))
def test_any_caption_has_a_label_the_font_can_write(caption: str, index: int) -> None:
    label = label_text(caption, index)
    assert 0 < len(label) <= 28
    assert label.isascii()
    assert label.isprintable()


@given(
    size=st.tuples(st.integers(64, 200), st.integers(64, 200)),
    characters=st.lists(
        st.builds(
            Character, st.text(max_size=12), st.none() | st.tuples(st.floats(0, 1), st.floats(0, 1))
        ),
        min_size=1, max_size=32,
    ),
)  # fmt: skip
def test_any_crowd_fits_any_canvas(size: tuple[int, int], characters: list[Character]) -> None:
    layer = draw_crowd(size, characters, 1)
    assert layer.size == size
    assert layer.getbbox() is not None


@pytest.mark.parametrize("x", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("y", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_on_every_cell_of_the_grid_a_figure_is_within_the_picture(x: float, y: float) -> None:
    layer = draw_crowd((416, 608), [Character("", (x, y))], 1)
    edge = 2
    inner = layer.getchannel("A").point(lambda value: 255 if value > 250 else 0).getbbox()
    assert inner is not None
    assert inner[0] >= edge
    assert inner[1] >= edge
    assert inner[2] <= 416 - edge


def test_characters_work_at_the_smallest_size(request_body: Body, with_characters: WithCharacters) -> None:
    request = request_body()
    with_characters(request, *[("girl", 0.1 + 0.15 * index, 0.5) for index in range(6)])
    assert changed(final(request_body()), final(request)).getbbox() is not None


def test_32_characters_work_on_v5_and_33_do_not(request_body: Body, with_characters: WithCharacters) -> None:
    request = request_body(**LARGE) | {"model": "nai-diffusion-5-full"}
    with_characters(request, *[("girl", 0.5, 0.5)] * 32)
    assert [event["event_type"] for event in Generation(request).finals()] == ["final"]
