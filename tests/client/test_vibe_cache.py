"""Encoded vibes are paid for once: in memory, on disk, by one task of several, and whatever goes wrong."""

from __future__ import annotations

import hashlib
import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import recorded
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sweep import cancelled_at_step

from nai_trio import EncodedVibe, InvalidParamsError, NovelAI, PaymentRequiredError, VibeCache
from nai_trio.emulator import Emulator
from nai_trio.vibe_cache import VibeCacheWarning

if TYPE_CHECKING:
    from pathlib import Path

KEY = "pst-not-a-real-key"
PICTURE = recorded.picture("PNG", 7)
OTHER = recorded.picture("PNG", 8)
IMAGE_ID = hashlib.sha256(PICTURE).hexdigest()
FILE_NAME = f"{IMAGE_ID}-v4-5full-0.7.vibe.json"


def client_of(emulator: Emulator, **options: Any) -> NovelAI:
    return NovelAI(KEY, transport=emulator.transport(), **options)


async def encode_once(emulator: Emulator, folder: Path) -> EncodedVibe:
    """As a new run of the program would."""
    async with client_of(emulator, vibe_cache=folder) as client:
        return await client.image.encode_vibe(PICTURE)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Source:
    """Stands in for the service: counts, waits, fails when told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = trio.Event()
        self.go.set()
        self.errors: list[Exception] = []

    async def encode(self) -> bytes:
        self.asked += 1
        await self.go.wait()
        if self.errors:
            raise self.errors.pop(0)
        return b"token %d" % self.asked


class BytesPath:
    """A path of the kind that only the operating system's own functions take."""

    def __fspath__(self) -> bytes:
        return b"folder"


async def get(cache: VibeCache, source: Source, name: str = "a", *, level: float = 0.5) -> EncodedVibe:
    return await cache.get_or_encode(source.encode, image_id=name, encoding="v4full", information_extracted=level)


async def test_the_same_picture_in_any_form_is_encoded_once(tmp_path: Path) -> None:
    emulator = Emulator()
    path = tmp_path / "picture.png"
    path.write_bytes(PICTURE)
    async with client_of(emulator) as client:
        first = await client.image.encode_vibe(PICTURE)
        for form in (bytearray(PICTURE), memoryview(PICTURE), path, str(path)):
            assert await client.image.encode_vibe(form) == first
    assert len(emulator.encodings) == 1
    assert first.image_id == IMAGE_ID


async def test_a_pillow_image_is_sent_as_png_and_kept_by_its_bytes() -> None:
    emulator = Emulator()
    async with client_of(emulator) as client:
        with Image.open(io.BytesIO(PICTURE)) as picture:
            first = await client.image.encode_vibe(picture)
            assert await client.image.encode_vibe(picture) == first
    assert [encoding.image_id for encoding in emulator.encodings] == [first.image_id]


async def test_picture_level_and_family_each_make_another_encoding_and_models_of_one_family_do_not() -> None:
    emulator = Emulator()
    asked: list[tuple[bytes, Any, float]] = [
        (PICTURE, "nai-diffusion-4-5-full", 0.7),
        (OTHER, "nai-diffusion-4-5-full", 0.7),
        (PICTURE, "nai-diffusion-4-5-full", 1),
        (PICTURE, "nai-diffusion-4-5-curated", 0.7),
        (PICTURE, "nai-diffusion-4-full", 0.7),
        (PICTURE, "nai-diffusion-4-curated-preview", 0.7),
    ]
    async with client_of(emulator) as client:
        for _ in range(2):
            found = [
                await client.image.encode_vibe(image, model=model, information_extracted=level)
                for image, model, level in asked
            ]
        assert await client.image.encode_vibe(PICTURE, information_extracted=1.0) == found[2]
    assert len({vibe.token for vibe in found}) == len(emulator.encodings) == len(asked)


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (PICTURE, {"model": "nai-diffusion-3"}, "nai-diffusion-4-5-full.*nai-diffusion-4-curated-preview"),
        (PICTURE, {"model": "nai-diffusion-5-full"}, "takes encoded vibes"),
        (PICTURE, {"model": "nai-diffusion-9"}, "takes encoded vibes"),
        (PICTURE, {"model": None}, "takes encoded vibes"),
        (PICTURE, {"information_extracted": 0}, "from 0.01 to 1"),
        (PICTURE, {"information_extracted": "1"}, "from 0.01 to 1"),
        (b"no picture", {}, "PNG, JPEG or WebP"),
        ("no-such-file.png", {}, "cannot be read"),
        (5, {}, "PNG, JPEG or WebP"),
        (EncodedVibe(token=b"x", encoding="v4full", information_extracted=1), {}, "encoded already"),
    ],
)
async def test_what_cannot_be_encoded_is_refused_before_any_connection(
    image: Any, options: dict[str, Any], words: str
) -> None:
    emulator = Emulator()
    async with client_of(emulator) as client:
        with pytest.raises(InvalidParamsError, match=words):
            await client.image.encode_vibe(image, **options)
        await trio.testing.wait_all_tasks_blocked()
        assert emulator.connections == 0


