"""Plain progress, and none."""

from __future__ import annotations

import pytest

from nai_trio.cli.display import PlainDisplay, QuietDisplay, sigma_text
from nai_trio.cli.streams import Streams
from nai_trio.protocol.chunks import IntermediateChunk

JPEG = b"\xff\xd8\xff\xe0rest"


def preview(step_ix: int, samp_ix: int = 0, steps: int = 8) -> IntermediateChunk:
    return IntermediateChunk(samp_ix=samp_ix, step_ix=step_ix, steps=steps, gen_id=5, sigma=113.9, image=JPEG)


def test_plain_progress_is_a_line_per_quarter_and_sample(capsys: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay(Streams(), labels=["a_0.png", "a_1.png"], steps=28)
    with display:
        for step in range(27):
            display.step(preview(step, 0, 28))
        display.step(preview(6, 1, 28))
        display.notice("once\nmore")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "nai-trio: a_0.png: step 7/28, sigma 113.9",
        "nai-trio: a_0.png: step 14/28, sigma 113.9",
        "nai-trio: a_0.png: step 21/28, sigma 113.9",
        "nai-trio: a_1.png: step 7/28, sigma 113.9",
        "nai-trio: once more",
    ]


def test_plain_progress_bears_steps_beyond_those_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay(Streams(), labels=["a.png"], steps=1)
    display.step(preview(40, 0, 1))
    assert "a.png: step 41/1" in capsys.readouterr().err


def test_quiet_progress_shows_notices_alone(capsys: pytest.CaptureFixture[str]) -> None:
    display = QuietDisplay(Streams())
    display.step(preview(3))
    display.done(0)
    display.notice("starts over")
    assert capsys.readouterr() == ("", "nai-trio: starts over\n")


@pytest.mark.parametrize(("sigma", "text"), [(20000.0, "20000"), (113.89996, "113.9"), (0.3121, "0.3121"), (0, "0")])
def test_sigmas_are_shown_as_people_read_them(sigma: float, text: str) -> None:
    assert sigma_text(sigma) == text
