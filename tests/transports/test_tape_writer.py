"""The tape as it is written: on the disk in time, for its owner alone, and never in the way of a generation."""

from __future__ import annotations

import errno
import os
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from recorded import params, stream_response
from scripted import answering, read_request
from taped import bytes_of, echo, kinds_of, records_of

from nai_trio import InvalidParamsError, NovelAI
from nai_trio.cli.tape_view import TapeView
from nai_trio.transport import Origin, Transport
from nai_trio.transports import MemoryTransport, RecordingTransport, RecordingWarning
from nai_trio.transports.tape_contents import Tape

if TYPE_CHECKING:
    from nai_trio import FinalChunk


KEY = "pst-planted-not-a-real-key"
HTTP = Origin("http", "localhost", 80)
BASE = "https://service.example"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.tape"


async def test_pieces_keep_their_cuts_and_times_although_bytes_are_held_back(
    path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    head = f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
    answer = [b"HTTP/1.1 200 OK\r\n\r\nab pst-planted", b"-not-a-real-key", b"!"]

    async def echo_key(stream: trio.abc.HalfCloseableStream) -> None:
        await read_request(stream)
        for piece in answer:
            await stream.send_all(piece)
            await trio.sleep(1)

    async with RecordingTransport(MemoryTransport(echo_key), path) as transport:
        stream = await transport.connect(HTTP)
        await stream.send_all(head[:50])
        await trio.sleep(1)
        await stream.send_all(head[50:])
        got = b"".join([await stream.receive_some() for _ in answer])
        await stream.aclose()
    assert got == b"".join(answer)
    (exchange,) = Tape.load(path).exchanges
    came = [event for event in exchange.events if event.kind == "receive"]
    assert b"".join(event.data for event in came) == b"".join(answer).replace(KEY.encode(), b"*" * len(KEY))
    assert [(event.time, len(event.data)) for event in came] == [
        (1_000_000_000, len(answer[0])),
        (2_000_000_000, len(answer[1])),
        (3_000_000_000, len(answer[2])),
    ]
    sends = [record for record in records_of(path) if record.kind == "send"]
    assert [(record.time, len(record.data)) for record in sends] == [(0, 50), (1_000_000_000, len(head) - 50)]
    assert sum(record.struck for record in sends) == len(KEY)


async def enter(path: Path, **options: Any) -> None:
    async with RecordingTransport(MemoryTransport(echo), path, **options):
        pass


def test_a_tape_that_is_there_is_not_touched_unless_told(path: Path) -> None:
    path.write_bytes(b"mine")
    with pytest.raises(InvalidParamsError, match=r"not there yet \(or overwrite=True\)"):
        trio.run(enter, path)
    assert path.read_bytes() == b"mine"
    trio.run(partial(enter, path, overwrite=True))
    assert kinds_of(path) == ["tape"]


def test_a_new_tape_is_for_its_owner_alone(path: Path) -> None:
    trio.run(enter, path)
    assert kinds_of(path) == ["tape"]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("listened", [False, True])
async def test_what_is_no_file_is_refused_and_never_waited_for(path: Path, listened: bool) -> None:
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if listened else None
    try:
        with pytest.raises(InvalidParamsError, match="the tape cannot be made: it is no file"):
            await enter(path, overwrite=True)
    finally:
        if reader is not None:
            os.close(reader)
    with pytest.raises(InvalidParamsError, match="the tape cannot be made: it is no file"):
        await enter(Path(os.devnull), overwrite=True)


async def test_two_recorders_never_share_a_tape(path: Path) -> None:
    async with RecordingTransport(MemoryTransport(echo), path):
        with pytest.raises(InvalidParamsError, match="cannot be made: another recorder writes on it"):
            await enter(path, overwrite=True)
        assert kinds_of(path) == ["tape"]  # nor does the second one empty it
    await enter(path, overwrite=True)


def test_a_tape_that_replaces_a_file_is_for_its_owner_alone_too(path: Path) -> None:
    path.write_bytes(b"mine")
    path.chmod(0o644)
    trio.run(partial(enter, path, overwrite=True))
    assert path.stat().st_mode & 0o077 == 0


async def test_a_tape_that_cannot_be_made_is_an_error_before_the_inner_transport_is_entered(tmp_path: Path) -> None:
    class Watched(MemoryTransport):
        async def __aenter__(self) -> Any:
            raise AssertionError

    with pytest.raises(InvalidParamsError, match="cannot be made: no such file or directory"):
        async with RecordingTransport(Watched(echo), tmp_path / "missing" / "a.tape"):
            pass


async def test_a_request_can_come_while_the_last_answer_is_held_back(path: Path) -> None:
    """The answer ends as the key begins, so its last byte is on the tape after the next request."""

    async def handler(stream: trio.abc.HalfCloseableStream) -> None:
        for _ in range(2):
            await read_request(stream)
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nstop")

    asked = f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
    async with RecordingTransport(MemoryTransport(handler), path) as transport:
        stream = await transport.connect(HTTP)
        for _ in range(2):
            await stream.send_all(asked)
            assert (await stream.receive_some()).endswith(b"stop")
        await stream.aclose()
    assert kinds_of(path)[2:] == ["send", "receive", "send", "receive", "receive", "receive", "close"]
    found = [[event.data[-4:] for event in each.events] for each in Tape.load(path).exchanges]
    assert found == [[b"stop"], [b"stop", b""]]
    view = TapeView()
    lines = [line for record in records_of(path) for line in view.take(record)]
    assert [line.what for line in lines].count("finished") == 2
    assert "!" not in [line.mark for line in lines]


async def test_a_send_can_fail_while_the_head_is_held_back(path: Path) -> None:

    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise trio.BrokenResourceError("gone")

    sending = trio.testing.MemorySendStream(send_all_hook=fail)
    receiving = trio.testing.MemoryReceiveStream()

    class Inner(Transport):
        secure = True

        async def connect(self, origin: Origin) -> trio.abc.Stream:
            await trio.lowlevel.checkpoint()
            return trio.StapledStream(sending, receiving)

    async with RecordingTransport(Inner(), path) as transport:
        stream = await transport.connect(HTTP)
        receiving.put_data(b"HTTP/1.1 ")
        await stream.receive_some()
        with pytest.raises(trio.BrokenResourceError, match="gone"):
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        receiving.put_data(b"413 No\r\n\r\n")
        await stream.receive_some()
        await stream.aclose()
    assert kinds_of(path)[2:] == ["send", "error", "receive", "receive", "close"]
    (exchange,) = Tape.load(path).exchanges
    assert [event.kind for event in exchange.events] == ["error", "receive", "receive", "close"]


class FullDisk:
    """Lets so many bytes be written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: Any) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = bytes(data)[: self.room]
        self.room -= len(part)
        return self._write(descriptor, part)


async def test_a_full_disk_stops_the_recording_and_not_the_generation(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = RecordingTransport(MemoryTransport(answering(stream_response("sse"), pieces=300)), path)
    client = NovelAI(KEY, image_base=BASE, transport=recorder)

    async def generate() -> list[FinalChunk]:
        async with client:
            with monkeypatch.context() as patch:
                FullDisk(patch, 2500)
                return await client.image.generate(params(), stream="sse")

    with pytest.warns(RecordingWarning, match=r"recording on '.*a\.tape' stopped: no space left on device"):
        found = await generate()
    assert len(found) == 1
    assert recorder.failure is not None
    assert recorder.failure.errno == errno.ENOSPC
    assert kinds_of(path)[:3] == ["tape", "open", "send"]  # whole: the torn record was cut off
    assert "close" not in kinds_of(path)


async def test_a_warning_that_is_an_error_waits_until_the_generation_is_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = RecordingTransport(MemoryTransport(answering(stream_response("sse"))), path)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RecordingWarning, match="no space left"):
            async with NovelAI(KEY, image_base=BASE, transport=recorder) as client:
                with monkeypatch.context() as patch:
                    FullDisk(patch, 0)
                    found += await client.image.generate(params(), stream="sse")
    assert len(found) == 1


async def test_writing_in_parts_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:5]))
    async with RecordingTransport(MemoryTransport(echo), path) as transport:
        await (await transport.connect(HTTP)).aclose()
    assert kinds_of(path) == ["tape", "open", "close"]


async def test_what_was_recorded_is_on_the_disk_before_it_is_handed_out(path: Path) -> None:
    async with RecordingTransport(MemoryTransport(echo), path) as transport:
        stream = await transport.connect(HTTP)
        asked = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        await stream.send_all(asked)
        assert bytes_of(path, "send") == asked
        await stream.receive_some()
        assert bytes_of(path, "receive") == asked
        await stream.aclose()


async def test_a_long_send_is_one_piece_in_several_records(path: Path) -> None:
    body = os.urandom(2_500_000)
    asked = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    async def swallow(stream: trio.abc.HalfCloseableStream) -> None:
        async for _ in stream:
            pass

    async with RecordingTransport(MemoryTransport(swallow), path) as transport:
        stream = await transport.connect(HTTP)
        await stream.send_all(asked)
        await stream.aclose()
    sends = [record for record in records_of(path) if record.kind == "send"]
    assert [record.continued for record in sends] == [False, True, True]
    assert Tape.load(path).exchanges[0].request.body == body
