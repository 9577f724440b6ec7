"""The block around one generation: what is done before its request is sent, and its end.

Pictures make a request slow to build: files are read, Pillow works, megabytes become base64. That is done once, before
the first attempt, in a worker thread; a request without pictures is built where it is, and no thread is used. Vibes
that the model takes encoded are encoded first; but before that costs anything, the rest is built once for the errors.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NoReturn

import trio

from nai_trio.driver import open_exchange
from nai_trio.protocol.exchange import ImageExchange, endpoint_of
from nai_trio.stream import ImageStream
from nai_trio.vibes import encode_vibes, raw_vibes

if TYPE_CHECKING:
    from types import TracebackType

    from nai_trio.client import NovelAI
    from nai_trio.params import ImageParams
    from nai_trio.protocol.exchange import Delivery

__all__ = ["Generation"]


class Generation:
    """An async context manager that is entered once; its value is the `ImageStream`.

    Args:
        client: whose connections and settings are used.
        params: what to generate.
        delivery: how the pictures shall come.
    """

    def __init__(self, client: NovelAI, params: ImageParams, delivery: Delivery) -> None:
        self._client = client
        self._params = params
        self._delivery: Delivery = delivery
        self._entered = False
        self._stream: ImageStream | None = None

    async def __aenter__(self) -> ImageStream:
        if self._entered:
            raise RuntimeError("this generation was entered before: call generate_stream() again")
        self._entered = True
        client, delivery = self._client, self._delivery
        params = await self._with_encoded_vibes()
        body = await self._build(params)

        def make() -> ImageExchange:
            return ImageExchange(params, stream=delivery, body=body, **client.service)

        self._stream = ImageStream(await open_exchange(client, make))
        return self._stream

    def __aiter__(self) -> NoReturn:
        raise TypeError("a generation is entered first: `async with client.image.generate_stream(...) as stream`")

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stream is not None:
            await self._stream.leave()
        if exc is None:
            await trio.lowlevel.checkpoint()

    async def _with_encoded_vibes(self) -> ImageParams:
        """The parameters as they can be sent; not a checkpoint where there is nothing to encode."""
        params, control = self._params, raw_vibes(self._params)
        if control is None:
            return params
        rest = params.replace(controlnet=None)
        if rest.has_pictures:
            await self._build(rest)
        return params.replace(controlnet=await encode_vibes(self._client, control, params.info))

    async def _build(self, params: ImageParams) -> bytes:
        build = partial(params.to_json, stream=endpoint_of(self._delivery).stream)
        if not params.has_pictures:
            return build()
        return await trio.to_thread.run_sync(build, abandon_on_cancel=True)
