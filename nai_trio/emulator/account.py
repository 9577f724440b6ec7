"""What the account endpoint tells (wire document, section 9, `/user/subscription`)."""

from __future__ import annotations

__all__ = ["subscription"]

_EXPIRES_AT = 4_102_444_800  # 2100-01-01: a fixed date, so that bytes repeat
_SCROLL, _OPUS = 2, 3


def subscription(anlas: int, *, opus: bool) -> dict[str, object]:
    """The account's subscription: Opus with its `usage`, else Scroll, which has none.

    Args:
        anlas: the balance, told as monthly Anlas.
        opus: whether the account has the highest tier.
    """
    told: dict[str, object] = {
        "tier": _OPUS if opus else _SCROLL,
        "active": True,
        "expiresAt": _EXPIRES_AT,
        "isGracePeriod": False,
        "accountType": 0,
        "paymentProcessor": "emulator",
        "isPaypal": False,
        "perks": _perks(opus=opus),
        "trainingStepsLeft": {"fixedTrainingStepsLeft": anlas, "purchasedTrainingSteps": 0},
    }
    if opus:
        told["usage"] = {"percent": 100, "isNegative": False, "timeUntilNextPercent": 7888}
    return told


def _perks(*, opus: bool) -> dict[str, object]:
    return {
        "maxPriorityActions": 1000 if opus else 0,
        "startPriority": 10,
        "contextTokens": 8192,
        "unlimitedMaxPriority": opus,
        "moduleTrainingSteps": 10_000 if opus else 1000,
    }
