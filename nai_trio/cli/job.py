"""What one `generate` shall do: the record that the command line becomes, and the client it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from nai_trio.client import NovelAI
from nai_trio.options import Retry
from nai_trio.protocol.credentials import APIKey

if TYPE_CHECKING:
    from pathlib import Path

    from nai_trio.params import ImageParams
    from nai_trio.protocol.exchange import Delivery
    from nai_trio.transport import Origin, Transport

__all__ = ["EMULATOR_KEY", "GivenKey", "Job", "Service"]

EMULATOR_KEY: Final = "pst-emulator-not-a-real-key"
_EMULATOR_BASE: Final = "http://localhost"
"""Nothing is looked up or connected for it; given so that `NOVELAI_IMAGE_BASE` plays no part."""


@attrs.frozen
class GivenKey:
    """A key, and where it came from.

    Attributes:
        key: the bearer token.
        source: what errors call its place.
    """

    key: APIKey
    source: str


@attrs.frozen(kw_only=True)
class Service:
    """Whom to ask.

    Attributes:
        api_key: the bearer token.
        key_source: what errors call the place it came from.
        image_base: the base URL; None leaves it to the client's rules.
        allow_plain_http: accept plain http off this machine.
        proxy: the way out; "" for none, None for what the environment says.
        vibe_cache: the folder where encoded vibes are kept for the next run; None for none.
        emulator_pace: seconds per step of an emulator inside this process; None asks the service over the network.
        record: the tape that keeps what goes over the wire; None for none.
        overwrite: whether that tape replaces one that is there.
        attempts: how often a request is sent in all, where it cannot have been billed.
    """

    api_key: APIKey = attrs.field(converter=APIKey)
    key_source: str = ""
    image_base: str | None = None
    allow_plain_http: bool = False
    proxy: str | None = attrs.field(default=None, repr=False)
    vibe_cache: Path | None = None
    emulator_pace: float | None = None
    record: Path | None = None
    overwrite: bool = False
    attempts: int = 1

    @property
    def address(self) -> str:
        """Its base URL."""
        return str(self.client().base_url)

    def client(self) -> NovelAI:
        """A new client for it."""
        emulator = None if self.emulator_pace is None else self._emulator()
        client = self._client(emulator)
        if self.record is None:
            return client
        # Not loaded where nothing is recorded.
        from nai_trio.transports.recording import RecordingTransport  # noqa: PLC0415

        inner = emulator or self._route(client.base_url.origin)
        return self._client(RecordingTransport(inner, self.record, overwrite=self.overwrite))

    def _client(self, transport: Transport | None) -> NovelAI:
        emulated = self.emulator_pace is not None
        return NovelAI(
            self.api_key.reveal(),
            image_base=_EMULATOR_BASE if emulated else self.image_base,
            allow_plain_http=self.allow_plain_http,
            transport=transport,
            proxy=self.proxy if transport is None else None,
            vibe_cache=self.vibe_cache,
            retry=Retry(attempts=self.attempts),
        )

    def _emulator(self) -> Transport:
        from nai_trio.emulator import Emulator  # noqa: PLC0415 - draws with Pillow, which takes long to load

        return Emulator(api_keys=[self.api_key.reveal()], step_delay=self.emulator_pace or 0).transport()

    def _route(self, origin: Origin) -> Transport:
        """What the client would have taken by itself."""
        from nai_trio.transports import proxy_transport, transport_from_environment  # noqa: PLC0415 - as above

        if self.proxy:
            return proxy_transport(self.proxy)
        return transport_from_environment(origin, None if self.proxy is None else {})


@attrs.frozen(kw_only=True)
class Job:
    """One generation.

    Attributes:
        params: what to generate.
        stream: how the pictures come; previews come with "sse" and "msgpack" alone.
        service: whom to ask.
        timeout: seconds that the whole may take; None for no limit.
    """

    params: ImageParams
    stream: Delivery
    service: Service
    timeout: float | None = None
