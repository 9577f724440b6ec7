"""`nai-trio tape show`: what is on a tape, told to people and to programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.cli.tape_view import TapeView
from nai_trio.errors import NovelAIError
from nai_trio.transports.tape import MAGIC, Record, encode_record

TAPES = Path(__file__).resolve().parents[1] / "tapes"


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
