"""How peers are verified and what is offered to them: the shared context, and one of the user's own.

Neither can be made to verify less: who needs that builds an `ssl.SSLContext` of the user's own and says
`allow_unverified_tls=True` where it is given (`check_context`). Nobody's context is changed after it is built: the
shared one is only read. A context can be changed by its owner at any time, so it is looked at again whenever TLS is
started.

Of the environment, OpenSSL's own `SSL_CERT_FILE` and `SSL_CERT_DIR` count. `SSLKEYLOGFILE` does not: Python's default
context would write into it what opens all that is sent, the API key first. Who debugs with it sets `keylog_filename`.

A file that is missing or broken is found here, by name. OpenSSL would name none, take a folder that does not exist for
an empty one, and ask on the terminal for the password of an encrypted key.
"""

from __future__ import annotations

import functools
import os
import re
import ssl
import sys
from pathlib import Path
from typing import TypeAlias, TypedDict, Unpack

from nai_trio.errors import InvalidParamsError
from nai_trio.transports.tls_reasons import failure_words

__all__ = ["HTTP_1_1", "check_context", "default_context", "tls_context"]

StrPath: TypeAlias = str | os.PathLike[str]

HTTP_1_1 = "http/1.1"
"""The one protocol that is offered by ALPN (RFC 7301)."""

_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
"""How OpenSSL finds a certificate in a folder: by the hash of its subject."""


@functools.cache
def default_context() -> ssl.SSLContext:
    """The shared client context: the system's certificate store, host names checked, TLS 1.2 or newer, ALPN http/1.1.

    Built on the first call, which reads the store from disk (tens of milliseconds). It serves every connection of the
    process: to change something, build a context of your own (`tls_context`). OpenSSL's variables `SSL_CERT_FILE` and
    `SSL_CERT_DIR` name another store.
    """
    return _strict(_new_context())


def check_context(
    context: ssl.SSLContext | None, *, allow_unverified_tls: bool = False, field: str = "ssl_context"
) -> None:
    """Make sure that a context verifies who the peer is: its certificate, and that this is the peer's.

    Args:
        context: what was given; None is fine.
        allow_unverified_tls: whether the user said that it need not.
        field: what the error calls it.

    Raises:
        InvalidParamsError: it does not, or is something else.
    """
    if context is None:
        return
    if not isinstance(context, ssl.SSLContext):
        raise InvalidParamsError.for_field(field, context, "an ssl.SSLContext, or None")
    if allow_unverified_tls:
        return
    off = "verify_mode CERT_NONE" if context.verify_mode is ssl.CERT_NONE else "check_hostname False"
    if context.verify_mode is ssl.CERT_NONE or not context.check_hostname:
        expected = (
            "a context that verifies the peer, such as tls_context(ca_file=...) for an authority of your own "
            "(allow_unverified_tls=True takes any, and then anybody on the way can read the key)"
        )
        raise InvalidParamsError.in_words(field, f"one with {off}", expected)


def tls_context(
    *,
    ca_file: StrPath | None = None,
    ca_path: StrPath | None = None,
    ca_data: str | bytes | None = None,
    client_certificate: StrPath | None = None,
    client_key: StrPath | None = None,
    client_key_password: str | None = None,
) -> ssl.SSLContext:
    """A context as `default_context`, with authorities of your own or a client certificate.

    Authorities that are given stand in place of the system's store, as with `curl --cacert`: who trusts one authority
    of his own need not trust every other one. To trust both, put both into one file, or load yours into the result:
    `tls_context().load_verify_locations("own.pem")`.

    Args:
        ca_file: a file of certificates in PEM.
        ca_path: a folder of such files, prepared by `openssl rehash`.
        ca_data: certificates: PEM as text or bytes, or DER.
        client_certificate: a file in PEM: this client's certificate, then those between it and its authority.
        client_key: its private key in PEM; by default in the same file.
        client_key_password: what the key is encrypted with.

    Raises:
        InvalidParamsError: a file is missing, or holds something else.
    """
    where = _authorities(ca_file, ca_path, ca_data)
    context = _strict(_new_context(**where))
    if client_certificate is not None:
        _load_client(context, client_certificate, client_key, client_key_password)
    elif client_key is not None or client_key_password is not None:
        raise InvalidParamsError.for_field("client_certificate", None, "the certificate that belongs to the client key")
    return context


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols([HTTP_1_1])
    return context


