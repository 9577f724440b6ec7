"""What generation N of a soak asks for, and what shall go wrong with it: a pure function of the run's seed and N.

Client and service work it out apart from each other, and a number that failed can be run again alone. The number
travels as the request's seed, through proxies as the user's name.

Times are in steps of the emulator (its `step_delay`), so one plan serves a real clock and a virtual one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias, TypeVar

import attrs

from nai_trio import ImageParams
from nai_trio.emulator import (
    BadBase64,
    BadJSON,
    Cut,
    Fault,
    HugePrefix,
    MissingField,
    MissingFinal,
    Refuse,
    Stall,
    StreamError,
    StreamRetry,
    WrongType,
)
from nai_trio.params import ModelId

Framing: TypeAlias = Literal["sse", "msgpack", "zip", "json"]
Route: TypeAlias = Literal["memory", "tcp", "tls", "unix", "proxy", "tls-proxy"]
Client: TypeAlias = Literal["kept", "fresh", "queued"]

KEPT_ATTEMPTS = 3
"""Attempts of clients that many generations share."""

RETRIED = frozenset({429, 502, 503, 504})
FIRST_DELAY, LONGEST_DELAY = 0.02, 2.0
SEVERAL_KEPT = 4
"""Clients of each route that many share, and keys that have a queue."""

REAL_ROUTES: Mapping[Route, int] = {"tcp": 40, "tls": 20, "unix": 15, "proxy": 15, "tls-proxy": 10}

T = TypeVar("T")


@attrs.frozen
class ProxyRefuses:
    """The proxy answers the first CONNECT with this status."""

    status: int


@attrs.frozen
class Break:
    """The first connection breaks after so many bytes one way.

    Attributes:
        how: "reset", "close" in order, or "silence" that lasts until the client leaves.
        way: "request" or "response"; "connect" for the proxy's own answer, which then never comes.
        after: bytes inside the tunnel.
    """

    how: Literal["reset", "close", "silence"]
    way: Literal["connect", "request", "response"]
    after: int = 0


@attrs.frozen
class Cancel:
    """The caller's own deadline, so many steps after it began."""

    at: float


@attrs.frozen
class Leave:
    """The loop's body ends the loop at this chunk (0-based)."""

    at: int
    how: Literal["error", "break", "return"]


Network: TypeAlias = ProxyRefuses | Break
Leaving: TypeAlias = Cancel | Leave


@attrs.frozen(kw_only=True)
class Plan:
    """One generation.

    Attributes:
        refusals: what the service answers to the first attempts.
        fault: what goes wrong with the attempt after those.
        network: what goes wrong below HTTP.
        leaving: what the caller does before the end.
        pause: how long the reader rests after each chunk.
        whole: whether `generate` is called instead of `generate_stream`.
        timer: which of the client's timers is set to notice a silence.
    """

    number: int
    framing: Framing
    model: ModelId
    steps: int
    n_samples: int
    image_format: Literal["png", "webp"]
    route: Route
    client: Client
    which: int
    attempts: int
    refusals: tuple[Refuse, ...] = ()
    fault: Fault | None = None
    network: Network | None = None
    leaving: Leaving | None = None
    pause: float = 0.0
    whole: bool = False
    timer: Literal["read", "event"] = "read"

    @property
    def params(self) -> ImageParams:
        """What is asked for."""
        return ImageParams(
            f"a lake at dusk, number {self.number}",
            model=self.model,
            size=(64, 64),
            steps=self.steps,
            seed=self.number,
            n_samples=self.n_samples,
            image_format=self.image_format,
        )

    @property
    def streamed(self) -> bool:
        """Whether the endpoint that streams is asked."""
        return self.framing in {"sse", "msgpack"}

    @property
    def silent(self) -> bool:
        """Whether a timer of the client has to end it."""
        return isinstance(self.fault, Stall) or (isinstance(self.network, Break) and self.network.how == "silence")

    @property
    def retried(self) -> int:
        """How many refusals are followed by another attempt."""
        count = 0
        for refusal in self.refusals[: self.attempts - 1]:
            if refusal.status not in RETRIED or (refusal.retry_after or 0) > LONGEST_DELAY:
                break
            count += 1
        return count

    @property
    def refused(self) -> Refuse | None:
        """The refusal that ends it, if one does."""
        return self.refusals[self.retried] if self.retried < len(self.refusals) else None

    def steps_long(self, quiet: float) -> float:
        """About how many steps it lasts, `quiet` being what the timers wait, as steps."""
        if isinstance(self.leaving, Cancel):
            return min(self.leaving.at, self._unleft(quiet))
        return self._unleft(quiet) * (0.5 if self.leaving else 1.0)

    def _unleft(self, quiet: float) -> float:
        if self.refused is not None or isinstance(self.network, ProxyRefuses):
            return 0.0
        half = isinstance(self.network, Break) or isinstance(self.fault, Cut | Stall | BadJSON | BadBase64 | HugePrefix)
        reading = self.steps * (0.5 if half else 1.0)
        return reading + (quiet if self.silent else 0.0) + self.pause * self.steps * self.n_samples


