"""`generate --record`: a tape beside the pictures, and never instead of one."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from nai_trio.transports.tape import MAGIC, Record, encode_record
from nai_trio.transports.tape_contents import Tape

if TYPE_CHECKING:
    from command_line import Start

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from command_line import Command, Start


SMALL = ("--emulator", "--pace", "0", "--size", "64x64", "--steps", "4", "--seed", "7")


def write_request(path: Path, body: bytes) -> None:
    """A tape with a request of this body, which was refused."""
    asked = b"POST /ai/generate-image HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    records = [
        Record(kind="open", connection=1, data=b'{"origin": "http://x:80"}'),
        Record(kind="send", connection=1, data=asked),
        Record(kind="receive", connection=1, data=b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"),
    ]
    path.write_bytes(MAGIC + b"".join(map(encode_record, records)))


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    body=st.binary(max_size=60)
    | st.from_regex(rb'\{"action":"img2img","parameters":\{"(steps|strength|seed)":[^,]{1,9}\}\}')
)
def test_any_recorded_request_replays_or_is_an_error_of_ours(tell: Any, tmp_path: Path, body: bytes) -> None:
    write_request(tmp_path / "a.tape", body)
    assert tell("replay", "a.tape", "--speed", "0").code in {2, 6}
    assert tell("tape", "show", "a.tape").code == 0


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ('{"steps":0}', "the recorded steps: expected a whole number from 1 to 1000, got 0"),
        ('{"steps":true}', "the recorded steps: expected a whole number from 1 to 1000, got True"),
        ('{"n_samples":"2"}', "the recorded n_samples: expected a whole number from 1 to "),
        ("[]", "expected a recorded request with parameters in JSON"),
    ],
)
def test_a_recorded_request_that_cannot_have_been_sent_is_told(
    tell: Any, tmp_path: Path, parameters: str, words: str
) -> None:
    body = f'{{"action":"img2img","parameters":{parameters}}}'.encode()
    write_request(tmp_path / "a.tape", body)
    told = tell("replay", "a.tape", "--speed", "0")
    assert told.code == 2
    assert words in told.err


def test_image_to_image_replays_with_the_steps_that_were_taken(tell: Any, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "red").save("red.png")
    words = (
        "generate",
        "cat",
        "--i2i",
        "red.png",
        "--strength",
        "0.5",
        "-o",
        "a.png",
        "--record",
        "a.tape",
        *SMALL,
    )
    assert tell(*words).code == 0
    told = tell("replay", "a.tape", "--speed", "0", "--json")
    steps = [json.loads(line) for line in told.out.splitlines()]
    assert {each["steps"] for each in steps if each.get("event_type") == "intermediate"} == {2}
