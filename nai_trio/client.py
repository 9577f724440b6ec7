"""`NovelAI`: the client. It owns the connections; everything it does happens in the tasks that call it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypedDict

import attrs
import trio

from nai_trio.account import AccountNamespace
from nai_trio.address import parse_base_url
from nai_trio.errors import InvalidParamsError, MissingAPIKeyError
from nai_trio.image import ImageNamespace
from nai_trio.options import Retry, Timeouts
from nai_trio.pool import ConnectionPool
from nai_trio.protocol.credentials import APIKey
from nai_trio.protocol.limits import Limits
from nai_trio.transport import Transport
from nai_trio.turns import take_turn
from nai_trio.vibe_cache import VibeCache

if TYPE_CHECKING:
    import ssl
    from types import TracebackType
    from typing import Self

    from nai_trio.transport import Origin
    from nai_trio.transports.hop import Hop
    from nai_trio.turns import Turn
    from nai_trio.waiting import OnWait

__all__ = ["NovelAI"]

DEFAULT_IMAGE_BASE = "https://image.novelai.net"


class ServiceOptions(TypedDict):
    """What every exchange with the service is made with."""

    api_key: APIKey
    host: str
    limits: Limits
    path_prefix: str


class NovelAI:
    """A client of the NovelAI image service; an async context manager that owns its connections.

        async with NovelAI() as client:
            pictures = await client.image.generate(prompt="1girl, cat ears")

    Args:
        api_key: the persistent token ("pst-..."); falls back to the environment's `NOVELAI_API_KEY`.
        image_base: where the service is; falls back to `NOVELAI_IMAGE_BASE`, then to https://image.novelai.net.
        transport: opens the byte streams, and then the environment plays no part; by default what `proxy` says. One
            transport serves one client at a time.
        timeouts: how long to wait for what.
        retry: when to send again; by default never.
        limits: how much to accept.
        vibe_cache: where encoded vibes are kept: a folder, for the next run of the program too, or a `VibeCache`, which
            clients can share. By default in memory, as long as the client lives.
        proxy: the way out of here, as a URL with the scheme http, https, socks5, socks5h, ws or wss, e.g.
            "http://user:password@proxy.example:3128"; "" for none. By default what the environment says (HTTPS_PROXY,
            ALL_PROXY, NO_PROXY; see `nai_trio.transports.environment`). Not together with `transport`.
        ssl_context: for TLS; by default a shared one that verifies against the system's store. Given one, there is
            TLS to an https base even over a transport that is secure by itself.
        allow_plain_http: accept an `http://` base off this machine, where others can read the key and the pictures.
        allow_unverified_tls: take an `ssl_context` that does not verify the peer (`verify_mode` CERT_NONE, or
            `check_hostname` False), so that anybody on the way can be the peer; without it such a one is refused.

    Attributes:
        image: picture generation.
        account: what the key's account has.
        vibe_cache: where encoded vibes are kept.

    Raises:
        MissingAPIKeyError: no key is given and the environment has none.
        InvalidParamsError: a setting is wrong, or the environment's proxy is.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        image_base: str | None = None,
        transport: Transport | None = None,
        timeouts: Timeouts | None = None,
        retry: Retry | None = None,
        limits: Limits | None = None,
        vibe_cache: VibeCache | str | os.PathLike[str] | None = None,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        allow_plain_http: bool = False,
        allow_unverified_tls: bool = False,
    ) -> None:
        try:
            self.api_key = _api_key(api_key)
            base = image_base or os.environ.get("NOVELAI_IMAGE_BASE") or DEFAULT_IMAGE_BASE
            base_url = parse_base_url(base, allow_plain_http=allow_plain_http)
            self._transport = _transport(transport, proxy, base_url.origin, allow_plain_http=allow_plain_http)
            _check_tls(ssl_context, allow_unverified_tls=allow_unverified_tls)
        finally:
            del api_key, proxy, transport  # an error may be shown with the locals of this frame
        self.timeouts = timeouts or Timeouts()
        self.retry = retry or Retry()
        self.limits = limits or Limits()
        self.vibe_cache = vibe_cache if isinstance(vibe_cache, VibeCache) else VibeCache(vibe_cache)
        self.image = ImageNamespace(self)
        self.account = AccountNamespace(self)
        self._ssl_context = ssl_context
        self._allow_unverified_tls = allow_unverified_tls
        self._pool: ConnectionPool | None = None
        self._entered = False
        self.base_url = base_url

    @property
    def pool(self) -> ConnectionPool:
        """The connections.

        Raises:
            trio.ClosedResourceError: the client is not entered, or was left.
        """
        if self._pool is None:
            raise trio.ClosedResourceError("this client is not open: use it inside `async with NovelAI() as client`")
        return self._pool

    @property
    def service(self) -> ServiceOptions:
        """The keyword arguments that exchanges of this client are made with."""
        return {
            "api_key": self.api_key,
            "host": self.base_url.origin.netloc,
            "limits": self.limits,
            "path_prefix": self.base_url.path,
        }

    async def take_turn(self, on_wait: OnWait | None = None) -> Turn:
        """Wait until this key may generate (`Limits.max_concurrent_generations`).

        Raises:
            ConcurrencyLockedError: this task itself holds all the turns that it would wait for.
            trio.ClosedResourceError: the client is not open, or was left meanwhile.
        """
        account = (str(self.base_url), self.api_key)
        with self.pool.until_closed():
            turn = await take_turn(account, at_once=self.limits.max_concurrent_generations, on_wait=on_wait)
        return turn  # noqa: RET504 - type checkers take the block for one that may swallow an error

    async def __aenter__(self) -> Self:
        if self._entered:
            raise trio.BusyResourceError("this client is open already")
        self._entered = True
        try:
            await self._transport.__aenter__()
        except BaseException:
            self._entered = False
            raise
        self._pool = ConnectionPool(
            self._transport,
            self.base_url.origin,
            ssl_context=self._ssl_context,
            timeouts=self.timeouts,
            max_idle=self.limits.max_idle_connections,
            allow_unverified_tls=self._allow_unverified_tls,
        )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        pool, self._pool = self.pool, None
        try:
            await pool.aclose()
        except BaseException as error:
            await self._transport.__aexit__(type(error), error, error.__traceback__)
            raise
        else:
            swallowed = await self._transport.__aexit__(exc_type, exc, traceback)
        finally:
            self._entered = False
        if exc is None:
            await trio.lowlevel.checkpoint()
        return swallowed

    def __repr__(self) -> str:
        if not hasattr(self, "base_url"):  # a traceback that shows locals asks when __init__ has failed
            return "<NovelAI, not made>"
        state = "closed" if self._pool is None else "open"
        return f"<NovelAI {self.base_url} via {self._transport.describe()}, {state}>"


