"""The pictures of a request, and the JSON with them in it.

Pictures are megabytes and everything else is kilobytes, so they are kept out of the objects that become JSON: their
base64 is written once, straight into the body. Building a body holds the pictures and the body, and no copy between.

A wire member is either one picture or a list of them (wire document, section 3).
"""

from __future__ import annotations

import binascii
import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from nai_trio.params.checks import refusal, renamed
from nai_trio.params.references import canvas_size
from nai_trio.params.vibes import EncodedVibe
from nai_trio.pictures import canvas
from nai_trio.pictures.buffers import roomy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.params.image import ImageParams
    from nai_trio.params.image_to_image import ImageToImage, Inpaint
    from nai_trio.params.vibes import Vibe

__all__ = ["Attachments", "attachments", "body_with", "members_of"]

Attachments: TypeAlias = "dict[str, bytes | list[bytes]]"
"""Wire member of `parameters` to the bytes of its picture or pictures."""

_RAW_VIBE_SIZE: Final = (448, 448)
"""What the web client pads a picture to for V3."""

_PIECE: Final = 3 * 64 * 1024
"""Bytes encoded at once; a multiple of 3, so that the pieces' base64 joins without padding."""


def attachments(params: ImageParams) -> Attachments:
    """Read the pictures that the parameters name and bring them into the form that the service wants.

    Files are read and Pillow works here, in the calling thread.

    Raises:
        InvalidParamsError: a picture cannot be read or decoded; Pillow is needed and missing; a vibe is not encoded, or
            not for this model.
    """
    found: Attachments = {}
    if params.i2i is not None:
        found["image"] = _source(params, params.i2i, "i2i.image")
    if params.inpaint is not None:
        found["image"] = _source(params, params.inpaint, "inpaint.image")
        with renamed("inpaint.mask"):
            found["mask"] = canvas.mask(params.inpaint.mask, (params.width, params.height), fit=params.inpaint.fit)
    if params.controlnet is not None:
        found["reference_image_multiple"] = [
            _vibe(params, vibe, f"controlnet.images[{index}].image")
            for index, vibe in enumerate(params.controlnet.images)
        ]
    if params.character_references:
        found["director_reference_images"] = list(_references(params))
    return found


def members_of(found: Attachments) -> dict[str, str | list[str]]:
    """The pictures as the members of `parameters` that they are in JSON."""
    return {
        name: _text(value) if isinstance(value, bytes) else [_text(each) for each in value]
        for name, value in found.items()
    }


def body_with(body: dict[str, Any], found: Attachments) -> bytes:
    """The body as compact JSON in UTF-8, with the pictures as further members of its last member, `parameters`."""
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")
    if not found:
        return text
    buffer = roomy(len(text) + sum(_size(name, value) for name, value in found.items()))
    buffer.write(text.removesuffix(b"}}"))
    while found:  # each picture is let go once it is written
        name, value = found.popitem()
        buffer.write(f',"{name}":'.encode())
        buffer.writelines(_json(value))
    buffer.write(b"}}")
    buffer.truncate()
    return buffer.getvalue()


def _size(name: str, value: bytes | list[bytes]) -> int:
    """Bytes that a member takes in the body, at least nearly."""
    pictures = [value] if isinstance(value, bytes) else value
    return len(name) + sum(4 * len(picture) // 3 + 8 for picture in pictures)


def _json(value: bytes | list[bytes]) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield b'"'
        for start in range(0, len(value), _PIECE):
            yield binascii.b2a_base64(memoryview(value)[start : start + _PIECE], newline=False)
        yield b'"'
        return
    yield b"["
    for index, each in enumerate(value):
        yield b"," if index else b""
        yield from _json(each)
    yield b"]"


def _text(picture: bytes) -> str:
    return binascii.b2a_base64(picture, newline=False).decode("ascii")


def _source(params: ImageParams, start: ImageToImage | Inpaint, field: str) -> bytes:
    with renamed(field):
        size = (params.width, params.height)
        return canvas.fitted(start.image, size, fit=start.fit, keep_alpha=params.info.keeps_alpha)


def _references(params: ImageParams) -> Iterator[bytes]:
    for index, reference in enumerate(params.character_references):
        with renamed(f"character_references[{index}].image"):
            size = canvas_size(reference.image.width, reference.image.height)
            yield canvas.letterboxed(reference.image, size)


def _vibe(params: ImageParams, vibe: Vibe, field: str) -> bytes:
    if isinstance(vibe.image, EncodedVibe):
        return vibe.image.token
    if params.info.vibes == "encoded":
        needs = f"a vibe encoded as {params.info.vibe_encoding} with {params.info.id} (see client.image.encode_vibe)"
        raise refusal(field, vibe.image, needs)
    with renamed(field):
        return canvas.letterboxed(vibe.image, _RAW_VIBE_SIZE)
