"""The service of a soak: the emulator with each plan's faults, on a port, on a Unix socket, over TLS, behind a proxy.

As a program it is a process of its own: `python soak_service.py SETTINGS`, where SETTINGS are JSON. Its first line says
where it listens, every further one is a sample of what it holds, and at the end of its standard input it leaves.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import sys
import warnings
from collections import OrderedDict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio
import trio.testing
import trustme
from soak_plan import REAL_ROUTES, Network, Route, plan_of
from soak_relay import Relay
from soak_watch import Unraised, figures

from nai_trio.closing import close_now
from nai_trio.emulator import Emulator, Fault, Job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from nai_trio.emulator import Refuse

__all__ = ["Addresses", "Service", "serve_everywhere"]

HOST = "127.0.0.1"
_REMEMBERED = 1000


@attrs.frozen
class Addresses:
    """Where a service listens."""

    tcp: int
    tls: int
    proxy: int
    unix: str
    ca: str


class Service:
    """The emulator, told by the plans what shall go wrong.

    Args:
        seed: of the run.
        pace: seconds per step.
        routes: which ways there are, with their weights.
        keep_alive: after how many idle seconds it closes a connection. In virtual time alone: on a real network a
            request can always meet a close under way, and no client can then know whether it was taken.

    Attributes:
        complaints: what clients did that no plan has, as (number, words).
        peak: the most generations that ran at once.
    """

    def __init__(
        self, seed: int, pace: float, routes: Mapping[Route, int] = REAL_ROUTES, *, keep_alive: float | None = None
    ) -> None:
        self.complaints: list[tuple[int, str]] = []
        self.peak = 0
        self._seed = seed
        self._routes = routes
        self._served: OrderedDict[int, int] = OrderedDict()
        self.emulator = Emulator(
            keep_alive=keep_alive, step_delay=pace, anlas=10**9, max_concurrent_generations=None, faults=self._choose
        )

    def _choose(self, job: Job) -> Fault | None:
        self.peak = max(self.peak, 1 + self.running)
        number = _number(job)
        plan, attempt = plan_of(self._seed, number, self._routes), self._count(number)
        if attempt > plan.retried:
            self.complaints.append((number, f"sent {attempt + 1} times, expected at most {plan.retried + 1}"))
        refusals: tuple[Refuse, ...] = plan.refusals
        return refusals[attempt] if attempt < len(refusals) else plan.fault

    def _count(self, number: int) -> int:
        """How often it came before; long ago is forgotten, so that memory stays flat."""
        attempt = self._served.pop(number, 0)
        self._served[number] = attempt + 1
        if len(self._served) > _REMEMBERED:
            self._served.popitem(last=False)
        return attempt

    @property
    def running(self) -> int:
        """How many generations run now."""
        return sum(job.state == "running" for job in self.emulator.jobs)

    def network(self, number: int) -> Network | None:
        """What happens below HTTP."""
        return plan_of(self._seed, number, self._routes).network

    def sample(self) -> dict[str, Any]:
        """What it holds now."""
        return attrs.asdict(figures()) | {"running": self.running, "connections": self.emulator.connections}


def _number(job: Job) -> int:
    parameters: Any = job.request["parameters"]
    return int(parameters["seed"])


async def serve_everywhere(
    service: Service, folder: Path, *, task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED
) -> None:
    """Listen until cancelled."""
    context, authority = _certificates(folder)
    emulator = service.emulator

    async def over_tls(stream: trio.SocketStream) -> None:
        await emulator.serve(trio.SSLStream(stream, context, server_side=True, https_compatible=True))

    async with contextlib.AsyncExitStack() as stack, trio.open_nursery() as nursery:
        path = str(folder / "service.sock")
        listeners = [await _listen_tcp() for _ in range(3)]
        with trio.socket.socket(socket.AF_UNIX) as unix:
            await unix.bind(path)
            unix.listen(1024)
            serves = [emulator.serve, over_tls, Relay(service.network).serve]
            for listener, serve in zip(listeners, serves, strict=True):
                await stack.enter_async_context(listener)
                nursery.start_soon(_serve, service, serve, listener)
            nursery.start_soon(_serve, service, emulator.serve, trio.SocketListener(unix))
            tcp, tls, proxy = (listener.socket.getsockname()[1] for listener in listeners)
            task_status.started(Addresses(tcp, tls, proxy, path, authority))
            await trio.sleep_forever()


async def _listen_tcp() -> trio.SocketListener:
    (listener,) = await trio.open_tcp_listeners(0, host=HOST, backlog=1024)
    return listener


async def _serve(
    service: Service, serve: Callable[[trio.SocketStream], Awaitable[None]], listener: trio.SocketListener
) -> None:
    async def one(stream: trio.SocketStream) -> None:
        try:
            await serve(stream)
        except Exception as error:  # noqa: BLE001 - told at the end; the others go on
            service.complaints.append((0, f"the service failed: {error!r}"))
        finally:
            await close_now(stream)

    await trio.serve_listeners(one, [listener])


def _certificates(folder: Path) -> tuple[ssl.SSLContext, str]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    path = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return context, str(path)


async def _main(settings: dict[str, Any], unraised: Unraised) -> None:
    service = Service(settings["seed"], settings["pace"])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(_leave_with_input, nursery.cancel_scope))
        addresses = await nursery.start(serve_everywhere, service, Path(settings["folder"]))
        await trio.testing.wait_all_tasks_blocked()  # so that the first sample shows what an idle service holds
        _say(attrs.asdict(addresses))
        while True:
            _say(service.sample() | _told(service, unraised))
            await trio.sleep(1.0)


def _told(service: Service, unraised: Unraised) -> dict[str, Any]:
    """Complaints since the last time, and the peak."""
    told = [*service.complaints, *((0, f"in the service: {words}") for words in unraised.take())]
    service.complaints.clear()
    return {"complaints": told, "peak": service.peak}


async def _leave_with_input(scope: trio.CancelScope) -> None:
    async with trio.lowlevel.FdStream(sys.stdin.fileno()) as stdin:
        while await stdin.receive_some():
            pass
    scope.cancel()


def _say(value: object) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("error")
    with Unraised() as unraised:
        trio.run(_main, json.loads(sys.argv[1]), unraised)
