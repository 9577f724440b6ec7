"""`generate --record`, `replay` and `tape show`: what is on a tape, shown again and shown to people."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from nai_trio.cli import main
from nai_trio.cli.display import QuietDisplay
from nai_trio.cli.recorded_job import find_jobs
from nai_trio.cli.replaying import Viewer, run_replay
from nai_trio.cli.stopping import StopSignals
from nai_trio.cli.streams import Streams
from nai_trio.cli.tape_view import TapeView
from nai_trio.errors import NovelAIError
from nai_trio.transports.tape import MAGIC, Record, encode_record, open_tape
from nai_trio.transports.tape_contents import Tape

if TYPE_CHECKING:
    import trio.testing
    from conftest import Command, Start

TAPES = Path(__file__).resolve().parents[1] / "tapes"
SMALL = ("--emulator", "--pace", "0", "--size", "64x64", "--steps", "4", "--seed", "7")


class Told:
    """What a command that ran in this process said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        assert "pst-" not in out + err


@pytest.fixture
def tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    for name in ("NOVELAI_API_KEY", "NOVELAI_IMAGE_BASE"):
        monkeypatch.delenv(name, raising=False)

    def tell(*arguments: object) -> Told:
        code = main([str(word) for word in arguments])
        return Told(code, *capfd.readouterr())

    return tell


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


@pytest.mark.parametrize("content", [b"", b"something else", MAGIC + b"damage\n", b"nai-trio tape 9\n"])
@pytest.mark.parametrize(
    "command", [("replay",), ("tape", "show"), ("tape", "show", "--raw"), ("tape", "show", "--json")]
)
def test_a_file_that_is_no_tape_is_an_error_in_one_line(
    tell: Any, tmp_path: Path, command: tuple[str, ...], content: bytes
) -> None:
    (tmp_path / "x.tape").write_bytes(content)
    told = tell(*command, "x.tape")
    assert told.code == (8 if content.startswith(MAGIC) else 2)
    assert told.err.startswith("nai-trio: error: x.tape")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize("command", [("replay",), ("tape", "show")])
def test_a_file_that_is_not_there_is_named(tell: Any, command: tuple[str, ...]) -> None:
    told = tell(*command, "missing.tape")
    assert told.code == 2
    assert told.err == "nai-trio: error: missing.tape: cannot be read: no such file or directory\n"


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


def test_a_tape_is_not_replaced_unless_forced(tell: Any, tmp_path: Path) -> None:
    words = ("generate", "cat", "-o", "a.png", "--record", "a.tape", *SMALL)
    (tmp_path / "a.tape").write_bytes(b"mine")
    told = tell(*words)
    assert told.code == 2
    assert "--record: a.tape is there already; --force replaces it" in told.err
    assert (tmp_path / "a.tape").read_bytes() == b"mine"
    assert not (tmp_path / "a.png").exists()
    assert tell(*words, "--force").code == 0
    assert len(Tape.load(tmp_path / "a.tape").exchanges) == 1
    assert "--force needs --record" in tell("generate", "cat", "-o", "a.png", "--force", *SMALL).err


def test_a_tape_that_cannot_be_made_is_told_before_anything_is_sent(tell: Any, tmp_path: Path) -> None:
    told = tell("generate", "cat", "-o", "a.png", "--record", "missing/a.tape", *SMALL)
    assert told.code == 9
    assert "no such folder: missing" in told.err
    assert not (tmp_path / "a.png").exists()


def test_show_tells_what_went_over_the_wire(tell: Any) -> None:
    told = tell("tape", "show", TAPES / "msgpack-4-samples.tape")
    lines = told.out.splitlines()
    assert told.code == 0
    assert told.err == ""
    assert lines[0].startswith("     0.000  - tape begun 20")
    assert lines[1].startswith("     0.000  1 - connected to https://image.novelai.net:443 via MemoryTransport")
    assert lines[2].startswith("     0.000  1 > POST /ai/generate-image-stream (1,")
    assert f"{'':16}authorization: Bearer ******************" in lines
    assert f'{"":16}    "n_samples": 4,' in lines
    assert "     0.021  1 < intermediate samp_ix 0 step_ix 0 gen_id" in told.out
    assert "sigma 20000.0 image jpeg 64x64, " in told.out
    assert sum(" < final samp_ix" in line for line in lines) == 4
    assert lines[-1].startswith("     0.680  - 1 connection, 1 request, 32 events, 1,")
    assert lines[-1].endswith("18 bytes struck out")
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("refused-429", '"message": "Concurrent generation is locked"'),
        ("html-502", "an HTML page titled 'Bad gateway'"),
        ("sse-cut", "! the connection ended inside the response body"),
        ("sse-error", "< error code 500 message Error generating image"),
        ("sse-retry", "< retry message Generation failed, retrying"),
        ("zip", r"beginning with b'PK\x03\x04"),
        ("json", '"image": "<base64, png 64x64, '),
    ],
)
def test_show_tells_what_went_wrong(tell: Any, name: str, words: str) -> None:
    told = tell("tape", "show", TAPES / f"{name}.tape")
    assert told.code == 0
    assert words in told.out