def plan_of(seed: int, number: int, routes: Mapping[Route, int] = REAL_ROUTES) -> Plan:
    """The plan of one generation.

    Args:
        seed: of the run.
        number: 1 or more.
        routes: which ways there are to the service, with their weights.
    """
    draw = random.Random(f"soak {seed} {number}")
    framing: Framing = weighted(draw, {"sse": 38, "msgpack": 38, "zip": 12, "json": 12})
    plan = Plan(
        number=number,
        framing=framing,
        model=draw.choice(("nai-diffusion-4-5-full", "nai-diffusion-4-full", "nai-diffusion-5-curated")),
        steps=draw.randint(1, 7),
        n_samples=weighted(draw, {1: 70, 2: 20, 3: 10}),
        image_format=weighted(draw, {"png": 80, "webp": 20}),
        route=weighted(draw, routes),
        client=weighted(draw, {"kept": 70, "fresh": 30}),
        which=draw.randrange(SEVERAL_KEPT),
        attempts=KEPT_ATTEMPTS,
        pause=weighted(draw, {0.0: 85, draw.uniform(0, 0.3): 15}),
        whole=framing in {"zip", "json"} or draw.random() < 0.15,
        timer=draw.choice(("read", "event")),
    )
    trouble = weighted(draw, {"none": 38, "fault": 37, "refusals": 10, "network": 12, "queue": 4})
    plan = attrs.evolve(plan, leaving=_leaving(draw, plan)) if draw.random() < 0.2 else plan
    return _TROUBLES[trouble](draw, plan, routes) if trouble in _TROUBLES else plan


def weighted(draw: random.Random, choices: Mapping[T, int]) -> T:
    """One of the keys, as often as its weight says."""
    return draw.choices(list(choices), list(choices.values()))[0]


def _leaving(draw: random.Random, plan: Plan) -> Leaving:
    chunks = plan.steps * plan.n_samples
    if plan.whole or draw.random() < 0.6:
        late = draw.uniform(0, plan.steps * 1.2)
        return Cancel(weighted(draw, {0.0: 5, draw.uniform(0, 0.05): 25, late: 70}))
    return Leave(draw.randrange(chunks + 1), draw.choice(("error", "error", "break", "return")))


def _with_fault(draw: random.Random, plan: Plan, _routes: object) -> Plan:
    fault = draw.choice(_FAULTS)(draw, plan)
    plan = attrs.evolve(plan, fault=fault)
    return _alone(draw, plan) if plan.silent else plan


def _with_refusals(draw: random.Random, plan: Plan, routes: object) -> Plan:
    plan = attrs.evolve(plan, refusals=tuple(_refusal(draw) for _ in range(draw.randint(1, 3))))
    return _with_fault(draw, plan, routes) if draw.random() < 0.3 else plan


