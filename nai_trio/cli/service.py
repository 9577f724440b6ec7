"""The options that say whom to ask, which every command that asks the service has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nai_trio.cli.secret_files import KEY_VARIABLE, SecretError, from_environment, read_secret
from nai_trio.cli.sections import Decorator, option
from nai_trio.errors import (
    AuthenticationError,
    InvalidParamsError,
    MissingAPIKeyError,
    NotFoundError,
    ProxyAuthenticationError,
    RateLimitError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nai_trio.cli.job import GivenKey, Service
    from nai_trio.errors import NovelAIError
    from nai_trio.protocol.credentials import APIKey

__all__ = ["PACE", "explained", "given_key", "read_service", "service_option", "service_options"]

PACE = 0.2
"""Seconds per step of the emulator: slow enough to watch, as in a demonstration."""


def service_option(*declarations: str, **attributes: Any) -> Decorator:
    """An option under the heading of these."""
    return option(*declarations, section="Service", **attributes)


_OPTIONS = (
    service_option("--emulator", is_flag=True, help="Ask an emulator in this process: no key, no account, no network."),
    service_option(
        "--key-file",
        metavar="FILE",
        help="Read the API key from here, - for standard input (default: NOVELAI_API_KEY).",
    ),
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


def given_key(values: dict[str, Any]) -> GivenKey | None:
    """The key out of the file that was named, else out of the environment.

    Read before signals are caught: whoever types it, or waits for what writes it, wants Ctrl-C to work as ever.

    Args:
        values: those of the options; `key_file` is taken out.

    Returns:
        The key; None where none was given, or none is needed.

    Raises:
        click.UsageError: a file was named for nothing.
        MissingAPIKeyError: what was given is no key.
    """
    from nai_trio.cli.job import GivenKey  # noqa: PLC0415 - loads trio, which --help does not need

    file, found = values.pop("key_file"), _in_environment()
    if values["emulator"] and file is not None:
        raise click.UsageError("--emulator and --key-file exclude each other")
    if values["emulator"] or values.get("estimate"):
        return None
    if file is not None:
        return GivenKey(_key_in(file), f"--key-file {file}")
    if isinstance(found, MissingAPIKeyError):
        raise found
    return None if found is None else GivenKey(found, KEY_VARIABLE)


def _in_environment() -> APIKey | MissingAPIKeyError | None:
    """The key, or what is wrong with it: not raised, since it may not be needed."""
    from nai_trio.protocol.credentials import APIKey  # noqa: PLC0415 - as above

    text = from_environment(KEY_VARIABLE)
    try:
        return APIKey(text) if text else None
    except InvalidParamsError as error:
        return MissingAPIKeyError(f"{KEY_VARIABLE} holds no API key: {error}")


def _key_in(file: str) -> APIKey:
    from nai_trio.cli.streams import Streams  # noqa: PLC0415 - as above
    from nai_trio.protocol.credentials import APIKey  # noqa: PLC0415

    try:
        return APIKey(read_secret(file, flag="--key-file", what="an API key", warn=Streams().note))
    except SecretError as error:
        raise MissingAPIKeyError(str(error)) from None


def read_service(
    *,
    key: GivenKey | None,
    emulator: bool,
    image_base: str | None,
    allow_plain_http: bool,
    proxy: str | None = None,
    pace: float | None = None,
    vibe_cache: Path | None = None,
) -> Service:
    """Whom the options say to ask.

    Args:
        key: see `given_key`.
        emulator: as the option; so are the others.
        image_base: as above.
        allow_plain_http: as above.
        proxy: as above.
        pace: as above.
        vibe_cache: as above.

    Raises:
        click.UsageError: they contradict each other.
        MissingAPIKeyError: there is no key, or it cannot be one.
        InvalidParamsError: the address is none.
    """
    from nai_trio.cli.job import EMULATOR_KEY, Service  # noqa: PLC0415 - loads trio

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
    if key is None:
        raise MissingAPIKeyError(
            f"no API key: set {KEY_VARIABLE}, or name a file with --key-file (it is never taken from the command line)"
        )
    service = Service(
        api_key=key.key,
        key_source=key.source,
        image_base=image_base,
        allow_plain_http=allow_plain_http,
        proxy=proxy,
        vibe_cache=vibe_cache,
    )
    service.client()  # its settings are checked before files are
    return service


def explained(error: NovelAIError, service: Service) -> str:
    """The error, with what the user can do about it."""
    if isinstance(error, RateLimitError) and error.retry_after is not None:
        return f"{error} (the service asks to wait {error.retry_after:g} s)"
    if isinstance(error, AuthenticationError):
        return f"{error} ({service.address} does not take the key in {service.key_source})"
    if isinstance(error, ProxyAuthenticationError):
        return f"{error} (see --proxy and HTTPS_PROXY)"
    if isinstance(error, NotFoundError):
        return f"{error} (nothing of the service at {service.address}; see --image-base and NOVELAI_IMAGE_BASE)"
    return str(error)
