"""`nai-trio generate` as people and scripts run it: a process of its own, with the emulator inside."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

FAST = ("--emulator", "--pace", 0, "--size", "64x64", "--steps", 4)
SLOW = ("--emulator", "--pace", 0.5, "--size", "64x64", "--steps", 40, "--json")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def check_pictures(folder: Path, size: tuple[int, int] = (64, 64)) -> None:
    for path in folder.rglob("*.*"):
        with Image.open(path) as picture:
            picture.load()
            assert picture.size == size


def test_pictures_previews_and_paths(command: Any, tmp_path: Path) -> None:
    run = command(
        "generate", "1girl, cat ears", *FAST, "-o", tmp_path / "out.png", "--n-samples", 2, "--seed", 7,
        "--previews", tmp_path / "steps", key=None, NOVELAI_IMAGE_BASE="http://127.0.0.1:9",
    )  # fmt: skip
    assert run.code == 0
    assert run.out.split() == [str(tmp_path / "out_0.png"), str(tmp_path / "out_1.png")]
    assert names_in(tmp_path) == ["out_0.png", "out_1.png", "steps"]
    assert names_in(tmp_path / "steps") == [f"s0{sample}_00{step}.jpg" for sample in (0, 1) for step in (0, 1, 2)]
    check_pictures(tmp_path)
    assert "\x1b" not in run.err
    assert run.err.splitlines()[0] == "nai-trio: out_0.png: step 1/4, sigma 20000"
    assert "saved out_0.png, out_1.png (64x64, seed 7)" in run.err.splitlines()[-1]


def test_json_lines_tell_every_chunk_without_its_bytes(command: Any, tmp_path: Path) -> None:
    run = command(
        "generate",
        "1girl",
        *FAST,
        "--seed",
        7,
        "--json",
        "-o",
        tmp_path / "out.webp",
        "--previews",
        tmp_path,
        "--stream",
        "msgpack",
    )
    assert run.code == 0
    records = [json.loads(line) for line in run.out.splitlines()]
    assert [record["event_type"] for record in records] == ["intermediate"] * 3 + ["final"]
    assert [record["progress"] for record in records[:4]] == [0.25, 0.5, 0.75, 1.0]
    assert records[0]["sigma"] == 20000
    assert [record["path"] for record in records[:3]] == [str(tmp_path / f"s00_00{step}.jpg") for step in range(3)]
    assert records[3]["image_format"] == "webp"
    assert records[3]["bytes"] == (tmp_path / "out.webp").stat().st_size
    assert records[3]["path"] == str(tmp_path / "out.webp")
    assert records[3]["seed"] == 7
    assert len(run.out) < 2000
    assert len(run.err.splitlines()) == 1
    with Image.open(tmp_path / "out.webp") as picture:
        assert (picture.format, picture.size) == ("WEBP", (64, 64))


def test_the_same_seed_gives_the_same_file_in_both_framings(command: Any, tmp_path: Path) -> None:
    for stream in ("sse", "msgpack"):
        arguments = ("-o", tmp_path / f"{stream}.png", "--stream", stream, "--seed", 3)
        assert command("generate", "1girl", *FAST, *arguments).code == 0

    def pixels(name: str) -> bytes:
        with Image.open(tmp_path / name) as picture:
            return picture.tobytes()

    assert pixels("sse.png") == pixels("msgpack.png")


def test_a_model_without_streaming_still_gives_its_picture(command: Any, tmp_path: Path) -> None:
    run = command("generate", "1girl", *FAST, "-o", tmp_path / "out.jpg", "--model", "nai-diffusion-3")
    assert run.code == 0
    assert names_in(tmp_path) == ["out.png"]
    assert run.err.splitlines()[:2] == [
        "nai-trio: nai-diffusion-3 does not stream: there are no previews",
        "nai-trio: out.png: named so because the picture is png",
    ]


def test_targets_that_cannot_be_written_are_refused_before_anything_is_sent(command: Any, tmp_path: Path) -> None:
    # Nothing listens on port 9: had anything been sent, the code would be 7.
    run = command("generate", "x", "-o", tmp_path / "missing/out.png", "--image-base", "http://127.0.0.1:9")
    assert run.code == 9
    assert run.err == f"nai-trio: error: no such folder: {tmp_path / 'missing'}\n"
    assert names_in(tmp_path) == []
    run = command("generate", "x", "-o", tmp_path / "out.png", "--image-base", "http://127.0.0.1:9")
    assert run.code == 7
    assert run.err.splitlines()[-1].startswith("nai-trio: error: connect via tcp to http://127.0.0.1:9: refused")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_stops_and_keeps_the_last_preview(start: Any, tmp_path: Path, name: str, code: int) -> None:
    process = start("generate", "1girl", *SLOW, "-o", tmp_path / "out.png", "--n-samples", 2)
    first = json.loads(process.line())
    process.send(signal.Signals[name])
    run = process.finish()
    assert run.code == code
    kept = tmp_path / "out_0.preview.jpg"
    assert kept.stat().st_size == first["bytes"]
    assert set(names_in(tmp_path)) <= {"out_0.preview.jpg", "out_1.preview.jpg"}
    check_pictures(tmp_path)
    assert len(run.err.splitlines()) == 1
    assert run.err.startswith(f"nai-trio: stopped by {name}, connection closed; kept {kept}")


def test_a_reader_that_goes_away_does_not_cost_the_picture(spawn: Any, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    process = spawn("generate", "x", *FAST, "--json", "-o", tmp_path / "out.png", stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert err.count(b"\n") == 1
    assert b"saved out.png" in err
    assert names_in(tmp_path) == ["out.png"]


def test_a_full_stdout_is_told_and_the_picture_is_kept(spawn: Any, tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        process = spawn("generate", "x", *FAST, "-o", tmp_path / "out.png", stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 9
    assert err.splitlines()[-1] == b"nai-trio: error: cannot write to stdout: no space left on device"
    assert names_in(tmp_path) == ["out.png"]


def full_pipe() -> tuple[int, int]:
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, bytes(4096))
    os.set_blocking(write, True)
    return read, write


def wait_for(path: Path) -> None:
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")


def test_a_second_signal_ends_a_process_whose_reader_stalls(spawn: Any, tmp_path: Path) -> None:
    """Nobody reads stdout, so whatever is written to it blocks; a first signal cannot be acted upon."""
    read, write = full_pipe()
    arguments = ("generate", "x", *FAST, "--json", "-o", tmp_path / "out.png", "--previews", tmp_path)
    process = spawn(*arguments, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    wait_for(tmp_path / "s00_000.jpg")  # written before its line: the command is up, and about to block
    err = b""
    for _ in range(60):
        with contextlib.suppress(subprocess.TimeoutExpired):
            _, err = process.communicate(timeout=0.5)
            break
        process.send_signal(signal.SIGINT)
    os.close(read)
    assert process.returncode == 130
    assert err.strip() == b"nai-trio: stopped at once; what was not written yet is lost"


def read_terminal(terminal: int) -> str:
    """All that is shown until the other side closes."""
    shown = b""
    with contextlib.suppress(OSError):  # how Linux ends a terminal without another side
        while data := os.read(terminal, 65536):
            shown += data
    os.close(terminal)
    return shown.decode()


def test_on_a_terminal_each_sample_has_a_bar_that_only_its_picture_fills(spawn: Any, tmp_path: Path) -> None:
    terminal, child = pty.openpty()
    process = spawn(
        "generate", "1girl", "--emulator", "--pace", 0.05, *FAST[3:], "--n-samples", 2, "-o", tmp_path / "out.png",
        environment={"TERM": "xterm-256color", "COLUMNS": "100"}, stdout=subprocess.PIPE, stderr=child,
    )  # fmt: skip
    os.close(child)
    shown = read_terminal(terminal)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.decode().split() == [str(tmp_path / "out_0.png"), str(tmp_path / "out_1.png")]
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor is back
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).rstrip())
    for name in ("out_0.png", "out_1.png"):
        bars = [line for line in lines if line.startswith(name)]
        assert re.search(r"━{30} step 4/4 saved +\d+\.\d s", bars[-1])
        moving = [bar for bar in bars if re.search(r"step [123]/4 sigma [\d.]+ +\d+\.\d s", bar)]
        assert moving
    assert lines[-1].startswith("nai-trio: saved out_0.png, out_1.png (64x64, seed ")


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
