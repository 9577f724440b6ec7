"""Vibes as files: .naiv4vibe holds one, .naiv4vibebundle several, so that what was encoded once is never paid again.

A file is JSON: a picture, or none, and its encodings by model (wire document, section 3.3). Reading is strict about
what matters, which is the identifiers, the picture and the encodings, and keeps all else as it came: members that are
not known here are written back. Bounds stand before everything that grows (`vibe_json`).

What the wire document does not have is from public sources. "2": several agree that write files for the site and read
the site's; "1": one.

- A bundle is {"identifier": "novelai-vibe-transfer-bundle", "version": 1, "vibes": [files]}. 2:
  aparmar2000/JNovelAIAPI, Liminale-art/qianmuwanxiang-V2-Directors-Cut, Aaalice233/Aaalice_NAI_Launcher.
- `type` is "image" where the picture is in the file, else "encoding". 2: the same, and 7xrk/novelai-api.
- `id` is the SHA-256, in hexadecimal, of the picture's base64 text, or else of the first encoding's. 2: the first two.
  Others write ids of their own, so it is not verified.
- An encoding's key is the SHA-256 of "information_extracted:0.7", the number as JavaScript writes it. 2: the first two.
  Without a picture it is "unknown", and its `params` may be missing. 2.
- `params` may have a "mask", and the key then covers it. 1.
- `thumbnail` is a data URL of at most 256 pixels a side, mostly JPEG; some write bare base64. 2.
- `createdAt` is in milliseconds since 1970. 2.
- A file without a name of its own is called by the first and last six digits of its id. 2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn, Self

import attrs

from nai_trio.errors import InvalidParamsError
from nai_trio.params.checks import Rule, did_you_mean, integer, is_integer, is_number, refusal, text, within
from nai_trio.params.models import MODELS, ModelInfo
from nai_trio.params.vibe_json import (
    VibeSource,
    content_of,
    from_base64,
    js_number,
    json_bytes,
    parsed,
    sha256,
    to_base64,
)
from nai_trio.params.vibe_parts import (
    JPEG,
    MAX_ENCODINGS,
    FiledEncoding,
    VibeImportInfo,
    filed,
    mapping,
    media_type,
    read_encodings,
    take_thumbnail,
    thumbnail_text,
    write_encodings,
)
from nai_trio.params.vibes import EncodedVibe, Vibe
from nai_trio.pictures.source import ImageInput, ImageSource

__all__ = ["FiledEncoding", "VibeFile", "VibeImportInfo", "VibeSource", "read_vibes", "write_vibes"]

MAX_VIBES: Final = 256
"""Of one bundle."""

_VIBE, _BUNDLE = "novelai-vibe-transfer", "novelai-vibe-transfer-bundle"
_VERSION: Final = 1
_LAST_TIME: Final = 2**53
_SAME_SHARE: Final = 0.001
"""Shares of information nearer than this are the same: some files have been through 32-bit floats."""

_content = Rule("bytes", "bytes, or None", lambda value: value is None or (isinstance(value, bytes) and value != b""))
_noted = Rule(
    "VibeImportInfo", "a VibeImportInfo, or None", lambda value: value is None or isinstance(value, VibeImportInfo)
)


def _size(content: bytes | None) -> str:
    return "None" if content is None else f"<{len(content)} bytes>"


def _check_entries(_instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, tuple) or not all(isinstance(entry, FiledEncoding) for entry in value):
        raise refusal(attribute.name, value, "a tuple of FiledEncoding")
    if len(value) > MAX_ENCODINGS:
        raise refusal(attribute.name, f"{len(value)} encodings", f"at most {MAX_ENCODINGS} encodings")
    places = [(entry.vibe.encoding, entry.key) for entry in value]
    twice = next((each for index, each in enumerate(places) if each in places[:index]), None)
    if twice is not None:
        raise refusal(attribute.name, twice, "one encoding for each model and share of information")


@attrs.frozen(kw_only=True)
class VibeFile:
    """What a .naiv4vibe file holds: a picture and its encodings, or encodings alone.

    `of` makes one of what `client.image.encode_vibe` brought, `read_vibes` reads them from files, and `vibe` gives what
    a generation takes.

    Attributes:
        name: what it is called.
        image: the picture's bytes; None in a file of encodings alone.
        id: tells the file from others; the site makes it of the picture.
        entries: the encodings as they stand in the file, by model, at most 256; `encodings` has them bare.
        thumbnail: a small copy of the picture, or None.
        thumbnail_type: the thumbnail's media type; "" where the file does not say.
        created_at: when it was made, in milliseconds since 1970, or None.
        import_info: how it was last used, or None.
        extra: members that are not known here, or not in the form they have.

    Raises:
        InvalidParamsError: neither a picture nor an encoding is there, or two encodings have the same place.
    """

    name: str = attrs.field(validator=text())
    image: bytes | None = attrs.field(default=None, repr=_size, validator=_content)
    id: str = attrs.field(validator=text(empty=False))
    entries: tuple[FiledEncoding, ...] = attrs.field(default=(), validator=_check_entries)
    thumbnail: bytes | None = attrs.field(default=None, repr=_size, validator=_content)
    thumbnail_type: str = attrs.field(default=JPEG, validator=media_type)
    created_at: int | None = attrs.field(default=None, validator=attrs.validators.optional(integer(0, _LAST_TIME)))
    import_info: VibeImportInfo | None = attrs.field(default=None, validator=_noted)
    extra: Mapping[str, Any] = attrs.field(factory=dict, validator=mapping, hash=False)

    def __attrs_post_init__(self) -> None:
        if self.image is None and not self.entries:
            raise refusal("encodings", None, "at least one encoding where there is no picture")

    @classmethod
    def of(
        cls,
        image: ImageInput | None,
        encoded: Iterable[EncodedVibe] = (),
        *,
        name: str = "",
        created_at: int | None = None,
    ) -> Self:
        """Make a file of a picture and what was paid for it.

        A picture in a file or a Pillow image is read in the calling thread.

        Args:
            image: the picture that was encoded; None saves the encodings alone.
            encoded: its encodings, one for each model and share of information.
            name: what to call it; by default as the site does, by its id.
            created_at: now, in milliseconds since 1970, if the file shall say so.

        Raises:
            InvalidParamsError: there is neither picture nor encoding, the picture cannot be read, or an encoding is of
                another picture or there twice.
        """
        content = None if image is None else ImageSource.of(image, "image").read()
        vibes = _of_picture(encoded, content)
        if content is None and not vibes:
            raise refusal("encoded", vibes, "at least one encoding where there is no picture")
        id_ = _id_of(content, vibes)
        return cls(
            name=name or f"{id_[:6]}-{id_[-6:]}",
            image=content,
            id=id_,
            entries=filed(vibes, with_picture=content is not None),
            created_at=created_at,
            import_info=VibeImportInfo.of(vibes[0]) if vibes else None,
        )

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> Self:
        """Read a .naiv4vibe file; see `read_vibes` for paths and bundles.

        Raises:
            InvalidParamsError: it is none, or breaks a bound; says what was expected where.
        """
        return cls.of_document(parsed(content_of(data)))

    @classmethod
    def of_document(cls, document: object) -> Self:
        """Read the JSON of a .naiv4vibe file, e.g. out of a bundle.

        Raises:
            InvalidParamsError: it is none; says what was expected where.
        """
        members = _members(document)
        is_image = _take_type(members) == "image"
        # A picture beside `type` "encoding" stays among the extras: it is not what was encoded, but a thumbnail.
        image = from_base64(members.pop("image", None), "image") if is_image else None
        info = VibeImportInfo.read(members.pop("importInfo")) if "importInfo" in members else None
        entries = read_encodings(
            members.pop("encodings", {}),
            noted=None if info is None else info.information_extracted,
            image_id="" if image is None else hashlib.sha256(image).hexdigest(),
        )
        given_id, (thumbnail, kind) = members.pop("id", None), take_thumbnail(members)
        return cls(
            name=members.pop("name", ""),
            image=image,
            id=_id_of(image, [each.vibe for each in entries]) if given_id in (None, "") else given_id,
            entries=entries,
            thumbnail=thumbnail,
            thumbnail_type=kind,
            created_at=_take_time(members),
            import_info=info,
            extra=members,
        )

    @property
    def encodings(self) -> tuple[EncodedVibe, ...]:
        """All encodings in the file, for whichever model."""
        return tuple(entry.vibe for entry in self.entries)

    def encoded(self, model: str, *, information_extracted: float | None = None) -> EncodedVibe | None:
        """The encoding for a model, or None.

        Args:
            model: the model's id.
            information_extracted: the share of the picture's information it must hold; by default the one that
                `import_info` notes, or else that of the first there is. An encoding of the whole picture goes before
                one of a part.

        Raises:
            InvalidParamsError: there is no such model, or the share is out of range.
        """
        wanted = _info(model).vibe_encoding
        if information_extracted is not None and not is_number(information_extracted, 0.01, 1):
            raise refusal("information_extracted", information_extracted, "a number from 0.01 to 1")
        found = [entry for entry in self.entries if entry.vibe.encoding == wanted]
        found.sort(key=lambda entry: not entry.is_plain)
        share = self._note.information_extracted if information_extracted is None else information_extracted
        exact = [entry for entry in found if share is not None and _same(entry.vibe, share)]
        chosen = exact or found if information_extracted is None else exact
        return chosen[0].vibe if chosen else None

    def vibe(self, model: str, *, strength: float | None = None, information_extracted: float | None = None) -> Vibe:
        """What a generation with this model takes: an encoding if there is one, else the picture, to be encoded.

        Args:
            model: the model's id.
            strength: how much of it shows, -1 to 1; by default what `import_info` notes, or else a `Vibe`'s default.
            information_extracted: the share of the picture's information; by default as for `encoded`.

        Raises:
            InvalidParamsError: the model takes no vibes; the file has neither an encoding for it nor the picture; or a
                number is out of range.
        """
        if _info(model).vibes is None:
            able = ", ".join(each.id for each in MODELS.values() if each.vibes is not None)
            raise refusal("model", model, f"a model that takes vibes: {able}")
        token = self.encoded(model, information_extracted=information_extracted)
        image = self.image if token is None else token
        if image is None:
            self._refuse(model, information_extracted)
        share = self._note.information_extracted if information_extracted is None else information_extracted
        given = {
            "strength": self._note.strength if strength is None else strength,
            "information_extracted": share if token is None else token.information_extracted,
        }
        return Vibe(image, **{name: value for name, value in given.items() if value is not None})

    @property
    def _note(self) -> VibeImportInfo:
        return self.import_info or VibeImportInfo()

    def _refuse(self, model: str, information_extracted: float | None) -> NoReturn:
        share = "" if information_extracted is None else f" with information_extracted {information_extracted}"
        there = ", ".join(f"{each.encoding} at {js_number(each.information_extracted)}" for each in self.encodings)
        encoding = f", or an encoding{share}" if _info(model).vibe_encoding else ""
        allowed = f"the picture{encoding} for {model}"
        there = there if len(there) <= 80 else f"{there[:77]}..."
        came = f"a file with encodings for {there} alone"
        raise InvalidParamsError.in_words("encodings", came, allowed, value=there)

    def to_bytes(self) -> bytes:
        """The .naiv4vibe file: compact JSON in ASCII.

        Raises:
            InvalidParamsError: something in an `extra` is no JSON.
        """
        return json_bytes(self.document())

    def document(self) -> dict[str, Any]:
        """The JSON of the .naiv4vibe file."""
        members: dict[str, Any] = {
            "identifier": _VIBE,
            "version": _VERSION,
            "type": "encoding" if self.image is None else "image",
            "image": None if self.image is None else to_base64(self.image),
            "id": self.id,
            "encodings": write_encodings(self.entries),
            "name": self.name,
            "thumbnail": None if self.thumbnail is None else thumbnail_text(self.thumbnail, self.thumbnail_type),
            "createdAt": self.created_at,
            "importInfo": None if self.import_info is None else self.import_info.document(),
        }
        known = {name: value for name, value in members.items() if value is not None}
        return {**known, **{name: value for name, value in self.extra.items() if name not in known}}


def read_vibes(source: VibeSource) -> list[VibeFile]:
    """Read a .naiv4vibe or .naiv4vibebundle file; which of them it is, the file itself says.

    A path is read in the calling thread. Nothing is read in part: one bad vibe refuses the bundle.

    Args:
        source: the file's bytes, or its path.

    Returns:
        The vibes in the file's order; one for a .naiv4vibe file.

    Raises:
        InvalidParamsError: it cannot be read, is neither, or breaks a bound; says what was expected where.
    """
    document = parsed(content_of(source))
    identifier = document.get("identifier")
    if identifier not in (_VIBE, _BUNDLE):
        raise refusal("identifier", identifier, f"{_VIBE!r} or {_BUNDLE!r}")
    if identifier == _VIBE:
        return [VibeFile.of_document(document)]
    _check_version(document)
    vibes = document.get("vibes")
    if not isinstance(vibes, list) or not 1 <= len(vibes) <= MAX_VIBES:
        came = f"{len(vibes)} of them" if isinstance(vibes, list) else vibes
        raise refusal("vibes", came, f"an array of 1 to {MAX_VIBES} vibes")
    return [_read_in_bundle(each, index) for index, each in enumerate(vibes)]


def write_vibes(vibes: Iterable[VibeFile]) -> bytes:
    """A .naiv4vibebundle file of some vibes; `VibeFile.to_bytes` writes a single one as .naiv4vibe.

    Raises:
        InvalidParamsError: there are none, or more than 256, or something in an `extra` is no JSON.
    """
    files = list(vibes) if isinstance(vibes, Iterable) else []
    if not 1 <= len(files) <= MAX_VIBES or not all(isinstance(each, VibeFile) for each in files):
        raise refusal("vibes", vibes, f"1 to {MAX_VIBES} of VibeFile")
    documents = [each.document() for each in files]
    return json_bytes({"identifier": _BUNDLE, "version": _VERSION, "vibes": documents})


def _read_in_bundle(document: object, index: int) -> VibeFile:
    with within(f"vibes[{index}]"):
        return VibeFile.of_document(document)


def _members(document: object) -> dict[str, Any]:
    """A vibe's members without its head, which is checked, and without nulls."""
    given = document if isinstance(document, dict) else {}
    identifier = given.get("identifier")
    if identifier != _VIBE:
        hint = " (bundles are for read_vibes, and hold no other bundle)" if identifier == _BUNDLE else ""
        raise refusal("identifier", identifier, f"{_VIBE!r}{hint}")
    _check_version(given)
    return {name: given[name] for name in given if name not in ("identifier", "version") and given[name] is not None}


