"""Tests against programs of others: nginx, tinyproxy, microsocks, websockify.

`needs("nginx")` marks what a test needs. Tests whose programs are not on this machine are left out, and the run says so
in one line with the way to install them. With REQUIRE_THIRD_PARTY set, as .ci/run sets it, that is an error instead.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import trustme
from emulator_thread import KEY, Served, emulator_on_a_port
from program_checks import TLSFiles
from programs import PACKAGES, Running, how_to_install, missing, running

from nai_trio import NovelAI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from programs import Start, Starting

    from nai_trio.transport import Transport

UNBUFFERED = "proxy_http_version 1.1; proxy_buffering off;"
NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  log_format told '$ssl_session_reused $ssl_alpn_protocol $ssl_client_verify $status';
  access_log {folder}/access.log told;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    {server}
    location / {{
      {location}
    }}
  }}
}}
"""

_LEFT_OUT = pytest.StashKey[list[pytest.Item]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*programs): programs of others that the test starts")
    config.stash[_LEFT_OUT] = []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what cannot run."""
    left_out = [item for item in items if missing(_needed(item))]
    if not left_out:
        return
    if os.environ.get("REQUIRE_THIRD_PARTY"):
        raise pytest.UsageError(_what_was_left_out(left_out))
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
    config.stash[_LEFT_OUT] = left_out


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out."""
    if config.stash[_LEFT_OUT]:
        terminalreporter.write_line(_what_was_left_out(config.stash[_LEFT_OUT]), yellow=True)


def _needed(item: pytest.Item) -> set[str]:
    found = {name for mark in item.iter_markers("needs") for name in mark.args}
    assert found <= PACKAGES.keys(), f"programs that nobody knows how to install: {found - PACKAGES.keys()}"
    return found


def _what_was_left_out(items: Iterable[pytest.Item]) -> str:
    items = list(items)
    names = missing(name for item in items for name in _needed(item))
    return (
        f"left out: {len(items)} tests against programs that are not on this machine ({', '.join(names)}). "
        f"To run them: {how_to_install(names)}"
    )


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """The emulator behind all programs, on a port."""
    with emulator_on_a_port() as served:
        yield served


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> TLSFiles:
    return TLSFiles(trustme.CA(), tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def start_nginx(served: Served, tls_files: TLSFiles, tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Runs nginx as a TLS front of the emulator."""

    def start(
        location: str = UNBUFFERED, *, server: str = "", service: str = served.url, folder: Path | None = None
    ) -> Starting:
        """Run it with those lines in its location, and in its server."""
        folder = folder or tmp_path_factory.mktemp("nginx")

        def command(port: int) -> list[str | Path]:
            text = NGINX.format(
                folder=folder,
                port=port,
                certificate=tls_files.certificate,
                server=server,
                location=f"{location} proxy_pass {service};",
            )
            (folder / "nginx.conf").write_text(text, "utf-8")
            return ["-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]

        return running("nginx", folder, command)

    return start


@pytest.fixture(scope="module")
def front(start_nginx: Start) -> Iterator[Running]:
    """nginx, for tests that leave it alive."""
    with start_nginx() as front:
        yield front


@pytest.fixture
def encrypted(front: Running, tls_files: TLSFiles) -> Callable[[Transport], NovelAI]:
    """Makes a client that reaches the emulator over TLS, behind nginx, through a transport."""

    def client(transport: Transport) -> NovelAI:
        base = f"https://127.0.0.1:{front.port}"
        return NovelAI(KEY, image_base=base, transport=transport, ssl_context=tls_files.context())

    return client
