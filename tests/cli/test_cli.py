"""The door of the command: what it needs, and how little it loads for a little."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import types
from typing import TYPE_CHECKING

import pytest

from nai_trio.cli import main

if TYPE_CHECKING:
    from command_line import Command


@pytest.mark.parametrize("missing", ["click", "rich", "PIL"])
def test_without_the_extra_one_line_says_what_to_install(
    missing: str, base_environment: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    script = f"import sys; sys.modules[{missing!r}] = None; from nai_trio.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", script, "generate", "x"], env=base_environment, check=False)
    assert done.returncode == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "pip install 'nai-trio[cli]'" in err


def test_help_and_version_load_neither_trio_nor_the_drawing_libraries(base_environment: dict[str, str]) -> None:
    script = (
        "import sys; from nai_trio.cli import main\n"
        "codes = [main(words.split()) for words in ('--version', '--help', 'generate --help', 'account --help')]\n"
        "sys.exit(any(codes) or bool({'trio', 'rich', 'PIL', 'h11', 'msgpack'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=base_environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"nai-trio \d+\.\d+\.\d+\n", done.stdout)


def test_importing_the_main_module_runs_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module("nai_trio.__main__")
    assert module.main is main
    assert capfd.readouterr() == ("", "")


def test_a_signal_before_anything_has_begun_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("nai_trio.cli.app.run_app", interrupted)
    with os.fdopen(os.dup(1), "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["--version"]) == 130
    assert capfd.readouterr() == ("", "nai-trio: stopped by SIGINT before anything was sent\n")


def test_the_command_takes_its_words_from_the_process(command: Command) -> None:
    assert re.fullmatch(r"nai-trio \d+\.\d+\.\d+\n", command("--version").out)


def test_a_module_that_is_there_without_a_file_counts_as_installed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    module = types.ModuleType("click")
    module.__spec__ = None
    monkeypatch.setattr("nai_trio.cli.app.run_app", lambda arguments: 0)
    monkeypatch.setitem(sys.modules, "click", module)
    assert main([]) == 0
    assert capfd.readouterr() == ("", "")