def _with_network(draw: random.Random, plan: Plan, routes: Mapping[Route, int]) -> Plan:
    """Only the proxy of the soak breaks connections; where there is none, the service's faults have to do."""
    through: list[Route] = [route for route in routes if "proxy" in route]
    if not through:
        return _with_fault(draw, plan, routes)
    return _alone(draw, attrs.evolve(plan, route=draw.choice(through), network=_network(draw, plan)))


def _with_queue(draw: random.Random, plan: Plan, routes: Mapping[Route, int]) -> Plan:
    """One of many that share a key which may generate once at a time."""
    framing: Framing = draw.choice(("sse", "msgpack"))
    refusals = tuple(_refusal(draw) for _ in range(draw.randint(1, 3))) if draw.random() < 0.3 else ()
    return attrs.evolve(
        plan,
        refusals=refusals,
        framing=framing,
        steps=1,
        pause=0.0,
        whole=False,
        route=next(iter(routes)),
        client="queued",
        which=draw.randrange(SEVERAL_KEPT),
        leaving=_leaving(draw, plan) if draw.random() < 0.4 else None,
    )


_TROUBLES = {
    "fault": _with_fault,
    "refusals": _with_refusals,
    "network": _with_network,
    "queue": _with_queue,
}


def _alone(draw: random.Random, plan: Plan) -> Plan:
    """With a client of its own, for it needs other timeouts or another way."""
    return attrs.evolve(plan, client="fresh", attempts=draw.choice((1, 2)))


def _refusal(draw: random.Random) -> Refuse:
    status = weighted(draw, {429: 35, 503: 20, 502: 15, 504: 10, 400: 4, 401: 4, 402: 4, 403: 2, 409: 2, 500: 4})
    wait = weighted(draw, {None: 60, 0.0: 20, 1.0: 10, 30.0: 10})
    return Refuse(status, html=draw.random() < 0.3, retry_after=wait)


def _network(draw: random.Random, plan: Plan) -> Network:
    kind = weighted(draw, {"refuses": 15, "connect": 10, "request": 20, "response": 55})
    if kind == "refuses":
        return ProxyRefuses(draw.choice((403, 407, 502, 503)))
    how = draw.choice(("reset", "reset", "close", "silence"))
    if kind == "connect":
        return Break(how, "connect")
    if kind == "request":
        return Break(how, "request", draw.randrange(2500))
    return Break(how, "response", draw.choice((draw.randrange(3000), draw.randrange(_about(plan)[1]))))


def _about(plan: Plan) -> tuple[int, int]:
    """About how many bytes of a body are previews, and are all."""
    text = plan.framing in {"sse", "json"}
    preview, final = (1250, 16_500) if text else (900, 12_300)
    previews = plan.n_samples * (plan.steps - 1) * preview if plan.streamed else 0
    return previews, previews + plan.n_samples * final


def _byte(draw: random.Random, plan: Plan) -> int:
    previews, whole = _about(plan)
    return draw.choice((draw.randrange(previews + 300), draw.randrange(whole), int(whole * 1.1)))


def _event(draw: random.Random, plan: Plan) -> int:
    return draw.randrange(plan.steps * plan.n_samples + 1)


_FIELDS = ("event_type", "samp_ix", "step_ix", "gen_id", "sigma", "image")

_FAULTS: Sequence[Callable[[random.Random, Plan], Fault]] = (
    lambda draw, plan: Cut(_byte(draw, plan)),
    lambda draw, plan: Cut(_byte(draw, plan)),
    lambda draw, plan: Stall(_byte(draw, plan)),
    lambda draw, plan: StreamError(_event(draw, plan), "Out of luck", draw.choice((None, 500))),
    lambda draw, plan: StreamRetry(_event(draw, plan), "Once more"),
    lambda draw, _plan: WrongType(draw.choice(("html", "json", "zip", "image", "sse", "msgpack"))),
    lambda draw, plan: HugePrefix(_event(draw, plan)),
    lambda _draw, _plan: MissingFinal(),
    lambda draw, plan: BadBase64(_event(draw, plan)),
    lambda draw, plan: BadJSON(_event(draw, plan)),
    lambda draw, _plan: MissingField(draw.choice(_FIELDS)),
)
