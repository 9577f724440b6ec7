"""What a recorded request asked for: as much of it as reading the answer takes.

Nothing of the request is built anew. The recorded body is sent as it is, so a replay plays tapes of any client and of
any later version, and what was struck out of it stays so.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from nai_trio.errors import InvalidParamsError
from nai_trio.params.image_to_image import steps_taken
from nai_trio.protocol.exchange import DELIVERIES, ImageExchange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nai_trio.client import NovelAI
    from nai_trio.params import ImageParams
    from nai_trio.protocol.exchange import Delivery
    from nai_trio.transports.tape_contents import Exchange, Tape
    from nai_trio.transports.tape_requests import TapedRequest

__all__ = ["RecordedJob", "find_jobs"]

_STREAMED: Final = DELIVERIES["sse"].target
_PLAIN: Final = DELIVERIES["zip"].target


@attrs.frozen(kw_only=True)
class RecordedJob:
    """A generation that was asked for.

    Attributes:
        exchange: where it stands on the tape.
        n_samples: how many pictures, 1 to 64.
        steps_taken: how many steps are taken for each (`ImageParams.steps_taken`), 1 to 1000.
        seed: the first picture's.
        image_format: "png" or "webp", as it was asked for.
        delivery: how the pictures were to come.
        base: the base URL.
    """

    exchange: Exchange
    n_samples: int
    steps_taken: int
    seed: int
    image_format: Any
    delivery: Delivery
    base: str

    def image_exchange(self, client: NovelAI) -> ImageExchange:
        """The exchange that sends the recorded body, and reads what comes back."""
        params = cast("ImageParams", self)  # of those it needs these numbers alone, given a body
        return ImageExchange(params, stream=self.delivery, body=self.exchange.request.body, **client.service)


def find_jobs(tape: Tape) -> list[RecordedJob]:
    """The generations on a tape, in the order in which they were asked for.

    Raises:
        InvalidParamsError: a request for one cannot be understood.
    """
    return [_job(each, tape.name) for each in tape.exchanges if _path(each.request).endswith((_STREAMED, _PLAIN))]


def _path(request: TapedRequest) -> str:
    return request.target.partition("?")[0]


def _job(exchange: Exchange, name: str) -> RecordedJob:
    request = exchange.request
    streamed = _path(request).endswith(_STREAMED)
    asked = _asked(request, name)
    parameters = asked["parameters"]
    delivery = "json" if request.header("accept") == "application/json" else "zip"
    if streamed:
        delivery = "msgpack" if parameters.get("stream") == "msgpack" else "sse"
    return RecordedJob(
        exchange=exchange,
        n_samples=_whole(parameters, "n_samples", 1, 64, name, default=1),
        steps_taken=_steps(asked, name),
        seed=_whole(parameters, "seed", 0, 2**32 - 1, name, default=0),
        image_format="webp" if parameters.get("image_format") == "webp" else "png",
        delivery=cast("Delivery", delivery),
        base=exchange.origin + _path(request).removesuffix(_STREAMED if streamed else _PLAIN),
    )


def _asked(request: TapedRequest, name: str) -> Mapping[str, Any]:
    try:
        asked = json.loads(request.body)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or not isinstance(asked.get("parameters"), dict):
        raise InvalidParamsError(f"{name}: expected a recorded request with parameters in JSON, got {request!r}")
    return asked


def _steps(asked: Mapping[str, Any], name: str) -> int:
    """Image to image takes fewer (wire document, section 3.1)."""
    parameters = asked["parameters"]
    steps = _whole(parameters, "steps", 1, 1000, name, default=28)
    strength = parameters.get("strength")
    if asked.get("action") != "img2img" or not isinstance(strength, int | float) or not 0 <= strength <= 1:
        return steps
    return steps_taken(steps, strength)


def _whole(parameters: Mapping[str, Any], field: str, low: int, high: int, name: str, *, default: int) -> int:
    value = parameters.get(field, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        text = f"{name}: the recorded {field}: expected a whole number from {low} to {high}, got {str(value)[:40]}"
        raise InvalidParamsError(text)
    return value
