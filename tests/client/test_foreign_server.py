"""Over real sockets, from a server that is not ours: the standard library's, plain and over TLS."""

from __future__ import annotations

import ssl
from typing import Literal

import pytest
import recorded
import trio
import trustme
from scripted import read_request
from stdlib_server import stdlib_server

from nai_trio import ConnectError, NovelAI
from nai_trio.transports import MemoryTransport

KEY = "pst-not-a-real-key"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize("kind", ["sse", "msgpack"])
async def test_a_generation_over_tls(
    kind: Literal["sse", "msgpack"], server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    params = recorded.params(n_samples=2)
    with stdlib_server(server_context) as server:
        async with NovelAI(KEY, image_base=server.url, ssl_context=client_context) as client:
            for _ in range(2):
                async with client.image.generate_stream(params, stream=kind) as stream:
                    images = [chunk.image async for chunk in stream]  # type: ignore[union-attr]
                assert images == [event["image"] for event in recorded.events(2)]
        addresses = {address for address, _, _ in server.seen}
    assert len(server.seen) == 2
    assert len(addresses) == 1, "the second generation used the first one's connection"
    _, headers, request = server.seen[0]
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert request == params.to_wire(stream=kind)


async def test_a_generation_over_plain_tcp_to_loopback() -> None:
    with stdlib_server() as server:
        async with NovelAI(KEY, image_base=server.url) as client:
            finals = await client.image.generate(recorded.params())
    assert [final.image for final in finals] == [recorded.events()[-1]["image"]]


async def test_an_unknown_authority_is_refused_by_default(server_context: ssl.SSLContext) -> None:
    with stdlib_server(server_context) as server:
        async with NovelAI(KEY, image_base=server.url) as client:
            with pytest.raises(ConnectError, match="certificate"):
                await client.image.generate(recorded.params())
    assert server.seen == []


async def test_a_wrong_name_is_refused(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    with stdlib_server(server_context) as server:
        url = server.url.replace("localhost", "127.0.0.1")
        async with NovelAI(KEY, image_base=url, ssl_context=client_context) as client:
            with pytest.raises(ConnectError, match=r"127\.0\.0\.1"):
                await client.image.generate(recorded.params())


async def test_nobody_listening_is_a_connect_error() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    for listener in listeners:
        await listener.aclose()
    async with NovelAI(KEY, image_base=f"http://127.0.0.1:{port}") as client:
        with pytest.raises(ConnectError, match=str(port)) as caught:
            await client.image.generate(recorded.params())
    assert isinstance(caught.value.__cause__, OSError)
    assert not caught.value.billing_unknown


async def test_a_context_that_is_given_means_tls_even_over_a_memory_transport(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        async with trio.SSLStream(stream, server_context, server_side=True, https_compatible=True) as tls:
            await read_request(tls)
            await tls.send_all(recorded.stream_response("msgpack"))

    transport = MemoryTransport(handler)
    async with NovelAI(KEY, image_base="https://localhost", transport=transport, ssl_context=client_context) as client:
        assert len(await client.image.generate(recorded.params())) == 1
