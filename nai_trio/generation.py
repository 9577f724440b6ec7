"""The block around one generation: what is done before its request is sent, and its end.

Pictures make a request slow to build: files are read, Pillow works, megabytes become base64. That is done once, before
the first attempt, in a worker thread; a request without pictures is built where it is, and no thread is used. Vibes
that the model takes encoded are encoded first; but before that costs anything, the rest is built once for the errors.

Only then does the generation wait for its turn (turns.py), which it holds from before the first attempt until its
answer has ended or is left, waits between attempts included: so nobody of the same key overtakes it.
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
    from nai_trio.driver import Driver
    from nai_trio.params import ImageParams
    from nai_trio.protocol.chunks import Chunk
    from nai_trio.protocol.exchange import Delivery
    from nai_trio.waiting import OnWait

__all__ = ["Generation"]


class Generation:
    """An async context manager that is entered once; its value is the `ImageStream`.

    Args:
        client: whose connections and settings are used.
        params: what to generate.
        delivery: how the pictures shall come.
        on_wait: is told what the generation waits for before it begins.
    """

    def __init__(self, client: NovelAI, params: ImageParams, delivery: Delivery, on_wait: OnWait | None = None) -> None:
        self._client = client
        self._params = params
        self._delivery: Delivery = delivery
        self._on_wait = on_wait
        self._entered = False
        self._stream: ImageStream | None = None

    async def __aenter__(self) -> ImageStream:
        if self._entered:
            raise RuntimeError("this generation was entered before: call generate_stream() again")
        self._entered = True
        params = await self._with_encoded_vibes()
        body = await self._build(params)
        turn = await self._client.take_turn(self._on_wait)
        try:
            self._stream = ImageStream(await self._open(params, body), turn)
        except BaseException:
            turn.give_back()
            raise
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

    async def _open(self, params: ImageParams, body: bytes) -> Driver[Chunk]:
        client, delivery = self._client, self._delivery

        def make() -> ImageExchange:
            return ImageExchange(params, stream=delivery, body=body, **client.service)

        return await open_exchange(client, make, on_wait=self._on_wait)

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
