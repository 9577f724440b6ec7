"""A throw-away certificate authority, made once: making keys is the slow part."""

from __future__ import annotations

import ssl
from typing import NamedTuple

import pytest
import trustme

HOST = "service.example"


class Certificates(NamedTuple):
    """An authority and contexts built on it; each test gets contexts of its own."""

    authority: trustme.CA

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def server(self, *names: str, **options: object) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = self.authority.issue_cert(*(names or (HOST,)), **options)  # type: ignore[arg-type]
        certificate.configure_cert(context)
        return context


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    return Certificates(trustme.CA())
