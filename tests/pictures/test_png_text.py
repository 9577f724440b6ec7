"""The text chunks of a PNG."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zlib

import pytest
from picture_bytes import COMMENT, SIGNATURE, SOURCE, TEXTS, chunk, png, service_png, text_chunk
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nai_trio.errors import InvalidParamsError
from nai_trio.pictures.claims import MAX_TEXT_SIZE
from nai_trio.pictures.metadata import PictureMetadata, read_metadata

JSON = json.dumps(COMMENT)


def refusal_of(data: object) -> str:
    with pytest.raises(InvalidParamsError) as caught:
        read_metadata(data)  # type: ignore[arg-type]
    assert caught.value.field == "picture"
    assert str(caught.value).startswith(f"picture: expected {caught.value.allowed}, got ")
    return str(caught.value)


def itxt(name: bytes, text: bytes, *, flag: int = 0, method: int = 0) -> bytes:
    return chunk(b"iTXt", name + b"\0" + bytes([flag, method]) + b"en\0Kommentar\0" + text)


def test_the_services_texts_are_read() -> None:
    assert read_metadata(service_png()) == PictureMetadata(
        title="AI generated image",
        description="1girl, solo",
        software="NovelAI",
        source=SOURCE,
        generation_time="2.4301666780374944",
        comment=COMMENT,
        image_format="png",
        origin="chunks",
    )


@pytest.mark.parametrize("take", [bytes, bytearray, memoryview])
def test_bytes_of_any_kind_are_taken(take: type) -> None:
    assert read_metadata(take(service_png())).comment == COMMENT


def test_the_order_of_the_chunks_and_others_between_them_do_not_matter() -> None:
    odd = (chunk(b"tIME", b"\x07\xea\1\1\0\0\0"), text_chunk("Author", "me"), chunk(b"prVt", b"\0" * 90))
    texts = [text_chunk(name, text) for name, text in reversed(TEXTS.items())]
    found = read_metadata(png(odd[0], *texts[:2], odd[1], *texts[2:], odd[2]))
    assert found == read_metadata(service_png())


def test_texts_after_the_pixels_are_read() -> None:
    plain = png()
    end = len(plain) - 12
    assert read_metadata(plain[:end] + text_chunk("Comment", JSON) + plain[end:]).comment == COMMENT


def test_texts_that_are_not_there_are_none() -> None:
    found = read_metadata(png(text_chunk("Comment", JSON)))
    assert (found.title, found.description, found.software, found.source, found.generation_time) == (None,) * 5


def test_a_director_tools_picture_keeps_its_own_time() -> None:
    found = read_metadata(
        png(text_chunk("Generation time", "11.9300s"), text_chunk("Comment", '{"req_type":"emotion"}'))
    )
    assert (found.generation_time, found.comment) == ("11.9300s", {"req_type": "emotion"})


def test_the_first_of_two_texts_counts() -> None:
    found = read_metadata(png(text_chunk("Comment", JSON), text_chunk("Comment", "{}")))
    assert found.comment == COMMENT


@pytest.mark.parametrize("compressed", [False, True], ids=["as it is", "compressed"])
@pytest.mark.parametrize("international", [False, True], ids=["latin", "international"])
def test_texts_that_pillow_wrote_again_are_read(compressed: bool, international: bool) -> None:
    info = PngInfo()
    for name, text in {**TEXTS, "Description": "1girl, café"}.items():
        if international:
            info.add_itxt(name, text, zip=compressed)
        else:
            info.add_text(name, text, zip=compressed)
    target = io.BytesIO()
    Image.new("RGB", (4, 4)).save(target, "PNG", pnginfo=info)
    found = read_metadata(target.getvalue())
    assert (found.comment, found.description, found.source) == (COMMENT, "1girl, café", SOURCE)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"caf\xe9", "café"),
        ("猫耳".encode(), "猫耳"),
        (b"", ""),
        (b"a\xff\xfe\x80", "a\xff\xfe\x80"),
    ],
)
def test_text_is_utf_8_or_else_latin_1(raw: bytes, text: str) -> None:
    assert read_metadata(png(text_chunk("Description", raw), text_chunk("Comment", JSON))).description == text


def test_json_in_utf_8_without_escapes_is_read() -> None:
    raw = json.dumps({"prompt": "猫耳, 1girl"}, ensure_ascii=False).encode()
    assert read_metadata(png(text_chunk("Comment", raw))).comment == {"prompt": "猫耳, 1girl"}


@pytest.mark.parametrize(
    ("data", "came"),
    [
        (b"", "no bytes at all"),
        (b"GIF89a" + b"\0" * 20, "begin with b'GIF89a"),
        (b"\xff\xd8\xff\xe0 a JPEG", "begin with b'\\xff\\xd8"),
        (SIGNATURE[:7], "begin with"),
        (b"RIFF\0\0\0\0WAVE", "begin with b'RIFF"),
        ("final.png", "a str"),
        (None, "a NoneType"),
    ],
)
def test_what_is_no_png_or_webp_is_refused(data: object, came: str) -> None:
    assert came in refusal_of(data)


def test_a_png_cut_at_any_byte_is_refused() -> None:
    whole = service_png()
    for end in range(len(SIGNATURE), len(whole)):
        assert f"ends at byte {end}" in refusal_of(whole[:end])


def test_a_cut_names_the_chunk() -> None:
    assert "inside its chunk b'tEXt'" in refusal_of(service_png()[:60])
    assert "before its end chunk" in refusal_of(SIGNATURE)


def test_bytes_after_the_end_do_not_matter() -> None:
    assert read_metadata(service_png() + b"whatever").comment == COMMENT


def test_a_picture_without_metadata_is_refused() -> None:
    assert "got a PNG without" in refusal_of(png())
    assert "got a PNG without" in refusal_of(png(text_chunk("parameters", "Steps: 20"), text_chunk("Title", "x")))


@pytest.mark.parametrize(
    ("text", "came"),
    [
        ("", "Expecting value"),
        ("Created with GIMP", "'Created with GIMP' (Expecting value"),
        ("{" * 100, "..."),
        ("[" * 100_000, "nested too deeply"),
        ('{"seed": ' + "9" * 5000 + "}", "Exceeds the limit"),
        ("[]", "one that is an array"),
        ('"text"', "one that is a string"),
        ("null", "one that is null"),
        ("true", "one that is a boolean"),
        ("7.5", "one that is a number"),
    ],
)
def test_a_comment_that_is_no_json_object_is_refused(text: str, came: str) -> None:
    told = refusal_of(png(text_chunk("Comment", text)))
    assert came in told
    assert "Comment" in told
    assert len(told) < 400


@pytest.mark.parametrize("name", ["Comment", "Source"])
def test_a_damaged_text_is_refused(name: str) -> None:
    damaged = chunk(b"tEXt", name.encode() + b"\0{}", checksum=7)
    assert f"chunk {name!r} as it was written" in refusal_of(png(damaged))


def test_damage_in_chunks_that_are_not_read_does_not_matter() -> None:
    damaged = (chunk(b"tEXt", b"Author\0me", checksum=7), chunk(b"prVt", b"x", checksum=7))
    assert read_metadata(png(*damaged, text_chunk("Comment", JSON))).comment == COMMENT


@pytest.mark.parametrize(
    ("broken", "came"),
    [
        (chunk(b"zTXt", b"Comment\0\0" + b"no zlib"), "broken data"),
        (chunk(b"zTXt", b"Comment\0\0" + zlib.compress(JSON.encode())[:-9]), "ends too early"),
        (chunk(b"zTXt", b"Comment\0\7" + zlib.compress(b"{}")), "method b'\\x07'"),
        (chunk(b"zTXt", b"Comment\0"), "method b''"),
        (itxt(b"Comment", b"no zlib", flag=1), "broken data"),
        (itxt(b"Comment", b"{}", flag=2), "one without"),
        (itxt(b"Comment", zlib.compress(b"{}"), flag=1, method=3), "method b'\\x03'"),
        (chunk(b"iTXt", b"Comment\0"), "one without"),
        (chunk(b"iTXt", b"Comment\0\0\0no ends"), "one without"),
    ],
)
def test_a_broken_text_of_a_later_kind_is_refused(broken: bytes, came: str) -> None:
    told = refusal_of(png(broken))
    assert came in told
    assert "'Comment'" in told


@pytest.mark.parametrize("body", [b"Comment", b"", b"\0", b"Comment" * 30])
def test_a_text_chunk_without_a_name_of_ours_is_passed_over(body: bytes) -> None:
    assert read_metadata(png(chunk(b"tEXt", body), text_chunk("Comment", JSON))).comment == COMMENT


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
@pytest.mark.parametrize(("size", "fits"), [(MAX_TEXT_SIZE - 20, True), (MAX_TEXT_SIZE + 1, False)])
def test_a_text_has_a_bound_packed_or_not(kind: bytes, size: int, fits: bool) -> None:
    text = b"{" + b" " * (size - 2) + b"}"
    bodies = {
        b"tEXt": b"Comment\0" + text,
        b"zTXt": b"Comment\0\0" + zlib.compress(text),
        b"iTXt": b"Comment\0\1\0\0\0" + zlib.compress(text),
    }
    data = png(chunk(kind, bodies[kind]))
    if fits:
        assert read_metadata(data).comment == {}
    else:
        assert f"at most {MAX_TEXT_SIZE} bytes" in refusal_of(data)


def test_a_length_is_a_claim_and_no_allocation() -> None:
    assert "inside its chunk b'tEXt'" in refusal_of(SIGNATURE + b"\xff\xff\xff\xfftEXtComment\0{}")


FRESH = """
import sys
sys.modules["PIL"] = None
from nai_trio.pictures.metadata import read_metadata
assert read_metadata(sys.stdin.buffer.read()).comment
"""


def test_chunks_are_read_without_pillow() -> None:
    done = subprocess.run([sys.executable, "-c", FRESH], input=service_png(), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_comment_stays_out_of_the_repr() -> None:
    assert "seed" not in repr(read_metadata(service_png()))


def test_the_record_can_be_hashed() -> None:
    found = read_metadata(service_png())
    assert {found: 1}[read_metadata(service_png())] == 1
