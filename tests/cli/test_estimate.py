"""`--estimate`: the price, without key and output."""

from __future__ import annotations

import json

import pytest

from nai_trio.cli import main
from nai_trio.params import ImageParams


def test_an_estimate_needs_no_key_and_no_output(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOVELAI_API_KEY", raising=False)
    monkeypatch.setenv("NOVELAI_IMAGE_BASE", "http://127.0.0.1:9")
    assert main(["generate", "1girl", "--estimate", "--n-samples", "2"]) == 0
    out, err = capfd.readouterr()
    estimate = ImageParams("1girl", n_samples=2).estimate_anlas()
    assert out.splitlines()[0] == f"{int(estimate)} Anlas: 2 pictures at 17"
    assert out.splitlines()[1:] == [f"  caveat: {caveat}" for caveat in estimate.caveats]
    assert err == ""


def test_an_estimate_as_json_is_one_line_with_the_parts(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["generate", "1girl", "--estimate", "--opus", "--json", "--n-samples", "2", "-o", "no/such/folder.png"]
    assert main(arguments) == 0
    (line,) = capfd.readouterr().out.splitlines()
    record = json.loads(line)
    estimate = ImageParams("1girl", n_samples=2).estimate_anlas(opus=True)
    assert record.pop("caveats") == list(estimate.caveats)
    assert record == {
        "anlas": 17, "opus": True, "n_samples": 2, "per_picture": 17, "free_pictures": 1, "vibe_encoding": 0,
        "extra_vibes": 0, "references": 0,
    }  # fmt: skip


def test_an_estimate_of_wrong_parameters_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "1girl", "--estimate", "--steps", "99"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "nai-trio: error: --steps: expected an integer from 1 to 50, got 99\n"
