"""`/ai/encode-vibe`: a picture in, a token out (wire document, section 3.3).

Optional members of the request (`mask`, `crop_to_mask`, `focus_seed`, `info_extract_seed`) are taken and not used.
"""

from __future__ import annotations

import base64
import hashlib

import attrs

from nai_trio.emulator import tokens
from nai_trio.emulator.checks import Refusal, invalid, object_refusal, picture_refusal
from nai_trio.emulator.cost import ENCODING_COST
from nai_trio.emulator.rules import broken_rule, number, text
from nai_trio.emulator.settings import ENCODINGS, MODELS, Json, present

__all__ = ["Encoding", "encode"]

_RULES = {"image": text, "model": text, "information_extracted": number(0.01, 1)}


@attrs.frozen
class Encoding:
    """A vibe that was encoded.

    Attributes:
        model: as asked.
        encoding: the family of models that can read the token, by its name in vibe files: "v4full", "v4curated",
            "v4-5full" or "v4-5curated".
        information_extracted: 0.01 to 1.
        image_id: SHA-256 of the picture's bytes, as hex.
        token: the 48,916 bytes of the answer.
        cost: Anlas.
    """

    model: str
    encoding: str
    information_extracted: float
    image_id: str
    token: bytes = attrs.field(repr=False)
    cost: int = ENCODING_COST

    @property
    def file_name(self) -> str:
        """The name that the answer's head gives: eight characters and their ending."""
        return f"{hashlib.sha256(self.token).hexdigest()[:8]}.vibe40"


def encode(request: object) -> Encoding | Refusal:
    """The encoding that a decoded JSON body asks for, or its 400."""
    refused = object_refusal(request)
    if refused is not None or not isinstance(request, dict):
        return refused or invalid("request body must be a JSON object")
    members = present(request)
    return _refusal(members) or _encoded(members)


def _refusal(members: Json) -> Refusal | None:
    missing = next((name for name in _RULES if name not in members), None)
    words = f"{missing} is required" if missing else broken_rule(members, _RULES)
    if words is not None:
        return invalid(words)
    model = str(members["model"])
    if model not in MODELS:
        return invalid(f"model {model} doesn't exist")
    if model not in ENCODINGS:
        return invalid(f"model {model} doesn't support vibe encoding")
    return picture_refusal("image", str(members["image"]))


def _encoded(members: Json) -> Encoding:
    image, model = base64.b64decode(str(members["image"])), str(members["model"])
    extracted = float(str(members["information_extracted"]))
    token = tokens.make_token(image, ENCODINGS[model], extracted)
    return Encoding(model, ENCODINGS[model], extracted, hashlib.sha256(image).hexdigest(), token)
