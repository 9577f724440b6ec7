"""Encoding vibes through the client: look into the cache, ask the service for what is not there, keep it.

An encoding is told by the picture's bytes, by what the model's encodings are called, and by the share of information
extracted; each costs 2 Anlas (wire document, section 3.3). Files are read, pictures hashed and requests built in worker
threads.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from nai_trio.driver import call
from nai_trio.errors import InvalidParamsError
from nai_trio.params import MODELS, EncodedVibe, Vibe
from nai_trio.protocol.vibe import encode_vibe_body, encode_vibe_call

if TYPE_CHECKING:
    from nai_trio.client import NovelAI
    from nai_trio.params import ControlNet, ImageParams, ModelInfo
    from nai_trio.pictures import ImageSource

__all__ = ["encode_vibe", "encode_vibes", "model_with_vibes", "raw_vibes"]


def model_with_vibes(model: str) -> ModelInfo:
    """The row of a model that takes encoded vibes.

    Raises:
        InvalidParamsError: there is no such model, or it takes none; names those that do.
    """
    info = MODELS.get(model) if isinstance(model, str) else None
    if info is None or info.vibe_encoding is None:
        able = ", ".join(each.id for each in MODELS.values() if each.vibe_encoding is not None)
        raise InvalidParamsError.for_field("model", model, f"a model that takes encoded vibes: {able}")
    return info


async def encode_vibe(
    client: NovelAI, image: ImageSource, *, info: ModelInfo, information_extracted: float
) -> EncodedVibe:
    """Encode a picture, or take its encoding from the client's cache.

    Args:
        client: whose connections, settings and cache are used.
        image: the picture.
        info: a model that has a `vibe_encoding`.
        information_extracted: how much of the picture to use, 0.01 to 1.
    """
    content, image_id = await trio.to_thread.run_sync(_read, image, abandon_on_cancel=True)

    async def encode() -> bytes:
        build = partial(encode_vibe_body, content, model=info.id, information_extracted=information_extracted)
        body = await trio.to_thread.run_sync(build, abandon_on_cancel=True)
        return await call(client, lambda: encode_vibe_call(body, **client.service))

    return await client.vibe_cache.get_or_encode(
        encode,
        image_id=image_id,
        encoding=info.vibe_encoding or "",
        information_extracted=information_extracted,
    )


def _read(image: ImageSource) -> tuple[bytes, str]:
    content = image.read()
    return content, hashlib.sha256(content).hexdigest()


def raw_vibes(params: ImageParams) -> ControlNet | None:
    """The vibes, if any of them must be encoded before the request can be built."""
    control = params.controlnet
    if control is None or params.info.vibe_encoding is None:
        return None
    return None if all(isinstance(vibe.image, EncodedVibe) for vibe in control.images) else control


async def encode_vibes(client: NovelAI, control: ControlNet, info: ModelInfo) -> ControlNet:
    """The same vibes, each that is still a picture encoded, one after the other."""
    vibes = [await _encoded(client, vibe, info) for vibe in control.images]
    return attrs.evolve(control, images=vibes)


async def _encoded(client: NovelAI, vibe: Vibe, info: ModelInfo) -> Vibe:
    if isinstance(vibe.image, EncodedVibe):
        return vibe
    level = vibe.information_extracted
    return attrs.evolve(vibe, image=await encode_vibe(client, vibe.image, info=info, information_extracted=level))