def _api_key(given: str | None) -> APIKey:
    key = os.environ.get("NOVELAI_API_KEY", "") if given is None else given
    if not key:
        raise MissingAPIKeyError("no API key: give api_key=... or set NOVELAI_API_KEY")
    try:
        return APIKey(key)
    finally:
        del given, key  # an error may be shown with the locals of this frame


def _check_tls(context: ssl.SSLContext | None, *, allow_unverified_tls: bool) -> None:
    if context is not None:
        from nai_trio.transports.tls_options import check_context  # noqa: PLC0415 - loads ssl, for TLS alone

        check_context(context, allow_unverified_tls=allow_unverified_tls)


def _transport(given: Transport | None, proxy: str | None, origin: Origin, *, allow_plain_http: bool) -> Transport:
    """The transport that a client's settings ask for."""
    try:
        if given is not None:
            if proxy is not None:
                raise InvalidParamsError("transport and proxy exclude each other: give the proxy to the transport")
            if not isinstance(given, Transport):  # not repeated: it may be a URL
                raise InvalidParamsError(
                    f"transport: expected a Transport (a URL is for proxy), got a {type(given).__name__}"
                )
            _check_plain_route(given, origin, allow_plain_http=allow_plain_http)
            return given
        # Not loaded where a transport is given.
        from nai_trio.transports import environment  # noqa: PLC0415

        if proxy is None:
            return environment.transport_from_environment(origin)
        if proxy == "":
            return environment.transport_from_environment(origin, {})
        _check_plain(environment.read_proxy(proxy), origin, "proxy", allow_plain_http=allow_plain_http)
        return environment.proxy_transport(proxy)
    finally:
        del given, proxy  # an error may be shown with the locals of this frame


def _check_plain_route(transport: Transport, origin: Origin, *, allow_plain_http: bool) -> None:
    """As `_check_plain`, for every hop of a transport that the user has made."""
    if origin.scheme == "http":
        from nai_trio.transports.layered import hops_of  # noqa: PLC0415 - not loaded where it is not needed

        for hop in hops_of(transport):
            _check_plain(hop, origin, "transport", allow_plain_http=allow_plain_http)


def _check_plain(hop: Hop, origin: Origin, field: str, *, allow_plain_http: bool) -> None:
    """Plain http is for this machine (see `parse_base_url`), also where a proxy makes another one of it."""
    if origin.scheme == "https" or allow_plain_http or attrs.evolve(origin, host=hop.host).is_loopback:
        return
    hint = "a proxy on this machine, since plain http off it shows the key to the network (allow_plain_http=True)"
    raise InvalidParamsError.for_field(field, str(hop), hint)
