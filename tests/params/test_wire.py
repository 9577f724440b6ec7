"""The request in JSON: what is left out, what is renamed, how numbers are written."""

from __future__ import annotations

import json

import attrs
import pytest
from asked import MASK, PNG

from nai_trio.params import ImageParams
from nai_trio.params.wire import (
    ABSENT,
    Caption,
    CharacterPrompt,
    CharCaption,
    Parameters,
    Point,
    PositivePrompt,
    Request,
    to_builtins,
)

SECONDARY = "director_reference_secondary_strength_values"


def request(**members: object) -> Request:
    """A whole request; only what a test is about is given."""
    needed = {each.name: 0 for each in attrs.fields(Parameters) if each.default is attrs.NOTHING}
    parameters = Parameters(**{**needed, "character_prompts": (), **members})
    return Request(input="cat", model="m", action="generate", use_new_shared_trial=True, parameters=parameters)


def params(**changes: object) -> ImageParams:
    return ImageParams.from_fields(**{"prompt": "1girl, solo", "seed": 1234567, **changes})


def test_a_value_a_null_and_a_member_that_is_not_sent_are_three_things() -> None:
    sent = to_builtins(request(sm=True, skip_cfg_above_sigma=None, stream=ABSENT))["parameters"]
    assert sent["sm"] is True
    assert sent["skip_cfg_above_sigma"] is None
    assert "stream" not in sent


def test_names_are_the_wires_and_objects_within_become_plain_ones() -> None:
    character = CharacterPrompt(prompt="girl", uc="", center=Point(x=0.5, y=1.0), enabled=True)
    caption = Caption(
        base_caption="cat", char_captions=(CharCaption(char_caption="girl", centers=(Point(x=0, y=0.1),)),)
    )
    sent = to_builtins(
        request(
            auto_smea=False,
            character_prompts=(character,),
            v4_prompt=PositivePrompt(caption=caption, use_coords=True, use_order=True),
        )
    )["parameters"]
    assert sent["autoSmea"] is False
    assert sent["characterPrompts"] == [{"prompt": "girl", "uc": "", "center": {"x": 0.5, "y": 1}, "enabled": True}]
    assert sent["v4_prompt"] == {
        "caption": {
            "base_caption": "cat",
            "char_captions": [{"char_caption": "girl", "centers": [{"x": 0, "y": 0.1}]}],
        },
        "use_coords": True,
        "use_order": True,
    }
    assert not {"auto_smea", "character_prompts"} & set(sent)


@pytest.mark.parametrize(("given", "written"), [(5.0, "5"), (5.5, "5.5"), (-0.0, "0"), (1e300, str(int(1e300)))])
def test_a_whole_number_is_written_as_an_integer(given: float, written: str) -> None:
    sent = to_builtins(request(scale=given))["parameters"]["scale"]
    assert json.dumps(sent) == written


def test_json_is_compact_utf8_with_whole_numbers_plain() -> None:
    body = params(prompt="猫, été", quality=False, scale=5.0, cfg_rescale=1.0).to_json()
    assert "猫, été".encode() in body
    assert b'"scale":5,' in body
    assert b'"cfg_rescale":1,' in body
    assert b": " not in body.replace(b"1girl, solo", b"")
    assert json.loads(body) == params(prompt="猫, été", quality=False, cfg_rescale=1).to_wire()


@pytest.mark.parametrize(
    ("fields", "member", "text"),
    [
        ({"scale": 5.0}, "scale", "5"),
        ({"scale": 5.5}, "scale", "5.5"),
        ({"scale": 0.1 + 0.2}, "scale", "0.30000000000000004"),
        ({"cfg_rescale": -0.0}, "cfg_rescale", "0"),
        ({"cfg_rescale": 1e-7}, "cfg_rescale", "1e-07"),
        ({"i2i": {"image": PNG, "noise": 0.0}}, "noise", "0"),
        ({"inpaint": {"image": PNG, "mask": MASK, "strength": 1.0}}, "inpaintImg2ImgStrength", "1"),
        ({"seed": 0}, "seed", "0"),
        ({"seed": 4294967295}, "seed", "4294967295"),
        *(
            ({"character_references": [{"image": PNG, "fidelity": given}]}, SECONDARY, f"[{text}]")
            for given, text in [(0.7, "0.3"), (1.0, "0"), (0, "1"), (0.29, "0.71")]
        ),
        ({"character_references": [{"image": PNG, "strength": 1.0}]}, "director_reference_strength_values", "[1]"),
    ],
)
def test_numbers_are_written_as_the_web_client_writes_them(fields: dict[str, object], member: str, text: str) -> None:
    body = ImageParams.from_fields(**{"prompt": "cat", "seed": 1, **fields}).to_json().decode()
    assert f'"{member}":{text},' in body or f'"{member}":{text}}}' in body
