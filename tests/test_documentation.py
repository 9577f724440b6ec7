"""Every example in the documentation runs, as it stands, against the emulator, with warnings as errors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from emulator_thread import KEY, Served, emulator_on_a_port
from extract_examples import examples
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = [pytest.param(text, id=f"{page.name}:{line}") for page, line, text in examples()]
PICTURES = {".png": "PNG", ".jpg": "JPEG"}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with emulator_on_a_port() as served:
        yield served


def run(arguments: list[str], folder: Path, served: Served) -> str:
    environment = {**os.environ, "NOVELAI_API_KEY": KEY, "NOVELAI_IMAGE_BASE": served.url}
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def check_pictures(folder: Path) -> int:
    """Every picture that was written opens; return how many there are."""
    pictures = [path for path in folder.iterdir() if path.suffix in PICTURES]
    for path in pictures:
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == PICTURES[path.suffix]
    return len(pictures)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_example_runs(block: str, tmp_path: Path, served: Served) -> None:
    script = tmp_path / "example.py"
    script.write_text(block, encoding="utf-8")
    printed = run([str(script)], tmp_path, served)
    written = check_pictures(tmp_path)
    assert written or printed or "Progress" in block
    assert "failed:" not in printed
    assert "network:" not in printed
    assert "refused:" not in printed


@pytest.mark.parametrize("name", ["asyncio_client.py", "blocking_client.py"])
def test_the_core_drives_other_runtimes(name: str, tmp_path: Path, served: Served) -> None:
    target = tmp_path / "out.png"
    printed = run([str(ROOT / "docs" / "examples" / name), "1girl, cat ears", str(target)], tmp_path, served)
    assert printed.count("step ") == 7
    assert check_pictures(tmp_path) == 1


def test_the_command_lines_in_the_readme_name_real_options() -> None:
    lines = re.findall(r"^\$ nai-trio (\w+) ?(.*?)(?: +#.*)?$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert {command for command, _ in lines} == {"generate", "emulate"}
    for command, rest in lines:
        done = subprocess.run(
            [sys.executable, "-m", "nai_trio", command, "--help"], capture_output=True, text=True, check=True
        )
        for option in re.findall(r"--?[a-z][a-z-]*", rest.partition("|")[0]):
            assert option in done.stdout
