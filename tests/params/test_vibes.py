"""Vibes: how many, how strong, and those that the service has encoded before (wire document, section 3.3)."""

from __future__ import annotations

import pytest
from asked import VIBE, refused

from nai_trio.errors import InvalidParamsError
from nai_trio.params import ControlNet, EncodedVibe, ImageParams, Vibe


@pytest.mark.parametrize(("count", "taken"), [(0, False), (1, True), (16, True), (17, False)])
def test_vibes_number_one_to_sixteen(count: int, taken: bool) -> None:
    if taken:
        params = ImageParams.from_fields(prompt="cat", controlnet={"images": [VIBE] * count})
        assert len(params.controlnet.images) == count
    else:
        assert refused(controlnet={"images": [VIBE] * count}).allowed == "1 to 16 vibes"


def test_an_encoded_vibe_stands_for_a_vibe_with_its_extraction() -> None:
    vibe = EncodedVibe(token=b"token", encoding="v4full", information_extracted=0.4)
    assert ControlNet([vibe]).images == (Vibe(vibe, information_extracted=0.4),)
    assert "token=<5 bytes>" in repr(vibe)


@pytest.mark.parametrize(
    "fields", [{"token": b""}, {"token": "text"}, {"encoding": ""}, {"information_extracted": 0}, {"image_id": 3}]
)
def test_an_encoded_vibe_is_checked(fields: dict[str, object]) -> None:
    good = {"token": b"x", "encoding": "v4full", "information_extracted": 1}
    with pytest.raises(InvalidParamsError) as caught:
        EncodedVibe(**{**good, **fields})
    assert [caught.value.field] == list(fields)


@pytest.mark.parametrize(
    ("strengths", "sent"),
    [
        ([0.6], (0.6,)),
        ([0.5, 0.5], (0.5, 0.5)),
        ([0.6, 0.6], (0.5, 0.5)),
        ([0.5, 0.52], (0.5 / 1.02, 0.52 / 1.02)),
        ([1, -1], (0.5, -0.5)),
        ([1, 1, 1, 1], (0.25,) * 4),
        ([0, 0], (0, 0)),
    ],
)
def test_strengths_that_add_up_to_more_than_one_are_divided(strengths: list[float], sent: tuple[float, ...]) -> None:
    vibes = [{**VIBE, "strength": each} for each in strengths]
    assert ControlNet.from_fields(images=vibes).strengths == sent
    assert ControlNet.from_fields(images=vibes, normalize=False).strengths == tuple(strengths)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"strength": 1.01}, "expected a number from -1 to 1, got 1.01"),
        ({"strength": -1.01}, "expected a number from -1 to 1, got -1.01"),
        ({"information_extracted": 0}, "expected a number from 0.01 to 1, got 0"),
    ],
)
def test_what_a_vibe_cannot_be_is_refused_with_its_place(fields: dict[str, object], message: str) -> None:
    (name,) = fields
    error = refused(controlnet={"images": [{**VIBE, **fields}]})
    assert str(error) == f"controlnet.images[0].{name}: {message}"
