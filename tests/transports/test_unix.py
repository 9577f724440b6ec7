"""Unix sockets, real ones."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from sweep import cancelled_at_step

from nai_trio.errors import ConnectError, InvalidParamsError
from nai_trio.transport import Origin, Readable
from nai_trio.transports import UnixStream, UnixTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Connected = Callable[[], Awaitable[tuple[UnixStream, trio.SocketStream]]]

ORIGIN = Origin("https", "image.novelai.net", 443)


@asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[Connected]:
    """A socket that listens in a folder; gives what connects to it, and takes the other end."""
    with trio.socket.socket(socket.AF_UNIX) as listener:
        await listener.bind(str(folder / "s"))
        listener.listen(128)

        async def pair() -> tuple[UnixStream, trio.SocketStream]:
            ours = await UnixTransport(folder / "s").connect(ORIGIN)
            return ours, trio.SocketStream((await listener.accept())[0])

        yield pair


@asynccontextmanager
async def connected(pair: Connected) -> AsyncIterator[tuple[UnixStream, trio.SocketStream]]:
    ours, theirs = await pair()
    async with ours, theirs:
        yield ours, theirs


async def test_streams_keep_trios_rules(tmp_path: Path) -> None:
    async with listening(tmp_path) as pair:

        async def make() -> tuple[UnixStream, UnixStream]:
            ours, theirs = await pair()
            return ours, UnixStream(theirs)

        await trio.testing.check_half_closeable_stream(make, None)


async def test_bytes_pass_both_ways_whatever_the_origin(tmp_path: Path) -> None:
    async with listening(tmp_path) as pair, connected(pair) as (ours, theirs):
        await ours.send_all(b"hello")
        assert await theirs.receive_some() == b"hello"
        await theirs.send_all(b"hello back")
        buffer = bytearray(5)
        assert await ours.receive_into(buffer) == 5
        assert buffer + await ours.receive_some() == b"hello back"


async def test_readable_is_false_when_idle_and_true_on_bytes_and_end(tmp_path: Path) -> None:
    async with listening(tmp_path) as pair, connected(pair) as (ours, theirs):
        assert isinstance(ours, Readable)
        assert not ours.readable()
        await theirs.send_all(b"x")
        assert ours.readable()
        await ours.receive_some()
        assert not ours.readable()
        await theirs.aclose()
        assert ours.readable()


async def test_a_closed_stream_says_what_it_is(tmp_path: Path) -> None:
    async with listening(tmp_path) as pair, connected(pair) as (ours, _):
        await ours.aclose()
        with pytest.raises(trio.ClosedResourceError, match="this Unix stream is closed"):
            await ours.receive_into(bytearray(1))


async def test_a_path_without_a_socket_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConnectError) as caught:
        await UnixTransport(tmp_path / "none").connect(ORIGIN)
    where = f"connect via unix:{tmp_path}/none to https://image.novelai.net:443"
    assert str(caught.value) == f"{where}: no such file or directory"
    assert isinstance(caught.value.__cause__, FileNotFoundError)


async def test_a_socket_that_nobody_listens_on_refuses(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as once:
        once.bind(str(path))
    with pytest.raises(ConnectError, match=r"refused \(nothing listens there\)$"):
        await UnixTransport(path).connect(ORIGIN)


async def test_a_path_too_long_for_a_socket_says_so() -> None:
    with pytest.raises(ConnectError, match="too long"):
        await UnixTransport("/" + "x" * 200).connect(ORIGIN)


@pytest.mark.parametrize("path", ["", "a\0b", "\0abstract", "/\ud800", 3, None, b"/bytes"])
def test_what_is_no_path_is_refused(path: object) -> None:
    with pytest.raises(InvalidParamsError, match="path: expected the path of a socket"):
        UnixTransport(path)  # type: ignore[arg-type]


def test_it_says_what_it_is(tmp_path: Path) -> None:
    assert repr(UnixTransport("/run/x.sock")) == "UnixTransport('/run/x.sock')"
    assert UnixTransport(Path("/run/x.sock")).describe() == "unix:/run/x.sock"


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_cancelling_at_every_step_leaves_no_descriptor_open(tmp_path: Path) -> None:
    async def connect() -> None:
        await (await UnixTransport(tmp_path / "s").connect(ORIGIN)).aclose()

    async with listening(tmp_path):
        before = open_descriptors()
        step = 1
        while await cancelled_at_step(step, connect):
            assert open_descriptors() == before
            step += 1
        assert step > 1
        assert open_descriptors() == before