def _check_version(document: Mapping[str, Any]) -> None:
    version = document.get("version")
    if version != _VERSION or isinstance(version, bool):
        raise refusal("version", version, f"{_VERSION}, the only version known")


def _take_type(members: dict[str, Any]) -> str:
    kind = members.pop("type", None)
    if kind not in ("image", "encoding"):
        raise refusal("type", kind, "'image' or 'encoding'")
    return str(kind)


def _take_time(members: dict[str, Any]) -> int | None:
    """A time in milliseconds; one in another form stays where it is, because nothing depends on it."""
    if not is_integer(members.get("createdAt"), 0, _LAST_TIME):
        return None
    return int(members.pop("createdAt"))


def _id_of(image: bytes | None, vibes: list[EncodedVibe]) -> str:
    first = vibes[0].token if image is None and vibes else image or b""
    return sha256(to_base64(first))


def _of_picture(encoded: Iterable[EncodedVibe], image: bytes | None) -> list[EncodedVibe]:
    """The encodings, told of the picture that they are saved with."""
    if not isinstance(encoded, Iterable):
        raise refusal("encoded", encoded, "several EncodedVibe, e.g. a list")
    vibes = list(encoded)
    own = "" if image is None else hashlib.sha256(image).hexdigest()
    for index, vibe in enumerate(vibes):
        if not isinstance(vibe, EncodedVibe):
            raise refusal(f"encoded[{index}]", vibe, "an EncodedVibe")
        if own and vibe.image_id not in ("", own):
            raise refusal(f"encoded[{index}]", vibe, "an encoding of this picture, unchanged")
    return [attrs.evolve(vibe, image_id=own) for vibe in vibes]


def _info(model: str) -> ModelInfo:
    if not isinstance(model, str) or model not in MODELS:
        raise refusal("model", model, f"one of {', '.join(MODELS)}{did_you_mean(model, MODELS)}")
    return MODELS[model]


def _same(vibe: EncodedVibe, share: float) -> bool:
    return abs(vibe.information_extracted - share) < _SAME_SHARE
