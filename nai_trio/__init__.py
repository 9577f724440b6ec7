"""An unofficial NovelAI client for trio that streams image generation live.

The names below resolve on first use, so that `import nai_trio.protocol` alone loads neither trio nor anything else
that the sans-IO core does not need.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from nai_trio._version import __version__

if TYPE_CHECKING:
    from nai_trio.client import NovelAI
    from nai_trio.errors import (
        AuthenticationError,
        ConcurrencyLockedError,
        ConflictError,
        ConnectError,
        GenerationError,
        HTTPStatusError,
        InvalidParamsError,
        InvalidRequestError,
        LimitExceeded,
        MissingAPIKeyError,
        NetworkError,
        NetworkTimeout,
        NotFoundError,
        NovelAIError,
        PaymentRequiredError,
        ProtocolError,
        ProxyAuthenticationError,
        ProxyError,
        RateLimitError,
        ServerError,
        StreamInterrupted,
    )
    from nai_trio.headers import Headers
    from nai_trio.options import Retry, Timeouts
    from nai_trio.params import (
        AnlasEstimate,
        Character,
        CharacterReference,
        ControlNet,
        EncodedVibe,
        ImageParams,
        ImageToImage,
        Inpaint,
        Vibe,
        VibeFile,
        read_vibes,
        write_vibes,
    )
    from nai_trio.protocol.chunks import FinalChunk, IntermediateChunk, RetryChunk, UnknownChunk
    from nai_trio.protocol.limits import Limits
    from nai_trio.protocol.subscription import Subscription
    from nai_trio.stream import ImageStream
    from nai_trio.vibe_cache import VibeCache, VibeCacheWarning
    from nai_trio.waiting import QueueWait, RetryWait

__all__ = [
    "AnlasEstimate",
    "AuthenticationError",
    "Character",
    "CharacterReference",
    "ConcurrencyLockedError",
    "ConflictError",
    "ConnectError",
    "ControlNet",
    "EncodedVibe",
    "FinalChunk",
    "GenerationError",
    "HTTPStatusError",
    "Headers",
    "ImageParams",
    "ImageStream",
    "ImageToImage",
    "Inpaint",
    "IntermediateChunk",
    "InvalidParamsError",
    "InvalidRequestError",
    "LimitExceeded",
    "Limits",
    "MissingAPIKeyError",
    "NetworkError",
    "NetworkTimeout",
    "NotFoundError",
    "NovelAI",
    "NovelAIError",
    "PaymentRequiredError",
    "ProtocolError",
    "ProxyAuthenticationError",
    "ProxyError",
    "QueueWait",
    "RateLimitError",
    "Retry",
    "RetryChunk",
    "RetryWait",
    "ServerError",
    "StreamInterrupted",
    "Subscription",
    "Timeouts",
    "UnknownChunk",
    "Vibe",
    "VibeCache",
    "VibeCacheWarning",
    "VibeFile",
    "__version__",
    "read_vibes",
    "write_vibes",
]

_HOMES = (
    "errors",
    "headers",
    "protocol.chunks",
    "protocol.limits",
    "options",
    "waiting",
    "protocol.subscription",
    "params",
    "vibe_cache",
    "stream",
    "client",
)
"""The modules that define these names, lightest first, so that a light name loads nothing heavy."""


def __getattr__(name: str) -> object:
    if name in __all__:
        for home in _HOMES:
            module = importlib.import_module(f"{__name__}.{home}")
            if name in module.__all__:
                value: object = getattr(module, name)
                globals()[name] = value
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
