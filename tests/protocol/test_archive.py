"""A ZIP of finished pictures: as the service writes it, broken, hostile."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio import FinalChunk, LimitExceeded, ProtocolError
from nai_trio.protocol import Limits
from nai_trio.protocol.archive import finals_from_zip, has_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
TWO = {"image_0.png": PNG, "image_1.png": PNG + b"second"}


class Unseekable(io.BytesIO):
    """A target that makes zipfile write data descriptors, as the service does."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def zipped(
    files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED, target: io.BytesIO | None = None
) -> bytes:
    target = io.BytesIO() if target is None else target
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def unzip(archive: bytes, **limits: int) -> list[FinalChunk]:
    return list(finals_from_zip(archive, limits=Limits(**limits)))


def patched(archive: bytes, *, local: tuple[int, bytes], central: tuple[int, bytes]) -> bytes:
    """Overwrite a field of the first entry in its local and its central header."""
    result = bytearray(archive)
    for signature, (offset, value) in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        start = result.index(signature) + offset
        result[start : start + len(value)] = value
    return bytes(result)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED], ids=["deflated", "stored"])
@pytest.mark.parametrize("target", [io.BytesIO, Unseekable], ids=["sizes in front", "data descriptors"])
def test_pictures_come_in_the_archives_order(method: int, target: type[io.BytesIO]) -> None:
    archive = zipped(TWO, method=method, target=target())
    assert (b"PK\x07\x08" in archive) is (target is Unseekable)
    assert unzip(archive) == [
        FinalChunk(samp_ix=0, gen_id=None, image=TWO["image_0.png"]),
        FinalChunk(samp_ix=1, gen_id=None, image=TWO["image_1.png"]),
    ]


def test_directories_are_no_pictures() -> None:
    archive = zipped({"out/": b"", "out/a.png": PNG, "out/more/": b"", "out/b.png": PNG})
    assert [chunk.samp_ix for chunk in unzip(archive, max_images=2)] == [0, 1]


def test_an_archive_without_entries_gives_nothing() -> None:
    assert unzip(zipped({})) == []


def test_an_empty_entry_is_no_picture() -> None:
    with pytest.raises(ProtocolError, match=r"a picture in each ZIP entry, got an empty 'b\.png'"):
        unzip(zipped({"a.png": PNG, "b.png": b""}))


def test_the_count_of_pictures_is_limited_exactly() -> None:
    archive = zipped({str(index): PNG for index in range(5)})
    assert len(unzip(archive, max_images=5)) == 5
    with pytest.raises(LimitExceeded, match="at most 4 pictures") as caught:
        unzip(archive, max_images=4)
    assert (caught.value.limit, caught.value.allowed) == ("max_images", 4)


def test_a_directory_of_thousands_is_refused_before_it_is_read() -> None:
    """zipfile would build a record of each entry: of the two million that fit into an answer, a gigabyte."""
    folders = {f"{index}/": b"" for index in range(1000)}
    assert len(unzip(zipped({**folders, "a.png": PNG}), max_images=1)) == 1
    with pytest.raises(LimitExceeded, match="thousands of entries") as caught:
        unzip(zipped({**folders, "one-more/": b"", "a.png": PNG}), max_images=1)
    assert (caught.value.limit, caught.value.allowed) == ("max_images", 1)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED], ids=["deflated", "stored"])
def test_a_pictures_size_is_limited_exactly(method: int) -> None:
    archive = zipped({"a.png": PNG}, method=method)
    assert [chunk.image for chunk in unzip(archive, max_image_size=len(PNG))] == [PNG]
    with pytest.raises(LimitExceeded) as caught:
        unzip(archive, max_image_size=len(PNG) - 1)
    assert (caught.value.limit, caught.value.allowed) == ("max_image_size", len(PNG) - 1)


def test_a_bomb_is_stopped_by_what_comes_out() -> None:
    bomb = zipped({"a.png": bytes(10_000_000)})
    assert len(bomb) * 900 < 10_000_000
    with pytest.raises(LimitExceeded, match="max_image_size"):
        unzip(bomb, max_image_size=100_000)


@pytest.mark.parametrize("claim", [0, 1, 10, len(PNG) - 1])
def test_a_size_that_claims_too_little_is_an_error(claim: int) -> None:
    size = struct.pack("<I", claim)
    with pytest.raises(ProtocolError):
        unzip(patched(zipped({"a.png": PNG}), local=(22, size), central=(24, size)))


