"""The clients of a soak: some that many generations share, and fresh ones for those that need their own settings."""

from __future__ import annotations

import itertools
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import attrs
from soak_plan import FIRST_DELAY, KEPT_ATTEMPTS, LONGEST_DELAY, SEVERAL_KEPT, Plan, Route

from nai_trio import Limits, NovelAI, Retry, Timeouts
from nai_trio.transports import HTTPProxyTransport, TCPTransport, UnixTransport, tls_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Collection
    from typing import Self

    from soak_service import Addresses

    from nai_trio.transport import Transport

__all__ = ["Clients", "Roads"]

_LONG = 300.0
"""A timeout that nothing in a soak may meet, on the busiest machine."""

_PATIENT = Timeouts(connect=_LONG, send=_LONG, response=_LONG, read=_LONG, event=_LONG, keep_alive=30.0)


class Roads:
    """Ways to the service.

    Args:
        addresses: where it listens, if it does.
        memory: makes a transport into this process, where it is here.
    """

    def __init__(self, addresses: Addresses | None, memory: Callable[[], Transport] | None = None) -> None:
        self._addresses = addresses
        self._memory = memory
        self.context: ssl.SSLContext | None = None if addresses is None else tls_context(ca_file=addresses.ca)

    def base(self, route: Route) -> str:
        """The image base."""
        if self._addresses is None:
            return "http://127.0.0.1"
        if route in {"tls", "tls-proxy"}:
            return f"https://127.0.0.1:{self._addresses.tls}"
        return f"http://127.0.0.1:{self._addresses.tcp}"

    def transport(self, route: Route, user: str) -> Transport:
        """A new transport; `user` is told to the proxy."""
        if self._memory is not None and route == "memory":
            return self._memory()
        assert self._addresses is not None
        if route == "unix":
            return UnixTransport(self._addresses.unix)
        if route in {"proxy", "tls-proxy"}:
            return HTTPProxyTransport(f"http://{user}:x@127.0.0.1:{self._addresses.proxy}")
        return TCPTransport()


@attrs.define
class Clients:
    """Hands out clients; an async context manager that owns those that are shared.

    Args:
        roads: how they reach the service.
        routes: which of the roads there are.
        pace: seconds per step.
        quiet: seconds of silence that a timer takes for the end, in generations that meet one.
    """

    roads: Roads
    routes: Collection[Route]
    pace: float
    quiet: float
    _kept: dict[tuple[str, Route, int], NovelAI] = attrs.field(factory=dict)
    _stack: AsyncExitStack = attrs.field(factory=AsyncExitStack)
    _fresh: set[NovelAI] = attrs.field(factory=set)
    _names: itertools.count[int] = attrs.field(factory=lambda: itertools.count(1))

    async def __aenter__(self) -> Self:
        """Open those that many generations share."""
        try:
            for kind, route in [*(("kept", route) for route in self.routes), ("queued", next(iter(self.routes)))]:
                for which in range(SEVERAL_KEPT):
                    client = self._make(f"{kind}-{route}-{which}", route, "kept", kind=kind)
                    self._kept[kind, route, which] = await self._stack.enter_async_context(client)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._kept.clear()
        await self._stack.__aexit__(*exc_info)  # type: ignore[arg-type]

    @property
    def connections(self) -> int:
        """How many connections the pools of all clients hold."""
        return sum(len(client.pool._open) for client in [*self._kept.values(), *self._fresh])

    @property
    def lost(self) -> int:
        """How many connections shared clients hold open that are not idle: 0 when nobody generates."""
        pools = [client.pool for client in self._kept.values()]
        return sum(len(pool._open) - len(pool._idle) for pool in pools)

    @asynccontextmanager
    async def client_of(self, plan: Plan) -> AsyncIterator[NovelAI]:
        """The client for one plan, open."""
        if plan.client != "fresh":
            yield self._kept[plan.client, plan.route, plan.which]
            return
        name = f"fresh-{next(self._names)}"
        client = self._make(name, plan.route, str(plan.number), attempts=plan.attempts, timeouts=self._timeouts(plan))
        async with client:
            self._fresh.add(client)
            try:
                yield client
            finally:
                self._fresh.discard(client)

    def _make(
        self,
        name: str,
        route: Route,
        user: str,
        *,
        kind: str = "fresh",
        attempts: int = KEPT_ATTEMPTS,
        timeouts: Timeouts = _PATIENT,
    ) -> NovelAI:
        return NovelAI(
            f"pst-not-a-real-key-{name}",
            image_base=self.roads.base(route),
            transport=self.roads.transport(route, user),
            timeouts=timeouts,
            retry=Retry(attempts=attempts, first_delay=FIRST_DELAY, max_delay=LONGEST_DELAY),
            limits=Limits(max_concurrent_generations=1 if kind == "queued" else 10_000, max_idle_connections=8),
            ssl_context=self.roads.context if route in {"tls", "tls-proxy"} else None,
        )

    def _timeouts(self, plan: Plan) -> Timeouts:
        if not plan.silent:
            return _PATIENT
        read, event = (self.quiet, _LONG) if plan.timer == "read" else (_LONG, self.quiet)
        body = attrs.evolve(_PATIENT, read=read, event=event)
        if plan.network is None:
            return body
        # A connection can fall silent anywhere; the plain endpoint answers when its pictures are done.
        return attrs.evolve(body, connect=self.quiet, response=self.quiet + plan.steps * self.pace)
