"""The generation inside the command: whatever ends it, what arrived is on the disk, whole."""

from __future__ import annotations

import signal
import tempfile
from typing import TYPE_CHECKING

import attrs
import pytest
import trio
import trio.testing
from PIL import Image

from nai_trio import GenerationError, ImageParams, NetworkTimeout, NovelAI, StreamInterrupted
from nai_trio.cli.album import Album
from nai_trio.cli.display import QuietDisplay
from nai_trio.cli.files import Targets
from nai_trio.cli.job import EMULATOR_KEY, Job, Service
from nai_trio.cli.run import Ending, run_job
from nai_trio.cli.stopping import StopSignals
from nai_trio.cli.streams import Streams
from nai_trio.emulator import Cut, Emulator, MissingFinal, Stall, StreamError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nai_trio.cli.exit_codes import OutputError
    from nai_trio.emulator import Fault

PARAMS = ImageParams("1girl", size=(64, 64), steps=3, n_samples=2, seed=1)


@attrs.frozen(kw_only=True)
class EmulatedService(Service):
    """A service whose emulator the test holds."""

    emulator: Emulator = attrs.field(factory=Emulator)

    def client(self) -> NovelAI:
        return NovelAI(self.api_key, image_base="http://localhost", transport=self.emulator.transport())


def job_with(
    *faults: Fault, params: ImageParams = PARAMS, timeout: float | None = None, stream: str | None = "sse"
) -> Job:
    service = EmulatedService(api_key=EMULATOR_KEY)
    service.emulator.inject(*faults)
    return Job(params=params, stream=stream, service=service, timeout=timeout)


def album_in(folder: Path, *, previews: Path | None = None) -> Album:
    targets = Targets(output=folder / "out.png", samples=2, expected="png", previews=previews)
    streams = Streams()
    return Album(targets, 7, display=QuietDisplay(streams), streams=streams, json_lines=False)


async def run(job: Job, folder: Path) -> tuple[Ending, list[str]]:
    ending = await run_job(job, album_in(folder), StopSignals())
    return ending, names_in(folder)


def names_in(folder: Path) -> list[str]:
    """The files' names, after each was opened: what is not whole does not load."""
    for path in folder.iterdir():
        with Image.open(path) as picture:
            picture.load()
            assert picture.size == (64, 64)
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("stream", ["sse", "msgpack"])
async def test_a_whole_generation_leaves_its_pictures(tmp_path: Path, stream: str) -> None:
    ending, names = await run(job_with(stream=stream), tmp_path)
    assert ending.complete
    assert names == ["out_0.png", "out_1.png"]


async def test_a_model_that_does_not_stream_is_asked_for_its_zip(tmp_path: Path) -> None:
    params = PARAMS.replace(model="nai-diffusion-3")
    ending, names = await run(job_with(params=params, stream=None), tmp_path)
    assert ending.complete
    assert names == ["out_0.png", "out_1.png"]


@pytest.mark.parametrize(
    ("fault", "kind", "names"),
    [
        (StreamError(0), GenerationError, []),
        (StreamError(1), GenerationError, ["out_0.preview.jpg"]),
        (StreamError(4), GenerationError, ["out_0.preview.jpg", "out_1.preview.jpg"]),
        (StreamError(5), GenerationError, ["out_0.png", "out_1.preview.jpg"]),
        (MissingFinal(), StreamInterrupted, ["out_0.preview.jpg", "out_1.preview.jpg"]),
        (Cut(0), StreamInterrupted, []),
    ],
)
async def test_a_failed_generation_leaves_what_arrived(
    tmp_path: Path, fault: Fault, kind: type[Exception], names: list[str]
) -> None:
    ending, left = await run(job_with(fault), tmp_path)
    assert isinstance(ending.error, kind)
    assert ending.billing_unknown
    assert left == names


async def test_the_time_limit_is_an_error_and_keeps_what_arrived(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    ending, names = await run(job_with(Stall(1500), timeout=30.0), tmp_path)
    assert isinstance(ending.error, NetworkTimeout)
    assert str(ending.error) == "not finished within 30 s (--timeout)"
    assert ending.billing_unknown
    assert ending.seconds == 30
    assert names == ["out_0.preview.jpg", "out_1.preview.jpg"]


async def test_a_stop_that_came_before_the_start_sends_nothing(tmp_path: Path) -> None:
    job = job_with()
    with StopSignals() as stop:
        signal.raise_signal(signal.SIGTERM)
        ending = await run_job(job, album_in(tmp_path), stop)
    assert ending.stopped
    assert job.service.emulator.jobs == []
    assert names_in(tmp_path) == []


async def test_a_file_that_cannot_be_written_does_not_end_the_generation_and_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out_0.png").mkdir()
    refuge = tmp_path / "refuge"
    refuge.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(refuge))
    album = album_in(tmp_path, previews=tmp_path / "missing")
    ending = await run_job(job_with(), album, StopSignals())
    failure: OutputError | None = album.failure
    assert ending.complete
    assert "missing/s00_000.jpg: no such file" in str(failure)
    elsewhere, there = album.paths
    assert album.elsewhere == [elsewhere]
    assert (elsewhere.name, elsewhere.parent.parent, there) == ("out_0.png", refuge, tmp_path / "out_1.png")
    assert elsewhere.parent.stat().st_mode & 0o777 == 0o700
    for path in album.paths:
        with Image.open(path) as picture:
            picture.load()
    assert sorted(path.name for path in await trio.Path(tmp_path).iterdir()) == ["out_0.png", "out_1.png", "refuge"]


async def test_where_nothing_can_be_written_the_failure_is_told_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("out_0.png", "out_1.png", "out_0.preview.jpg", "out_1.preview.jpg"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    album = album_in(tmp_path)
    ending = await run_job(job_with(), album, StopSignals())
    assert ending.complete
    assert (album.paths, album.elsewhere) == ([], [])
    assert "out_0.png: is a directory" in str(album.failure)
    assert len(list(await trio.Path(tmp_path).iterdir())) == 4


async def test_a_picture_that_can_be_written_nowhere_leaves_its_preview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("out_0.png", "out_1.png"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    album = album_in(tmp_path)
    await run_job(job_with(), album, StopSignals())
    assert album.paths == [tmp_path / "out_0.preview.jpg", tmp_path / "out_1.preview.jpg"]


class StopAtStep(trio.abc.Instrument):
    """Sends this process a signal when trio has run so many steps of its tasks."""

    def __init__(self, step: int) -> None:
        self.left = step

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell starts what runs in its background with SIGINT ignored, and `StopSignals` would leave it so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def stopped_at(step: int, folder: Path) -> tuple[Ending, Album, Job]:
    folder.mkdir()
    job, album = job_with(), album_in(folder)
    with StopSignals() as stop:
        ending = trio.run(run_job, job, album, stop, instruments=[StopAtStep(step)])
    return ending, album, job


@pytest.mark.usefixtures("interruptible")
def test_stopped_at_any_moment_every_file_is_whole_and_every_sample_has_its_best(tmp_path: Path) -> None:
    seen, step = set(), 0
    while True:
        step += 1
        ending, album, job = stopped_at(step, tmp_path / str(step))
        names = names_in(tmp_path / str(step))
        assert ending.error is None
        assert names == sorted(path.name for path in album.paths)
        assert job.service.emulator.connections == 0
        seen.add(tuple(names))
        if not ending.stopped:
            break
        assert not ending.complete
    assert names == ["out_0.png", "out_1.png"]
    assert () in seen
    assert ("out_0.png", "out_1.preview.jpg") in seen
