"""The account: GET /user/subscription, and its answer as records (wire document, section 9).

Members that the captures have must be there and have their type; members that only other clients' models have stay
optional, and with all that nobody knew they are kept in `extra`, under the service's names.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - keeps the annotations resolvable
from typing import TYPE_CHECKING, Final

import attrs

from nai_trio.errors import ProtocolError
from nai_trio.protocol import _json
from nai_trio.protocol.call import CallExchange
from nai_trio.protocol.http import get_request
from nai_trio.protocol.members import Members

if TYPE_CHECKING:
    from nai_trio.protocol.credentials import APIKey
    from nai_trio.protocol.http import ResponseHead
    from nai_trio.protocol.limits import Limits

__all__ = ["Perks", "Subscription", "TrainingSteps", "Usage", "parse_subscription", "subscription_call"]

_TIERS: Final = ("Paper", "Tablet", "Scroll", "Opus")
_OPUS: Final = 3


def _extra() -> Mapping[str, object]:
    field: Mapping[str, object] = attrs.field(factory=dict, repr=False, hash=False)
    return field


@attrs.frozen(kw_only=True)
class Perks:
    """What the tier gives.

    Attributes:
        max_priority_actions: actions per month at high priority.
        start_priority: the priority they start with.
        context_tokens: the context of text generation, in tokens.
        unlimited_max_priority: whether priority never runs out.
        module_training_steps: Anlas that each month brings.
        extra: further members, under the service's names.
    """

    max_priority_actions: int
    start_priority: int
    context_tokens: int
    unlimited_max_priority: bool
    module_training_steps: int
    extra: Mapping[str, object] = _extra()


@attrs.frozen(kw_only=True)
class TrainingSteps:
    """What is left to spend, in Anlas.

    Attributes:
        fixed: of the month's own; they expire.
        purchased: bought; they stay.
        extra: further members, under the service's names.
    """

    fixed: int
    purchased: int
    extra: Mapping[str, object] = _extra()


@attrs.frozen(kw_only=True)
class Usage:
    """How much is left of Opus's V5 pictures.

    Attributes:
        percent: what is left; one percent is about 17 pictures.
        is_negative: whether it is used up, so that V5 pictures cost Anlas.
        seconds_per_percent: how long it takes until one percent more is there.
        extra: further members, under the service's names.
    """

    percent: float
    is_negative: bool
    seconds_per_percent: float
    extra: Mapping[str, object] = _extra()


@attrs.frozen(kw_only=True)
class Subscription:
    """An account's subscription, as it was when asked for.

    Attributes:
        tier: 0 to 3: Paper, Tablet, Scroll, Opus.
        active: whether it runs.
        expires_at: when it ends, in seconds since 1970 (UTC).
        is_grace_period: whether it runs on although the payment is late.
        perks: what the tier gives.
        training_steps: what is left to spend; `anlas` is its sum.
        usage: what is left of Opus's V5 pictures, None on other tiers.
        extra: further members, under the service's names, `accountType` and `paymentProcessor` among them.
    """

    tier: int
    active: bool
    expires_at: int
    is_grace_period: bool
    perks: Perks
    training_steps: TrainingSteps
    usage: Usage | None = None
    extra: Mapping[str, object] = _extra()

    @property
    def tier_name(self) -> str:
        """The tier's name: "Paper", "Tablet", "Scroll" or "Opus"; "tier 4" for one that this version does not know."""
        return _TIERS[self.tier] if self.tier < len(_TIERS) else f"tier {self.tier}"

    @property
    def anlas(self) -> int:
        """What is left to spend: the month's own Anlas and the bought ones together."""
        return self.training_steps.fixed + self.training_steps.purchased

    @property
    def opus(self) -> bool:
        """Whether small pictures are free: an Opus subscription that is active (wire document, section 8)."""
        return self.active and self.tier == _OPUS


def subscription_call(
    *, api_key: str | APIKey, host: str, limits: Limits | None = None, path_prefix: str = ""
) -> CallExchange[Subscription]:
    """The call that asks for the account's subscription; it costs nothing.

    Args:
        api_key: the bearer token.
        host: what the Host header says.
        limits: bounds on what the response may hold.
        path_prefix: what stands before the service's own paths, for reverse proxies.
    """
    request = get_request(host=host, target=f"{path_prefix}/user/subscription", api_key=api_key)
    return CallExchange(request, read=_read, billed=False, proves_its_end=True, limits=limits)


def _read(_head: ResponseHead, body: bytes) -> Subscription:
    return parse_subscription(body)


def parse_subscription(body: bytes) -> Subscription:
    """Read the answer's JSON.

    Raises:
        ProtocolError: it is no JSON, or a member is missing or of the wrong type.
    """
    try:
        value = _json.parse(body)
    except ValueError as error:
        raise ProtocolError.mismatch(
            expected="a subscription, a JSON object", received=f"{body[:60]!r} ({error})"
        ) from error
    account = Members.of_object(value, of="a subscription")
    return Subscription(
        tier=account.take_index("tier"),
        active=account.take_flag("active"),
        expires_at=account.take_integer("expiresAt"),
        is_grace_period=account.take_flag("isGracePeriod"),
        perks=_perks(account.take_members("perks", of="perks")),
        training_steps=_training_steps(account.take_members("trainingStepsLeft", of="training steps")),
        usage=_usage(account),
        extra=account.fields,
    )


def _perks(perks: Members) -> Perks:
    return Perks(
        max_priority_actions=perks.take_integer("maxPriorityActions"),
        start_priority=perks.take_integer("startPriority"),
        context_tokens=perks.take_integer("contextTokens"),
        unlimited_max_priority=perks.take_flag("unlimitedMaxPriority"),
        module_training_steps=perks.take_integer("moduleTrainingSteps"),
        extra=perks.fields,
    )


def _training_steps(steps: Members) -> TrainingSteps:
    return TrainingSteps(
        fixed=steps.take_integer("fixedTrainingStepsLeft"),
        purchased=steps.take_integer("purchasedTrainingSteps"),
        extra=steps.fields,
    )


def _usage(account: Members) -> Usage | None:
    if not account.has("usage"):
        account.drop("usage")
        return None
    usage = account.take_members("usage", of="usage")
    return Usage(
        percent=usage.take_number("percent"),
        is_negative=usage.take_flag("isNegative"),
        seconds_per_percent=usage.take_number("timeUntilNextPercent"),
        extra=usage.fields,
    )