def test_show_as_json_has_a_record_for_each_thing(tell: Any) -> None:
    told = tell("tape", "show", TAPES / "sse.tape", "--json")
    found = [json.loads(line) for line in told.out.splitlines()]
    kinds = ["tape", "open", "request", "response", *["event"] * 8, "finished", "close", "total"]
    assert [record["what"] for record in found] == kinds
    assert found[2]["body"]["parameters"]["steps"] == 8
    assert found[-1]["event"] == 8
    assert [record["time"] for record in found] == sorted(record["time"] for record in found)


def test_show_raw_has_the_bytes(tell: Any) -> None:
    told = tell("tape", "show", TAPES / "refused-401.tape", "--raw")
    assert told.code == 0
    assert "     0.000  1 send, " in told.out
    assert "    000000  50 4f 53 54 20 2f 61 69 2f 67 65 6e 65 72 61 74  POST /ai/generat\n" in told.out
    assert tell("tape", "show", TAPES / "refused-401.tape", "--raw", "--json").code == 2


@pytest.mark.parametrize("path", sorted(TAPES.glob("*.tape")), ids=lambda path: path.stem)
@pytest.mark.parametrize("words", [(), ("--json",), ("--raw",)], ids=["text", "json", "raw"])
def test_every_tape_is_shown_in_printable_text_whole_or_torn(
    tell: Any, tmp_path: Path, path: Path, words: tuple[str, ...]
) -> None:
    whole = path.read_bytes()
    for share in (1.0, 0.6):
        (tmp_path / "a.tape").write_bytes(whole[: int(len(whole) * share)])
        told = tell("tape", "show", "a.tape", *words)
        assert (told.code, told.err) == (0, "")
        assert told.out.replace("\n", "").isprintable()
    assert ('"what": "torn"' if "--json" in words else "not written whole") in told.out


