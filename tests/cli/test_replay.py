"""`generate --record`, `replay` and `tape show`: what is on a tape, shown again and shown to people."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from nai_trio.cli.display import QuietDisplay
from nai_trio.cli.recorded_job import find_jobs
from nai_trio.cli.replaying import Viewer, run_replay
from nai_trio.cli.stopping import StopSignals
from nai_trio.cli.streams import Streams
from nai_trio.transports.tape import MAGIC, Record, encode_record, open_tape
from nai_trio.transports.tape_contents import Tape

if TYPE_CHECKING:
    import trio.testing
    from command_line import Start

TAPES = Path(__file__).resolve().parents[1] / "tapes"
SMALL = ("--emulator", "--pace", "0", "--size", "64x64", "--steps", "4", "--seed", "7")


@pytest.mark.parametrize("stream", ["sse", "msgpack", "zip", "json"])
def test_what_was_recorded_replays_into_the_same_files(tell: Any, tmp_path: Path, stream: str) -> None:
    words = ("generate", "cat", "-o", "one.png", "--n-samples", "2", "--stream", stream, "--record", "a.tape", *SMALL)
    live = tell(*words)
    assert live.code == 0
    assert "recorded on a.tape" in live.err
    again = tell("replay", "a.tape", "--speed", "0", "-o", "two.png")
    assert again.code == 0
    assert again.out.split() == ["two_0.png", "two_1.png"]
    assert "replayed 2 of 2 pictures" in again.err
    for number in (0, 1):
        assert (tmp_path / f"two_{number}.png").read_bytes() == (tmp_path / f"one_{number}.png").read_bytes()


def test_a_replay_without_files_shows_the_steps_and_writes_nothing(tell: Any, tmp_path: Path) -> None:
    told = tell("replay", TAPES / "sse.tape", "--speed", "0")
    assert told.code == 0
    assert told.out == ""
    assert "sample 0: step 2/8, sigma 113.9" in told.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("speed", "seconds"), [(1, 0.68), (10, 0.068), (0.01, 68), (0, 0)])
async def test_a_replay_takes_as_long_as_it_did_and_less_if_asked(
    speed: float, seconds: float, autojump_clock: trio.testing.MockClock
) -> None:
    tape, streams = Tape.load(TAPES / "msgpack.tape"), Streams()
    viewer = Viewer(7, display=QuietDisplay(streams), streams=streams, json_lines=False)
    ending = await run_replay(tape, find_jobs(tape)[0], viewer, StopSignals(), speed=speed)
    assert ending.complete
    assert ending.seconds == pytest.approx(seconds)


def test_a_replay_in_json_has_the_records_of_a_live_generation(tell: Any) -> None:
    live = tell("generate", "cat", "-o", "a.png", "--json", "--record", "a.tape", *SMALL)
    again = tell("replay", "a.tape", "--json", "--speed", "0")
    expected = [{**json.loads(line), "path": None} for line in live.out.splitlines()]
    assert [json.loads(line) for line in again.out.splitlines()] == expected
    assert len(expected) == 4


def test_the_services_own_retry_is_told_and_shown(tell: Any) -> None:
    told = tell("replay", TAPES / "sse-retry.tape", "--speed", "0", "--json")
    assert told.code == 0
    assert "nai-trio: the service starts over: " in told.err
    assert "retry" in [json.loads(line).get("event_type") for line in told.out.splitlines()]


def test_previews_are_written_with_the_picture(tell: Any, tmp_path: Path) -> None:
    told = tell("replay", TAPES / "sse.tape", "--speed", "0", "-o", "a.png", "--previews", "steps")
    assert told.code == 0
    assert len(list((tmp_path / "steps").iterdir())) == 7
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (128, 128)
    assert tell("replay", TAPES / "sse.tape", "--previews", "steps").code == 2


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("refused-401", 3, "401: Unauthorized"),
        ("refused-402", 4, "402: Not enough Anlas"),
        ("refused-429", 5, "429: Concurrent generation is locked"),
        ("html-502", 6, "502: an HTML page titled 'Bad gateway'"),
        ("sse-cut", 7, "the connection ended inside the response body"),
        ("sse-no-final", 7, "the response ended with 0 of 1 finished pictures"),
        ("msgpack-error", 8, "Error generating image"),
        ("html-200", 8, "HTML"),
    ],
)
def test_a_failure_ends_as_it_did(tell: Any, name: str, code: int, words: str) -> None:
    told = tell("replay", TAPES / f"{name}.tape", "--speed", "0", "-o", "a.png")
    assert told.code == code
    assert f"nai-trio: error: {words}" in told.err or words in told.err


def test_what_came_before_a_cut_is_kept(tell: Any, tmp_path: Path) -> None:
    told = tell("replay", TAPES / "sse-cut.tape", "--speed", "0", "-o", "a.png")
    assert told.out.split() == ["a.preview.jpg"]
    with Image.open(tmp_path / "a.preview.jpg") as picture:
        assert picture.size == (64, 64)


def two_on_one_tape(folder: Path) -> Path:
    """A refusal, then a generation, as a retry leaves them."""
    found: list[Record] = []
    for shift, name in enumerate(("refused-429", "sse")):
        with open_tape(TAPES / f"{name}.tape") as reader:
            for record in reader:
                if shift and record.kind == "tape":
                    continue
                number = record.connection + shift if record.connection else 0
                found.append(
                    Record(
                        kind=record.kind,
                        connection=number,
                        time=record.time,
                        data=record.data,
                        struck=record.struck,
                        continued=record.continued,
                    )
                )
    path = folder / "two.tape"
    path.write_bytes(MAGIC + b"".join(map(encode_record, found)))
    return path


def test_of_several_generations_the_last_is_shown_unless_told(tell: Any, tmp_path: Path) -> None:
    path = two_on_one_tape(tmp_path)
    told = tell("replay", path, "--speed", "0")
    assert told.code == 0
    assert "2 generations" in told.err
    assert tell("replay", path, "--speed", "0", "--which", "1").code == 5
    told = tell("replay", path, "--which", "3")
    assert told.code == 2
    assert "expected 1 to 2" in told.err


def test_a_tape_without_a_generation_is_told_with_the_reason(tell: Any, tmp_path: Path) -> None:
    facts = b'{"origin": "https://x.example:443", "route": "tcp", "error": "ConnectError", "message": "refused, so"}'
    path = tmp_path / "none.tape"
    path.write_bytes(MAGIC + encode_record(Record(kind="refused", connection=1, data=facts)))
    told = tell("replay", path)
    assert told.code == 2
    assert "no generation was recorded (refused, so)" in told.err
    told = tell("tape", "show", path)
    assert "1 ! no connection to https://x.example:443 via tcp: ConnectError: refused, so (0 ms)" in told.out


def test_a_torn_tape_plays_as_far_as_it_goes(tell: Any, tmp_path: Path) -> None:
    whole = (TAPES / "sse.tape").read_bytes()
    (tmp_path / "torn.tape").write_bytes(whole[: len(whole) // 2])
    told = tell("replay", "torn.tape", "--speed", "0", "-o", "a.png")
    assert told.code == 7
    assert "torn.tape ends in a torn record" in told.err
    assert "the tape ends here" in told.err
    assert told.out.split() == ["a.preview.jpg"]
    told = tell("tape", "show", "torn.tape")
    assert told.code == 0
    assert "of a record that was not written whole" in told.out.splitlines()[-2]


def test_a_replay_is_stopped_by_a_signal_and_keeps_what_it_showed(start: Start, tmp_path: Path) -> None:
    tape = TAPES / "sse.tape"
    process = start("replay", tape, "--speed", "0.05", "-o", tmp_path / "a.png", "--json", key=None)
    assert json.loads(process.line())["step_ix"] == 0
    process.send(signal.SIGINT)
    run = process.finish()
    assert run.code == 130
    assert "stopped by SIGINT" in run.err
    assert [path.name for path in tmp_path.iterdir()] == ["a.preview.jpg"]


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("replay",), ("--speed", "--which", "--output")),
        (("tape", "show"), ("--raw", "--json")),
        (("generate",), ("--record", "--force")),
    ],
)
def test_the_help_names_the_options(tell: Any, words: tuple[str, ...], options: tuple[str, ...]) -> None:
    told = tell(*words, "--help")
    assert told.code == 0
    assert all(option in told.out for option in options)


def test_help_loads_neither_trio_nor_the_drawing_libraries(base_environment: dict[str, str]) -> None:
    script = (
        "import sys; from nai_trio.cli import main\n"
        "codes = [main(words.split()) for words in ('replay --help', 'tape --help', 'tape show --help')]\n"
        "sys.exit(any(codes) or bool({'trio', 'rich', 'PIL', 'h11', 'msgpack'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], env=base_environment, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
