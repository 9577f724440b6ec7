"""TLS that does not verify its peer is refused wherever a context can be given, until somebody says so in words."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import recorded
import trio
import trio.testing
import trustme
from scripted import answering

from nai_trio import ConnectError, InvalidParamsError, NovelAI, Timeouts
from nai_trio.pool import ConnectionPool
from nai_trio.transport import Origin
from nai_trio.transports import (
    HTTPProxyTransport,
    MemoryTransport,
    RecordingTransport,
    WebSocketTransport,
    default_context,
    open_tls,
    tls_context,
)
from nai_trio.transports.tls_options import check_context

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "pst-not-a-real-key"
HOST = "service.example"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    return tls_context(ca_data=authority.cert_pem.bytes())


def without_names(context: ssl.SSLContext) -> ssl.SSLContext:
    context.check_hostname = False
    return context


def without_anything(context: ssl.SSLContext) -> ssl.SSLContext:
    without_names(context).verify_mode = ssl.CERT_NONE
    return context


def with_a_flag_turned(context: ssl.SSLContext) -> ssl.SSLContext:
    """Certificates are not looked at, and names are not either, though the flag's value is another one."""
    without_anything(context)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def a_servers(context: ssl.SSLContext) -> ssl.SSLContext:
    del context
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


WEAK = [(without_names, "check_hostname False"), (without_anything, "verify_mode CERT_NONE"),
        (with_a_flag_turned, "verify_mode CERT_NONE"), (a_servers, "verify_mode CERT_NONE")]  # fmt: skip
weak = pytest.mark.parametrize(("weaken", "told"), WEAK, ids=[row[0].__name__ for row in WEAK])


def pool_with(context: Any, **options: Any) -> ConnectionPool:
    transport = MemoryTransport(answering(b""))
    return ConnectionPool(
        transport, Origin("https", HOST, 443), ssl_context=context, timeouts=Timeouts(), max_idle=1, **options
    )


DOORS: dict[str, Callable[..., Any]] = {
    "client": lambda context, **options: NovelAI(KEY, ssl_context=context, **options),
    "client of a local service": lambda context, **options: NovelAI(
        KEY, image_base="http://localhost", ssl_context=context, **options
    ),
    "pool": pool_with,
    "proxy": lambda context, **options: HTTPProxyTransport("https://h", ssl_context=context, **options),
    "relay": lambda context, **options: WebSocketTransport("wss://h", ssl_context=context, **options),
    "recorder": lambda context, **options: RecordingTransport(
        MemoryTransport(answering(b"")), "a.tape", ssl_context=context, **options
    ),
}
doors = pytest.mark.parametrize("make", DOORS.values(), ids=DOORS)


@doors
@weak
def test_every_door_refuses_it_and_says_what_to_do(
    make: Callable[..., Any], weaken: Callable[..., ssl.SSLContext], told: str, authority: trustme.CA
) -> None:
    context = weaken(trusting(authority))
    with pytest.raises(InvalidParamsError) as caught:
        make(context)
    assert caught.value.field == "ssl_context"
    assert f"got one with {told}" in str(caught.value)
    assert "tls_context(ca_file=...)" in str(caught.value)
    assert "allow_unverified_tls=True" in str(caught.value)
    make(context, allow_unverified_tls=True)


@doors
def test_every_door_takes_what_verifies(make: Callable[..., Any], authority: trustme.CA) -> None:
    make(trusting(authority))
    make(default_context())
    make(None)


@doors
@pytest.mark.parametrize("given", [True, "context.pem", ssl.SSLContext])
def test_every_door_refuses_what_is_no_context(make: Callable[..., Any], given: object) -> None:
    with pytest.raises(InvalidParamsError, match=r"ssl_context: expected an ssl\.SSLContext, or None"):
        make(given)
    with pytest.raises(InvalidParamsError):
        make(given, allow_unverified_tls=True)


