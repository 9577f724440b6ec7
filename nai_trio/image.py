"""`client.image`: picture generation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NoReturn, Unpack

import trio

from nai_trio.errors import InvalidParamsError, NetworkError, NovelAIError
from nai_trio.params import ImageFields, ImageParams
from nai_trio.protocol.exchange import ImageExchange
from nai_trio.stream import ImageStream

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from nai_trio.client import NovelAI
    from nai_trio.params import StreamKind
    from nai_trio.pool import Connection, ConnectionPool
    from nai_trio.protocol.chunks import FinalChunk

__all__ = ["ImageNamespace"]


class ImageNamespace:
    """Generates pictures; reached as `client.image`."""

    def __init__(self, client: NovelAI) -> None:
        self._client = client

    def generate_stream(
        self, params: ImageParams | None = None, /, *, stream: StreamKind = "sse", **fields: Unpack[ImageFields]
    ) -> AbstractAsyncContextManager[ImageStream]:
        """Generate, and receive the pictures while they form.

            async with client.image.generate_stream(prompt="1girl, cat ears") as stream:
                async for chunk in stream:
                    ...

        Entering the block sends the request and waits for the response's head, so a refusal raises there. Leaving it,
        at any point and for any reason, closes the connection at once.

        Args:
            params: what to generate; or give the fields of `ImageParams` as keywords instead.
            stream: the framing on the wire, "sse" or "msgpack"; the chunks are the same.
            **fields: the fields of `ImageParams`.

        Raises:
            InvalidParamsError: a parameter is wrong, or the model does not stream; raised by this call, before any byte
                is sent. Entering the block and iterating raise the errors listed at `ImageStream`.
        """
        params = _params(params, fields)
        if stream is None:
            raise InvalidParamsError.for_field("stream", stream, "'sse' or 'msgpack'")
        params.to_wire(stream=stream)  # an unknown framing, or a model that does not stream, is refused here
        return _Generation(self._client, params, stream)

    async def generate(self, params: ImageParams | None = None, /, **fields: Unpack[ImageFields]) -> list[FinalChunk]:
        """Generate, and return the finished pictures, ordered by `samp_ix`.

        Uses the streaming endpoint in its smaller framing where the model streams (a stalled generation then shows
        early, and errors carry the last previews), else the one that answers with a ZIP.

        Args:
            params: what to generate; or give the fields of `ImageParams` as keywords instead.
            **fields: the fields of `ImageParams`.

        Raises:
            InvalidParamsError: a parameter is wrong; no byte was sent.
            HTTPStatusError: the service refused.
            NetworkError: the connection failed, fell silent, or ended too early.
            ProtocolError: the service sent what it must not.
            GenerationError: the service gave up on the job.
        """
        params = _params(params, fields)
        kind: Literal["msgpack"] | None = "msgpack" if params.info.streams else None
        async with _Generation(self._client, params, kind) as stream:
            async for _ in stream:
                pass
            return stream.finals


def _params(params: ImageParams | None, fields: ImageFields) -> ImageParams:
    if params is None:
        return ImageParams.from_fields(**fields)
    if not isinstance(params, ImageParams):
        raise InvalidParamsError.for_field("params", params, "an ImageParams (or give its fields as keywords)")
    if fields:
        given = ", ".join(sorted(fields))
        raise InvalidParamsError(f"expected an ImageParams or its fields, got both (fields: {given})")
    return params


class _Generation:
    """The block around one generation."""

    def __init__(self, client: NovelAI, params: ImageParams, kind: StreamKind | None) -> None:
        self._client = client
        self._params = params
        self._kind = kind
        self._entered = False
        self._stream: ImageStream | None = None

    async def __aenter__(self) -> ImageStream:
        if self._entered:
            raise RuntimeError("this generation was entered before: call generate_stream() again")
        self._entered = True
        attempt = 0
        while True:
            attempt += 1
            try:
                self._stream = await self._open()
            except NovelAIError as error:
                delay = self._client.retry.delay(attempt, error)
                if delay is None:
                    raise
            else:
                return self._stream
            await trio.sleep(delay)

    def __aiter__(self) -> NoReturn:
        raise TypeError("a generation is entered first: `async with client.image.generate_stream(...) as stream`")

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stream is not None:
            await self._stream.leave()
        if exc is None:
            await trio.lowlevel.checkpoint()

    async def _open(self) -> ImageStream:
        """One attempt. A kept connection that dies under the request is replaced once: nothing was sent whole."""
        pool = self._client.pool  # of this attempt: when it is over, the client may have another
        connection = await pool.acquire()
        try:
            return await self._start(connection, pool)
        except NetworkError as error:
            if error.billing_unknown or not connection.reused:
                raise
        return await self._start(await pool.acquire(fresh=True), pool)

    async def _start(self, connection: Connection, pool: ConnectionPool) -> ImageStream:
        client = self._client
        exchange = ImageExchange(
            self._params,
            api_key=client.api_key,
            host=client.base_url.origin.netloc,
            stream=self._kind,
            limits=client.limits,
            path_prefix=client.base_url.path,
        )
        stream = ImageStream(exchange, connection, pool, client.timeouts)
        try:
            await stream.start()
        except BaseException:
            await stream.leave()
            raise
        return stream