@pytest.mark.parametrize("claim", [len(PNG) + 1, 2**32 - 2])
def test_a_size_that_claims_too_much_is_no_allocation(claim: int) -> None:
    size = struct.pack("<I", claim)
    archive = patched(zipped({"a.png": PNG}), local=(22, size), central=(24, size))
    tracemalloc.start()
    try:
        assert [chunk.image for chunk in unzip(archive)] == [PNG]  # the checksum vouches for it
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * 1024 * 1024


def test_pictures_before_a_broken_one_come_first() -> None:
    archive = zipped(TWO, method=zipfile.ZIP_STORED).replace(b"second", b"sECOND")
    finals = finals_from_zip(archive, limits=Limits())
    assert next(finals).image == PNG
    with pytest.raises(ProtocolError, match="CRC"):
        next(finals)


ONE = zipped({"a.png": PNG})
BROKEN = {
    "no archive": b"PK\x03\x04" + bytes(100),
    "cut in the data": ONE[:100],
    "without its directory's end": ONE[:-22],
    "the end of the directory alone": b"PK\x05\x06" + b"\xff" * 18,
    "encrypted": patched(ONE, local=(6, b"\x01\0"), central=(8, b"\x01\0")),
    "unknown method": patched(ONE, local=(8, b"\x63\0"), central=(10, b"\x63\0")),
    "BZIP2": zipped({"a.png": PNG}, method=zipfile.ZIP_BZIP2),
    "LZMA": zipped({"a.png": PNG}, method=zipfile.ZIP_LZMA),
    "broken deflate data": patched(ONE, local=(35, b"\xff" * 20), central=(0, b"")),
    "a wrong checksum": patched(ONE, local=(14, b"\0\0\0\0"), central=(16, b"\0\0\0\0")),
    "names that differ": patched(ONE, local=(30, b"b"), central=(0, b"")),
    "a header elsewhere": patched(ONE, local=(0, b""), central=(42, b"\xff\xff\0\0")),
    "a version from the future": patched(ONE, local=(0, b""), central=(6, b"\xff\0")),
}


@pytest.mark.parametrize("archive", BROKEN.values(), ids=list(BROKEN))
def test_an_archive_that_cannot_be_read_is_a_protocol_error(archive: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        unzip(archive)
    assert "ZIP" in caught.value.expected
    assert caught.value.received


DESCRIBED = zipped({"a.png": PNG[:60], "b.png": PNG[60:90]}, target=Unseekable())


def test_an_archive_cut_anywhere_is_never_a_success() -> None:
    for size in range(len(DESCRIBED)):
        with pytest.raises(ProtocolError):
            unzip(DESCRIBED[:size])


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.sampled_from([DESCRIBED, zipped({"a.png": PNG[:60]}, method=zipfile.ZIP_STORED), zipped({"d/": b"", "b": PNG})]),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_any_damage_gives_pictures_or_one_of_our_errors(archive: bytes, damage: list[tuple[int, int]]) -> None:
    broken = bytearray(archive)
    for place, value in damage:
        broken[place % len(broken)] = value
    try:
        images = [chunk.image for chunk in unzip(bytes(broken), max_image_size=10_000)]
    except ProtocolError:
        return
    assert all(images)


def test_a_directory_entry_without_a_name_is_no_crash() -> None:
    """zipfile raises IndexError when it is asked whether such an entry is a folder."""
    archive = bytearray(zipped({"a": PNG}))
    central = archive.rindex(b"PK\x01\x02")
    archive[central + 28 : central + 30] = b"\0\0"
    with pytest.raises(ProtocolError):
        unzip(bytes(archive))


def test_all_pictures_together_are_bounded_too() -> None:
    archive = zipped({"a.png": bytes(600), "b.png": bytes(600)})
    with pytest.raises(LimitExceeded, match="max_answer_size"):
        unzip(archive, max_answer_size=1199)
    assert len(unzip(archive, max_answer_size=1200)) == 2


def test_only_a_whole_archive_has_a_directory() -> None:
    archive = zipped(TWO)
    assert has_directory(archive)
    assert not any(has_directory(archive[:size]) for size in range(0, len(archive), 3))


def test_a_directory_over_several_disks_is_one_and_cannot_be_read() -> None:
    end = zipped(TWO).index(b"PK\x05\x06")
    locator = b"PK\x06\x07" + struct.pack("<LQL", 7, 0, 2)
    archive = zipped(TWO)[:end] + locator + zipped(TWO)[end:]
    assert has_directory(archive)
    with pytest.raises(ProtocolError, match="multiple disks"):
        unzip(archive)
