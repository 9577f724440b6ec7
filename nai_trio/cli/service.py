"""The options that say whom to ask, which every command that asks the service has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nai_trio.cli.sections import Decorator, option
from nai_trio.errors import AuthenticationError, NotFoundError, ProxyAuthenticationError, RateLimitError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nai_trio.cli.job import Service
    from nai_trio.errors import NovelAIError

__all__ = ["PACE", "explained", "read_service", "service_option", "service_options"]

PACE = 0.2
"""Seconds per step of the emulator: slow enough to watch, as in a demonstration."""


def service_option(*declarations: str, **attributes: Any) -> Decorator:
    """An option under the heading of these."""
    return option(*declarations, section="Service", **attributes)


_OPTIONS = (
    service_option("--emulator", is_flag=True, help="Ask an emulator in this process: no key, no account, no network."),
    service_option(
        "--image-base", metavar="URL", help="Where the service is (default: NOVELAI_IMAGE_BASE, else the real one)."
    ),
    service_option("--allow-plain-http", is_flag=True, help="Take an http:// URL off this machine."),
    service_option(
        "--proxy",
        metavar="URL",
        help="Go through this proxy, http, https, socks5, ws or wss; '' for none (default: "
        "HTTPS_PROXY, ALL_PROXY, NO_PROXY).",
    ),
    service_option(
        "--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Give up after so long in all."
    ),
)


def service_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options."""
    for decorate in reversed(_OPTIONS):
        function = decorate(function)
    return function


def read_service(
    *,
    emulator: bool,
    image_base: str | None,
    allow_plain_http: bool,
    proxy: str | None = None,
    pace: float | None = None,
    vibe_cache: Path | None = None,
) -> Service:
    """Whom the options say to ask.

    Raises:
        click.UsageError: they contradict each other.
        MissingAPIKeyError: there is no key, or it cannot be one.
        InvalidParamsError: the address is none.
    """
    from nai_trio.cli.job import EMULATOR_KEY, Service, service_from_environment  # noqa: PLC0415 - loads trio

    if emulator:
        if image_base is not None:
            raise click.UsageError("--emulator and --image-base exclude each other")
        if proxy is not None:
            raise click.UsageError("--emulator and --proxy exclude each other")
        if vibe_cache is not None:
            raise click.UsageError("--emulator and --vibe-cache exclude each other: what it encodes, only it can use")
        return Service(api_key=EMULATOR_KEY, emulator_pace=PACE if pace is None else pace)
    if pace is not None:
        raise click.UsageError("--pace needs --emulator")
    service = service_from_environment(
        image_base=image_base, allow_plain_http=allow_plain_http, proxy=proxy, vibe_cache=vibe_cache
    )
    service.client()  # its settings are checked before files are
    return service


def explained(error: NovelAIError, service: Service) -> str:
    """The error, with what the user can do about it."""
    if isinstance(error, RateLimitError) and error.retry_after is not None:
        return f"{error} (the service asks to wait {error.retry_after:g} s)"
    if isinstance(error, AuthenticationError):
        return f"{error} ({service.address} does not take the key in NOVELAI_API_KEY)"
    if isinstance(error, ProxyAuthenticationError):
        return f"{error} (see --proxy and HTTPS_PROXY)"
    if isinstance(error, NotFoundError):
        return f"{error} (nothing of the service at {service.address}; see --image-base and NOVELAI_IMAGE_BASE)"
    return str(error)
