"""Names of files, checks before anything is sent, and writing whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conformance_ends import open_descriptors

from nai_trio.cli.exit_codes import OutputError
from nai_trio.cli.files import Targets, remove_temporaries, write_atomic
from nai_trio.protocol.chunks import FinalChunk, IntermediateChunk

PNG, WEBP, JPEG = b"\x89PNG\r\n\x1a\nrest", b"RIFF0000WEBPrest", b"\xff\xd8\xff\xe0rest"


def targets(output: Path | str, *, samples: int = 1, expected: str = "png", previews: Path | None = None) -> Targets:
    return Targets(output=Path(output), samples=samples, expected=expected, previews=previews)


def final(image: bytes, samp_ix: int = 0) -> FinalChunk:
    return FinalChunk(samp_ix=samp_ix, gen_id=1, image=image)


def preview(samp_ix: int, step_ix: int, image: bytes = JPEG) -> IntermediateChunk:
    return IntermediateChunk(samp_ix=samp_ix, step_ix=step_ix, steps=8, gen_id=1, sigma=1.0, image=image)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("output", "samples", "image_format", "name"),
    [
        ("out.png", 1, "png", "out.png"),
        ("out.png", 3, "png", "out_2.png"),
        ("out.png", 1, "webp", "out.webp"),
        ("out.PNG", 1, "png", "out.png"),
        ("out.jpeg", 1, "png", "out.png"),
        ("out", 1, "png", "out.png"),
        ("out", 3, "webp", "out_2.webp"),
        ("cat.v1.5", 1, "png", "cat.v1.5.png"),
        ("two.dots.png", 3, "png", "two.dots_2.png"),
        (".png", 1, "png", ".png.png"),
        ("out.png", 1, "unknown", "out.bin"),
        ("folder.png/out.png", 1, "png", "folder.png/out.png"),
    ],
)
def test_a_picture_is_named_by_its_sample_and_its_real_format(
    output: str, samples: int, image_format: str, name: str
) -> None:
    assert targets(output, samples=samples).final(samples - 1, image_format) == Path(name)


def test_a_kept_preview_is_named_after_the_picture_it_stands_for() -> None:
    assert targets("a/out.png").kept(0, "jpeg") == Path("a/out.preview.jpg")
    assert targets("a/out", samples=2).kept(1, "jpeg") == Path("a/out_1.preview.jpg")


def test_previews_are_named_so_that_they_sort_by_sample_and_step(tmp_path: Path) -> None:
    chunks = [preview(samp_ix, step_ix) for samp_ix in (0, 7) for step_ix in (0, 9, 10, 48)]
    names = [targets("out.png", previews=tmp_path).preview(chunk) for chunk in chunks]
    assert names == sorted(names)
    assert names[1] == tmp_path / "s00_009.jpg"
    assert targets("out.png").preview(chunks[0]) is None


@pytest.mark.parametrize(
    ("output", "expected", "image", "said"),
    [
        ("out.png", "png", PNG, None),
        ("out.PNG", "png", PNG, None),
        ("out", "png", PNG, None),
        ("v1.5", "png", PNG, None),
        ("out.webp", "webp", WEBP, None),
        ("out.png", "webp", WEBP, "out.webp: named so because the picture is webp"),
        ("out.png", "png", WEBP, "out.webp: named so because the picture is webp"),
        ("out.jpg", "png", PNG, "out.png: named so because the picture is png"),
        ("out", "png", WEBP, "out.webp: named so because the picture is webp"),
        ("out.png", "png", b"what", "out.bin: named so because the picture is bin"),
    ],
)
def test_an_ending_that_differs_from_what_was_asked_is_said(
    output: str, expected: str, image: bytes, said: str | None
) -> None:
    assert targets(output, expected=expected).renamed(final(image)) == said


def test_the_check_leaves_nothing_behind_and_makes_the_previews_folder(tmp_path: Path) -> None:
    targets(tmp_path / "out.png", samples=4, previews=tmp_path / "steps").check()
    assert names_in(tmp_path) == ["steps"]
    assert names_in(tmp_path / "steps") == []


def test_the_check_accepts_a_file_that_will_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.png").write_bytes(b"old")
    targets(tmp_path / "out.png").check()
    assert (tmp_path / "out.png").read_bytes() == b"old"


def test_the_check_refuses_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "out_1.png").mkdir()
    for refused, words in [
        (targets(tmp_path / "missing/out.png"), "no such folder: .*missing"),
        (targets(tmp_path / "file/out.png"), "no such folder|not a directory"),
        (targets(tmp_path / "out.png", samples=2), "out_1.png: it exists and is not a file"),
        (targets(tmp_path / "out.png", previews=tmp_path / "missing/steps"), "make the folder .*no such file"),
        (targets(tmp_path / "out.png", previews=tmp_path / "file"), "make the folder .*file exists"),
        (targets(tmp_path / ("x" * 300)), "file name too long"),
        (targets("/proc/out.png"), "cannot write into /proc"),
    ]:
        with pytest.raises(OutputError, match=words):
            refused.check()


def test_the_check_refuses_a_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.png")
    with pytest.raises(OutputError, match="not a file"):
        targets(tmp_path / "out.png").check()


def test_the_check_refuses_a_write_protected_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out.png").write_bytes(b"precious")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everything
    with pytest.raises(OutputError, match="write-protected"):
        targets(tmp_path / "out.png").check()


def test_writing_replaces_the_whole_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    for data in (b"first, and longer", b"second"):
        write_atomic(path, data)
        assert path.read_bytes() == data
    assert names_in(tmp_path) == ["out.png"]


def test_a_written_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "out.png", b"data")
    finally:
        os.umask(before)
    assert (tmp_path / "out.png").stat().st_mode & 0o777 == 0o640


def test_writing_follows_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "latest.png").symlink_to(tmp_path / "real/out.png")
    write_atomic(tmp_path / "latest.png", b"data")
    assert (tmp_path / "real/out.png").read_bytes() == b"data"
    assert (tmp_path / "latest.png").is_symlink()


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(os if broken == "fsync" else Path, broken, fail)
    with pytest.raises(OutputError, match=r"cannot write .*out\.png: no space left on device"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["out.png"]


def test_a_file_is_synced_before_it_has_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    path, really = tmp_path / "out.png", os.fsync

    def fsync(descriptor: int) -> None:
        opened = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append(("folder" if opened == tmp_path else opened.suffix, path.exists()))
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomic(path, b"data")
    assert synced == [(".part", False), ("folder", True)]


def test_a_folder_that_cannot_be_synced_costs_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.fsync

    def fsync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink() == tmp_path:
            raise OSError(22, "Invalid argument")
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    before = open_descriptors()
    write_atomic(tmp_path / "out.png", b"data")
    assert (tmp_path / "out.png").read_bytes() == b"data"
    assert open_descriptors() == before


def test_what_is_being_written_can_be_removed_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the end of a process whose worker thread hangs: there is nothing left, and nothing is put in place."""
    monkeypatch.setattr(os, "fsync", lambda _: remove_temporaries())
    with pytest.raises(OutputError, match="no such file"):
        write_atomic(tmp_path / "out.png", b"data")
    assert names_in(tmp_path) == []


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "out.png", b"new")
    assert names_in(tmp_path) == []
