"""No secret of ours is shown or kept by any route, whatever becomes of it.

The key, a relay's token and proxies' credentials are planted. Then each route succeeds and fails in every way there is,
and all that could show them is searched: texts and representations of errors and of what is behind them, tracebacks
with the locals of each frame, log records of everybody, files.
"""

from __future__ import annotations

import io
import logging
import random
from typing import TYPE_CHECKING

import pytest
import trio
from conformance import Opened, Site, opened
from conformance_ends import reset, silent
from conformance_rows import CREDENTIALS, KEY, PASSWORD, TOKEN, USER, Row, every_row, rows
from conformance_secrets import exposed, forms, of_error, of_files, of_records
from PIL import Image

from nai_trio import (
    AuthenticationError,
    ConnectError,
    ImageParams,
    ImageToImage,
    InvalidParamsError,
    NetworkError,
    NetworkTimeout,
    NovelAI,
    NovelAIError,
    ProxyAuthenticationError,
    StreamInterrupted,
    Timeouts,
)
from nai_trio.emulator import Cut, Emulator, Stall
from nai_trio.transports import HTTPProxyTransport, SOCKSTransport, WebSocketTransport

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Certificates

PARAMS = ImageParams("1girl, cat ears", size=(64, 64), steps=5, seed=7)


class Watch:
    """What is looked at after a test has done its worst."""

    def __init__(self, site: Site, records: list[logging.LogRecord]) -> None:
        self.site = site
        self._records = records

    def check(self, error: BaseException | None = None, *more: object) -> None:
        """Nothing is shown anywhere.

        Raises:
            AssertionError: something is; says where.
        """
        found = exposed((f"repr of {type(each).__name__}", f"{each!r} {each}") for each in more)
        if error is not None:
            found += exposed(of_error(error))
        found += exposed(of_records(self._records)) + exposed(of_files(self.site.folder))
        assert not found, "\n".join(found)


