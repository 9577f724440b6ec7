"""Vibe files: what the site writes is read, what is read is written back, and what is no vibe file is refused."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from drawn import drawing, encoded
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio.errors import InvalidParamsError
from nai_trio.params import ControlNet, EncodedVibe, ImageParams, Vibe
from nai_trio.params.vibe_files import FiledEncoding, VibeFile, VibeImportInfo, read_vibes, write_vibes

PNG = encoded(drawing((64, 64)))
JPEG = encoded(drawing((16, 16)), "JPEG")
V4, V45, V45C, V5, V3 = (
    "nai-diffusion-4-full",
    "nai-diffusion-4-5-full",
    "nai-diffusion-4-5-curated",
    "nai-diffusion-5-full",
    "nai-diffusion-3",
)
KEY_OF_07 = hashlib.sha256(b"information_extracted:0.7").hexdigest()
KEY_OF_1 = hashlib.sha256(b"information_extracted:1").hexdigest()


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def entry(token: bytes = b"token", **params: Any) -> dict[str, Any]:
    return {"encoding": b64(token), **({"params": params} if params else {})}


def site_file(**changes: Any) -> dict[str, Any]:
    """A file as the site writes it for a picture; None leaves a member out."""
    document = {
        "identifier": "novelai-vibe-transfer",
        "version": 1,
        "type": "image",
        "image": b64(PNG),
        "id": sha(b64(PNG)),
        "encodings": {
            "v4full": {KEY_OF_1: entry(b"v4 whole", information_extracted=1)},
            "v4-5full": {
                KEY_OF_1: entry(b"whole", information_extracted=1),
                KEY_OF_07: entry(b"most", information_extracted=0.7),
            },
        },
        "name": "1fe3c2-88e0ab",
        "thumbnail": f"data:image/jpeg;base64,{b64(JPEG)}",
        "createdAt": 1780285203192,
        "importInfo": {"model": V45, "information_extracted": 0.7, "strength": 0.45},
        **changes,
    }
    return {name: value for name, value in document.items() if value is not None}


def bare_file(**changes: Any) -> dict[str, Any]:
    """A file as the site writes it for an encoding that it found in a picture."""
    document = {
        "identifier": "novelai-vibe-transfer",
        "version": 1,
        "type": "encoding",
        "id": sha(b64(b"token")),
        "encodings": {"v4-5full": {"unknown": entry()}},
        "name": "f9eeea-4c42aa",
        **changes,
    }
    return {name: value for name, value in document.items() if value is not None}


def bundle(*vibes: object, **changes: Any) -> bytes:
    return raw({"identifier": "novelai-vibe-transfer-bundle", "version": 1, "vibes": list(vibes), **changes})


def raw(document: object) -> bytes:
    return json.dumps(document).encode()


def load(document: object) -> VibeFile:
    return VibeFile.from_bytes(raw(document))


def token(share: float = 0.7, content: bytes = b"token", encoding: str = "v4-5full") -> EncodedVibe:
    return EncodedVibe(token=content, encoding=encoding, information_extracted=share)


def refused(content: object) -> InvalidParamsError:
    with pytest.raises(InvalidParamsError) as caught:
        read_vibes(content if isinstance(content, bytes) else raw(content))
    assert str(caught.value).startswith(f"{caught.value.field}: expected ")
    assert len(str(caught.value)) < 500
    return caught.value


def test_a_file_of_the_site_is_read() -> None:
    vibe = load(site_file())
    assert vibe.name == "1fe3c2-88e0ab"
    assert vibe.image == PNG
    assert vibe.id == sha(b64(PNG))
    assert (vibe.thumbnail, vibe.thumbnail_type) == (JPEG, "image/jpeg")
    assert vibe.created_at == 1780285203192
    assert vibe.import_info == VibeImportInfo(model=V45, information_extracted=0.7, strength=0.45)
    assert vibe.extra == {}


def test_its_encodings_are_told_by_model_share_and_picture() -> None:
    picture = hashlib.sha256(PNG).hexdigest()
    assert load(site_file()).encodings == tuple(
        EncodedVibe(token=content, encoding=encoding, information_extracted=share, image_id=picture)
        for encoding, share, content in (
            ("v4full", 1, b"v4 whole"),
            ("v4-5full", 1, b"whole"),
            ("v4-5full", 0.7, b"most"),
        )
    )


def test_a_file_of_an_encoding_alone_is_read() -> None:
    vibe = load(bare_file())
    assert (vibe.image, vibe.thumbnail, vibe.created_at, vibe.import_info) == (None, None, None, None)
    assert vibe.encodings == (token(share=1),)
    assert vibe.entries[0].key == "unknown"


def test_an_encoding_that_does_not_say_its_share_has_the_one_last_used() -> None:
    assert load(bare_file(importInfo={"information_extracted": 0.4})).encodings == (token(share=0.4),)
    assert load(bare_file(importInfo={"information_extracted": 0})).encodings == (token(share=1),)


def test_a_file_without_an_id_gets_the_site_s() -> None:
    assert load(site_file(id=None)).id == sha(b64(PNG))
    assert load(bare_file(id="")).id == sha(b64(b"token"))


def test_an_id_is_taken_as_it_is() -> None:
    assert load(bare_file(id="external-1")).id == "external-1"


@pytest.mark.parametrize(
    "image",
    [f"data:image/png;base64,{b64(PNG)}", base64.encodebytes(PNG).decode(), b64(PNG) + "\r\n"],
    ids=["data URL", "lines", "line end"],
)
def test_other_writers_base64_is_read(image: str) -> None:
    assert load(site_file(image=image)).image == PNG


def test_a_thumbnail_may_be_bare_base64() -> None:
    document = site_file(thumbnail=b64(JPEG))
    vibe = load(document)
    assert (vibe.thumbnail, vibe.thumbnail_type) == (JPEG, "")
    assert json.loads(vibe.to_bytes()) == document


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("thumbnail", "data:image/svg+xml,<svg/>"),
        ("thumbnail", "no picture"),
        ("thumbnail", {"url": "x"}),
        ("thumbnail", "data:\u2603;base64,AAAA"),
        ("createdAt", "2025-04-01T00:00:00Z"),
        ("createdAt", -1),
        ("createdAt", True),
        ("createdAt", 1.5),
    ],
)
def test_decoration_in_an_unknown_form_is_kept_as_it_is(member: str, value: object) -> None:
    document = site_file(**{member: value})
    vibe = load(document)
    assert vibe.extra == {member: value}
    assert json.loads(vibe.to_bytes()) == document


def test_a_picture_beside_an_encoding_is_not_taken_for_what_was_encoded() -> None:
    document = bare_file(image=b64(JPEG))
    vibe = load(document)
    assert vibe.image is None
    assert json.loads(vibe.to_bytes()) == document


def test_unknown_members_are_written_back_everywhere() -> None:
    document = site_file(
        tags=["blue", {"deep": None}],
        encodings={
            "v4-5full": {"odd key": {**entry(information_extracted=0.7, mask="AAAA"), "createdAt": 5}},
            "v6": {"unknown": entry(b"later")},
        },
        importInfo={"model": V45, "mask": "AAAA", "sourcePixelHash": "ff"},
    )
    vibe = load(document)
    assert json.loads(vibe.to_bytes()) == document
    assert VibeFile.from_bytes(vibe.to_bytes()) == vibe
    assert vibe.extra == {"tags": ["blue", {"deep": None}]}
    assert vibe.entries[0].extra == {"createdAt": 5}


def test_a_file_is_written_as_it_was_read_in_the_site_s_order() -> None:
    for document in (site_file(), bare_file()):
        written = load(document).to_bytes()
        assert json.loads(written) == document
        assert list(json.loads(written)) == list(document)
        assert written == json.dumps(document, separators=(",", ":")).encode()


def test_no_extra_can_replace_what_the_fields_say() -> None:
    vibe = attrs.evolve(load(site_file()), extra={"name": "other", "image": "x", "note": 1})
    assert json.loads(vibe.to_bytes()) == {**site_file(), "note": 1}


def test_a_bundle_is_read_in_its_order() -> None:
    vibes = read_vibes(bundle(site_file(name="one"), bare_file(name="two"), by="somebody"))
    assert [each.name for each in vibes] == ["one", "two"]


def test_a_bundle_is_written_and_read_back() -> None:
    vibes = [load(site_file()), load(bare_file())]
    written = write_vibes(iter(vibes))
    assert json.loads(written) == json.loads(bundle(site_file(), bare_file()))
    assert read_vibes(written) == vibes


def test_a_single_file_is_a_list_of_one() -> None:
    assert read_vibes(raw(site_file())) == [load(site_file())]


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read_vibes(b"\xef\xbb\xbf" + raw(bare_file())) == [load(bare_file())]


def test_paths_and_buffers_are_read(tmp_path: Path) -> None:
    path = tmp_path / "style.naiv4vibe"
    path.write_bytes(raw(site_file()))
    for source in (path, str(path), bytearray(path.read_bytes()), memoryview(path.read_bytes())):
        assert read_vibes(source) == [load(site_file())]


@pytest.mark.parametrize("name", ["missing.naiv4vibe", "", "nul\0byte", "x" * 500])
def test_a_path_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        InvalidParamsError, match=r"source: expected the JSON of .* got the path .*cannot be read"
    ) as caught:
        read_vibes(str(tmp_path / name))
    assert caught.value.field == "source"


@pytest.mark.parametrize("source", [None, 5, ["a"], io.BytesIO(b"{}")])
def test_what_is_no_file_is_refused(source: object) -> None:
    with pytest.raises(InvalidParamsError, match=r"source: expected .* its bytes, or its path, got"):
        read_vibes(source)


def test_a_file_can_be_too_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = raw(bare_file())
    path = tmp_path / "large.naiv4vibe"
    path.write_bytes(content)
    monkeypatch.setattr("nai_trio.params.vibe_json.MAX_FILE_SIZE", len(content))
    assert read_vibes(path) == read_vibes(content)
    monkeypatch.setattr("nai_trio.params.vibe_json.MAX_FILE_SIZE", len(content) - 1)
    for source in (path, content):
        with pytest.raises(InvalidParamsError, match=f"got more than {len(content) - 1} bytes"):
            read_vibes(source)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        PNG,
        b"[]",
        b"5",
        b'"text"',
        b"null",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": 1, "a": 1}',
        b'{"a":' + b"1" * 5000 + b"}",
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b"[" * 90_000,
        b"[" * 90_000 + b"]" * 90_000,
        b'{"a":[' + b"1," * 100_001 + b"1]}",
    ],
)
def test_what_is_no_json_object_within_bounds_is_refused(content: bytes) -> None:
    error = refused(content)
    assert error.field == "source"
    assert str(error).startswith("source: expected the JSON of a .naiv4vibe or .naiv4vibebundle file, got ")


def nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(depth):
        document = {"a": document}
    return document


def test_nesting_has_a_bound() -> None:
    assert load(bare_file(extra=nested(29))).extra == {"extra": nested(29)}
    assert "nested deeper than 32" in str(refused(bare_file(extra=nested(31))))


def test_members_have_a_bound() -> None:
    plain = raw(bare_file(many=[]))
    room = 100_000 - sum(plain.count(mark) for mark in b",[{")
    assert len(load(bare_file(many=[0] * (room + 1))).extra["many"]) == room + 1
    assert "more than 100000 members" in str(refused(bare_file(many=[0] * (room + 2))))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"identifier": "other"},
            "identifier: expected 'novelai-vibe-transfer' or 'novelai-vibe-transfer-bundle', got 'other'",
        ),
        (
            {"identifier": None},
            "identifier: expected 'novelai-vibe-transfer' or 'novelai-vibe-transfer-bundle', got None",
        ),
        ({"version": 2}, "version: expected 1, the only version known, got 2"),
        ({"version": None}, "version: expected 1, the only version known, got None"),
        ({"version": True}, "version: expected 1, the only version known, got True"),
        ({"version": "1"}, "version: expected 1, the only version known, got '1'"),
        ({"type": "video"}, "type: expected 'image' or 'encoding', got 'video'"),
        ({"type": None}, "type: expected 'image' or 'encoding', got None"),
        ({"type": []}, "type: expected 'image' or 'encoding', got []"),
        ({"image": None}, "image: expected base64 text, got None"),
        ({"image": ""}, "image: expected base64 text, got ''"),
        ({"image": "AAA"}, "image: expected base64 text, got 'AAA'"),
        ({"image": "AA=A"}, "image: expected base64 text, got 'AA=A'"),
        ({"image": "A-_A"}, "image: expected base64 text, got 'A-_A'"),
        ({"image": "\u2603"}, "image: expected base64 text, got '\u2603'"),
        ({"image": [1]}, "image: expected base64 text, got [1]"),
        ({"id": 5}, "id: expected text that is not empty, got 5"),
        ({"id": 0}, "id: expected text that is not empty, got 0"),
        ({"name": 5}, "name: expected text, got 5"),
        ({"encodings": []}, "encodings: expected a JSON object, got []"),
        ({"encodings": {"v4full": 5}}, "encodings['v4full']: expected a JSON object, got 5"),
        ({"encodings": {"v4full": {"k": "x"}}}, "encodings['v4full']['k']: expected a JSON object, got 'x'"),
        ({"encodings": {"v4full": {"k": {}}}}, "encodings['v4full']['k'].encoding: expected base64 text, got None"),
        (
            {"encodings": {"v4full": {"k": {"encoding": "A"}}}},
            "encodings['v4full']['k'].encoding: expected base64 text, got 'A'",
        ),
        (
            {"encodings": {"v4full": {"k": {"encoding": "AAAA", "params": 1}}}},
            "encodings['v4full']['k'].params: expected a JSON object, got 1",
        ),
        (
            {"encodings": {"v4full": {"k": entry(information_extracted=2)}}},
            "encodings['v4full']['k'].information_extracted: expected a number from 0.01 to 1, got 2",
        ),
        (
            {"encodings": {"v4full": {"k": entry(information_extracted=None)}}},
            "encodings['v4full']['k'].information_extracted: expected a number from 0.01 to 1, got None",
        ),
        ({"encodings": {"": {"k": entry()}}}, "encodings['']['k'].encoding: expected text that is not empty, got ''"),
        ({"importInfo": "x"}, "importInfo: expected a JSON object, got 'x'"),
        ({"importInfo": {"model": 5}}, "importInfo.model: expected text, got 5"),
        ({"importInfo": {"strength": "x"}}, "importInfo.strength: expected a finite number, got 'x'"),
        (
            {"importInfo": {"information_extracted": True}},
            "importInfo.information_extracted: expected a finite number, got True",
        ),
    ],
)
def test_what_matters_is_refused_with_its_place(changes: dict[str, Any], message: str) -> None:
    assert str(refused(site_file(**changes))) == message


def test_a_stranger_s_long_key_is_cut_short_in_the_message() -> None:
    error = refused(site_file(encodings={"x" * 10_000: {"y" * 10_000: 5}}))
    assert str(error) == f"encodings['{'x' * 37}...']['{'y' * 37}...']: expected a JSON object, got 5"


def test_a_file_with_nothing_in_it_is_refused() -> None:
    for nothing in (None, {}, {"v4full": {}}):
        assert str(refused(bare_file(encodings=nothing))).startswith("encodings: expected at least one encoding")


def test_encodings_have_a_bound() -> None:
    def with_encodings(count: int) -> dict[str, Any]:
        half = count // 2
        keys = [{str(index): entry() for index in range(part)} for part in (half, count - half)]
        return bare_file(encodings={"v4full": keys[0], "v4-5full": keys[1]})

    assert len(load(with_encodings(256)).entries) == 256
    assert str(refused(with_encodings(257))) == "encodings: expected at most 256 encodings, got '257 of them'"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bundle(), "vibes: expected an array of 1 to 256 vibes, got '0 of them'"),
        (bundle(*[bare_file()] * 257), "vibes: expected an array of 1 to 256 vibes, got '257 of them'"),
        (bundle(vibes=None), "vibes: expected an array of 1 to 256 vibes, got None"),
        (bundle(version=3), "version: expected 1, the only version known, got 3"),
        (bundle(bare_file(), 5), "vibes[1].identifier: expected 'novelai-vibe-transfer', got None"),
        (bundle(bare_file(version=0)), "vibes[0].version: expected 1, the only version known, got 0"),
        (
            bundle(bare_file(encodings={"v4full": {"k": {}}})),
            "vibes[0].encodings['v4full']['k'].encoding: expected base64 text, got None",
        ),
    ],
)
def test_a_bad_bundle_is_refused_with_the_place(content: bytes, message: str) -> None:
    assert str(refused(content)) == message


def test_a_bundle_in_a_bundle_is_refused() -> None:
    error = refused(bundle(json.loads(bundle(bare_file()))))
    assert str(error).startswith("vibes[0].identifier: expected 'novelai-vibe-transfer' (bundles are for read_vibes")


def test_from_bytes_takes_no_bundle() -> None:
    with pytest.raises(
        InvalidParamsError, match=r"identifier: expected 'novelai-vibe-transfer' .bundles are for read_vibes"
    ):
        VibeFile.from_bytes(bundle(bare_file()))


def test_a_full_bundle_is_read() -> None:
    assert len(read_vibes(bundle(*[bare_file()] * 256))) == 256


@pytest.mark.parametrize("vibes", [[], [load(bare_file())] * 257, None, [1]])
def test_a_bundle_of_none_or_too_many_is_not_written(vibes: object) -> None:
    with pytest.raises(InvalidParamsError, match=r"vibes: expected 1 to 256 of VibeFile, got "):
        write_vibes(vibes)


def test_the_encoding_for_a_model_is_found() -> None:
    vibe = load(site_file())
    assert vibe.encoded(V4).token == b"v4 whole"
    assert vibe.encoded(V45C) is None
    assert vibe.encoded(V3) is None
    assert vibe.encoded(V5) is None


def test_of_several_the_share_last_used_is_chosen() -> None:
    assert load(site_file()).encoded(V45).token == b"most"
    assert load(site_file(importInfo=None)).encoded(V45).token == b"whole"
    assert load(site_file(importInfo={"information_extracted": 0.3})).encoded(V45).token == b"whole"


@pytest.mark.parametrize(("share", "content"), [(1, b"whole"), (0.7, b"most"), (0.699999988, b"most")])
def test_a_share_can_be_asked_for(share: float, content: bytes) -> None:
    assert load(site_file()).encoded(V45, information_extracted=share).token == content


def test_a_share_that_is_not_there_is_not_replaced() -> None:
    assert load(site_file()).encoded(V45, information_extracted=0.5) is None


def test_an_encoding_of_the_whole_picture_goes_before_one_of_a_part() -> None:
    part, whole = entry(b"part", information_extracted=1, mask="AAAA"), entry(b"whole", information_extracted=1)
    vibe = load(site_file(encodings={"v4-5full": {"a": part, "b": whole}}))
    assert vibe.encoded(V45).token == b"whole"
    assert load(site_file(encodings={"v4-5full": {"a": part}})).encoded(V45).token == b"part"


def test_an_encoding_of_a_part_is_not_taken_for_the_picture_s() -> None:
    vibe = load(site_file(encodings={"v4-5full": {"a": entry(information_extracted=1, mask="AAAA")}}))
    assert vibe.encodings[0].image_id == ""


@pytest.mark.parametrize("model", ["nai-diffusion-4-5", None, 5, []])
def test_an_unknown_model_is_refused(model: object) -> None:
    for ask in (load(site_file()).encoded, load(site_file()).vibe):
        with pytest.raises(InvalidParamsError, match=r"model: expected one of nai-diffusion-5-full,"):
            ask(model)


@pytest.mark.parametrize("share", [0, 1.01, "1", True, float("nan")])
def test_a_share_out_of_range_is_refused(share: object) -> None:
    with pytest.raises(InvalidParamsError, match=r"information_extracted: expected a number from 0.01 to 1"):
        load(site_file()).encoded(V45, information_extracted=share)


def test_a_vibe_is_the_encoding_where_there_is_one() -> None:
    vibe = load(site_file()).vibe(V45)
    assert (vibe.image.token, vibe.strength, vibe.information_extracted) == (b"most", 0.45, 0.7)


def test_a_vibe_is_the_picture_where_there_is_none() -> None:
    vibe = load(site_file()).vibe(V45C)
    assert (vibe.image.read(), vibe.strength, vibe.information_extracted) == (PNG, 0.45, 0.7)
    other = load(site_file()).vibe(V45, strength=-0.5, information_extracted=0.3)
    assert (other.image.read(), other.strength, other.information_extracted) == (PNG, -0.5, 0.3)


def test_a_model_that_takes_pictures_gets_the_picture() -> None:
    assert load(site_file()).vibe(V3).image.read() == PNG


def test_a_vibe_has_the_usual_defaults_where_the_file_notes_nothing() -> None:
    vibe = load(site_file(importInfo=None)).vibe(V45C)
    assert (vibe.strength, vibe.information_extracted) == (Vibe(PNG).strength, Vibe(PNG).information_extracted)


def test_a_vibe_goes_into_a_request() -> None:
    vibe = load(site_file()).vibe(V45)
    wire = ImageParams("cat", model=V45, controlnet=ControlNet([vibe])).to_wire()["parameters"]
    assert wire["reference_image_multiple"] == [b64(b"most")]
    assert wire["reference_strength_multiple"] == [0.45]


@pytest.mark.parametrize(
    ("model", "share", "expected"),
    [
        (V4, None, "the picture, or an encoding for nai-diffusion-4-full"),
        (V45, 0.5, "the picture, or an encoding with information_extracted 0.5 for nai-diffusion-4-5-full"),
        (V3, None, "the picture for nai-diffusion-3"),
    ],
)
def test_a_file_that_has_neither_says_what_it_has(model: str, share: float | None, expected: str) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        load(bare_file()).vibe(model, information_extracted=share)
    assert str(caught.value) == f"encodings: expected {expected}, got a file with encodings for v4-5full at 1 alone"
    assert caught.value.field == "encodings"


def test_a_model_without_vibes_is_refused() -> None:
    with pytest.raises(
        InvalidParamsError, match=r"model: expected a model that takes vibes: nai-diffusion-4-5-full, "
    ) as caught:
        load(site_file()).vibe(V5)
    assert "nai-diffusion-5" not in caught.value.allowed


def test_a_noted_strength_out_of_range_is_refused_until_another_is_given() -> None:
    vibe = load(bare_file(importInfo={"strength": 1.5}))
    with pytest.raises(InvalidParamsError, match=r"strength: expected a number from -1 to 1, got 1.5"):
        vibe.vibe(V45)
    assert vibe.vibe(V45, strength=1).strength == 1


def test_a_file_that_holds_no_picture_can_still_give_its_encodings() -> None:
    vibe = load(site_file(image=b64(b"no picture")))
    assert vibe.vibe(V45).image.token == b"most"
    with pytest.raises(InvalidParamsError, match=r"image: expected a PNG, JPEG or WebP picture"):
        vibe.vibe(V45C)


def test_what_was_paid_for_is_saved_as_the_site_does() -> None:
    encodings = [token(0.7), token(1, b"whole"), token(1, b"v4", "v4full")]
    document = json.loads(VibeFile.of(PNG, encodings, created_at=5).to_bytes())
    id_ = sha(b64(PNG))
    assert document == {
        "identifier": "novelai-vibe-transfer",
        "version": 1,
        "type": "image",
        "image": b64(PNG),
        "id": id_,
        "encodings": {
            "v4-5full": {
                KEY_OF_07: entry(b"token", information_extracted=0.7),
                KEY_OF_1: entry(b"whole", information_extracted=1),
            },
            "v4full": {KEY_OF_1: entry(b"v4", information_extracted=1)},
        },
        "name": f"{id_[:6]}-{id_[-6:]}",
        "createdAt": 5,
        "importInfo": {"model": V45, "information_extracted": 0.7, "strength": 0.6},
    }


def test_a_whole_share_has_one_key_however_it_is_written() -> None:
    assert FiledEncoding.of(token(1.0)).key == FiledEncoding.of(token(1)).key == KEY_OF_1


def test_encodings_alone_are_saved_where_the_site_looks() -> None:
    vibe = VibeFile.of(None, [token(0.7), token(1, b"whole")], name="mine")
    document = json.loads(vibe.to_bytes())
    assert document["type"] == "encoding"
    assert document["id"] == sha(b64(b"token"))
    assert list(document["encodings"]["v4-5full"]) == ["unknown", KEY_OF_1]
    assert "image" not in document
    assert VibeFile.from_bytes(vibe.to_bytes()) == vibe


def test_a_picture_alone_can_be_saved() -> None:
    vibe = VibeFile.of(PNG)
    assert (vibe.encodings, vibe.import_info) == ((), None)
    assert VibeFile.from_bytes(vibe.to_bytes()) == vibe


def test_an_encoding_for_a_model_that_is_not_known_is_saved() -> None:
    vibe = VibeFile.of(PNG, [token(encoding="v9")])
    assert vibe.import_info.model is None
    assert VibeFile.from_bytes(vibe.to_bytes()) == vibe


def test_a_saved_encoding_knows_its_picture(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    own = attrs.evolve(token(), image_id=hashlib.sha256(PNG).hexdigest())
    assert VibeFile.of(path, [own]).encodings == VibeFile.of(PNG, [token()]).encodings == (own,)


def test_a_pillow_image_is_saved() -> None:
    image = drawing((8, 8))
    vibe = VibeFile.of(image, [token()])
    assert vibe.image == encoded(image)
    assert vibe.encodings[0].image_id == hashlib.sha256(vibe.image).hexdigest()


@pytest.mark.parametrize(
    ("image", "encodings", "message"),
    [
        (None, [], "encoded: expected at least one encoding where there is no picture, got []"),
        (b"text", [token()], "image: expected a PNG, JPEG or WebP picture"),
        (PNG, token(), "encoded: expected several EncodedVibe, e.g. a list, got EncodedVibe"),
        (PNG, [5], "encoded[0]: expected an EncodedVibe, got 5"),
        (PNG, [attrs.evolve(token(), image_id="ff")], "encoded[0]: expected an encoding of this picture, unchanged"),
        (PNG, [token(), token(content=b"b")], "entries: expected one encoding for each model and share of information"),
        (None, [token(), token(1), token(1)], "entries: expected one encoding for each model and share of information"),
    ],
)
def test_what_cannot_be_saved_is_refused(image: object, encodings: object, message: str) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        VibeFile.of(image, encodings)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 5),
        ("name", "\ud800"),
        ("image", "text"),
        ("image", b""),
        ("id", " "),
        ("entries", [FiledEncoding.of(token())]),
        ("entries", (5,)),
        ("thumbnail", "x"),
        ("thumbnail_type", "a,b"),
        ("created_at", -1),
        ("created_at", 1.5),
        ("import_info", {}),
        ("extra", None),
    ],
)
def test_a_wrong_field_is_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        attrs.evolve(load(site_file()), **{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("fields", [{"vibe": b"token"}, {"key": 5}, {"params": 5}, {"extra": 5}])
def test_a_wrong_field_of_an_entry_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        FiledEncoding(**{"vibe": token(), "key": "k", **fields})
    assert caught.value.field in fields


@pytest.mark.parametrize("value", [object(), float("nan"), {1}, nested(100_000)])
def test_an_extra_that_is_no_json_is_refused_when_it_is_written(value: object) -> None:
    vibe = attrs.evolve(load(bare_file()), extra={"mine": value})
    with pytest.raises(InvalidParamsError, match="extra: expected what JSON can hold"):
        vibe.to_bytes()
    with pytest.raises(InvalidParamsError, match="extra: expected what JSON can hold"):
        write_vibes([vibe])


def test_reprs_are_short() -> None:
    assert len(repr(load(site_file()))) < 1500


names = st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names
values = st.recursive(
    scalars | st.binary(max_size=6).map(b64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ["type", "image", "id", "encodings", "name", "thumbnail", "createdAt", "importInfo", "note", "version"]
almost = st.dictionaries(st.sampled_from(MEMBERS), values, max_size=4)
almost_entries = st.dictionaries(
    st.sampled_from(["v4full", "v4-5full", "\ud800"]),
    st.dictionaries(names, st.dictionaries(st.sampled_from(["encoding", "params", "x"]), values) | values, max_size=2),
    max_size=2,
)


def or_refused(content: bytes) -> list[VibeFile]:
    try:
        return read_vibes(content)
    except InvalidParamsError as error:
        assert error.field
        assert ": expected " in str(error)
        return []


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    assert or_refused(content) == []


@given(values)
def test_any_json_is_read_or_refused(document: object) -> None:
    assert or_refused(raw(document)) == []
    assert or_refused(bundle(document)) == []


@given(st.sampled_from([site_file(), bare_file()]), almost, st.none() | almost_entries)
@settings(max_examples=300)
def test_a_changed_file_is_refused_or_read_and_written_back(base: dict[str, Any], changes: Any, entries: Any) -> None:
    document = {**base, **changes, **({} if entries is None else {"encodings": entries})}
    for vibe in or_refused(raw(document)):
        written = vibe.to_bytes()
        assert read_vibes(written) == [vibe]
        assert VibeFile.from_bytes(written).to_bytes() == written
        given_members = {name for name, value in document.items() if value is not None}
        assert set(json.loads(written)) == given_members | {"id", "encodings", "name"}


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=4))
def test_a_damaged_file_is_read_or_refused(place: int, damage: bytes) -> None:
    content = bytearray(bundle(bare_file(), site_file(image=b64(JPEG))))
    place %= len(content)
    content[place : place + len(damage)] = damage
    for vibe in or_refused(bytes(content)):
        assert VibeFile.from_bytes(vibe.to_bytes()) == vibe


shares = st.floats(0.01, 1)
tokens = st.lists(
    st.builds(
        token, shares, st.binary(min_size=1, max_size=20), st.sampled_from(["v4full", "v4curated", "v4-5full", "other"])
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda each: (each.encoding, each.information_extracted),
)
printable = st.text(st.characters(exclude_categories=("Cs",)), max_size=10)


@given(st.sampled_from([None, PNG, JPEG]), tokens, printable, st.none() | st.integers(0, 2**53))
def test_what_is_saved_is_read_back(
    image: bytes | None, encodings: list[EncodedVibe], name: str, created_at: int | None
) -> None:
    vibe = VibeFile.of(image, encodings, name=name, created_at=created_at)
    assert read_vibes(vibe.to_bytes()) == [vibe]
    assert read_vibes(write_vibes([vibe, vibe])) == [vibe, vibe]
    assert {each.token for each in vibe.encodings} == {each.token for each in encodings}


@given(tokens)
def test_every_saved_encoding_is_found_again(encodings: list[EncodedVibe]) -> None:
    models = {"v4full": V4, "v4curated": "nai-diffusion-4-curated-preview", "v4-5full": V45}
    vibe = VibeFile.from_bytes(VibeFile.of(None, encodings).to_bytes())
    for each in encodings:
        if each.encoding in models:
            found = vibe.encoded(models[each.encoding], information_extracted=each.information_extracted)
            assert abs(found.information_extracted - each.information_extracted) < 0.001
