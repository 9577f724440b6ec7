"""`nai-trio account`: what the key's account has, so that a script can look before it spends."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from nai_trio.cli.exit_codes import OK, exit_code, signal_code
from nai_trio.cli.sections import SectionedCommand, option
from nai_trio.cli.service import explained, given_key, read_service, service_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.cli.job import Service
    from nai_trio.cli.stopping import StopSignals
    from nai_trio.protocol.subscription import Subscription

__all__ = ["account"]


@click.command(cls=SectionedCommand, short_help="Show the account's tier, and the Anlas left.")
@option("--json", "json_lines", section="Output", is_flag=True, help="One JSON line.")
@service_options
@click.pass_context
def account(ctx: click.Context, /, **values: Any) -> None:
    """Show the account's tier, the Anlas left, and what is left of the V5 pictures that Opus has for free.

    The API key is read from --key-file, or the environment variable NOVELAI_API_KEY. Asking costs nothing. With
    --emulator, the account is a made-up one.
    """
    from nai_trio.cli.stopping import StopSignals  # noqa: PLC0415 - loads trio, which --help does not need

    key = given_key(values)
    with StopSignals() as stop:
        ctx.exit(_account(stop, key=key, **values))


def _account(stop: StopSignals, *, json_lines: bool, timeout: float | None, **service_values: Any) -> int:
    import trio  # noqa: PLC0415 - as above

    from nai_trio.cli.streams import Streams  # noqa: PLC0415
    from nai_trio.errors import NovelAIError  # noqa: PLC0415

    service = read_service(**service_values)
    streams = Streams(secret=service.api_key.reveal())
    try:
        subscription = trio.run(_ask, service, timeout, stop)
    except NovelAIError as error:
        streams.error(explained(error, service))
        return exit_code(error)
    if subscription is None:
        assert stop.received is not None  # noqa: S101 - nothing else cancels
        streams.note(f"stopped by {stop.received.name}")
        return signal_code(stop.received)
    if json_lines:
        streams.record(_record(subscription))
    else:
        for line in _lines(subscription):
            streams.text(streams.clean(line))
    if streams.failure is not None:
        streams.error(str(streams.failure))
        return exit_code(streams.failure)
    return OK


async def _ask(service: Service, limit: float | None, stop: StopSignals) -> Subscription | None:
    """The answer; None if a signal came first."""
    import trio  # noqa: PLC0415 - as above

    from nai_trio.cli.run import too_slow  # noqa: PLC0415

    with stop.scope():
        with trio.move_on_after(math.inf if limit is None else limit):
            async with service.client() as client:
                return await client.account.subscription()
        raise too_slow(limit, billing_unknown=False)
    return None


def _lines(subscription: Subscription) -> Iterator[str]:
    state = f"active until {_date(subscription.expires_at)}" if subscription.active else "not active"
    late = ", the payment is late" if subscription.is_grace_period else ""
    yield f"tier: {subscription.tier_name}, {state}{late}"
    steps = subscription.training_steps
    yield f"Anlas: {subscription.anlas} ({steps.fixed} of the month, {steps.purchased} bought)"
    usage = subscription.usage
    if usage is not None:
        spent = "; used up, so they cost Anlas" if usage.is_negative else ""
        yield f"V5: {usage.percent:g} % left{spent}; one more percent takes {usage.seconds_per_percent:g} s"


def _date(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):  # no date that a calendar has
        return f"second {seconds}"


def _record(subscription: Subscription) -> dict[str, Any]:
    usage = subscription.usage
    return {
        "tier": subscription.tier,
        "tier_name": subscription.tier_name,
        "active": subscription.active,
        "opus": subscription.opus,
        "expires_at": subscription.expires_at,
        "is_grace_period": subscription.is_grace_period,
        "anlas": subscription.anlas,
        "anlas_fixed": subscription.training_steps.fixed,
        "anlas_purchased": subscription.training_steps.purchased,
        "usage": None
        if usage is None
        else {
            "percent": usage.percent,
            "is_negative": usage.is_negative,
            "seconds_per_percent": usage.seconds_per_percent,
        },
    }
