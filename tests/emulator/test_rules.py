"""Rules for members: what each lets pass, and the words for the rest."""

from __future__ import annotations

import math

import pytest

from nai_trio.emulator.rules import PARAMETERS, broken_rule, number, text


@pytest.mark.parametrize(("value", "fits"), [(1, True), (50, True), (2.0, True), (1.5, False), (0, False), (51, False)])
def test_an_integer_in_a_range_may_be_written_as_a_whole_float(value: object, fits: bool) -> None:
    words = number(1, 50, whole=True)("steps", value)
    assert words == (None if fits else "steps must be an integer of at least 1 and at most 50")


@pytest.mark.parametrize("value", [True, "1", None, [], math.nan])
def test_what_is_no_number_does_not_fit(value: object) -> None:
    assert number(0, 1)("scale", value) == "scale must be a number of at least 0 and at most 1"
    assert number(0, math.inf)("sigma", value) == "sigma must be a number of at least 0"


def test_text_is_text() -> None:
    assert text("prompt", "") is None
    assert text("prompt", 3) == "prompt must be a string"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, None),
        ({"unknown": object()}, None),
        ({"steps": 28, "scale": 5.5, "sm": False, "sampler": "k_euler"}, None),
        ({"sampler": "euler"}, "sampler must be one of k_euler_ancestral, k_euler, "),
        ({"sampler": 3}, "sampler must be one of "),
        ({"sm": 1}, "sm must be a boolean"),
        ({"characterPrompts": {}}, "characterPrompts must be an array"),
        ({"characterPrompts": ["girl"]}, "characterPrompts[0] must be an object"),
        (
            {"characterPrompts": [{}, {"center": {"x": 2}}]},
            "characterPrompts[1].center.x must be a number of at least 0 and at most 1",
        ),
        ({"reference_image_multiple": [""] * 16}, None),
        ({"reference_image_multiple": [""] * 17}, "reference_image_multiple must have at most 16 members, got 17"),
        ({"reference_image_multiple": ["", 1]}, "reference_image_multiple[1] must be a string"),
        (
            {"v4_prompt": {"caption": {"char_captions": [{"centers": [{"y": "0"}]}]}}},
            "v4_prompt.caption.char_captions[0]",
        ),
        ({"v4_prompt": {"caption": {"base_caption": None}}}, None),
    ],
)
def test_members_of_a_request_are_judged_by_the_table(members: dict[str, object], words: str | None) -> None:
    broken = broken_rule(members, PARAMETERS)
    assert broken is None if words is None else str(broken).startswith(words)


def test_the_first_in_the_tables_order_is_told_with_its_prefix() -> None:
    rules = {"a": text, "b": text}
    assert broken_rule({"b": 1, "a": 1}, rules, "outer.") == "outer.a must be a string"
