from __future__ import annotations

import struct

import pytest

from nai_trio.emulator.sigmas import sigmas

CAPTURED = (
    *(20000, 113.9, 81.93, 57.87, 41.31, 29.04, 22.65, 17.49, 13.63, 10.53, 8.187, 6.322, 4.901, 3.780, 2.921, 2.261),
    *(1.742, 1.345, 1.036, 0.7986, 0.5548, 0.3121),
)
"""Wire document, section 10: the previews of 23 karras steps, four digits each."""


def test_23_karras_steps_are_the_captured_ones_to_the_last_digit() -> None:
    levels = sigmas(23)
    assert len(levels) == 23
    assert list(levels[:-1]) == pytest.approx(CAPTURED, rel=5e-4)
    assert levels[1] == pytest.approx(113.89996337890625, rel=1e-6)


@pytest.mark.parametrize("schedule", ["karras", "exponential", "polyexponential", "native"])
@pytest.mark.parametrize("steps", [1, 2, 3, 23, 28, 50])
def test_every_schedule_starts_at_20000_and_never_rises(schedule: str, steps: int) -> None:
    levels = sigmas(steps, schedule)
    assert len(levels) == steps
    assert levels[0] == 20000
    assert list(levels) == sorted(levels, reverse=True)
    assert levels[-1] > 0


def test_schedules_differ() -> None:
    assert len({sigmas(28, name) for name in ("karras", "exponential", "native")}) == 3


def test_every_level_is_a_widened_32_bit_float() -> None:
    for level in sigmas(50):
        assert struct.unpack("<f", struct.pack("<f", level))[0] == level
