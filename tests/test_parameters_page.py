"""docs/parameters.md says what the data says that validates."""

from __future__ import annotations

import attrs
import make_parameters

from nai_trio.params import ImageParams


def test_the_page_is_what_the_data_gives() -> None:
    written = make_parameters.PAGE.read_text(encoding="utf-8")
    assert written == make_parameters.page(), "run: python docs/make_parameters.py"


def test_every_field_of_every_record_has_a_range_or_a_type_of_its_own_and_a_meaning() -> None:
    rows = [line.split(" | ") for line in make_parameters.page().splitlines() if line.startswith("| `")]
    named = {row[0].strip("| `"): row for row in rows}
    for record in (ImageParams, *make_parameters.RECORDS):
        for field in attrs.fields(record):
            assert named[field.name][-1].strip("| ")
            assert named[field.name][1]