@pytest.fixture
def watch(certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Watch:
    caplog.set_level(logging.DEBUG)
    return Watch(Site(certificates.authority, tmp_path), caplog.records)


@pytest.fixture(scope="session")
def big_params() -> ImageParams:
    """A request that no buffer on the way holds."""
    noise, file = Image.frombytes("RGB", (1024, 1024), random.Random(5).randbytes(3 * 1024 * 1024)), io.BytesIO()
    noise.save(file, "PNG", compress_level=0)
    return PARAMS.replace(i2i=ImageToImage(file.getvalue()), size=(1024, 1024))


async def failure(
    route: Opened, kind: type[NovelAIError], params: ImageParams = PARAMS, **options: object
) -> NovelAIError:
    """Generate, which must fail in that way."""
    async with route.client(**options) as client:
        with pytest.raises(kind) as caught:
            await client.image.generate(params, stream="sse")
        assert not exposed([("client", f"{client!r}")])
    await route.all_gone()
    return caught.value


@every_row
async def test_after_success(row: Row, watch: Watch) -> None:
    async with opened(row, watch.site, Emulator(api_keys={KEY}).serve) as route:
        async with route.client() as client:
            (final,) = await client.image.generate(PARAMS)
            watch.check(None, client, route.transport, final, client.pool, client.api_key)
        said = " ".join(line for door in route.doors[:-1] for line in door.heard)
        assert KEY not in said
    watch.check()


@every_row
async def test_after_a_refusal_by_the_service(row: Row, watch: Watch) -> None:
    async with opened(row, watch.site, Emulator(api_keys={"another"}).serve) as route:
        watch.check(await failure(route, AuthenticationError))


@every_row
async def test_after_a_cut(row: Row, watch: Watch) -> None:
    emulator = Emulator()
    emulator.inject(Cut(after=3000))
    async with opened(row, watch.site, emulator.serve) as route:
        watch.check(await failure(route, StreamInterrupted))


@every_row
async def test_after_a_cut_while_the_request_is_sent(row: Row, watch: Watch, big_params: ImageParams) -> None:
    async def vanish(stream: trio.abc.Stream) -> None:
        await stream.receive_some(1)
        reset(stream)

    async with opened(row, watch.site, vanish) as route:
        watch.check(await failure(route, NetworkError, big_params))


@every_row
async def test_after_a_timeout_while_the_request_is_sent(row: Row, watch: Watch, big_params: ImageParams) -> None:
    gone = trio.Event()

    async def stop(stream: trio.abc.Stream) -> None:
        await gone.wait()

    async with opened(row, watch.site, stop) as route:
        async with route.client(timeouts=Timeouts(send=0.1, response=0.1)) as client:
            with pytest.raises(NetworkTimeout) as caught:
                await client.image.generate(big_params)
        gone.set()
        await route.all_gone()
        watch.check(caught.value)


@every_row
async def test_after_silence(row: Row, watch: Watch) -> None:
    emulator = Emulator()
    emulator.inject(Stall(after=3000))
    async with opened(row, watch.site, emulator.serve) as route:
        watch.check(await failure(route, NetworkTimeout, timeouts=Timeouts(read=0.1)))


@every_row
async def test_after_a_timeout_of_connecting(row: Row, watch: Watch) -> None:
    async with opened(row, watch.site, silent, first_hop=silent) as route:
        base = f"https://127.0.0.1:{route.origin.port}"
        watch.check(await failure(route, NetworkTimeout, image_base=base, timeouts=Timeouts(connect=0.1)))


@rows(lambda row: row.layers[0] != "memory")
async def test_after_a_refused_connection(row: Row, watch: Watch) -> None:
    async with opened(row, watch.site, closed=True) as route:
        watch.check(await failure(route, NetworkError))


@rows(lambda row: row.wants_credentials)
async def test_after_a_refusal_of_the_credentials(row: Row, watch: Watch) -> None:
    async with opened(row, watch.site, silent, credentials="somebody:else", token="another") as route:
        watch.check(await failure(route, ProxyAuthenticationError))


@rows(lambda row: row.hops)
@pytest.mark.parametrize("status", [403, 407, 401, 302])
async def test_after_a_hop_that_repeats_what_it_heard(row: Row, watch: Watch, status: int) -> None:
    async def parrot(stream: trio.abc.Stream) -> None:
        heard = bytes(await stream.receive_some())
        line = heard.replace(b"\r\n", b" ")
        head = b"HTTP/1.1 %d %s\r\nlocation: /%s\r\nproxy-authenticate: Basic realm=\"%s\"\r\n" % (
            status, line[:400], line[-200:], line[:400],
        )  # fmt: skip
        await stream.send_all(head + b"content-type: text/plain\r\ncontent-length: %d\r\n\r\n%s" % (len(heard), heard))

    async with opened(row, watch.site, silent, first_hop=parrot) as route:
        watch.check(await failure(route, ConnectError))


@rows(lambda row: "tls" in row.layers)
async def test_after_a_certificate_that_is_not_accepted(row: Row, watch: Watch) -> None:
    async with opened(row, watch.site, silent, trusted=False) as route:
        watch.check(await failure(route, ConnectError))


@pytest.mark.parametrize("url", [f"http://{CREDENTIALS}@127.0.0.1:99999", f"nonsense://{USER}:x@h", f"ws://[{TOKEN}"])
def test_after_urls_that_cannot_be_read(url: str, watch: Watch) -> None:
    for make in (HTTPProxyTransport, SOCKSTransport, WebSocketTransport, lambda url: NovelAI(KEY, proxy=url)):
        with pytest.raises(InvalidParamsError) as caught:
            make(url)
        watch.check(without_our_frames(caught.value))


def without_our_frames(error: NovelAIError) -> NovelAIError:
    """The error without the frames of this file, which hold the secrets by right."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return error.with_traceback(frames)


# The search itself.


def _raise_with_a_secret_local() -> None:
    held = forms()["password, percent-encoded"].encode()
    raise ValueError(len(held))


@pytest.mark.parametrize("name", forms())
def test_the_search_finds_each_form(name: str) -> None:
    assert any(found.startswith(f"{name} in there") for found in exposed([("there", f"x{forms()[name]}y")]))


def test_the_search_looks_everywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    try:
        try:
            _raise_with_a_secret_local()
        except ValueError as first:
            first.add_note(TOKEN)
            raise RuntimeError(KEY) from first
    except RuntimeError as error:
        error.kept = CREDENTIALS  # type: ignore[attr-defined]
        found = " ".join(exposed(of_error(error)))
    for expected in ("key in str", "token in notes", "credentials in attributes", "password, percent-encoded in trace"):
        assert expected in found
    (tmp_path / "tape").write_bytes(b"\xff" + PASSWORD.encode())
    assert exposed(of_files(tmp_path))
    caplog.set_level(logging.DEBUG)
    logging.getLogger("anybody").debug("said %s", USER)
    assert exposed(of_records(caplog.records))
