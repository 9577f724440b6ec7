"""Characters and where they stand (wire document, section 2.5)."""

from __future__ import annotations

import pytest

from nai_trio.errors import InvalidParamsError
from nai_trio.params import Character, ImageParams


def centers(model: str, *positions: object) -> list[tuple[float, float]]:
    characters = [Character("girl", position=each) for each in positions]
    params = ImageParams.from_fields(prompt="cat", model=model, characters=characters)
    wire = params.to_wire()["parameters"]
    listed = [each["center"] for each in wire["characterPrompts"]]
    for prompt in ("v4_prompt", "v4_negative_prompt"):
        captions = wire[prompt]["caption"]["char_captions"]
        assert [each["centers"] for each in captions] == [[center] for center in listed]
    return [(center["x"], center["y"]) for center in listed]


@pytest.mark.parametrize(
    ("name", "center"),
    [
        ("A1", (0.1, 0.1)),
        ("E1", (0.9, 0.1)),
        ("A5", (0.1, 0.9)),
        ("C3", (0.5, 0.5)),
        ("B4", (0.3, 0.7)),
        ("b4", (0.3, 0.7)),
    ],
)
def test_cell_names_have_the_column_first(name: str, center: tuple[float, float]) -> None:
    assert centers("nai-diffusion-4-5-full", name) == [center]
    assert centers("nai-diffusion-5-full", name) == [center]
    assert Character("girl", position=name).center == center


@pytest.mark.parametrize("model", ["nai-diffusion-4-full", "nai-diffusion-4-5-curated"])
@pytest.mark.parametrize(
    ("value", "snapped"),
    [
        (0, 0.1),
        (0.199, 0.1),
        (0.2, 0.3),
        (0.45, 0.5),
        (0.6, 0.7),
        (0.79, 0.7),
        (0.8, 0.9),
        (1, 0.9),
        (1.0, 0.9),
    ],
)
def test_v4_snaps_to_the_grid(model: str, value: float, snapped: float) -> None:
    assert centers(model, (value, 0.5), (0.5, value)) == [(snapped, 0.5), (0.5, snapped)]


def test_v5_stands_anywhere_to_three_decimals() -> None:
    wanted = [(0.123, 0.988), (0, 1)]
    assert centers("nai-diffusion-5-full", (0.12345, 0.98765), (0, 1)) == wanted


def test_without_a_position_a_character_is_in_the_middle() -> None:
    assert centers("nai-diffusion-4-5-full", None, "A1") == [(0.5, 0.5), (0.1, 0.1)]
    assert Character("girl").center == (0.5, 0.5)


@pytest.mark.parametrize(
    "position",
    [
        *("F1", "A6", "A0", "", "AA", "11", 0.5, True, b"C3", {"x": 0.5, "y": 0.5}),
        *((0.5,), (0.5, 0.5, 0.5), (-0.01, 0.5), (0.5, 1.01), (True, 0.5), ("0.5", 0.5), ([], {})),
        (float("nan"), 0.5),
    ],
)
def test_positions_off_the_picture_are_refused(position: object) -> None:
    with pytest.raises(InvalidParamsError, match=r'^position: expected None, .* "A1" to "E5", got ') as caught:
        Character("girl", position=position)
    assert caught.value.field == "position"


@pytest.mark.parametrize("position", [(0, 0), (1, 1), [0.25, 0.75], "E5"])
def test_positions_at_the_edges_are_kept(position: object) -> None:
    kept = Character("girl", position=position).position
    assert kept == (tuple(position) if isinstance(position, list) else position)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("prompt", None, "prompt: expected text, got None"),
        ("prompt", "\ud800", "is half a surrogate pair"),
        ("negative_prompt", 1, "negative_prompt: expected text, got 1"),
        ("enabled", 1, "enabled: expected True or False, got 1"),
    ],
)
def test_wrong_character_fields_are_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(InvalidParamsError, match=message):
        Character.from_fields(**{"prompt": "girl", field: value})


def test_dicts_and_lists_become_characters_in_a_tuple() -> None:
    given = [{"prompt": "girl", "position": [0.1, 0.9]}, Character("boy", enabled=False)]
    params = ImageParams("cat", characters=given)
    assert params.characters == (
        Character("girl", position=(0.1, 0.9)),
        Character("boy", enabled=False),
    )
    assert hash(params) == hash(params.replace())


@pytest.mark.parametrize(
    ("characters", "message"),
    [
        ("girl", "characters: expected a list or tuple of Character, got 'girl'"),
        (Character("girl"), "characters: expected a list or tuple of Character, got Character"),
        (None, "characters: expected a list or tuple of Character, got None"),
        (["girl"], r"characters\[0\]: expected a Character, or a mapping of its fields, got 'girl'"),
        ([{1: 2}], r"characters\[0\]: expected a Character, or a mapping of its fields, got \{1: 2\}"),
        ([{}], r"characters\[0\].prompt: expected text, got None"),
        (
            [{"prompt": "a"}, {"prompt": "b", "position": "Z9"}],
            r"characters\[1\].position: expected None, \(x, y\) .*, got 'Z9'",
        ),
        (
            [{"prompt": "a", "postion": "A1"}],
            r"characters\[0\].postion: expected a field of Character \(did you mean 'position'\?\)",
        ),
        ([{"cls": 1}], r"characters\[0\].cls: expected a field of Character: prompt, negative_prompt, "),
    ],
)
def test_wrong_characters_are_refused_with_their_place(characters: object, message: str) -> None:
    with pytest.raises(InvalidParamsError, match=f"^{message}"):
        ImageParams("cat", characters=characters)
