"""What is inside a vibe file: its encodings, its thumbnail, and the note on how it was last used (see `vibe_files`).

Each part reads itself from a file's JSON and writes itself back with all that it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Self

import attrs

from nai_trio.errors import InvalidParamsError
from nai_trio.params.checks import Rule, is_number, refusal, text, within
from nai_trio.params.models import MODELS
from nai_trio.params.vibe_json import from_base64, js_number, place, sha256, to_base64, to_object
from nai_trio.params.vibes import EncodedVibe, Vibe

__all__ = [
    "JPEG",
    "MAX_ENCODINGS",
    "FiledEncoding",
    "VibeImportInfo",
    "filed",
    "mapping",
    "media_type",
    "read_encodings",
    "take_thumbnail",
    "thumbnail_text",
    "write_encodings",
]

MAX_ENCODINGS: Final = 256
"""Of one vibe."""

_NO_PICTURE_KEY: Final = "unknown"
_SHARE: Final = "information_extracted"
_WHOLE: Final = 1
"""The share of information where nothing tells it."""

JPEG: Final = "image/jpeg"
_MEDIA_TYPE: Final = r"[\w/+.;=-]*"
_DATA_URL: Final = re.compile(rf"data:({_MEDIA_TYPE});base64,", re.ASCII)

mapping: Final = Rule("Mapping", "a mapping", lambda value: isinstance(value, Mapping))
media_type: Final = Rule(
    "str",
    'a media type, or ""',
    lambda value: isinstance(value, str) and re.fullmatch(_MEDIA_TYPE, value, re.ASCII) is not None,
)
_encoded = Rule("EncodedVibe", "an EncodedVibe", lambda value: isinstance(value, EncodedVibe))
_finite = attrs.validators.optional(Rule("float", "a finite number", lambda value: is_number(value, -1e308, 1e308)))


@attrs.frozen(kw_only=True)
class VibeImportInfo:
    """How a vibe was last used, as its file notes it; None for what it does not note.

    Attributes:
        model: the id of the model.
        information_extracted: the share of the picture's information.
        strength: how much of it showed.
        extra: further members, e.g. "mask".

    Raises:
        InvalidParamsError: a field has a wrong type.
    """

    model: str | None = attrs.field(default=None, validator=attrs.validators.optional(text()))
    information_extracted: float | None = attrs.field(default=None, validator=_finite)
    strength: float | None = attrs.field(default=None, validator=_finite)
    extra: Mapping[str, Any] = attrs.field(factory=dict, validator=mapping, hash=False)

    @classmethod
    def of(cls, vibe: EncodedVibe) -> Self:
        """The note of a vibe that was just encoded, with the strength that is the default."""
        model = next((info.id for info in MODELS.values() if info.vibe_encoding == vibe.encoding), None)
        strength = attrs.fields(Vibe).strength.default
        return cls(model=model, information_extracted=vibe.information_extracted, strength=strength)

    @classmethod
    def read(cls, value: object) -> Self:
        """Read a file's `importInfo`.

        Raises:
            InvalidParamsError: a member has a wrong type.
        """
        members = dict(to_object(value, "importInfo"))
        known = {name: members.pop(name, None) for name in ("model", _SHARE, "strength")}
        with within("importInfo"):
            return cls(**known, extra=members)

    def document(self) -> dict[str, Any]:
        """The note as a file's JSON."""
        known = {"model": self.model, _SHARE: self.information_extracted, "strength": self.strength}
        return {**self.extra, **{name: value for name, value in known.items() if value is not None}}


