"""Before money is spent: what cannot be written is told, and nobody is asked. And what the command keeps, everywhere.

The command runs in this process here, which is quick enough to try many things.
"""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import recorded
import trio
from command_line import KEY
from scripted import answering, read_request
from staged_service import SIZE, StagedService, staged_service
from whole_events import WholeResponse

from nai_trio import GenerationError, NovelAI
from nai_trio.cli import main
from nai_trio.cli.album import Album
from nai_trio.cli.display import QuietDisplay
from nai_trio.cli.files import Targets
from nai_trio.cli.job import Job, Service
from nai_trio.cli.run import run_job
from nai_trio.cli.stopping import StopSignals
from nai_trio.cli.streams import Streams
from nai_trio.emulator import Emulator
from nai_trio.protocol import FinalChunk, IntermediateChunk
from nai_trio.stream import ImageStream
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nai_trio.cli.run import Ending


@pytest.fixture
def service() -> Iterator[StagedService]:
    with staged_service() as service:
        yield service


def directory(folder: Path) -> tuple[object, ...]:
    (folder / "out.png").mkdir()
    return ("-o", folder / "out.png")


def directory_in_place_of_the_preview(folder: Path) -> tuple[object, ...]:
    (folder / "out.preview.jpg").mkdir()
    return ("-o", folder / "out.png")


def link_into_nowhere(folder: Path) -> tuple[object, ...]:
    (folder / "out.png").symlink_to(folder / "gone" / "real.png")
    return ("-o", folder / "out.png")


def link_to_a_folder_that_takes_nothing(folder: Path) -> tuple[object, ...]:
    (folder / "out.png").symlink_to("/proc/real.png")
    return ("-o", folder / "out.png")


def links_in_a_circle(folder: Path) -> tuple[object, ...]:
    (folder / "out.png").symlink_to(folder / "other.png")
    (folder / "other.png").symlink_to(folder / "out.png")
    return ("-o", folder / "out.png")


def pipe(folder: Path) -> tuple[object, ...]:
    os.mkfifo(folder / "out.png")
    return ("-o", folder / "out.png")


def file_for_a_folder(folder: Path) -> tuple[object, ...]:
    (folder / "file").touch()
    return ("-o", folder / "file" / "out.png")


def cache_in_nowhere(folder: Path) -> tuple[object, ...]:
    return ("-o", folder / "out.png", "--vibe-cache", folder / "gone" / "cache")


def previews_in_a_file(folder: Path) -> tuple[object, ...]:
    (folder / "steps").touch()
    return ("-o", folder / "out.png", "--previews", folder / "steps")


REFUSED: list[tuple[Callable[[Path], tuple[object, ...]], str]] = [
    (directory, "out.png: it exists and is not a file"),
    (directory_in_place_of_the_preview, "out.preview.jpg: it exists and is not a file"),
    (link_into_nowhere, "no such folder: {}/gone"),
    (link_to_a_folder_that_takes_nothing, "cannot write into /proc: no such file or directory"),
    (links_in_a_circle, "out.png: too many levels of symbolic links"),
    (pipe, "out.png: it exists and is not a file"),
    (file_for_a_folder, "no such folder: {}/file"),
    (lambda folder: ("-o", folder / "gone" / "out.png"), "no such folder: {}/gone"),
    (lambda folder: ("-o", folder / ("x" * 252)), "file name too long"),
    (lambda folder: ("-o", folder / ("x" * 247)), "preview.jpg: file name too long"),
    (lambda folder: ("-o", "/proc/out.png"), "cannot write into /proc: no such file or directory"),
    (previews_in_a_file, "cannot make the folder {}/steps: file exists"),
    (lambda folder: ("-o", folder / "out.png", "--previews", "/proc"), "cannot write into /proc"),
    (cache_in_nowhere, "cannot make the folder {}/gone/cache: no such file or directory"),
    (lambda folder: ("-o", folder / "out.png", "--vibe-cache", "/proc"), "cannot write into /proc"),
    (lambda folder: ("-o", folder / "out.png", "--record", folder / "gone" / "a.tape"), "no such folder: {}/gone"),
    (lambda folder: ("-o", folder / "out.png", "--record", folder / ("x" * 256)), "file name too long"),
]


