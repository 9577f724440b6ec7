"""What the service wrote into a finished picture (wire document, section 7), out of the file's bytes.

Three places, in this order: a PNG's text chunks, a WebP's EXIF UserComment, and, where those hold no `Comment`, the
copy in the lowest bit of the alpha channel. The first two are read without Pillow and without decoding the picture.

The signature in `Comment` is neither needed nor checked: whoever wrote the metadata, it tells what to ask for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003 - keeps the annotations resolvable
from typing import Any, Final, Literal

import attrs

from nai_trio.pictures.claims import refused, shown
from nai_trio.pictures.exif_comment import webp_user_comment
from nai_trio.pictures.header import PNG_SIGNATURE, is_webp
from nai_trio.pictures.png_text import png_texts
from nai_trio.pictures.stealth import stealth_text

__all__ = ["PictureMetadata", "read_metadata"]

_COMMENT: Final = "Comment"
_GENERATION_TIME: Final = ("Generation_time", "Generation time")
"""Chunks have the first, the copy in alpha and the director tools' pictures the second."""

_NAMES: Final = ("Title", "Description", "Software", "Source", *_GENERATION_TIME, _COMMENT)


@attrs.frozen(kw_only=True)
class PictureMetadata:
    """A finished picture's metadata. Texts that are not there are None; WebP has `source` alone beside `comment`.

    Attributes:
        title: "AI generated image", for the director tools' results "AI augmented image".
        description: the prompt as the service got it.
        software: "NovelAI".
        source: the model's family and a version, e.g. "NovelAI Diffusion V4.5 4BDE2A90".
        generation_time: seconds as text, e.g. "2.4301666780374944".
        comment: the parameters as the service names them.
        image_format: "png" or "webp": the file that it was read from.
        origin: where it stood: "chunks" (PNG), "exif" (WebP) or "stealth" (in the alpha channel).
    """

    title: str | None = None
    description: str | None = None
    software: str | None = None
    source: str | None = None
    generation_time: str | None = None
    comment: Mapping[str, Any] = attrs.field(repr=False, hash=False)
    image_format: Literal["png", "webp"]
    origin: Literal["chunks", "exif", "stealth"]


def read_metadata(data: bytes) -> PictureMetadata:
    """Read the metadata of a finished picture.

    Args:
        data: the bytes of a whole PNG or WebP file.

    Raises:
        InvalidParamsError: it is neither, it is cut, there is no metadata in it, or what there is cannot be read; or
            only the alpha channel may hold some, and Pillow is missing. No bytes raise anything else.
    """
    data = _checked(data)
    image_format, origin, members = _in_the_file(data)
    if _COMMENT not in members:
        origin, members = "stealth", _members(stealth_text(data), "the copy of the metadata in the alpha channel")
    if _COMMENT not in members:
        raise refused("a picture with the service's metadata", f"a {image_format.upper()} without")
    return _metadata(members, image_format, origin)


def _checked(data: object) -> bytes:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise refused("the bytes of a PNG or WebP file", f"a {type(data).__name__}")
    return bytes(data)


def _in_the_file(
    data: bytes,
) -> tuple[Literal["png", "webp"], Literal["chunks", "exif", "stealth"], Mapping[str, object]]:
    if data.startswith(PNG_SIGNATURE):
        return "png", "chunks", png_texts(data, _NAMES)
    if is_webp(data):
        return "webp", "exif", _members(webp_user_comment(data), "the EXIF UserComment")
    came = f"bytes that begin with {data[:12]!r}" if data else "no bytes at all"
    raise refused("a PNG or WebP file, which is what the service makes", came)


def _metadata(
    members: Mapping[str, object], image_format: Literal["png", "webp"], origin: Literal["chunks", "exif", "stealth"]
) -> PictureMetadata:
    comment = members[_COMMENT]
    if isinstance(comment, str):
        comment = _parsed(comment, "Comment")
    if not isinstance(comment, dict):
        raise refused("a Comment that is a JSON object", f"one that is {_json_type(comment)}")
    generation_time = _text(members, _GENERATION_TIME[0])
    return PictureMetadata(
        title=_text(members, "Title"),
        description=_text(members, "Description"),
        software=_text(members, "Software"),
        source=_text(members, "Source"),
        generation_time=_text(members, _GENERATION_TIME[1]) if generation_time is None else generation_time,
        comment=comment,
        image_format=image_format,
        origin=origin,
    )


def _text(members: Mapping[str, object], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) else None


def _members(text: str | None, what: str) -> Mapping[str, object]:
    """The members of a JSON object around the Comment; none where there is no text."""
    if text is None:
        return {}
    members = _parsed(text, what)
    if not isinstance(members, dict):
        raise refused(f"{what} as a JSON object", f"one that is {_json_type(members)}")
    return members


def _parsed(text: str, what: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits are a ValueError, too
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise refused(f"{what} as JSON", f"{shown(text)} ({reason})") from None
    return value


def _json_type(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null", dict: "an object"}
    return names.get(type(value), "a number")
