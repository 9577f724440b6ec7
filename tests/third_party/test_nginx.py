"""nginx as the TLS front of the service: what stands before most HTTP services, and perhaps before this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from conformance import unused_port
from emulator_thread import KEY, Served
from program_checks import (
    BOTH,
    PARAMS,
    Kind,
    TLSFiles,
    check_cut_at_the_far_end,
    check_killed,
    check_whole,
    nothing_left,
)

from nai_trio import ConnectError, NovelAI, NovelAIError, ServerError
from nai_trio.transports.tls import tls_context

if TYPE_CHECKING:
    from pathlib import Path

    from programs import Running, Start

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.usefixtures("fresh_looks")]

FORMS = {
    "unbuffered": "proxy_http_version 1.1; proxy_buffering off;",
    "buffered": "proxy_http_version 1.1; proxy_set_header Connection '';",
    "by close": "proxy_http_version 1.0; proxy_buffering off;",
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())


def client_of(front: Running, tls_files: TLSFiles) -> NovelAI:
    return NovelAI(KEY, image_base=f"https://127.0.0.1:{front.port}", ssl_context=tls_files.context())


@BOTH
@every_form
async def test_a_generation_streams_through(
    start_nginx: Start, served: Served, tls_files: TLSFiles, form: str, kind: Kind
) -> None:
    with start_nginx(form) as front:
        await check_whole(client_of(front, tls_files), served, kind)


@BOTH
@every_form
async def test_a_cut_behind_it_interrupts(
    start_nginx: Start, served: Served, tls_files: TLSFiles, form: str, kind: Kind
) -> None:
    with start_nginx(form) as front:
        await check_cut_at_the_far_end(client_of(front, tls_files), served, kind)


@BOTH
async def test_killing_it_interrupts(start_nginx: Start, served: Served, tls_files: TLSFiles, kind: Kind) -> None:
    with start_nginx() as front:
        await check_killed(client_of(front, tls_files), served, kind, front)


async def test_a_service_that_is_down_behind_it_is_a_server_error(
    start_nginx: Start, served: Served, tls_files: TLSFiles
) -> None:
    with start_nginx(service=f"http://127.0.0.1:{unused_port()}") as front:
        async with nothing_left(served), client_of(front, tls_files) as client:
            with pytest.raises(ServerError, match="502") as caught:
                await client.image.generate(PARAMS)
            assert caught.value.headers["server"].startswith("nginx")


async def test_a_certificate_of_an_unknown_authority_is_not_accepted(
    start_nginx: Start, served: Served, tls_files: TLSFiles
) -> None:
    with start_nginx() as front:
        async with nothing_left(served), NovelAI(KEY, image_base=f"https://127.0.0.1:{front.port}") as client:
            with pytest.raises(ConnectError, match="certificate not accepted"):
                await client.image.generate(PARAMS)


async def test_a_client_certificate_of_ones_own_is_shown_and_one_that_is_missing_is_asked_for(
    start_nginx: Start, served: Served, tls_files: TLSFiles, tmp_path: Path
) -> None:
    wants = f"ssl_verify_client on; ssl_client_certificate {tls_files.authority};"
    with start_nginx(server=wants, folder=tmp_path) as front:
        base = f"https://127.0.0.1:{front.port}"
        ours = tls_context(ca_file=tls_files.authority, client_certificate=tls_files.client)
        await check_whole(NovelAI(KEY, image_base=base, ssl_context=ours), served, "msgpack")
        async with nothing_left(served), client_of(front, tls_files) as client:
            with pytest.raises(NovelAIError, match="400"):  # TLS 1.3 tells only after the handshake; nginx in words
                await client.image.generate(PARAMS)
    assert [line.split()[2] for line in told(tmp_path)] == ["SUCCESS", "SUCCESS", "NONE"]


async def test_sessions_are_resumed_and_http_1_1_is_chosen(
    start_nginx: Start, served: Served, tls_files: TLSFiles, tmp_path: Path
) -> None:
    with start_nginx(server="keepalive_timeout 0;", folder=tmp_path) as front:
        async with nothing_left(served), client_of(front, tls_files) as client:
            for _ in range(3):
                await client.image.generate(PARAMS)
        while len(told(tmp_path)) < 3:  # noqa: ASYNC110 - nginx logs a request after its answer
            await trio.sleep(0.01)
    assert told(tmp_path) == [". http/1.1 NONE 200", "r http/1.1 NONE 200", "r http/1.1 NONE 200"]


def told(folder: Path) -> list[str]:
    """nginx's log of requests: session reused or not, protocol, client certificate, status."""
    return (folder / "access.log").read_text().splitlines()
