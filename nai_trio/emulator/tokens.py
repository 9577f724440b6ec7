"""Encoded vibes: how a token is made, and known again (wire document, section 3.3).

The service's tokens are opaque: 48,916 bytes that fit one encoding. Here they are a seal, the encoding's name, and
bytes that follow from picture, encoding and extraction. So a token of ours in a request to a model of another encoding
is noticed; tokens from elsewhere pass, since nothing is known of their inside.
"""

from __future__ import annotations

import base64
import hashlib

__all__ = ["TOKEN_SIZE", "is_picture", "make_token", "sealed_for"]

TOKEN_SIZE = 48_916

_SEAL = b"\x93made by the emulator of nai-trio\n"
_NAME_SIZE = 16
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")


def make_token(image: bytes, encoding: str, information_extracted: float) -> bytes:
    """The token of a picture's bytes; the same for the same three."""
    start = _SEAL + encoding.encode("ascii").ljust(_NAME_SIZE)
    level = f"{encoding} {float(information_extracted)!r} ".encode()
    return start + hashlib.shake_256(level + image).digest(TOKEN_SIZE - len(start))


def sealed_for(text: str) -> str | None:
    """The encoding of a base64 token that was made here; None for any other."""
    rest = _beginning(text)
    if not rest.startswith(_SEAL):
        return None
    return rest.removeprefix(_SEAL)[:_NAME_SIZE].decode("ascii", "replace").rstrip()


def is_picture(text: str) -> bool:
    """Whether base64 text begins as a picture does, which is no token."""
    return _beginning(text).startswith(_PICTURES)


def _beginning(text: str) -> bytes:
    return base64.b64decode(text[:96])
