"""Pictures that are small to send and enormous to look at: what the service sends, and what a user gives.

The client hands out a picture's bytes and decodes none. What does look into pictures, `ImageParams.from_png` and the
sources of image to image, has a bound on pixels and one on text; tests/pictures has every way to meet them.
"""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import recorded
from hostile import ending, generation
from made_metadata import SOURCES, made_comment

from nai_trio import ImageParams, InvalidParamsError, NovelAI
from nai_trio.pictures.claims import MAX_TEXT_SIZE
from nai_trio.pictures.header import MAX_PIXELS
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE = 8192
MB = 10**6


def png(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (8, 8), pixels: bytes = b"") -> bytes:
    """A grey PNG with these chunks before its pixels; by default it has too few of those."""
    header = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels or zlib.compress(b"\0" * 9 * 8)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )


def peak_of(act: Callable[[], Any]) -> tuple[int, Any]:
    """The most memory that something took, and its value or error."""
    tracemalloc.start()
    try:
        result = act()
    except InvalidParamsError as error:
        result = error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak, result


def comment_of(size: int) -> bytes:
    """A Comment of the service's, filled up to that size."""
    text = json.dumps(made_comment(filling="")).encode()
    return text.replace(b'"filling": ""', b'"filling": "%s"' % (b"x" * (size - len(text))))


SOURCE = (b"tEXt", b"Source\0" + SOURCES["V4.5"].encode())


def zipped_text(packed: bytes) -> bytes:
    return png(SOURCE, (b"zTXt", b"Comment\0\0" + packed))


def international_text(packed: bytes) -> bytes:
    return png(SOURCE, (b"iTXt", b"Comment\0\x01\0\0\0" + packed))


def plain_text(text: bytes) -> bytes:
    return png(SOURCE, (b"tEXt", b"Comment\0" + text))


each_packed = pytest.mark.parametrize("write", [zipped_text, international_text])


@each_packed
def test_a_packed_text_in_a_picture_has_so_many_bytes_and_no_more(write: Callable[[bytes], bytes]) -> None:
    assert ImageParams.from_png(write(zlib.compress(comment_of(MAX_TEXT_SIZE)))).prompt == "1girl, solo"
    with pytest.raises(InvalidParamsError, match=f"at most {MAX_TEXT_SIZE} bytes"):
        ImageParams.from_png(write(zlib.compress(comment_of(MAX_TEXT_SIZE + 1))))


def test_a_plain_text_has_that_with_its_name() -> None:
    name = len(b"Comment\0")
    assert ImageParams.from_png(plain_text(comment_of(MAX_TEXT_SIZE - name))).prompt == "1girl, solo"
    with pytest.raises(InvalidParamsError, match=f"at most {MAX_TEXT_SIZE} bytes"):
        ImageParams.from_png(plain_text(comment_of(MAX_TEXT_SIZE - name + 1)))


@each_packed
def test_a_text_that_unpacks_to_a_hundred_megabytes_takes_its_limit_alone(write: Callable[[bytes], bytes]) -> None:
    packer = zlib.compressobj(9)
    data = write(b"".join([*(packer.compress(bytes(MB)) for _ in range(100)), packer.flush()]))
    assert len(data) < MB
    peak, error = peak_of(lambda: ImageParams.from_png(data))
    assert f"at most {MAX_TEXT_SIZE} bytes, got one that unpacks to more" in str(error)
    assert peak < 3 * MAX_TEXT_SIZE


@pytest.mark.parametrize("unit", [b"[", b'{"a":', b"[],"])
def test_a_comment_that_is_nested_or_full_of_nothing_is_refused_in_words(unit: bytes) -> None:
    comment = b'{"prompt": ' + (unit * MAX_TEXT_SIZE)[: MAX_TEXT_SIZE - 100]
    peak, error = peak_of(lambda: ImageParams.from_png(zipped_text(zlib.compress(comment))))
    assert isinstance(error, InvalidParamsError)
    assert len(str(error)) < 400
    assert peak < 25 * MAX_TEXT_SIZE


def test_a_source_has_so_many_pixels_and_no_more() -> None:
    assert SIDE * SIDE == MAX_PIXELS
    fits, over = png(size=(SIDE, SIDE)), png(size=(SIDE, SIDE + 1))
    assert ImageParams("cat", i2i={"image": fits}).i2i is not None
    with pytest.raises(InvalidParamsError, match=f"at most {MAX_PIXELS} pixels"):
        ImageParams("cat", i2i={"image": over})
    peak, _ = peak_of(lambda: ImageParams("cat", i2i={"image": png(size=(2**31 - 1, 2**31 - 1))}))
    assert peak < MB


def test_a_source_that_claims_little_and_holds_much_is_refused_before_it_is_drawn() -> None:
    """A second header, which is the one that decoders go by."""
    header = struct.pack(">IIBBBBB", SIDE, SIDE + 1, 8, 0, 0, 0, 0)
    params = ImageParams("cat", size=(64, 64), i2i={"image": png((b"IHDR", header))})
    peak, error = peak_of(lambda: params.to_json(stream="sse"))
    assert isinstance(error, InvalidParamsError)
    assert peak < 5 * MB


def test_a_picture_of_the_service_is_handed_on_and_not_looked_into() -> None:
    """It may claim four billion pixels a side: that is for whoever opens it."""
    bomb = png((b"zTXt", b"Comment\0\0" + zlib.compress(bytes(10 * MB), 9)), size=(2**31 - 1, 2**31 - 1))
    response = recorded.response(recorded.sse({**recorded.events()[-1], "image": bomb}), "text/event-stream")
    peak, outcome = peak_of(lambda: ending(generation, response, steps=(4096,)))
    assert (outcome.error, outcome.items[0].image, outcome.items[0].image_format) == (None, bomb, "png")
    assert peak < MB


async def test_the_client_opens_no_picture_either(monkeypatch: pytest.MonkeyPatch) -> None:
    import PIL.Image  # noqa: PLC0415 - to take it away

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a picture was opened")

    monkeypatch.setattr(PIL.Image, "open", refuse)
    bomb = png(size=(2**31 - 1, 2**31 - 1))
    response = recorded.response(recorded.sse({**recorded.events()[-1], "image": bomb}), "text/event-stream")

    async def handler(stream: Any) -> None:
        from scripted import read_request  # noqa: PLC0415 - of this test alone

        async with stream:
            await read_request(stream)
            await stream.send_all(response)

    async with NovelAI("pst-not-a-real-key", transport=MemoryTransport(handler)) as client:
        (final,) = await client.image.generate(recorded.params(), stream="sse")
    assert final.image == bomb
