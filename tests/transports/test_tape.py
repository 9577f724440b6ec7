"""The format of a tape: records, bounds, torn ends, damage."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.errors import InvalidParamsError, LimitExceeded, NovelAIError, ProtocolError
from nai_trio.transports.tape import MAGIC, MAX_DATA, Record, TapeReader, encode_record, open_tape
from nai_trio.transports.tape_contents import Tape

KINDS = ["tape", "open", "refused", "send", "receive", "end", "error", "close"]


@st.composite
def records(draw: st.DrawFn) -> Record:
    kind = draw(st.sampled_from(KINDS))
    data = draw(st.binary(max_size=60))
    return Record(
        kind=kind,
        connection=draw(st.integers(0, 10**9 - 1)),
        time=draw(st.integers(0, 10**19 - 1)),
        data=data,
        struck=draw(st.integers(0, len(data))),
        continued=kind in {"send", "receive"} and draw(st.booleans()),
    )


def read(data: bytes) -> tuple[list[Record], int]:
    reader = TapeReader(io.BytesIO(data))
    return list(reader), reader.torn


def tape_of(*records: Record) -> bytes:
    return MAGIC + b"".join(map(encode_record, records))


ONE = Record(kind="send", connection=3, time=1_500, data=b"a\nb\r\n\0", struck=2)


def test_a_record_is_a_line_of_text_and_its_data() -> None:
    line, _, rest = encode_record(ONE).partition(b"\n")
    words = line.split(b" ")
    assert words[:5] == [b"send", b"3", b"1500", b"6", b"2"]
    assert int(words[5], 16) == zlib.crc32(b"send 3 1500 6 2 " + ONE.data)
    assert rest == ONE.data + b"\n"


@given(st.lists(records(), max_size=5))
def test_what_is_written_is_read(written: list[Record]) -> None:
    assert read(tape_of(*written)) == (written, 0)


@given(st.lists(records(), min_size=1, max_size=3), st.data())
def test_a_tape_cut_anywhere_gives_the_whole_records_and_says_what_is_left(
    written: list[Record], data: st.DataObject
) -> None:
    whole = tape_of(*written)
    cut = data.draw(st.integers(len(MAGIC), len(whole)))
    found, torn = read(whole[:cut])
    assert found == written[: len(found)]
    assert len(tape_of(*found)) + torn == cut


@given(records(), st.data())
def test_a_changed_byte_never_gives_another_record(record: Record, data: st.DataObject) -> None:
    whole = bytearray(tape_of(record))
    place = data.draw(st.integers(len(MAGIC), len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    try:
        found, torn = read(bytes(whole))
    except ProtocolError as error:
        assert f"at byte {len(MAGIC)}" in str(error)
    else:
        assert found == []
        assert torn


@given(st.binary(max_size=300) | st.binary(max_size=300).map(MAGIC.__add__))
def test_any_bytes_are_records_or_an_error_of_ours(data: bytes) -> None:
    try:
        found, torn = read(data)
    except NovelAIError:
        return
    assert len(tape_of(*found)) + torn == len(data)


@given(st.lists(records(), max_size=6))
def test_any_records_are_a_tape_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, found: list[Record]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tape"
    path.write_bytes(tape_of(*found))
    try:
        tape = Tape.load(path)
    except ProtocolError as error:
        assert str(error)
    else:
        assert len(tape.attempts) == sum(record.kind in {"open", "refused"} for record in found)


def test_a_length_is_a_claim_and_is_refused_before_anything_is_read() -> None:
    class Counting(io.BytesIO):
        asked = 0

        def read(self, size: int | None = -1) -> bytes:
            Counting.asked += size or 0
            return super().read(size)

    line = b"send 1 0 999999999 0 00000000\n"
    with pytest.raises(ProtocolError, match=f"at most {MAX_DATA} bytes"):
        list(TapeReader(Counting(MAGIC + line)))
    assert Counting.asked == 0


def test_data_beyond_the_bound_is_not_written() -> None:
    assert encode_record(Record(kind="send", data=bytes(MAX_DATA)))
    with pytest.raises(ValueError, match="at most"):
        encode_record(Record(kind="send", data=bytes(MAX_DATA + 1)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "expected a tape"),
        (b"\x89PNG\r\n\x1a\n", "expected a tape"),
        (MAGIC[:-3], "expected a tape"),
        (b"nai-trio tape 2\n", "got version 2: it needs a newer nai-trio"),
    ],
)
def test_what_is_no_tape_is_told_apart_from_a_damaged_one(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InvalidParamsError, match=words), open_tape(tmp_path / "x"):
        pass


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(InvalidParamsError, match=r"missing\.tape: cannot be read: no such file"),
        open_tape(tmp_path / "missing.tape"),
    ):
        pass
    with pytest.raises(InvalidParamsError, match="no file"), open_tape(tmp_path):
        pass
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidParamsError, match="no file"), open_tape(tmp_path / "pipe"):
        pass


def test_a_disk_that_fails_is_an_error_of_ours() -> None:
    class Failing(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().readline(size)

    with pytest.raises(ProtocolError, match="input/output error"):
        list(TapeReader(Failing(MAGIC + b"rest")))


def test_more_than_the_limit_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "long.tape"
    path.write_bytes(tape_of(Record(kind="tape", data=b"{}" + b" " * 100)))
    assert Tape.load(path).exchanges == ()
    with pytest.raises(LimitExceeded, match="max_size"):
        Tape.load(path, max_size=50)


@pytest.mark.parametrize(
    "record",
    [
        Record(kind="send", connection=1, data=b"x"),
        Record(kind="open", connection=1, data=b"[]"),
        Record(kind="open", connection=1, data=b'{"origin": 1}'),
        Record(kind="open", connection=1, data=b'{"origin": "x", "nanoseconds": -1}'),
        Record(kind="open", connection=1, data=b'{"origin": "x", "nanoseconds": true}'),
        Record(kind="open", connection=1, data=b'{"origin": "x", "nanoseconds": 1' + b"0" * 400 + b"}"),
        Record(kind="open", connection=1, data=b"[" * 3000),
    ],
)
def test_records_that_make_no_sense_are_refused(tmp_path: Path, record: Record) -> None:
    path = tmp_path / "odd.tape"
    path.write_bytes(tape_of(record))
    with pytest.raises(ProtocolError, match="expected"):
        Tape.load(path)


def test_no_repr_shows_data() -> None:
    assert repr(ONE) == "Record(kind='send', connection=3, time=1500, data=<6 bytes>, struck=2, continued=False)"
