"""Contexts: what they verify and offer, and files that are missing, broken or of another kind."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trustme
from cryptography.hazmat.primitives import serialization

from nai_trio.errors import ConnectError, InvalidParamsError
from nai_trio.transports.memory_stream import memory_stream_pair
from nai_trio.transports.tls import default_context, open_tls, tls_context

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Certificates

HOST = "service.example"
PASSWORD = "correct horse"


class Files:
    """An authority and a client certificate of its, as files."""

    def __init__(self, authority: trustme.CA, folder: Path) -> None:
        client = authority.issue_cert("client.example")
        key = serialization.load_pem_private_key(client.private_key_pem.bytes(), None)
        encrypted = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(PASSWORD.encode()),
        )
        self.authority = authority.cert_pem.bytes()
        self.ca = _written(folder / "ca.pem", self.authority)
        self.certificate = _written(folder / "client.pem", client.cert_chain_pems[0].bytes())
        self.key = _written(folder / "client.key", client.private_key_pem.bytes())
        self.both = _written(folder / "both.pem", client.private_key_and_cert_chain_pem.bytes())
        self.encrypted = _written(folder / "encrypted.key", encrypted)
        self.other_key = _written(folder / "other.key", authority.issue_cert("x.example").private_key_pem.bytes())
        self.empty = _written(folder / "empty.pem", b"")
        self.noise = _written(folder / "noise.pem", b"\x00\xff not a certificate")
        self.missing = folder / "missing.pem"
        self.folder = folder


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture
def files(certificates: Certificates, tmp_path: Path) -> Files:
    return Files(certificates.authority, tmp_path)


async def connected(certificates: Certificates, context: ssl.SSLContext, *, wants_client: bool = False) -> Any:
    """Connect to a server of the authority's; give the client's certificate as the server saw it."""
    server_context = certificates.server()
    if wants_client:
        server_context.verify_mode = ssl.CERT_REQUIRED
        certificates.authority.configure_trust(server_context)
    ours, theirs = memory_stream_pair()
    server = trio.SSLStream(theirs, server_context, server_side=True, https_compatible=True)

    async def serve() -> None:
        try:
            await server.do_handshake()
        except trio.BrokenResourceError:
            await server.aclose()

    refusal: ConnectError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        try:
            async with await open_tls(ours, HOST, context=context):
                await trio.testing.wait_all_tasks_blocked()
        except ConnectError as error:
            refusal = error
    if refusal is not None:
        raise refusal
    return server.getpeercert()


async def test_authorities_of_ones_own_are_trusted(certificates: Certificates, files: Files) -> None:
    for where in (
        {"ca_file": files.ca},
        {"ca_file": str(files.ca)},
        {"ca_data": files.authority},
        {"ca_data": files.authority.decode()},
        {"ca_data": ssl.PEM_cert_to_DER_cert(files.authority.decode())},
        {"ca_file": files.ca, "ca_data": files.authority},
    ):
        await connected(certificates, tls_context(**where))  # type: ignore[arg-type]


async def test_a_folder_of_authorities_is_trusted(certificates: Certificates, files: Files) -> None:
    authority = trustme.CA(organization_name="nai-trio", organization_unit_name="tests")
    folder = files.folder / "hashed"
    folder.mkdir()
    authority.cert_pem.write_to_path(folder / "daf82360.0")  # what `openssl x509 -hash` gives for this subject
    await connected(certificates._replace(authority=authority), tls_context(ca_path=folder))
    with pytest.raises(ConnectError, match="certificate not accepted"):
        await connected(certificates, tls_context(ca_path=folder))


async def test_own_authorities_stand_in_place_of_the_systems(files: Files) -> None:
    own = tls_context(ca_file=files.ca)
    assert [entry["subject"] for entry in own.get_ca_certs()] == [
        entry["subject"] for entry in tls_context(ca_data=files.authority).get_ca_certs()
    ]
    assert len(own.get_ca_certs()) == 1


async def test_without_any_the_systems_store_is_used(certificates: Certificates) -> None:
    context = tls_context()
    assert context is not default_context()
    assert context.cert_store_stats() == default_context().cert_store_stats()
    with pytest.raises(ConnectError, match="certificate not accepted"):
        await connected(certificates, context)


def test_every_context_verifies_and_offers_the_same(files: Files) -> None:
    for context in (
        default_context(),
        tls_context(),
        tls_context(ca_file=files.ca),
        tls_context(client_certificate=files.both),
    ):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_RENEGOTIATION
        assert context.verify_flags == ssl.create_default_context().verify_flags
        assert context.protocol is ssl.PROTOCOL_TLS_CLIENT


@pytest.mark.parametrize("kind", ["two files", "one file", "encrypted"])
async def test_a_client_certificate_is_shown(certificates: Certificates, files: Files, kind: str) -> None:
    given = {
        "two files": {"client_certificate": files.certificate, "client_key": str(files.key)},
        "one file": {"client_certificate": files.both},
        "encrypted": {
            "client_certificate": str(files.certificate),
            "client_key": files.encrypted,
            "client_key_password": PASSWORD,
        },
    }[kind]
    seen = await connected(certificates, tls_context(ca_file=files.ca, **given), wants_client=True)  # type: ignore[arg-type]
    assert seen["subjectAltName"] == (("DNS", "client.example"),)


def refused(**given: object) -> InvalidParamsError:
    with pytest.raises(InvalidParamsError) as caught:
        tls_context(**given)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("field", ["ca_file", "client_certificate"])
@pytest.mark.parametrize("kind", ["missing", "folder", "noise", "empty"])
def test_a_file_that_is_not_one_is_named(files: Files, field: str, kind: str) -> None:
    path = getattr(files, kind)
    error = refused(**{field: path})
    assert error.field == field
    assert error.value == path
    assert str(error).startswith(f"{field}: expected ")
    assert str(error).endswith(f", got {str(path)!r}")
    if kind == "missing":
        assert "No such file" in str(error)


@pytest.mark.parametrize("kind", ["missing", "other_key", "noise", "certificate"])
def test_a_key_that_does_not_belong_is_named(files: Files, kind: str) -> None:
    path = getattr(files, kind)
    error = refused(client_certificate=files.certificate, client_key=path)
    assert str(path) in str(error)
    assert error.field == ("client_key" if kind == "missing" else "client_certificate")


@pytest.mark.parametrize("kind", ["missing", "ca", "folder"])
def test_a_folder_without_hashed_names_is_refused(files: Files, kind: str) -> None:
    error = refused(ca_path=getattr(files, kind))
    assert error.field == "ca_path"
    assert "openssl rehash" in str(error)


@pytest.mark.parametrize(
    "data", [b"", "", "no certificate", b"\x30\x03abc", "\u00fc", b"-----BEGIN CERTIFICATE-----\n\xff", 7, object()]
)
def test_data_that_is_no_certificate_is_refused(data: object) -> None:
    error = refused(ca_data=data)
    assert error.field == "ca_data"
    assert "certificates, PEM or DER" in str(error)


def test_a_value_that_is_no_path_is_refused() -> None:
    for field in ("ca_file", "ca_path", "client_certificate"):
        assert refused(**{field: object()}).field == field
        assert refused(**{field: "a\0b"}).field == field


@pytest.mark.parametrize(("password", "came"), [(None, "none"), ("wrong", "another one"), ("x" * 2000, "another one")])
def test_an_encrypted_key_is_never_asked_about_on_the_terminal(
    files: Files, password: str | None, came: str, capfd: pytest.CaptureFixture[str]
) -> None:
    error = refused(client_certificate=files.certificate, client_key=files.encrypted, client_key_password=password)
    assert str(error) == f"client_key_password: expected the password of the client key, which is encrypted, got {came}"
    assert capfd.readouterr() == ("", "")


def test_a_key_or_a_password_without_a_certificate_is_refused(files: Files) -> None:
    for given in ({"client_key": files.key}, {"client_key_password": PASSWORD}):
        error = refused(**given)
        assert error.field == "client_certificate"
        assert PASSWORD not in str(error)


def test_no_password_is_shown(files: Files) -> None:
    for given in ({"client_key": files.encrypted}, {"client_key": files.noise}, {"client_key": files.missing}):
        error = refused(client_certificate=files.certificate, client_key_password="hunter2", **given)
        chain: BaseException | None = error
        while chain is not None:
            assert "hunter2" not in str(chain) + repr(chain)
            chain = chain.__cause__ or chain.__context__
