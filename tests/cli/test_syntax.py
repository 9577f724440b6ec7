"""The small syntaxes: what they read, and that any text is a value or a clear error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.cli.syntax import read_character, read_reference, read_size, read_vibe
from nai_trio.errors import InvalidParamsError
from nai_trio.params import Character

if TYPE_CHECKING:
    from collections.abc import Callable

CHARACTERS = [
    ("girl, red hair", {"prompt": "girl, red hair"}),
    ("girl @ B3", {"prompt": "girl", "position": "B3"}),
    ("girl ! hat", {"prompt": "girl", "negative_prompt": "hat"}),
    (
        "girl, red hair @ B3 ! hat, gloves",
        {"prompt": "girl, red hair", "position": "B3", "negative_prompt": "hat, gloves"},
    ),
    ("girl ! hat @ B3", {"prompt": "girl", "position": "B3", "negative_prompt": "hat"}),
    ("girl @ 0.25,0.5", {"prompt": "girl", "position": (0.25, 0.5)}),
    ("girl @  0 , 1  ! hat", {"prompt": "girl", "position": (0.0, 1.0), "negative_prompt": "hat"}),
    ("girl\n@\nB3", {"prompt": "girl", "position": "B3"}),
    ("girl, @_@, wow!, a@b, !", {"prompt": "girl, @_@, wow!, a@b, !"}),
    ("@ B3", {"prompt": "@ B3"}),
    (" @ B3", {"prompt": "", "position": "B3"}),
    ("girl @ ", {"prompt": "girl", "position": ""}),
    ("girl @ 1,2,3", {"prompt": "girl", "position": "1,2,3"}),
    ("", {"prompt": ""}),
]


@pytest.mark.parametrize(("text", "fields"), CHARACTERS)
def test_a_character_is_a_prompt_and_what_follows_marks_between_blanks(text: str, fields: dict[str, Any]) -> None:
    assert read_character(text) == fields


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("girl @ B3 @ C3", "expected ' @ ' at most once, got 'girl @ B3 @ C3'"),
        ("girl ! hat ! cap", "expected ' ! ' at most once, got 'girl ! hat ! cap'"),
        ("girl @ left,top", "x: expected a number, got 'left'"),
        ("girl @ 0.5,B", "y: expected a number, got 'B'"),
    ],
)
def test_a_character_that_cannot_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        read_character(text)
    assert str(caught.value) == words


VIBES = [
    ("a.png", {"image": "a.png"}),
    ("a.png,strength=0.5", {"image": "a.png", "strength": 0.5}),
    ("a.png,extracted=1,strength=-.5", {"image": "a.png", "strength": -0.5, "information_extracted": 1.0}),
    ("a.png , strength = 0.5 ", {"image": "a.png ", "strength": 0.5}),
    ("red, blue.png,strength=1e-1", {"image": "red, blue.png", "strength": 0.1}),
    ("strength=1,a.png", {"image": "strength=1,a.png"}),
    ("a,b=c/d.png,e.png", {"image": "a,b=c/d.png,e.png"}),
    ("a.png,", {"image": "a.png,"}),
    ("dir=1/a.png", {"image": "dir=1/a.png"}),
    ("strength=1", {"image": "strength=1"}),
]


@pytest.mark.parametrize(("text", "fields"), VIBES)
def test_a_vibe_is_a_file_and_options_from_the_right(text: str, fields: dict[str, Any]) -> None:
    assert read_vibe(text) == fields


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (read_vibe, "a.png,strenght=1", "expected an option that exists (did you mean 'strength'?), got 'strenght'"),
        (read_vibe, "a.png,x=1", "expected an option that exists (strength, extracted), got 'x'"),
        (read_vibe, "a.png,fidelity=1", "expected an option that exists (strength, extracted), got 'fidelity'"),
        (read_vibe, "a.png,strength=much", "strength: expected a number, got 'much'"),
        (read_vibe, "a.png,strength=", "strength: expected a number, got ''"),
        (read_vibe, "a.png,strength=1,strength=1", "expected strength at most once, got 'a.png,strength=1'"),
        (read_vibe, "", "expected a file's name, got none"),
        (read_vibe, " ,strength=1", "expected a file's name, got none"),
        (read_reference, ",type=style", "expected a file's name, got none"),
        (read_reference, "a.png,fidelity=x", "fidelity: expected a number, got 'x'"),
    ],
)
def test_options_that_cannot_be_read_are_refused(read: Callable[[str], Any], text: str, words: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        read(text)
    assert str(caught.value) == words


def test_a_reference_has_a_type_too() -> None:
    assert read_reference("a.png,type=character&style,fidelity=0.5,strength=1") == {
        "image": "a.png", "type": "character&style", "fidelity": 0.5, "strength": 1.0,
    }  # fmt: skip
    assert read_reference("a.png,type= any, thing") == {"image": "a.png,type= any, thing"}


# Text that is likely to hit the rules, and text that is not.
pieces = st.sampled_from(
    ["girl", " @ ", " ! ", "@", "!", "B3", "0.5,0.5", ",", "=", "strength", ",strength=", "1", "nan", "1e999", "a.png"]
)
texts = st.text() | st.lists(pieces, max_size=8).map("".join)


@given(texts)
def test_any_text_is_a_character_or_a_clear_error(text: str) -> None:
    try:
        fields = read_character(text)
    except ValueError as error:
        assert "expected" in str(error)
        return
    assert set(fields) <= {"prompt", "negative_prompt", "position"}
    try:
        assert Character(**fields).prompt == fields["prompt"]
    except InvalidParamsError as error:
        assert error.field in fields


@given(texts, st.sampled_from([read_vibe, read_reference]))
def test_any_text_is_a_file_with_options_or_a_clear_error(text: str, read: Callable[[str], dict[str, Any]]) -> None:
    try:
        fields = read(text)
    except ValueError as error:
        assert "expected" in str(error)
        return
    assert text.startswith(fields["image"])
    assert fields["image"].strip()
    assert set(fields) <= {"image", "strength", "information_extracted", "type", "fidelity"}


@given(texts)
def test_any_text_is_read_as_a_size(text: str) -> None:
    size = read_size(text)
    assert isinstance(size, str) or (len(size) == 2 and all(0 <= side <= 999_999 for side in size))


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(["girl", "a, b", "@_@ wow!"]))
def test_every_place_and_prompt_comes_back(x: float, y: float, prompt: str) -> None:
    assert read_character(f"{prompt} @ {x!r},{y!r} ! hat") == {
        "prompt": prompt, "position": (x, y), "negative_prompt": "hat",
    }  # fmt: skip
