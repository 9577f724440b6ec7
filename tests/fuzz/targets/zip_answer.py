"""A ZIP of finished pictures: never more than the limits allow, whatever it claims."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

from any_answers import FRAMINGS, LIMITS, answered, framed, options
from invariants import same_however_cut
from real_bytes import zipped

MEASURED = ("nai_trio.protocol.archive", "nai_trio.protocol.collected")
LONGEST = 1300
WORDS = (
    b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08", b"\xff\xff\xff\xff",
    b"\x08\x00", b"\x09\x00", b"\x63\x00", b"\x01\x00", b"\x00\x08", b"\x75\x70", b"\x01\x99", b"image_0.png", b"/",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any body of a ZIP's media type is pictures within the limits, or one error.

    The first byte says how many samples, which framing, and whether the response is cut.
    """
    choice, body = options(data)
    samples, framing, cut = 1 + choice % 2, FRAMINGS[(choice >> 1) % 3], bool(choice & 8)
    response = framed(body, "application/zip", framing, cut=cut)
    answer = same_however_cut(response, lambda pieces: answered(pieces, delivery="zip", samples=samples))
    pictures = [chunk.image for chunk in answer.chunks]
    assert len(pictures) <= LIMITS.max_images
    assert all(0 < len(picture) <= LIMITS.max_image_size for picture in pictures)
    assert sum(map(len, pictures)) <= LIMITS.max_answer_size
    assert not pictures or body.startswith(b"PK")


def seeds() -> Iterator[bytes]:
    one, two = b"\x89PNG\r\n\x1a\n one", b"\x89PNG\r\n\x1a\n two"
    yield b"\0" + zipped(one)
    yield b"\1" + zipped(one, two)
    yield b"\2" + zipped(one, method=zipfile.ZIP_DEFLATED)
    yield b"\x03" + zipped(one, b"", two)
    yield b"\x04" + zipped(bytes(251), method=zipfile.ZIP_DEFLATED)
    yield b"\0" + zipped(bytes(100_000), method=zipfile.ZIP_DEFLATED)
    yield b"\0" + zipped(one, two, one, two)
    yield b"\0" + zipped(one, method=zipfile.ZIP_BZIP2)
    yield b"\0" + zipped(one) + b"what stands behind it"
    yield b"\0" + b"what stands before it" + zipped(one)
    yield b"\x08" + zipped(one)
    yield b"\0" + zipped(one)[:-5]
    yield b"\0" + zipped()
    yield b"\x04PK"