async def test_a_file_that_is_gone_by_then_is_refused(tmp_path: Path) -> None:
    from nai_trio.pictures import ImageSource  # noqa: PLC0415

    path = tmp_path / "picture.png"
    path.write_bytes(PICTURE)
    source = ImageSource.of(path)
    path.unlink()
    async with client_of(Emulator()) as client:
        with pytest.raises(InvalidParamsError, match="cannot be read"):
            await client.image.encode_vibe(source)


async def test_tasks_that_ask_for_the_same_at_once_pay_once() -> None:
    emulator = Emulator(anlas=100, charge=True)
    found: list[EncodedVibe] = []

    async def ask(client: NovelAI, image: bytes) -> None:
        found.append(await client.image.encode_vibe(image))

    async with client_of(emulator) as client, trio.open_nursery() as nursery:
        for image in (PICTURE, OTHER, PICTURE, OTHER, PICTURE):
            nursery.start_soon(ask, client, image)
    assert len(emulator.encodings) == 2
    assert emulator.anlas == 96
    assert len({vibe.token for vibe in found}) == 2


async def test_a_second_task_waits_for_the_first_and_other_pictures_do_not_wait() -> None:
    cache, source, other = VibeCache(), Source(), Source()
    source.go = trio.Event()
    found: list[EncodedVibe] = []

    async def ask() -> None:
        found.append(await get(cache, source))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert source.asked == 1
        assert (await get(cache, other, "b")).token == b"token 1"
        source.go.set()
    assert [vibe.token for vibe in found] == [b"token 1"] * 3
    assert source.asked == 1


async def test_if_the_first_is_cancelled_the_second_goes_on_by_itself() -> None:
    cache, source = VibeCache(), Source()
    source.go = trio.Event()
    found: list[EncodedVibe] = []

    async def ask() -> None:
        found.append(await get(cache, source))

    async with trio.open_nursery() as nursery:
        first = trio.CancelScope()

        async def ask_first() -> None:
            with first:
                await ask()

        nursery.start_soon(ask_first)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(2):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        first.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert source.asked == 2
        source.go.set()
    assert [vibe.token for vibe in found] == [b"token 2"] * 2
    assert await get(cache, source) == found[0]
    assert not cache._encoding, "no lock is left behind"


async def test_a_failure_is_not_kept_and_the_next_task_tries_by_itself() -> None:
    cache, source = VibeCache(), Source()
    source.go = trio.Event()
    source.errors = [PaymentRequiredError("no Anlas", status=402)]
    outcomes: list[object] = []

    async def ask() -> None:
        try:
            outcomes.append((await get(cache, source)).token)
        except PaymentRequiredError:
            outcomes.append("refused")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        source.go.set()
    assert outcomes == ["refused", b"token 2"]
    assert not cache._encoding


async def test_a_cancellation_at_every_step_loses_nothing_that_was_paid(tmp_path: Path) -> None:
    step, cancelled = 0, True
    while cancelled:
        step += 1
        cache, source = VibeCache(tmp_path / str(step)), Source()
        cancelled = await cancelled_at_step(step, lambda cache=cache, source=source: get(cache, source))  # type: ignore[misc]
        kept = len(cache._vibes)
        await get(cache, source)
        assert source.asked in ((1,) if kept else (1, 2)), "what was answered is not asked for again"
        assert not cache._encoding
    assert step > 3