def tape_with_answer(answer: bytes) -> bytes:
    records = [
        Record(kind="open", connection=1, data=b'{"origin": "http://x:80"}'),
        Record(kind="send", connection=1, data=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        Record(kind="receive", connection=1, data=answer),
    ]
    return MAGIC + b"".join(map(encode_record, records))


def test_events_that_break_off_are_shown_up_to_there(tell: Any, tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\nContent-Length: 15\r\n\r\n"
    body = b"\x00\x00\x00\x04\x81\xa1a\x01\x00\x00\x00\x03\xc1\xc1\xc1"
    (tmp_path / "a.tape").write_bytes(tape_with_answer(head + body))
    told = tell("tape", "show", "a.tape")
    assert told.code == 0
    assert "! the events cannot be shown any further: " in told.out
    assert '"what": "fault", "text": "expected' in tell("tape", "show", "a.tape", "--json").out


def test_an_event_may_have_members_of_any_name(tell: Any, tmp_path: Path) -> None:
    names = ("text", "mark", "what", "time", "connection", "details")
    data = b"data: " + json.dumps(dict.fromkeys(names, "x")).encode() + b"\n\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(data)
    (tmp_path / "a.tape").write_bytes(tape_with_answer(head + data))
    assert " text x mark x what x " in tell("tape", "show", "a.tape").out
    found = [json.loads(line) for line in tell("tape", "show", "a.tape", "--json").out.splitlines()]
    assert [record["what"] for record in found] == ["open", "request", "response", "event", "finished", "total"]
    assert (found[3]["time"], found[3]["connection"], found[3]["text"]) == (0, 1, "x")


def test_a_tape_cannot_control_the_terminal(tell: Any, tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nx: \x1b[2J\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\n\x1b]0;x\x07"
    asked = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    records = [
        Record(kind="tape", data=json.dumps({"program": "\x1b[31m\ud800"}).encode()),
        Record(kind="open", connection=1, data=b'{"origin": "http://x:80"}'),
        Record(kind="send", connection=1, data=asked),
        Record(kind="receive", connection=1, data=answer),
    ]
    (tmp_path / "a.tape").write_bytes(MAGIC + b"".join(map(encode_record, records)))
    told = tell("tape", "show", "a.tape")
    assert told.code == 0
    assert "\x1b" not in told.out
    assert "\x1b" not in tell("tape", "show", "a.tape", "--json").out


BYTES = st.binary(max_size=80) | st.sampled_from(
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n[1]",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\nContent-Length: 9\r\n\r\n",
        b'data: {"event_type": "final", "image": 1e999}\n\n',
        b"\x00\x00\x00\x05\x81\xa1a\xc4\x00",
        b'{"nanoseconds": 1e999, "origin": "x"}',
        b'{"nanoseconds": NaN}',
        b'{"nanoseconds": 1' + b"0" * 400 + b"}",
    ]
)
RECORDS = st.builds(
    Record,
    kind=st.sampled_from(["tape", "open", "refused", "send", "receive", "end", "error", "close"]),
    connection=st.integers(0, 2),
    time=st.integers(0, 10**12),
    data=BYTES,
)


@given(st.lists(RECORDS, max_size=8))
def test_any_records_are_lines_or_an_error_of_ours(records: list[Record]) -> None:
    view = TapeView()
    try:
        lines = [line for record in records for line in view.take(record)]
    except NovelAIError as error:
        assert "expected" in str(error)
        return
    for line in [*lines, *view.finish(3)]:
        assert json.dumps(line.facts, allow_nan=False)
        assert line.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    body=st.binary(max_size=60)
    | st.from_regex(rb'\{"action":"img2img","parameters":\{"(steps|strength|seed)":[^,]{1,9}\}\}')
)
def test_any_recorded_request_replays_or_is_an_error_of_ours(tell: Any, tmp_path: Path, body: bytes) -> None:
    asked = b"POST /ai/generate-image HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    records = [
        Record(kind="open", connection=1, data=b'{"origin": "http://x:80"}'),
        Record(kind="send", connection=1, data=asked),
        Record(kind="receive", connection=1, data=b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"),
    ]
    (tmp_path / "a.tape").write_bytes(MAGIC + b"".join(map(encode_record, records)))
    assert tell("replay", "a.tape", "--speed", "0").code in {2, 6}
    assert tell("tape", "show", "a.tape").code == 0


def test_the_installed_command_records_over_a_socket_and_never_keeps_the_key(
    command: Command, start: Start, tmp_path: Path
) -> None:
    server = start("emulate", "--port", "0", "--pace", "0")
    base = server.line().split()[-1]
    tape = tmp_path / "a.tape"
    words = ("generate", "cat", "-o", tmp_path / "a.png", "--size", "64x64", "--steps", "3", "--record", tape)
    run = command(*words, NOVELAI_IMAGE_BASE=base)
    assert run.code == 0, run.err
    assert b"pst-" not in tape.read_bytes()
    assert Tape.load(tape).attempts[0].origin == base
    again = command("replay", tape, "-o", tmp_path / "b.png", key=None)
    assert again.code == 0, again.err
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_recording_that_is_killed_keeps_what_it_has(start: Start, tmp_path: Path) -> None:
    tape = tmp_path / "a.tape"
    words = ("generate", "cat", "-o", tmp_path / "a.png", "--json", "--emulator", "--pace", "0.05", "--steps", "50")
    process = start(*words, "--size", "64x64", "--record", tape)
    for _ in range(3):
        process.line()
    process.send(signal.SIGKILL)
    process.kill()
    loaded = Tape.load(tape)
    received = b"".join(event.data for event in loaded.exchanges[0].events)
    assert received.count(b"event: intermediate") >= 3
    assert loaded.exchanges[0].events[-1].message == "the tape ends here"


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


def test_tape_alone_says_what_is_missing(tell: Any) -> None:
    assert tell("tape").code == 2
