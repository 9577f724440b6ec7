"""The service on your own machine: `Emulator` answers HTTP on any byte stream, with the service's own bytes.

One connection is one task; a generation adds a second that watches whether the peer is still there, inside the same
function, so that a client that leaves stops its job at once and frees its account's lock. Time passes only through
trio, so a virtual clock drives it; no threads.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter, deque
from typing import TYPE_CHECKING, NoReturn, TypeAlias, cast

import attrs
import trio

from nai_trio.emulator.account import subscription
from nai_trio.emulator.checks import Refusal
from nai_trio.emulator.cost import ENCODING_COST, anlas_cost
from nai_trio.emulator.encoding import Encoding, encode
from nai_trio.emulator.faults import Fault
from nai_trio.emulator.generation import Generation
from nai_trio.emulator.http import BadRequestError, Link, Reply, Request, error_reply, json_reply
from nai_trio.emulator.jobs import Job, StreamKind, is_unpaid, perform
from nai_trio.emulator.settings import present
from nai_trio.errors import InvalidParamsError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from nai_trio.transports import MemoryTransport

__all__ = ["Emulator"]

_STREAM_PATH, _PLAIN_PATH = "/ai/generate-image-stream", "/ai/generate-image"
_KEPT_JOBS, _KEPT_BYTES = 1000, 256 * 1024 * 1024
_KEPT_ENCODINGS = 1000


@attrs.frozen
class _Accepted:
    """A generation that may begin."""

    job: Job
    generation: Generation


_Handler: TypeAlias = "Callable[[Request, bytes], Reply | _Accepted]"


class Emulator:
    """NovelAI's image service, without account and network.

    Args:
        api_keys: the tokens it takes; None takes any that is not empty.
        step_delay: seconds between a sample's steps; 0 is as fast as possible.
        anlas: the account's balance. A job that costs more is refused with 402.
        opus: whether the account has the tier whose small jobs are free.
        charge: whether the balance falls, by the cost of each job that begins and of each encoded vibe. A job that the
            service gives up on gets its Anlas back.
        max_concurrent_generations: how many generations of one key run at once; a further one is refused with 429.
            None is no bound. The service's is 1.
        keep_alive: how many seconds a connection may wait for its next request before it is closed; None is no bound.
        faults: chooses what goes wrong with an accepted generation, or None for nothing; called with its `Job` before
            anything is answered, and only where nothing is left of `inject`. What it raises leaves `serve`.

    Raises:
        ModuleNotFoundError: Pillow is missing, which paints; says what to install.

    Attributes:
        jobs: accepted generations, oldest first; the last 1000, or as many as came with 256 MiB.
        encodings: vibes that were encoded, oldest first; the last 1000.
        anlas: the balance now.
        connections: how many streams are being served now.
    """

    def __init__(
        self,
        *,
        api_keys: Collection[str] | None = None,
        step_delay: float = 0.0,
        anlas: int = 10_000,
        opus: bool = False,
        charge: bool = False,
        max_concurrent_generations: int | None = 1,
        keep_alive: float | None = None,
        faults: Callable[[Job], Fault | None] | None = None,
    ) -> None:
        if isinstance(api_keys, str):
            raise TypeError(f"api_keys: expected a collection of tokens, got one string {len(api_keys)} long")
        if not step_delay >= 0:
            raise ValueError(f"step_delay: expected seconds of at least 0, got {step_delay!r}")
        if keep_alive is not None and not keep_alive > 0:
            raise ValueError(f"keep_alive: expected seconds greater than 0, or None, got {keep_alive!r}")
        _check_bound(max_concurrent_generations)
        from nai_trio.emulator import pictures  # noqa: F401, PLC0415 - a missing Pillow shows here, not in mid-stream

        self.jobs: list[Job] = []
        self.encodings: list[Encoding] = []
        self.connections = 0
        self.step_delay = step_delay
        self.anlas = anlas
        self.opus = opus
        self.charge = charge
        self._api_keys = None if api_keys is None else frozenset(api_keys)
        self._faults: deque[Fault] = deque()
        self._choose_fault = faults
        self._keep_alive = math.inf if keep_alive is None else keep_alive
        self._max_running = max_concurrent_generations
        self._running: Counter[str] = Counter()
        self._sizes: deque[int] = deque()
        self._endpoints: dict[str, tuple[tuple[str, ...], _Handler]] = {
            _STREAM_PATH: (("POST",), self._generate),
            _PLAIN_PATH: (("POST",), self._generate),
            "/ai/encode-vibe": (("POST",), self._encode_vibe),
            "/user/subscription": (("GET", "HEAD"), self._subscription),
        }

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
        patience = math.inf
        while True:
            try:
                request = await link.next_request(patience=patience)
                if request is None:
                    return
                await self._answer(link, request)
            except BadRequestError as error:
                await link.refuse(error)
            if not link.next_cycle():
                await link.linger()
                return
            patience = self._keep_alive

    async def _answer(self, link: Link, request: Request) -> None:
        refused = self._refuse_head(request)
        if refused is not None and link.awaits_continue:
            await link.reply(refused)
            return
        body = await link.read_body()
        answer = refused or self._endpoints[request.path][1](request, body)
        if isinstance(answer, Reply):
            await link.reply(answer)
        else:
            await self._run(link, answer, _token(request))

    def _refuse_head(self, request: Request) -> Reply | None:
        """What the head alone decides: 404, 405, 401."""
        if request.path not in self._endpoints:
            return error_reply(404, "Not Found")
        methods = self._endpoints[request.path][0]
        if request.method not in methods:
            return error_reply(405, "Method Not Allowed", ("allow", ", ".join(methods)))
        token = _token(request)
        known = bool(token) if self._api_keys is None else token in self._api_keys
        return None if known else error_reply(401, "Unauthorized")

    def _generate(self, request: Request, body: bytes) -> Reply | _Accepted:
        """The job that the body asks for, or why it gets none: 400, 402, 429."""
        read = _read_json(body)
        if isinstance(read, Reply):
            return read
        asked, kind = cast("dict[str, object]", read), _stream_kind(request, read)
        try:
            generation = Generation(asked, streamed=kind in {"sse", "msgpack"})
        except InvalidParamsError as error:
            return error_reply(400, str(error))
        cost = anlas_cost(generation.settings, opus=self.opus)
        if cost > self.anlas:
            return error_reply(402, "Not enough Anlas")
        if self._max_running is not None and self._running[_token(request)] >= self._max_running:
            return error_reply(429, "Concurrent generation is locked")
        job = Job(asked, request.path, kind, cost=cost)
        job.fault = self._next_fault(job)
        job.charged = self._take(cost)
        self._keep(job, len(body))
        return _Accepted(job, generation)

    def _next_fault(self, job: Job) -> Fault | None:
        if self._faults:
            return self._faults.popleft()
        chosen = None if self._choose_fault is None else self._choose_fault(job)
        if chosen is None or isinstance(chosen, Fault):
            return chosen
        raise TypeError(f"faults: expected it to return a fault or None, got {chosen!r}")

    def _take(self, cost: int) -> int:
        charged = cost if self.charge else 0
        self.anlas -= charged
        return charged

    def _keep(self, job: Job, size: int) -> None:
        self.jobs.append(job)
        self._sizes.append(size)
        while len(self.jobs) > _KEPT_JOBS or (len(self.jobs) > 1 and sum(self._sizes) > _KEPT_BYTES):
            del self.jobs[0]
            self._sizes.popleft()

    def _encode_vibe(self, _request: Request, body: bytes) -> Reply:
        """A vibe's token: 400 or 402 where there is none."""
        asked = _read_json(body)
        encoded = asked if isinstance(asked, Reply) else encode(asked)
        if isinstance(encoded, Reply):
            return encoded
        if isinstance(encoded, Refusal):
            return error_reply(encoded.status, encoded.message)
        if self.anlas < ENCODING_COST:
            return error_reply(402, "Not enough Anlas")
        self._take(ENCODING_COST)
        self.encodings.append(encoded)
        del self.encodings[:-_KEPT_ENCODINGS]
        named = ("content-disposition", f"attachment; filename={encoded.file_name}")
        return Reply(200, encoded.token, "application/binary", (named,))

    def _subscription(self, _request: Request, _body: bytes) -> Reply:
        return json_reply(200, subscription(self.anlas, opus=self.opus))

    async def _run(self, link: Link, accepted: _Accepted, key: str) -> None:
        """Do the job under the account's lock, and stop it when the peer leaves."""
        job = accepted.job
        self._running[key] += 1
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_watch, link, nursery.cancel_scope)
                await _perform_unless_broken(link, accepted, self.step_delay)
                nursery.cancel_scope.cancel()
            if job.state == "running":
                job.state = "disconnected"
        finally:
            if job.state == "running":
                job.state = "failed"
            self._release(key)
            self._give_back(accepted)
            job.done.set()

    def _release(self, key: str) -> None:
        self._running[key] -= 1
        if not self._running[key]:
            del self._running[key]

    def _give_back(self, accepted: _Accepted) -> None:
        if is_unpaid(accepted.job, accepted.generation):
            self.anlas += accepted.job.charged
            accepted.job.charged = 0


async def _watch(link: Link, scope: trio.CancelScope) -> None:
    await link.wait_gone()
    scope.cancel()


async def _perform_unless_broken(link: Link, accepted: _Accepted, step_delay: float) -> None:
    with contextlib.suppress(trio.BrokenResourceError):  # found out by sending: "running" stays, which means left
        await perform(link, accepted.job, accepted.generation, step_delay=step_delay)


def _check_bound(bound: int | None) -> None:
    if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int) or bound < 1):
        raise ValueError(f"max_concurrent_generations: expected an integer of at least 1, or None, got {bound!r}")


def _read_json(body: bytes) -> object:
    """The decoded body, or the 400 for what is no JSON."""
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return error_reply(400, "Validation error: request body must be JSON")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _stream_kind(request: Request, asked: object) -> StreamKind:
    if request.path == _PLAIN_PATH:
        return "json" if request.accepts("application/json") else "zip"
    return "msgpack" if present(present(asked).get("parameters")).get("stream") == "msgpack" else "sse"
