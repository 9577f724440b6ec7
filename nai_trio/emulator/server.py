"""The service on your own machine: `Emulator` answers HTTP on any byte stream, with the service's own bytes.

One connection is one task; a generation adds a second that watches whether the peer is still there, inside the same
function, so that a client that leaves stops its job at once and frees its account's lock. Time passes only through
trio, so a virtual clock drives it; no threads.
"""

from __future__ import annotations

import contextlib
import json
from collections import deque
from typing import TYPE_CHECKING, NoReturn

import trio

from nai_trio.emulator.checks import refusal
from nai_trio.emulator.cost import anlas_cost
from nai_trio.emulator.http import BadRequestError, Link, Reply, Request, error_reply
from nai_trio.emulator.jobs import Job, StreamKind, perform
from nai_trio.emulator.settings import Settings, present

if TYPE_CHECKING:
    from collections.abc import Collection

    from nai_trio.emulator.faults import Fault
    from nai_trio.transports import MemoryTransport

__all__ = ["Emulator"]

_STREAM_PATH, _PLAIN_PATH = "/ai/generate-image-stream", "/ai/generate-image"
_KEPT_JOBS = 1000


class Emulator:
    """NovelAI's image service, without account and network.

    Args:
        api_keys: the tokens it takes; None takes any that is not empty.
        step_delay: seconds between a sample's steps; 0 is as fast as possible.
        anlas: the account's balance. A job that costs more is refused with 402; the balance never falls.
        opus: whether the account has the tier whose small jobs are free.

    Raises:
        ModuleNotFoundError: Pillow is missing, which paints; says what to install.

    Attributes:
        jobs: accepted generations, oldest first; the last 1000.
        connections: how many streams are being served now.
    """

    def __init__(
        self,
        *,
        api_keys: Collection[str] | None = None,
        step_delay: float = 0.0,
        anlas: int = 10_000,
        opus: bool = False,
    ) -> None:
        if isinstance(api_keys, str):
            raise TypeError(f"api_keys: expected a collection of tokens, got one string {len(api_keys)} long")
        if not step_delay >= 0:
            raise ValueError(f"step_delay: expected seconds of at least 0, got {step_delay!r}")
        from nai_trio.emulator import pictures  # noqa: F401, PLC0415 - a missing Pillow shows here, not in mid-stream

        self.jobs: list[Job] = []
        self.connections = 0
        self.step_delay = step_delay
        self.anlas = anlas
        self.opus = opus
        self._api_keys = None if api_keys is None else frozenset(api_keys)
        self._faults: deque[Fault] = deque()
        self._busy: set[str] = set()

    def inject(self, *faults: Fault) -> None:
        """Queue faults; each accepted generation from now on takes the next one."""
        self._faults.extend(faults)

    def transport(self) -> MemoryTransport:
        """A transport for the client whose every stream ends in this emulator, without a socket."""
        from nai_trio.transports import MemoryTransport  # noqa: PLC0415 - transports stand beside, not below

        return MemoryTransport(self.serve)

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Speak HTTP/1.1 on the stream until the peer leaves; owns the stream and closes it."""
        link = Link(stream)
        self.connections += 1
        try:
            await self._converse(link)
        except trio.BrokenResourceError:
            pass  # the peer is gone in the middle of something; there is nobody left to tell
        finally:
            try:
                await link.close()
            finally:
                self.connections -= 1

    async def _converse(self, link: Link) -> None:
        while True:
            try:
                request = await link.next_request()
                if request is None:
                    return
                await self._answer(link, request)
            except BadRequestError as error:
                await link.refuse(error)
            if not link.next_cycle():
                await link.linger()
                return

    async def _answer(self, link: Link, request: Request) -> None:
        refused = self._refuse_head(request)
        if refused is not None and link.awaits_continue:
            await link.reply(refused)
            return
        body = await link.read_body()
        accepted = refused or self._accept(request, body)
        if isinstance(accepted, Reply):
            await link.reply(accepted)
        else:
            await self._run(link, accepted, _token(request))

    def _refuse_head(self, request: Request) -> Reply | None:
        """What the head alone decides: 404, 405, 401."""
        if request.path not in {_STREAM_PATH, _PLAIN_PATH}:
            return error_reply(404, "Not Found")
        if request.method != "POST":
            return error_reply(405, "Method Not Allowed", ("allow", "POST"))
        token = _token(request)
        known = bool(token) if self._api_keys is None else token in self._api_keys
        return None if known else error_reply(401, "Unauthorized")

    def _accept(self, request: Request, body: bytes) -> Job | Reply:
        """The job that the body asks for, or why it gets none: 400, 402, 429."""
        try:
            asked = json.loads(body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return error_reply(400, "Validation error: request body must be JSON")
        refused = refusal(asked)
        if refused is not None:
            return error_reply(refused.status, refused.message)
        cost = anlas_cost(Settings.of(asked), opus=self.opus)
        if cost > self.anlas:
            return error_reply(402, "Not enough Anlas")
        if _token(request) in self._busy:
            return error_reply(429, "Concurrent generation is locked")
        return self._new_job(request, asked, cost)

    def _new_job(self, request: Request, asked: dict[str, object], cost: int) -> Job:
        fault = self._faults.popleft() if self._faults else None
        job = Job(asked, request.path, _stream_kind(request, asked), cost=cost, fault=fault)
        self.jobs.append(job)
        del self.jobs[:-_KEPT_JOBS]
        return job

    async def _run(self, link: Link, job: Job, key: str) -> None:
        """Do the job under the account's lock, and stop it when the peer leaves."""
        self._busy.add(key)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_watch, link, nursery.cancel_scope)
                await _perform_unless_broken(link, job, self.step_delay)
                nursery.cancel_scope.cancel()
            if job.state == "running":
                job.state = "disconnected"
        finally:
            if job.state == "running":
                job.state = "failed"
            self._busy.discard(key)
            job.done.set()


async def _watch(link: Link, scope: trio.CancelScope) -> None:
    await link.wait_gone()
    scope.cancel()


async def _perform_unless_broken(link: Link, job: Job, step_delay: float) -> None:
    with contextlib.suppress(trio.BrokenResourceError):  # found out by sending: "running" stays, which means left
        await perform(link, job, step_delay=step_delay)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _stream_kind(request: Request, asked: dict[str, object]) -> StreamKind:
    if request.path == _PLAIN_PATH:
        return "json" if request.accepts("application/json") else "zip"
    return "msgpack" if present(asked["parameters"]).get("stream") == "msgpack" else "sse"