async def test_memory_is_bounded_and_the_one_used_longest_ago_goes_first() -> None:
    cache, source = VibeCache(max_in_memory=2), Source()
    for name in ("a", "b", "a", "c", "a"):
        await get(cache, source, name)
    assert source.asked == 3
    await get(cache, source, "b")
    assert source.asked == 4


async def test_an_answer_at_hand_is_a_checkpoint() -> None:
    cache, source = VibeCache(), Source()
    await get(cache, source)
    with trio.testing.assert_checkpoints():
        await get(cache, source)


@pytest.mark.parametrize(
    "arguments",
    [
        *({"folder": folder} for folder in (5, "", b"bytes", "nul\0", "\ud800", BytesPath())),
        {"max_in_memory": 0},
        {"max_in_memory": True},
        {"max_in_memory": "9"},
    ],
)
def test_wrong_settings_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidParamsError, match=next(iter(arguments))):
        VibeCache(**arguments)


def test_a_cache_shows_where_it_keeps_and_how_much() -> None:
    assert repr(VibeCache()) == "<VibeCache in memory alone, 0 in memory>"
    assert repr(VibeCache("here")) == "<VibeCache in 'here', 0 in memory>"


async def test_a_folder_keeps_vibes_for_the_next_run_of_the_program(tmp_path: Path) -> None:
    emulator = Emulator()
    folder = tmp_path / "made" / "when needed"
    first = await encode_once(emulator, folder)
    assert names(folder) == [FILE_NAME]
    assert await encode_once(emulator, folder) == first
    assert len(emulator.encodings) == 1


async def test_clients_can_share_one_cache() -> None:
    emulator, cache = Emulator(), VibeCache()
    for _ in range(2):
        async with client_of(emulator, vibe_cache=cache) as client:
            assert client.vibe_cache is cache
            await client.image.encode_vibe(PICTURE)
    assert len(emulator.encodings) == 1


async def test_a_folder_is_not_made_before_it_is_needed(tmp_path: Path) -> None:
    async with client_of(Emulator(anlas=0), vibe_cache=tmp_path / "folder") as client:
        with pytest.raises(PaymentRequiredError):
            await client.image.encode_vibe(PICTURE)
    assert names(tmp_path) == []


def damaged(whole: dict[str, Any]) -> dict[str, bytes]:
    def text(**changes: Any) -> bytes:
        return json.dumps({**whole, **changes}).encode()

    return {
        "empty": b"",
        "cut": text()[:-20],
        "binary": bytes(range(256)),
        "another JSON": b'{"a":1}',
        "a list": b"[]",
        "deep": b"[" * 100_000,
        "one bit of the token": text(token="A" + whole["token"][1:] if whole["token"][0] != "A" else "B"),
        "no token": text(token="", sha256=hashlib.sha256(b"").hexdigest()),
        "a token that is no text": text(token=5),
        "of another picture": text(image_id="0" * 64),
        "of another model": text(encoding="v4full"),
        "of another level": text(information_extracted=0.6),
        "of another version": text(version=2),
        "with more in it": text(more=1),
    }


DAMAGES = list(damaged({"token": "Zm9v"}))


@pytest.mark.parametrize("kind", DAMAGES)
async def test_a_damaged_or_foreign_file_is_set_aside_with_a_warning_and_the_picture_encoded_anew(
    kind: str, tmp_path: Path
) -> None:
    emulator = Emulator()
    first = await encode_once(emulator, tmp_path)
    path = tmp_path / FILE_NAME
    bad = damaged(json.loads(path.read_bytes()))[kind]
    path.write_bytes(bad)
    with pytest.warns(VibeCacheWarning, match="set aside") as caught:
        assert await encode_once(emulator, tmp_path) == first
    assert FILE_NAME in str(caught[0].message)
    assert len(emulator.encodings) == 2
    assert (tmp_path / f"{FILE_NAME}.damaged").read_bytes() == bad
    assert await encode_once(emulator, tmp_path) == first
    assert len(emulator.encodings) == 2


async def test_a_second_damaged_file_takes_the_place_of_the_first(tmp_path: Path) -> None:
    emulator = Emulator()
    for damage in (b"first", b"second"):
        (tmp_path / FILE_NAME).write_bytes(damage)
        with pytest.warns(VibeCacheWarning, match="set aside"):
            await encode_once(emulator, tmp_path)
    assert (tmp_path / f"{FILE_NAME}.damaged").read_bytes() == b"second"


