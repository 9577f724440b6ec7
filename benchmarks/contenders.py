"""The programs of clients/: what they are, and how one is started, asked and checked."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import part
import work
from clients.obey import Digest
from server import Served, small

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = Path(__file__).parent / "clients"
Kind = Literal["floor", "ours", "peer", "by hand"]


@attrs.frozen
class Contender:
    """One program of clients/.

    Attributes:
        name: what the table calls it.
        script: the file.
        kind: what it stands for; see compare.py.
        framings: those it knows.
        read: bytes that a floor asks for at once.
    """

    name: str
    script: str
    kind: Kind
    framings: tuple[work.Framing, ...] = ("sse", "msgpack")
    read: int = 256 * 1024


FLOOR = Contender("floor: trio", "floor.py", "floor")
FLOOR_TLS = Contender("floor: blocking ssl", "floor_tls.py", "floor", read=64 * 1024)
WIDE_TLS = Contender("blocking ssl, 256 KiB", "floor_tls.py", "floor")
OURS = Contender("nai-trio", "ours.py", "ours")
HTTPX_SSE = Contender("httpx + httpx-sse", "httpx_sse_client.py", "peer", ("sse",))
NOVELAI_SDK = Contender("novelai-sdk", "novelai_sdk.py", "peer", ("sse",))
NEKOAI = Contender("nekoai-api", "nekoai_api.py", "peer", ("msgpack",))
HTTPX_MSGPACK = Contender("httpx + msgpack", "httpx_msgpack.py", "by hand", ("msgpack",))
AIOHTTP = Contender("aiohttp", "aiohttp_client.py", "by hand")
ALL = (OURS, NOVELAI_SDK, NEKOAI, HTTPX_SSE, HTTPX_MSGPACK, AIOHTTP)
PACKAGES = (OURS, NOVELAI_SDK, NEKOAI, HTTPX_SSE)


@attrs.frozen
class Group:
    """One way to send the work, and who takes part."""

    variant: str
    framing: work.Framing
    tls: bool
    contenders: tuple[Contender, ...]
    quick: bool = True

    @property
    def name(self) -> str:
        return ", ".join(("SSE" if self.framing == "sse" else "msgpack", self.variant, *(["TLS"] if self.tls else [])))

    def taking_part(self, pythons: dict[Kind, Path]) -> list[Contender]:
        """Those that know the framing and can be run here."""
        return [each for each in self.contenders if self.framing in each.framings and each.kind in pythons]


class Client:
    """A client's process."""

    def __init__(self, contender: Contender, python: Path, group: Group, served: Served) -> None:
        self.contender = contender
        variant = work.VARIANTS[group.variant]
        lengths = [len(work.response(each, group.framing)) for each in (small(variant), variant)]
        self._digest = expected(contender, variant)
        url = served.url(group.variant, group.framing)
        numbers = map(str, (*lengths, contender.read))
        self._process = subprocess.Popen(
            [python, CLIENTS / contender.script, url, group.framing, *numbers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(served),
        )

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise part.Wrong(f"{self.contender.name} ended, with status {self._process.wait()}")
        told: dict[str, Any] = json.loads(line)
        return told

    def ask(self, command: str, times: int) -> dict[str, Any]:
        """Give it a command, and check the pictures."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # `answer` tells it
            print(command, times, file=self._process.stdin, flush=True)
        told = self.answer()
        if {name: told[name] for name in self._digest} != self._digest:
            raise part.Wrong(f"{self.contender.name} has other pictures than were sent: {told}, not {self._digest}")
        return told

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def expected(contender: Contender, variant: work.Variant) -> dict[str, Any]:
    """What a client has to tell of its pictures; a floor's only picture is "0", the bytes that it lacks."""
    digest = Digest()
    for image in [b"0"] if contender.kind == "floor" else [event.image for event in work.events(variant)]:
        digest.take(image)
    return digest.told()


def environment(served: Served) -> dict[str, str]:
    """Without what would point a client elsewhere, and with the authority to trust."""
    left_out = ("PYTHON", "NOVELAI", "NAI_", "SSL_CERT", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "MALLOC_")
    clean = {name: value for name, value in os.environ.items() if not name.upper().startswith(left_out)}
    return {**clean, "SSL_CERT_FILE": str(served.authority)} if served.authority else clean


@contextlib.contextmanager
def clients(group: Group, pythons: dict[Kind, Path], served: Served) -> Iterator[list[Client]]:
    """All clients of a group, connected."""
    running: list[Client] = []
    try:
        for contender in group.taking_part(pythons):
            client = Client(contender, pythons[contender.kind], group, served)
            running.append(client)
        for client in running:
            client.answer()
        yield running
    finally:
        for client in running:
            client.end()
