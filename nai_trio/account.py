"""`client.account`: what the key's account has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nai_trio.driver import call

if TYPE_CHECKING:
    from nai_trio.client import NovelAI
    from nai_trio.protocol.subscription import Subscription

__all__ = ["AccountNamespace"]


class AccountNamespace:
    """Asks about the account; reached as `client.account`."""

    def __init__(self, client: NovelAI) -> None:
        self._client = client

    async def subscription(self) -> Subscription:
        """Ask for the subscription: tier, Anlas, what is left of Opus's V5 pictures. Costs nothing.

        Raises:
            HTTPStatusError: the service refused.
            NetworkError: the connection failed, fell silent, or ended too early.
            ProtocolError: the answer is not what it must be; says what was expected.
        """
        from nai_trio.protocol.subscription import subscription_call  # noqa: PLC0415 - most programs never ask

        return await call(self._client, lambda: subscription_call(**self._client.service))
