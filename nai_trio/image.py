"""`client.image`: picture generation, and the encoding of vibes for it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Unpack, get_args

import trio

from nai_trio.errors import InvalidParamsError
from nai_trio.generation import Generation
from nai_trio.params import EncodedVibe, ImageFields, ImageParams, StreamKind, Vibe
from nai_trio.params.support import check_stream
from nai_trio.protocol.exchange import endpoint_of
from nai_trio.vibes import encode_vibe, model_with_vibes

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from nai_trio.client import NovelAI
    from nai_trio.params import ModelId
    from nai_trio.pictures import ImageInput
    from nai_trio.protocol.chunks import FinalChunk
    from nai_trio.protocol.exchange import Delivery
    from nai_trio.stream import ImageStream
    from nai_trio.waiting import OnWait

__all__ = ["ImageNamespace"]


class ImageNamespace:
    """Generates pictures; reached as `client.image`."""

    def __init__(self, client: NovelAI) -> None:
        self._client = client

    def generate_stream(
        self,
        params: ImageParams | None = None,
        /,
        *,
        stream: StreamKind = "sse",
        on_wait: OnWait | None = None,
        **fields: Unpack[ImageFields],
    ) -> AbstractAsyncContextManager[ImageStream]:
        """Generate, and receive the pictures while they form.

            async with client.image.generate_stream(prompt="1girl, cat ears") as stream:
                async for chunk in stream:
                    ...

        Entering the block sends the request and waits for the response's head, so a refusal raises there. Leaving it,
        at any point and for any reason, closes the connection at once.

        Pictures that belong to the request are read and prepared when the block is entered, in a worker thread; vibes
        that are still pictures are encoded then, where the model wants that (2 Anlas each; see `encode_vibe`).

        Args:
            params: what to generate; or give the fields of `ImageParams` as keywords instead.
            stream: the framing on the wire, "sse" or "msgpack"; the chunks are the same.
            on_wait: called with a `QueueWait` while other generations of this key run, and with a `RetryWait` after an
                attempt that failed and is followed by another one.
            **fields: the fields of `ImageParams`.

        Raises:
            InvalidParamsError: a parameter is wrong, or the model does not stream; raised by this call, before any byte
                is sent. Entering the block and iterating raise the errors listed at `ImageStream`; entering it while
                this very task holds this key's only turn raises `ConcurrencyLockedError`, and nothing is sent.
        """
        params = _params(params, fields)
        if stream not in get_args(StreamKind):
            raise InvalidParamsError.for_field("stream", stream, "'sse' or 'msgpack'")
        check_stream(params, stream)
        return Generation(self._client, params, stream, on_wait)

    async def generate(
        self,
        params: ImageParams | None = None,
        /,
        *,
        stream: Delivery | None = None,
        on_wait: OnWait | None = None,
        **fields: Unpack[ImageFields],
    ) -> list[FinalChunk]:
        """Generate, and return the finished pictures, ordered by `samp_ix`.

        Args:
            params: what to generate; or give the fields of `ImageParams` as keywords instead.
            stream: how the pictures come: "sse" or "msgpack" over the endpoint that streams, "zip" or "json" over the
                one that answers with the finals alone. None is "msgpack" where the model streams, else "zip".
                docs/client.md ("The plain endpoint") says what is better when.
            on_wait: as for `generate_stream`.
            **fields: the fields of `ImageParams`.

        Raises:
            InvalidParamsError: a parameter is wrong; no byte was sent.
            HTTPStatusError: the service refused.
            NetworkError: the connection failed, fell silent, or ended too early.
            ProtocolError: the service sent what it must not.
            GenerationError: the service gave up on the job.
        """
        params = _params(params, fields)
        if stream is None:
            stream = "msgpack" if params.info.streams else "zip"
        check_stream(params, endpoint_of(stream).stream)
        async with Generation(self._client, params, stream, on_wait) as chunks:
            async for _ in chunks:
                pass
            return chunks.finals

    async def encode_vibe(
        self, image: ImageInput, *, model: ModelId = "nai-diffusion-4-5-full", information_extracted: float = 0.7
    ) -> EncodedVibe:
        """Encode a picture as a vibe, for `ControlNet`; or take the encoding from the client's `VibeCache`.

        The service charges 2 Anlas for each picture, family of models, and share of information. What it has encoded
        costs nothing again: the client keeps it, and tasks that ask for the same at once pay once.

        Args:
            image: bytes or path of a PNG, JPEG or WebP, or a Pillow image; read in a worker thread.
            model: a V4 or V4.5 model; the vibe is for models with the same `ModelInfo.vibe_encoding`.
            information_extracted: how much of the picture is used, 0.01 to 1.

        Raises:
            InvalidParamsError: the picture cannot be read, or the model takes no encoded vibes; no byte was sent.
            HTTPStatusError: the service refused.
            NetworkError: the connection failed, fell silent, or ended too early.
            ProtocolError: the service sent what it must not.
        """
        info = model_with_vibes(model)
        look = partial(Vibe, image, information_extracted=information_extracted)  # reads the beginning of a file
        vibe = await trio.to_thread.run_sync(look, abandon_on_cancel=True)
        if isinstance(vibe.image, EncodedVibe):
            raise InvalidParamsError.for_field("image", image, "a picture; this one is encoded already")
        return await encode_vibe(self._client, vibe.image, info=info, information_extracted=vibe.information_extracted)


def _params(params: ImageParams | None, fields: ImageFields) -> ImageParams:
    if params is None:
        return ImageParams.from_fields(**fields)
    if not isinstance(params, ImageParams):
        raise InvalidParamsError.for_field("params", params, "an ImageParams (or give its fields as keywords)")
    if fields:
        given = ", ".join(sorted(fields))
        raise InvalidParamsError(f"expected an ImageParams or its fields, got both (fields: {given})")
    return params
