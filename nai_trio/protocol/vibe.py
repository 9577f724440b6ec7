"""Encoding a vibe: POST /ai/encode-vibe, whose answer is raw bytes (wire document, section 3.3).

The bytes' own syntax is not known, so nothing but their length proves that they are whole, and hardly anything that
they are a vibe at all. Words under a 2xx status must not be kept, and sent, as one: the media type must be one of bytes
(or none), and a JSON object or an HTML page is refused whatever the media type says.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Final

from nai_trio.errors import ProtocolError
from nai_trio.protocol import _json
from nai_trio.protocol.call import CallExchange
from nai_trio.protocol.collected import words
from nai_trio.protocol.http import json_request

if TYPE_CHECKING:
    from nai_trio.protocol.credentials import APIKey
    from nai_trio.protocol.http import ResponseHead
    from nai_trio.protocol.limits import Limits

__all__ = ["encode_vibe_body", "encode_vibe_call"]

_BINARY: Final = ("application/binary", "application/octet-stream", "binary/octet-stream", "")


def encode_vibe_body(image: bytes, *, model: str, information_extracted: float) -> bytes:
    """The request's JSON.

    Args:
        image: the picture's bytes, as they are in its file.
        model: the id of a V4 or V4.5 model; the vibe is for its like only.
        information_extracted: how much of the picture to use, 0.01 to 1.
    """
    level = int(information_extracted) if information_extracted == int(information_extracted) else information_extracted
    fields = {"image": base64.b64encode(image).decode("ascii"), "information_extracted": level, "model": model}
    return json.dumps(fields, separators=(",", ":")).encode("ascii")


def encode_vibe_call(
    body: bytes, *, api_key: str | APIKey, host: str, limits: Limits | None = None, path_prefix: str = ""
) -> CallExchange[bytes]:
    """The call that encodes a vibe; it costs 2 Anlas.

    Args:
        body: what `encode_vibe_body` made.
        api_key: the bearer token.
        host: what the Host header says.
        limits: bounds on what the response may hold.
        path_prefix: what stands before the service's own paths, for reverse proxies.
    """
    request = json_request(host=host, target=f"{path_prefix}/ai/encode-vibe", api_key=api_key, body=body)
    return CallExchange(request, read=_read, limits=limits)


def _read(head: ResponseHead, body: bytes) -> bytes:
    if head.media_type in _BINARY and body and not _is_message(body):
        return body
    received = f"content-type {head.media_type!r}: {words(body[:1000]) or 'nothing'}" if body else "an empty body"
    raise ProtocolError.mismatch(expected="the bytes of an encoded vibe (application/binary)", received=received)


def _is_message(body: bytes) -> bool:
    if body[:64].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return True
    try:
        return isinstance(_json.parse(body), dict)
    except ValueError:
        return False
