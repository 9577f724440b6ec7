"""The command, run in this process: what it said, and its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from command_line import KEY
from emulator_thread import Served, emulator_on_a_port

from nai_trio.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Told:
    """What a command that ran in this process said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        assert "pst-" not in out + err


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Runs a command in this process."""

    def run(*arguments: object) -> Told:
        code = main([str(each) for each in arguments])
        return Told(code, *capfd.readouterr())

    return run


@pytest.fixture
def tell(run: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Told]:
    """As `run`, in an empty folder, without a key."""
    monkeypatch.chdir(tmp_path)
    for name in ("NOVELAI_API_KEY", "NOVELAI_IMAGE_BASE"):
        monkeypatch.delenv(name, raising=False)
    return run


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """An emulator on a port."""
    with emulator_on_a_port() as served:
        yield served


@pytest.fixture
def run_online(run: Callable[..., Told], served: Served, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Told]:
    """As `run`, with the served emulator as the service."""
    monkeypatch.setenv("NOVELAI_API_KEY", KEY)
    monkeypatch.setenv("NOVELAI_IMAGE_BASE", served.url)
    return run
