"""Character references (wire document, section 3.4)."""

from __future__ import annotations

import pytest
from asked import PNG, refused

from nai_trio.params import CharacterReference
from nai_trio.params.references import canvas_size


@pytest.mark.parametrize(
    ("size", "canvas"),
    [
        ((799, 1000), (1024, 1536)),
        ((800, 1000), (1472, 1472)),
        ((1000, 1000), (1472, 1472)),
        ((1250, 1000), (1472, 1472)),
        ((1251, 1000), (1536, 1024)),
    ],
)
def test_a_reference_gets_the_canvas_of_its_shape(size: tuple[int, int], canvas: tuple[int, int]) -> None:
    assert canvas_size(*size) == canvas


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "pose"}, "expected one of character, style, character&style, got 'pose'"),
        ({"fidelity": 1.01}, "expected a number from 0 to 1, got 1.01"),
        ({"fidelity": True}, "expected a number from 0 to 1, got True"),
        ({"strength": -0.01}, "expected a number from 0 to 1, got -0.01"),
    ],
)
def test_what_a_reference_cannot_be_is_refused_with_its_place(fields: dict[str, object], message: str) -> None:
    (name,) = fields
    error = refused(character_references=[{"image": PNG}, {"image": PNG, **fields}])
    assert str(error) == f"character_references[1].{name}: {message}"


def test_a_reference_is_for_the_whole_of_somebody_unless_told_otherwise() -> None:
    reference = CharacterReference(PNG)
    assert (reference.type, reference.fidelity, reference.strength) == ("character&style", 1, 1)