@pytest.mark.parametrize(("make", "said"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_what_cannot_be_written_is_told_before_anybody_is_asked(
    make: Callable[[Path], tuple[object, ...]],
    said: str,
    service: StagedService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NOVELAI_API_KEY", KEY)
    words = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(["generate", "x", *map(str, (*SIZE, *words)), "--image-base", service.url]) == 9
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("nai-trio: error: ")
    assert err.count("\n") == 1
    assert said.format(tmp_path) in err
    assert service.nobody_came()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_picture_and_a_tape_in_one_file_are_refused(
    service: StagedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOVELAI_API_KEY", KEY)
    words = ("-o", tmp_path / "out.png", "--record", tmp_path / "." / "out.png", "--image-base", service.url)
    assert main(["generate", "x", *map(str, words)]) == 2
    assert "--record and --output: expected two files" in capfd.readouterr().err
    assert service.nobody_came()


def test_a_full_disk_is_told_before_anybody_is_asked(
    service: StagedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOVELAI_API_KEY", KEY)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6))
    words = ("-o", tmp_path / "out.png", "--n-samples", 4, "--image-base", service.url)
    assert main(["generate", "x", *map(str, words)]) == 9
    wanted = 4 * (832 * 1216 * 4 + 65536) / 1e6
    expected = f"nai-trio: error: not enough room in {tmp_path}: up to {wanted:.1f} MB wanted, 1.0 MB free\n"
    assert capfd.readouterr().err == expected
    assert service.nobody_came()


# What is kept, wherever it ends.


@attrs.frozen(kw_only=True)
class Answered(Service):
    """A service whose answer the test holds."""

    transport: MemoryTransport

    def client(self) -> NovelAI:
        return NovelAI(self.api_key.reveal(), image_base="http://localhost", transport=self.transport)


def run(
    transport: MemoryTransport, folder: Path, delivery: Any = "sse", samples: int = 2, **options: Any
) -> tuple[Ending, Album]:
    folder.mkdir(exist_ok=True)
    job = Job(
        params=recorded.params(n_samples=samples), stream=delivery, service=Answered(api_key=KEY, transport=transport)
    )
    streams = Streams()
    targets = Targets(output=folder / "out.png", samples=samples, expected="png", previews=None)
    album = Album(targets, 7, display=QuietDisplay(streams), streams=streams, json_lines=False)
    with StopSignals() as stop:
        return trio.run(run_job, job, album, stop, **options), album


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", ["sse", "msgpack"])
def test_cut_anywhere_the_disk_has_what_had_come(kind: Any, tmp_path: Path) -> None:
    wire = recorded.stream_response(kind, 2, chunk=313)
    whole = WholeResponse(wire, kind)
    places = {*range(0, len(wire), 211), *(end + by for end in whole.ends for by in (-1, 0, 1)), len(wire) - 1}
    left = set()
    for place in sorted(places):
        ending, album = run(MemoryTransport(cut_after(wire[:place])), tmp_path / str(place), kind)
        arrived = whole.arrived(place)
        expected = {f"out_{sample}.png": image for sample, image in arrived.finals.items()}
        for sample, image in arrived.previews.items():
            if sample not in arrived.finals:
                expected[f"out_{sample}.preview.jpg"] = image
        assert files_in(tmp_path / str(place)) == expected, place
        assert sorted(path.name for path in album.paths) == sorted(expected)
        assert ending.error is not None
        assert ending.billing_unknown
        left.add(tuple(sorted(expected)))
    assert ("out_0.png", "out_1.preview.jpg") in left
    assert ("out_0.png", "out_1.png") in left


def cut_after(data: bytes) -> Any:
    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            await read_request(stream)
            await stream.send_all(data)

    return handler


class StopAtStep(trio.abc.Instrument):
    """Sends this process a signal when trio has run so many steps of its tasks."""

    def __init__(self, step: int) -> None:
        self.left = step

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGHUP)


@pytest.mark.parametrize("delivery", ["zip", "json"])
def test_pictures_that_come_together_are_kept_together_whenever_it_is_stopped(delivery: Any, tmp_path: Path) -> None:
    everything = ("out_0.png", "out_1.png", "out_2.png")
    seen, step = set(), 0
    while (True, everything) not in seen or (False, everything) not in seen:
        step += 1
        folder = tmp_path / str(step)
        ending, album = run(Emulator().transport(), folder, delivery, 3, instruments=[StopAtStep(step)])
        names = tuple(sorted(files_in(folder)))
        assert names in {(), everything}, step
        assert len(album.paths) == len(names)
        seen.add((ending.stopped, names))
    assert (True, ()) in seen


def test_a_defect_in_the_middle_keeps_what_arrived_and_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Broken(QuietDisplay):
        def step(self, chunk: Any) -> None:
            if (chunk.samp_ix, chunk.step_ix) == (1, 1):
                raise ZeroDivisionError("a defect")

    monkeypatch.setattr("nai_trio.cli.display.QuietDisplay", Broken)
    words = ("-o", tmp_path / "out.png", "--emulator", "--pace", 0, *SIZE, "--n-samples", 2, "--json")
    with pytest.raises(ZeroDivisionError):
        main(["generate", "x", *map(str, words)])
    assert sorted(files_in(tmp_path)) == ["out_0.preview.jpg", "out_1.preview.jpg"]
    kept = f"{tmp_path}/out_0.preview.jpg, {tmp_path}/out_1.preview.jpg"
    assert capfd.readouterr().err == f"nai-trio: stopped at once; kept {kept}\n"


def test_an_error_can_know_more_than_the_stream_that_raised_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(stream: ImageStream) -> None:
        await trio.lowlevel.checkpoint()
        final = FinalChunk(samp_ix=0, gen_id=1, image=recorded.picture("PNG", 1))
        preview = IntermediateChunk(samp_ix=1, step_ix=0, steps=4, gen_id=1, sigma=1.0, image=b"\xff\xd8\xff\xe0")
        error = GenerationError("no more")
        error.attach(billing_unknown=True, finals=[final], previews=[preview])
        raise error

    monkeypatch.setattr(ImageStream, "__anext__", fail)
    nothing = recorded.response(b"", "text/event-stream", framing="close")
    ending, _ = run(MemoryTransport(answering(nothing)), tmp_path / "to")
    assert isinstance(ending.error, GenerationError)
    assert sorted(files_in(tmp_path / "to")) == ["out_0.png", "out_1.preview.jpg"]


def test_stopped_while_the_first_of_many_is_dealt_with_the_others_are_kept(tmp_path: Path) -> None:
    """They came in one read with it: they are in this process, though nobody has asked for them yet."""
    wire = recorded.stream_response("sse", 2, framing="close")

    class StopAtFirst(QuietDisplay):
        def step(self, chunk: Any) -> None:
            signal.raise_signal(signal.SIGTERM)

    folder = tmp_path / "to"
    folder.mkdir()
    job = Job(
        params=recorded.params(n_samples=2),
        stream="sse",
        service=Answered(api_key=KEY, transport=MemoryTransport(answering(wire))),
    )
    streams = Streams()
    targets = Targets(output=folder / "out.png", samples=2, expected="png", previews=None)
    album = Album(targets, 7, display=StopAtFirst(streams), streams=streams, json_lines=False)
    with StopSignals() as stop:
        ending = trio.run(run_job, job, album, stop)
    assert ending.stopped
    assert sorted(files_in(folder)) == ["out_0.png", "out_1.png"]