def test_certificates_that_are_wanted_if_there_are_any_are_verified(authority: trustme.CA) -> None:
    """For a client, CERT_OPTIONAL is CERT_REQUIRED (Python's documentation of `ssl`)."""
    context = trusting(authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    check_context(context)


class Service:
    """A service behind TLS, whose certificate is of an authority that nobody knows.

    Attributes:
        heard: what was said to it, once TLS was agreed on.
    """

    def __init__(self) -> None:
        self.heard = 0
        self.reached = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("another.example").configure_cert(self._context)
        self._answer = answering(recorded.stream_response("sse"))

    async def __call__(self, stream: trio.abc.Stream) -> None:
        self.reached += 1
        encrypted = trio.SSLStream(stream, self._context, server_side=True, https_compatible=True)
        try:
            await encrypted.do_handshake()
            self.heard += 1
            await self._answer(encrypted)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.aclose_forcefully(stream)

    def client(self, context: ssl.SSLContext | None, **options: Any) -> NovelAI:
        transport = MemoryTransport(self, secure=False)
        return NovelAI(KEY, image_base=f"https://{HOST}", transport=transport, ssl_context=context, **options)


async def test_who_says_so_talks_to_anybody(authority: trustme.CA) -> None:
    service = Service()
    async with service.client(without_anything(trusting(authority)), allow_unverified_tls=True) as client:
        assert len(await client.image.generate(recorded.params(), stream="sse")) == 1
    assert service.heard == 1


async def test_to_say_so_changes_nothing_for_a_context_that_verifies(authority: trustme.CA) -> None:
    service = Service()
    for context in (trusting(authority), None):
        async with service.client(context, allow_unverified_tls=True) as client:
            with pytest.raises(ConnectError, match="certificate"):
                await client.image.generate(recorded.params())
    assert service.heard == 0


@pytest.mark.parametrize(("weaken", "told"), WEAK[:3])
async def test_a_context_that_is_weakened_after_it_was_given_is_refused_when_it_is_used(
    weaken: Callable[..., ssl.SSLContext], told: str, authority: trustme.CA
) -> None:
    service = Service()
    context = trusting(authority)
    async with service.client(context) as client:
        weaken(context)
        with pytest.raises(InvalidParamsError, match="allow_unverified_tls=True") as caught:
            await client.image.generate(recorded.params())
    assert told in str(caught.value)
    assert (service.reached, service.heard) == (1, 0)


async def test_the_shared_context_is_looked_at_too() -> None:
    service = Service()
    context = default_context()
    try:
        without_anything(context)
        async with service.client(None) as client:
            with pytest.raises(InvalidParamsError, match="verify_mode CERT_NONE"):
                await client.image.generate(recorded.params())
    finally:
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
    assert service.heard == 0


async def test_a_stream_that_is_refused_tls_is_closed(authority: trustme.CA) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    with pytest.raises(InvalidParamsError):
        await open_tls(ours, HOST, context=without_names(trusting(authority)))
    assert await theirs.receive_some() == b""


async def test_a_hops_context_is_looked_at_when_it_is_used(authority: trustme.CA) -> None:
    context = trusting(authority)
    heard: list[bytes] = []

    async def proxy(stream: trio.abc.Stream) -> None:
        heard.append(await stream.receive_some())

    transport = HTTPProxyTransport(
        "https://proxy.example", inner=MemoryTransport(proxy, secure=False), ssl_context=context
    )
    without_anything(context)
    async with NovelAI(KEY, image_base=f"https://{HOST}", transport=transport) as client:
        with pytest.raises(InvalidParamsError, match="verify_mode CERT_NONE"):
            await client.image.generate(recorded.params())
    assert heard in ([], [b""])


async def test_a_recorders_context_is_looked_at_when_it_is_used(authority: trustme.CA, tmp_path: Path) -> None:
    context = trusting(authority)
    service = Service()
    inner = MemoryTransport(service, secure=False)
    recorder = RecordingTransport(inner, tmp_path / "a.tape", ssl_context=context)
    without_anything(context)
    async with NovelAI(KEY, image_base=f"https://{HOST}", transport=recorder) as client:
        with pytest.raises(InvalidParamsError, match="verify_mode CERT_NONE"):
            await client.image.generate(recorded.params())
    assert service.heard == 0


async def test_whoever_says_so_of_a_hop_has_said_nothing_of_the_service(authority: trustme.CA) -> None:
    """The proxy is anybody; the service behind it is verified all the same."""
    service, context = Service(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("anybody.example").configure_cert(context)

    async def proxy(stream: trio.abc.Stream) -> None:
        encrypted = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += await encrypted.receive_some()
        assert heard.startswith(b"CONNECT service.example:443 ")
        await encrypted.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        await service(encrypted)

    transport = HTTPProxyTransport(
        "https://proxy.example",
        inner=MemoryTransport(proxy, secure=False),
        ssl_context=without_anything(trusting(authority)),
        allow_unverified_tls=True,
    )
    async with NovelAI(KEY, image_base=f"https://{HOST}", transport=transport) as client:
        with pytest.raises(ConnectError, match="certificate"):
            await client.image.generate(recorded.params())
    assert (service.reached, service.heard) == (1, 0)


# The environment.


def fresh_contexts(authority: trustme.CA) -> list[ssl.SSLContext]:
    return [default_context.__wrapped__(), tls_context(), trusting(authority)]


def test_what_opens_the_traffic_is_written_nowhere(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert ssl.create_default_context().keylog_filename == str(tmp_path / "keys")  # what others' contexts do
    (tmp_path / "keys").unlink()
    for context in fresh_contexts(authority):
        assert context.keylog_filename is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "value"), [("PYTHONHTTPSVERIFY", "0"), ("SSL_VERIFY", "0"), ("CURL_INSECURE", "1")])
def test_no_variable_turns_verification_off(
    name: str, value: str, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
    for context in fresh_contexts(authority):
        check_context(context)
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_our_contexts_are_as_strict_as_pythons(authority: trustme.CA) -> None:
    pythons = ssl.create_default_context()
    for context in fresh_contexts(authority):
        assert context.verify_flags == pythons.verify_flags
        assert context.verify_mode == pythons.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.options & pythons.options == pythons.options
        assert {cipher["name"] for cipher in context.get_ciphers()} == {
            cipher["name"] for cipher in pythons.get_ciphers()
        }
    assert tls_context().get_ca_certs() == pythons.get_ca_certs()
    assert trusting(authority).cert_store_stats()["x509_ca"] == 1
