"""The way out: `--proxy` and the environment, and how mistakes in them are told."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from nai_trio.cli import main

if TYPE_CHECKING:
    from pathlib import Path

KEY = "pst-planted-not-a-real-key"
NOBODY = "connect via http://127.0.0.1:9 via tcp to https://image.novelai.net:443: the proxy cannot be reached: refused"
COMMANDS = [("account",), ("generate", "x", "-o", "o.png")]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("NOVELAI_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NOVELAI_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)


def told(code: int, capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The last line that a command which fails so leaves on stderr."""
    assert main(arguments) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert "planted" not in err
    return err.splitlines()[-1].removeprefix("nai-trio: error: ")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_way_out_is_the_options_else_the_environments(
    command: tuple[str, ...], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://planted:planted@127.0.0.1:9"
    assert told(7, capfd, *command, "--proxy", url).startswith(NOBODY)
    monkeypatch.setenv("HTTPS_PROXY", url)
    assert told(7, capfd, *command).startswith(NOBODY)
    over_socks = "connect via socks5://127.0.0.1:9 via tcp to "
    assert told(7, capfd, *command, "--proxy", "socks5://127.0.0.1:9").startswith(over_socks)
    straight = "connect via tcp to https://127.0.0.1:9: refused"
    assert told(7, capfd, *command, "--image-base", "https://127.0.0.1:9", "--proxy", "").startswith(straight)
    monkeypatch.setenv("NO_PROXY", "192.0.2.0/24")
    assert told(7, capfd, *command).startswith(NOBODY)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_proxy_is_told_by_the_name_it_was_given_under(
    command: tuple[str, ...], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "gopher://planted:planted@proxy.example"
    expected = "expected a URL such as http://host:80, got the scheme 'gopher'"
    assert told(2, capfd, *command, "--proxy", url).startswith(f"--proxy: {expected}")
    assert told(2, capfd, *command, "--emulator", "--proxy", url).startswith(
        "--emulator and --proxy exclude each other"
    )
    base = ("--image-base", "http://localhost:9")
    text = told(2, capfd, *command, *base, "--proxy", "http://proxy.example")
    assert text.startswith("--proxy: expected a proxy on this machine")
    assert "--allow-plain-http" in text
    monkeypatch.setenv("ALL_PROXY", url)
    assert told(2, capfd, *command).startswith(f"ALL_PROXY: {expected}")


def test_the_emulator_needs_no_way_out(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://")
    assert main(["account", "--emulator"]) == 0
    assert capfd.readouterr().out.startswith("tier: ")