async def test_a_file_has_the_permissions_of_the_users_files(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    await encode_once(Emulator(), tmp_path)
    assert (tmp_path / FILE_NAME).stat().st_mode == (tmp_path / "mine").stat().st_mode


@pytest.mark.parametrize("name", ["../outside", "a/b", "a\\b", "c:d", "", "nul\0", 5])
@pytest.mark.parametrize("field", ["image_id", "encoding"])
async def test_a_name_that_would_leave_the_folder_is_refused(field: str, name: Any, tmp_path: Path) -> None:
    source = Source()
    key: dict[str, Any] = {"image_id": "a", "encoding": "v4full", "information_extracted": 0.5, field: name}
    with pytest.raises(InvalidParamsError, match=field):
        await VibeCache(tmp_path / "vibes").get_or_encode(source.encode, **key)
    assert (source.asked, names(tmp_path)) == (0, [])


async def test_programs_that_write_the_same_file_at_once_leave_one_whole_one(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(get, VibeCache(tmp_path), Source())
    assert names(tmp_path) == ["a-v4full-0.5.vibe.json"]
    unused = Source()
    assert (await get(VibeCache(tmp_path), unused)).token == b"token 1"
    assert unused.asked == 0


async def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "x.vibe.json").write_text("{}")
    await encode_once(Emulator(), tmp_path)
    assert names(tmp_path) == [FILE_NAME, "notes.txt", "x.vibe.json"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


async def test_a_folder_that_cannot_be_made_costs_the_keeping_but_not_the_vibe(tmp_path: Path) -> None:
    emulator = Emulator()
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    async with client_of(emulator, vibe_cache=blocked) as client:
        with pytest.warns(VibeCacheWarning, match="could not be kept in .*a file"):
            first = await client.image.encode_vibe(PICTURE)
        assert await client.image.encode_vibe(PICTURE) == first
    assert len(emulator.encodings) == 1
    assert blocked.read_text() == "in the way"


@pytest.mark.parametrize("kind", ["folder", "pipe"])
async def test_what_is_no_file_is_neither_read_nor_waited_for(kind: str, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    if kind == "folder":
        path.mkdir()
        (path / "inside").write_text("keep")
    else:
        os.mkfifo(path)
    emulator = Emulator()
    with pytest.warns(VibeCacheWarning):
        vibe = await encode_once(emulator, tmp_path)
    assert vibe.token == emulator.encodings[0].token


async def test_warnings_as_errors_lose_nothing_that_was_paid(tmp_path: Path) -> None:
    emulator = Emulator()
    blocked = tmp_path / "a file"
    blocked.write_text("")
    async with client_of(emulator, vibe_cache=blocked / "folder") as client:
        with pytest.raises(VibeCacheWarning, match="could not be kept"):
            await client.image.encode_vibe(PICTURE)
        await client.image.encode_vibe(PICTURE)
    assert len(emulator.encodings) == 1


async def test_no_temporary_file_is_left_when_the_last_step_fails(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    (tmp_path / FILE_NAME / "inside").write_text("so that it cannot be replaced")
    with pytest.warns(VibeCacheWarning):
        await encode_once(Emulator(), tmp_path)
    assert names(tmp_path) == [FILE_NAME]


@given(
    token=st.binary(min_size=1, max_size=300),
    level=st.floats(0.01, 1),
    encoding=st.sampled_from(["v4full", "v4-5full"]),
)
def test_any_encoding_comes_back_from_the_folder_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, token: bytes, level: float, encoding: str
) -> None:
    folder = tmp_path_factory.mktemp("vibes")

    async def fresh() -> bytes:
        return token

    async def never() -> bytes:
        raise AssertionError("it is kept")

    async def both() -> None:
        key = {"image_id": IMAGE_ID, "encoding": encoding, "information_extracted": level}
        first = await VibeCache(folder).get_or_encode(fresh, **key)  # type: ignore[arg-type]
        assert first == EncodedVibe(token=token, **key)  # type: ignore[arg-type]
        assert await VibeCache(folder).get_or_encode(never, **key) == first  # type: ignore[arg-type]

    trio.run(both)
