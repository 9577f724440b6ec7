"""docs/differences.md says what the list says, and the comparison that the list is for sees every mistake."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import make_differences
import pytest
from compare import ABSENT, Case, Comparison, Difference, Picture, Side, readable, same
from differences import DIFFERENCES
from expected import without_repeats
from PIL import Image
from unsayable import UNSAYABLE
from wishes import PEERS, WISHES

from nai_trio.params import MODELS

SDK, NEKOAI = PEERS
CASE = Case(WISHES[0], Path())
LISTED = Difference(
    members=("parameters.flag", "parameters.items[*].size"),
    ours=Side("ours", True),
    sdk=Side("theirs", False),
    reason="Made up.",
)


def found(ours: Any, theirs: Any, peer: str = SDK) -> list[tuple[str, Any, Any, bool]]:
    comparison = Comparison(peer, [LISTED])
    return [
        (each.member, each.ours, each.theirs, each.record is LISTED)
        for each in comparison.differences(CASE, {"parameters": ours}, {"parameters": theirs})
    ]


def png(color: str, mode: str = "RGB") -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 7), color).convert(mode).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_the_page_is_what_the_list_gives() -> None:
    written = make_differences.PAGE.read_text(encoding="utf-8")
    assert written == make_differences.page(), "run: python docs/make_differences.py"


def test_no_cell_of_the_page_breaks_its_table() -> None:
    rows = [line for line in make_differences.page().splitlines() if line.startswith("|")]
    assert len(rows) > len(DIFFERENCES)
    assert {row.count("|") for row in rows} == {6}


@pytest.mark.parametrize("record", DIFFERENCES, ids=lambda record: record.members[0])
def test_every_record_has_a_peer_that_differs_and_a_reason(record: Difference) -> None:
    assert any(record.side(peer) for peer in PEERS)
    assert record.reason.endswith(".")


def test_every_wish_has_a_name_of_its_own_and_every_model_has_wishes() -> None:
    assert len({wish.name for wish in WISHES}) == len(WISHES)
    for model in MODELS:
        assert sum(wish.model == model for wish in WISHES) >= 8


def test_sixty_wishes_can_be_asked_of_each_peer() -> None:
    for peer in PEERS:
        unsaid = [wish for wish in WISHES if any(each.peer == peer and each.applies(wish) for each in UNSAYABLE)]
        assert len(WISHES) - len(unsaid) >= 60


def test_a_listed_difference_is_explained_and_equal_members_are_not_mentioned() -> None:
    assert found({"flag": True, "a": 5}, {"flag": False, "a": 5.0}) == [("parameters.flag", True, False, True)]


@pytest.mark.parametrize(
    ("ours", "theirs"), [(False, True), (True, ABSENT), (ABSENT, False), (True, 0), (1, False), (True, None)]
)
def test_other_values_than_the_listed_ones_are_not_explained(ours: Any, theirs: Any) -> None:
    sides = [{} if value is ABSENT else {"flag": value} for value in (ours, theirs)]
    assert found(*sides) == [("parameters.flag", ours, theirs, False)]


@pytest.mark.parametrize("value", [True, False, ABSENT])
def test_a_listed_difference_that_is_not_there_is_a_mistake(value: Any) -> None:
    side = {} if value is ABSENT else {"flag": value}
    assert found(side, side) == [("parameters.flag", value, value, False)]


def test_a_record_does_not_explain_what_another_peer_sends() -> None:
    assert found({"flag": True}, {"flag": False}, NEKOAI) == [("parameters.flag", True, False, False)]
    assert found({"flag": True}, {"flag": True}, NEKOAI) == []


def test_a_member_missing_on_either_side_is_a_difference() -> None:
    there = {"flag": True, "more": None}
    assert found(there, {"flag": False})[1] == ("parameters.more", None, ABSENT, False)
    assert found({"flag": True}, {**there, "flag": False})[1] == ("parameters.more", ABSENT, None, False)


def test_lists_are_compared_place_by_place_and_by_their_length() -> None:
    flag = {"flag": True}, {"flag": False}
    one = [{"size": True, "x": 1}, {"size": True, "x": 1}]
    other = [{"size": False, "x": 1}, {"size": False, "x": 2}]
    assert found({**flag[0], "items": one}, {**flag[1], "items": other})[1:] == [
        ("parameters.items[*].size", True, False, True),
        ("parameters.items[*].size", True, False, True),
        ("parameters.items[*].x", 1, 2, False),
    ]
    (_, longer) = found({**flag[0], "items": one}, {**flag[1], "items": other[:1]})
    assert longer == ("parameters.items", one, other[:1], False)


def test_true_is_not_one_and_five_is_five() -> None:
    assert same(5, 5.0)
    assert not same(1, True)
    assert not same({"a": [0]}, {"a": [False]})
    assert not same([1], [1, 2])


def test_pictures_are_equal_by_their_pixels_whatever_their_mode() -> None:
    assert readable(png("white")) == readable(png("white", "L"))
    assert readable({"a": [png("white")]}) != readable({"a": [png("ivory")]})


def test_a_format_is_part_of_a_picture_and_other_text_is_left_alone() -> None:
    image = Image.new("RGB", (8, 8), "navy")
    assert Picture.of(image, "PNG") != Picture.of(image, "JPEG")
    token = base64.b64encode(bytes(range(90))).decode()
    assert readable({"token": token, "text": "雨, " * 30}) == {"token": token, "text": "雨, " * 30}


def test_a_number_that_is_drawn_must_be_a_whole_one_in_its_range() -> None:
    drawn = Side("random", range(10))
    assert drawn.holds(CASE, 9)
    assert not any(drawn.holds(CASE, value) for value in (10, -1, 4.0, True, None, ABSENT))


def test_one_of_some_values_is_enough_where_a_side_allows_some() -> None:
    either = Side("either", lambda _case: frozenset({1, 3}))
    assert either.holds(CASE, 3)
    assert not any(either.holds(CASE, value) for value in (2, True, None, ABSENT, {}))


def test_repeated_tags_are_those_that_differ_in_case_or_spacing_only() -> None:
    assert without_repeats("rain, Rain ,1girl,, rain") == "rain, 1girl"