@attrs.frozen(kw_only=True)
class FiledEncoding:
    """One encoding as it stands in a file.

    Attributes:
        vibe: the encoding itself, ready to be used.
        key: its name among the encodings for its models.
        params: what it was made with, as the file has it: "information_extracted", and "mask" for an encoding of a part
            of the picture; None where the file does not say.
        extra: further members.

    Raises:
        InvalidParamsError: a field has a wrong type.
    """

    vibe: EncodedVibe = attrs.field(validator=_encoded)
    key: str = attrs.field(validator=text())
    params: Mapping[str, Any] | None = attrs.field(
        default=None, validator=attrs.validators.optional(mapping), hash=False
    )
    extra: Mapping[str, Any] = attrs.field(factory=dict, validator=mapping, hash=False)

    @classmethod
    def of(cls, vibe: EncodedVibe, *, named: bool = True) -> Self:
        """Name an encoding by its share of information, or leave it "unknown", as the site does both."""
        key = sha256(f"{_SHARE}:{js_number(vibe.information_extracted)}") if named else _NO_PICTURE_KEY
        return cls(vibe=vibe, key=key, params={_SHARE: vibe.information_extracted})

    @classmethod
    def read(cls, value: object, encoding: str, key: str, *, noted: object, image_id: str) -> Self:
        """Read one of a file's `encodings`.

        Args:
            value: what stands there.
            encoding: which models it is for.
            key: its name among theirs.
            noted: the share of information it has if it does not say so itself.
            image_id: the SHA-256 of the file's picture, "" where there is none.

        Raises:
            InvalidParamsError: it is no encoding.
        """
        where = place("encodings", encoding, key)
        members = dict(to_object(value, where))
        token = from_base64(members.pop("encoding", None), f"{where}.encoding")
        params = members.pop("params", None)
        told = {} if params is None else to_object(params, f"{where}.params")
        plain = not set(told) - {_SHARE}
        share = told.get(_SHARE, noted if is_number(noted, 0.01, 1) else _WHOLE)
        with within(where):
            vibe = EncodedVibe(
                token=token, encoding=encoding, information_extracted=share, image_id=image_id if plain else ""
            )
        return cls(vibe=vibe, key=key, params=params, extra=members)

    def document(self) -> dict[str, Any]:
        """The encoding as a file's JSON."""
        params = {} if self.params is None else {"params": dict(self.params)}
        return {**self.extra, "encoding": to_base64(self.vibe.token), **params}

    @property
    def is_plain(self) -> bool:
        """Whether it is of the whole picture: made with nothing but a share of information."""
        return not set(self.params or ()) - {_SHARE}


def filed(vibes: list[EncodedVibe], *, with_picture: bool) -> tuple[FiledEncoding, ...]:
    """The entries of a new file, by model; without a picture, the first of each is the one that the site looks for."""
    groups: dict[str, list[EncodedVibe]] = {}
    for vibe in vibes:
        groups.setdefault(vibe.encoding, []).append(vibe)
    return tuple(
        FiledEncoding.of(vibe, named=with_picture or index > 0)
        for group in groups.values()
        for index, vibe in enumerate(group)
    )


def read_encodings(value: object, *, noted: object, image_id: str) -> tuple[FiledEncoding, ...]:
    """Read a file's `encodings`: by model, then by key.

    Raises:
        InvalidParamsError: one of them is no encoding, or there are too many.
    """
    groups = {
        encoding: to_object(group, place("encodings", encoding))
        for encoding, group in to_object(value, "encodings").items()
    }
    count = sum(map(len, groups.values()))
    if count > MAX_ENCODINGS:
        raise refusal("encodings", f"{count} of them", f"at most {MAX_ENCODINGS} encodings")
    return tuple(
        FiledEncoding.read(each, encoding, key, noted=noted, image_id=image_id)
        for encoding, group in groups.items()
        for key, each in group.items()
    )


def write_encodings(entries: tuple[FiledEncoding, ...]) -> dict[str, dict[str, Any]]:
    """The `encodings` of a file."""
    groups: dict[str, dict[str, Any]] = {}
    for entry in entries:
        groups.setdefault(entry.vibe.encoding, {})[entry.key] = entry.document()
    return groups


def take_thumbnail(members: dict[str, Any]) -> tuple[bytes | None, str]:
    """Take the thumbnail out of a file's members, and its media type, "" where it is written without one.

    One in no known form stays among the members, because nothing depends on it.
    """
    value = members.get("thumbnail")
    url = _DATA_URL.match(value) if isinstance(value, str) else None
    if isinstance(value, str) and value.startswith("data:") and not url:
        return None, JPEG
    try:
        content = from_base64(value, "thumbnail")
    except InvalidParamsError:
        return None, JPEG
    del members["thumbnail"]
    return content, url[1] if url else ""


def thumbnail_text(content: bytes, kind: str) -> str:
    """The thumbnail of a file: a data URL, or bare base64 where no media type is known."""
    return f"data:{kind};base64,{to_base64(content)}" if kind else to_base64(content)