class _Authorities(TypedDict, total=False):
    cafile: str
    capath: str
    cadata: str | bytes


def _new_context(**where: Unpack[_Authorities]) -> ssl.SSLContext:
    """As `ssl.create_default_context` in all but `SSLKEYLOGFILE`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if sys.version_info >= (3, 13):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    if where:
        context.load_verify_locations(**where)
    else:
        context.load_default_certs()
    return context


def _authorities(ca_file: StrPath | None, ca_path: StrPath | None, ca_data: str | bytes | None) -> _Authorities:
    """Where the authorities are, each source tried alone, so that an error names it; {} for the system's store."""
    found: _Authorities = {}
    if ca_file is not None:
        found["cafile"] = _file("ca_file", ca_file)
        _try_authorities("ca_file", ca_file, cafile=found["cafile"])
    if ca_path is not None:
        found["capath"] = _hashed_folder(ca_path)
    if ca_data is not None:
        found["cadata"] = _pem_or_der(ca_data)
        _try_authorities("ca_data", _shape(ca_data), cadata=found["cadata"])
    return found


def _try_authorities(
    field: str, shown: object, *, cafile: str | None = None, cadata: str | bytes | None = None
) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=cafile, cadata=cadata)
    except (OSError, ValueError, TypeError) as error:  # ssl.SSLError is an OSError; text that is not ASCII: a TypeError
        kind = "certificates in PEM" if field == "ca_file" else "certificates, PEM or DER"
        raise _refusal(field, shown, f"{kind} ({_why(error)})") from error


def _load_client(context: ssl.SSLContext, certificate: StrPath, key: StrPath | None, password: str | None) -> None:
    asked = False

    def give_password() -> str:
        nonlocal asked
        asked = True
        return password or ""

    files = _file("client_certificate", certificate), None if key is None else _file("client_key", key)
    try:
        context.load_cert_chain(*files, password=give_password)
    except (OSError, ValueError) as error:
        if asked:
            expected = "the password of the client key, which is encrypted"
            given = "none" if password is None else "another one"
            raise InvalidParamsError(f"client_key_password: expected {expected}, got {given}") from None
        where = "in the same file" if key is None else f"in {os.fspath(key)!r}"
        expected = f"a certificate in PEM and the private key that belongs to it {where} ({_why(error)})"
        raise _refusal("client_certificate", certificate, expected) from error


def _file(field: str, path: StrPath) -> str:
    try:
        with Path(path).open("rb"):
            return os.fspath(path)
    except (OSError, ValueError, TypeError) as error:
        raise _refusal(field, path, f"a file that can be read ({_why(error)})") from error


def _hashed_folder(path: StrPath) -> str:
    expected = "a folder of certificates prepared by `openssl rehash`"
    try:
        names = [file.name for file in Path(path).iterdir()]
    except (OSError, ValueError, TypeError) as error:
        raise _refusal("ca_path", path, f"{expected} ({_why(error)})") from error
    if not any(map(_HASHED.fullmatch, names)):
        raise _refusal("ca_path", path, f"{expected} (none of its files is named by a hash)")
    return os.fspath(path)


def _pem_or_der(data: str | bytes) -> str | bytes:
    """As `ssl` tells them apart: text is PEM, bytes are DER. A PEM file that was read as bytes is PEM, too."""
    if isinstance(data, bytes) and b"-----BEGIN CERTIFICATE-----" in data:
        return data.decode("ascii", "replace")
    return data


def _shape(data: object) -> str:
    """What stands for the data in an error: a certificate is long, and says nothing."""
    if not isinstance(data, str | bytes):
        return f"a {type(data).__name__}"
    return f"{len(data)} {'characters' if isinstance(data, str) else 'bytes'}"


def _refusal(field: str, value: object, allowed: str) -> InvalidParamsError:
    """The usual error, but with the whole of a path in it: its end is what tells which file it is."""
    if not isinstance(value, str | os.PathLike):
        return InvalidParamsError.for_field(field, value, allowed)
    return InvalidParamsError.in_words(field, repr(os.fspath(value)), allowed, value=value)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return failure_words(error)
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
