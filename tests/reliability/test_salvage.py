"""`nai-trio generate` that is stopped, fails, or cannot write: what had arrived is on the disk, whole, and it says so.

The real command, as a process of its own, asks a service on a real port that answers as the test says; it is sent real
signals, its terminal is really closed, and its disk really takes no more (a limit of the kernel on the size of files,
set in the middle, since not every machine lets tests mount a small disk).
"""

from __future__ import annotations

import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Any

import pytest
import recorded
from command_line import KEY, Process, environment_of, open_process
from PIL import Image
from staged_service import SIZE, StagedService, Wire, big_picture, final, preview, staged_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OLD = b"an older picture"


@pytest.fixture
def service() -> Iterator[StagedService]:
    with staged_service() as service:
        yield service


class Scene:
    """A command that generates two pictures into a folder, and who answers it.

    Attributes:
        folder: where the pictures go.
        refuge: the system's temporary folder, as the command sees it.
        process: the command.
        wire: its connection.
    """

    def __init__(self, service: StagedService, place: Path) -> None:
        self.folder, self.refuge = place / "pictures", place / "temporary"
        self.folder.mkdir()
        self.refuge.mkdir()
        self.process: Any = None
        self.wire: Any = None
        self._service = service

    @property
    def arguments(self) -> list[str]:
        words = ["generate", "1girl", *SIZE, "-o", self.folder / "out.png", "--n-samples", 2, "--seed", 7]
        return [str(word) for word in (*words, "--image-base", self._service.url)]

    @property
    def environment(self) -> dict[str, str]:
        return environment_of(KEY, {"TMPDIR": str(self.refuge)})

    def begin(self, *more: object, before: tuple[str, ...] = (), program: tuple[str, ...] = ("-m", "nai_trio")) -> Wire:
        words = [*before, sys.executable, *program, *self.arguments, "--json", *map(str, more)]
        self.process = Process(words, self.environment)
        self.wire = self._service.take()
        self.wire.begin()
        return self.wire

    def show(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """Send events, and wait until the command has dealt with them."""
        self.wire.events(*events)
        return [json.loads(self.process.line()) for _ in events]

    def show_all_but_the_last(self) -> None:
        """Previews of both, and the first one's picture."""
        self.show(preview(0, 0), preview(1, 0), preview(0, 1), preview(1, 1), final(0))

    def finish(self) -> Any:
        run = self.process.finish()
        assert not list(self.folder.parent.rglob("*.part"))
        return run

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


@pytest.fixture
def scene(service: StagedService, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(service, tmp_path)
    yield scene
    if scene.process is not None:
        scene.process.kill()


KEPT = {"out_0.png": final(0)["image"], "out_1.preview.jpg": preview(1, 1)["image"], "out_1.png": OLD}
"""What the middle of a generation leaves, where an older picture was in the way of the one that did not come."""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_keeps_what_arrived_and_touches_nothing_else(scene: Scene, name: str, code: int) -> None:
    (scene.folder / "out_0.png").write_bytes(OLD)
    (scene.folder / "out_1.png").write_bytes(OLD)
    scene.begin()
    scene.show(preview(0, 0))
    assert scene.files() == {"out_0.png": OLD, "out_1.png": OLD}
    scene.show(preview(1, 0), preview(1, 1), final(0))
    scene.process.send(signal.Signals[name])
    assert scene.wire.left()
    run = scene.finish()
    assert run.code == code
    assert scene.files() == KEPT
    kept = f"{scene.folder}/out_0.png, {scene.folder}/out_1.preview.jpg"
    assert run.err == (
        f"nai-trio: stopped by {name}, connection closed; kept {kept}; whether it was billed is unknown, so read the "
        "balance before trying again\n"
    )


def _cut(wire: Wire) -> None:
    wire.send(recorded.sse(final(1))[:60])
    wire.end()


def _error(wire: Wire) -> None:
    wire.events({"event_type": "error", "message": "out of luck", "code": 500})


ENDINGS: list[tuple[str, Callable[[Wire], None], int, str, tuple[object, ...]]] = [
    ("the connection is cut in an event", _cut, 7, "", ()),
    ("the connection is reset", Wire.reset, 7, "the connection broke: ", ()),
    ("it falls silent", lambda wire: None, 7, "not finished within 4 s (--timeout)", ("--timeout", 4)),
    ("the service gives up", _error, 8, "out of luck", ()),
    ("an event has no end", lambda wire: wire.send(b"\xff\xff\xff\xff"), 8, "max_frame_size", ("--stream", "msgpack")),
    ("nonsense comes", lambda wire: wire.send(b"data: {]\n\n"), 8, "", ()),
]


@pytest.mark.parametrize(("act", "code", "said", "more"), [row[1:] for row in ENDINGS], ids=[row[0] for row in ENDINGS])
def test_a_failure_keeps_what_arrived(
    scene: Scene, act: Callable[[Wire], None], code: int, said: str, more: tuple[object, ...]
) -> None:
    (scene.folder / "out_1.png").write_bytes(OLD)
    scene.begin(*more)
    scene.show_all_but_the_last()
    act(scene.wire)
    run = scene.finish()
    assert run.code == code, run.err
    assert scene.files() == KEPT
    (error,) = run.error_lines
    assert said in error
    assert run.err.splitlines()[-1] == (
        f"nai-trio: kept {scene.folder}/out_0.png, {scene.folder}/out_1.preview.jpg; whether it was billed is unknown, "
        "so read the balance before trying again"
    )


def test_a_refusal_leaves_nothing_and_doubts_nothing(service: StagedService, scene: Scene) -> None:
    scene.process = Process([sys.executable, "-m", "nai_trio", *scene.arguments], scene.environment)
    service.take().send(
        b'HTTP/1.1 500 Oh\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{"message":"no"} '
    )
    run = scene.finish()
    assert (run.code, run.out, run.err) == (6, "", "nai-trio: error: 500: no\n")
    assert scene.files() == {}


def test_a_kill_leaves_the_pictures_that_had_come(scene: Scene) -> None:
    scene.begin()
    scene.show_all_but_the_last()
    scene.process.send(signal.SIGKILL)
    scene.process.finish()
    assert scene.files() == {"out_0.png": final(0)["image"]}


STUCK = """
import os, sys, threading
from nai_trio.cli import main, stopping
really = os.fsync
def fsync(file):
    if threading.current_thread() is not threading.main_thread():
        threading.Event().wait()
    really(file)
os.fsync = fsync
stopping._DOUBLE = 0.05
sys.exit(main())
"""
"""The command with a disk on which worker threads hang, at the worst time: the file is there, and not in place."""


def test_a_second_signal_does_not_wait_for_a_disk_that_hangs(scene: Scene) -> None:
    scene.begin(program=("-c", STUCK))
    scene.show(preview(0, 0), preview(1, 0))
    scene.wire.events(final(0))
    wait_until(lambda: list(scene.folder.glob(".nai-trio-*.part")))
    for _ in range(10):  # the second one does it, unless the machine is so slow that it took both for one
        scene.process.send(signal.SIGTERM)
        if scene.process.ended(1):
            break
    run = scene.finish()
    assert run.code == 143
    assert scene.files() == {"out_0.png": final(0)["image"], "out_1.preview.jpg": preview(1, 0)["image"]}
    kept = f"{scene.folder}/out_0.png, {scene.folder}/out_1.preview.jpg"
    assert run.err == f"nai-trio: stopped at once; kept {kept}\n"


def wait_until(condition: Callable[[], object]) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to that")


ON_A_TERMINAL = (
    sys.executable,
    "-S",
    "-c",
    f"import fcntl, os, sys; os.setsid(); fcntl.ioctl(2, {termios.TIOCSCTTY}, 0); os.execv(sys.argv[1], sys.argv[1:])",
)
"""Runs a program in a session whose terminal is stderr's."""


def test_a_terminal_that_is_closed_stops_it_and_keeps_what_arrived(service: StagedService, scene: Scene) -> None:
    terminal, child = pty.openpty()
    words = [*ON_A_TERMINAL, sys.executable, "-m", "nai_trio", *scene.arguments, "--previews", str(scene.folder)]
    environment = {**scene.environment, "TERM": "xterm-256color"}
    process = open_process(words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=child)
    os.close(child)
    try:
        wire = service.take()
        wire.begin()
        wire.events(preview(0, 0), preview(1, 0), final(0))
        wait_until((scene.folder / "out_0.png").exists)
        os.close(terminal)  # nothing that it writes to it succeeds any more; the kernel sends SIGHUP
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 129
    expected = {"out_0.png": final(0)["image"], "out_1.preview.jpg": preview(1, 0)["image"]}
    assert {name: data for name, data in scene.files().items() if name.startswith("out")} == expected
    assert out.decode().split() == [str(scene.folder / name) for name in expected]


def test_a_head_that_has_seen_enough_costs_no_picture(service: StagedService, scene: Scene) -> None:
    head = subprocess.Popen(["head", "-n", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    words = [sys.executable, "-m", "nai_trio", *scene.arguments, "--json"]
    process = open_process(words, env=scene.environment, stdout=head.stdin, stderr=subprocess.PIPE)
    head.stdin.close()
    wire = service.take()
    wire.begin()
    wire.events(preview(0, 0))
    line = head.stdout.read()
    head.stdout.close()
    head.wait()
    wire.events(preview(1, 0), preview(1, 1), final(1), final(0))
    wire.end()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(line)["step_ix"] == 0
    assert err.decode().startswith("nai-trio: saved out_0.png, out_1.png")
    assert scene.files() == {"out_0.png": final(0)["image"], "out_1.png": final(1)["image"]}


@pytest.mark.parametrize("how", ["closed before", "closed in the middle"])
def test_nobody_on_stderr_costs_no_picture_and_changes_no_code(service: StagedService, scene: Scene, how: str) -> None:
    words = [sys.executable, "-m", "nai_trio", *scene.arguments]
    read, write = os.pipe()
    before = ["sh", "-c", 'exec "$@" 2>&-', "sh"] if how == "closed before" else []
    process = open_process([*before, *words], env=scene.environment, stdout=subprocess.PIPE, stderr=write)
    os.close(write)
    wire = service.take()
    wire.begin()
    wire.events(preview(0, 0))
    os.close(read)
    wire.events(preview(1, 0), final(1), {"event_type": "error", "message": "out of luck"})
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 8
    assert out.decode().split() == [str(scene.folder / name) for name in ("out_0.preview.jpg", "out_1.png")]
    assert scene.files() == {"out_0.preview.jpg": preview(0, 0)["image"], "out_1.png": final(1)["image"]}


def begin_unmeasured(scene: Scene, *words: object) -> None:
    """As `begin`, without the file that `make coverage` writes: it would meet the limit as well, and complain."""
    scene.begin(*words, before=("env", "--unset=COVERAGE_PROCESS_START"))


def limit_files_of(scene: Scene, size: int) -> None:
    """From now on, no file of the command grows beyond that: the kernel refuses, as it does where a disk is full."""
    resource.prlimit(scene.process.pid, resource.RLIMIT_FSIZE, (size, size))


def test_a_disk_that_fills_in_the_middle_costs_no_other_picture(scene: Scene) -> None:
    begin_unmeasured(scene)
    scene.show(preview(0, 0), preview(1, 0))
    limit_files_of(scene, 20_000)
    first, second = scene.show(final(0, big_picture(1)), final(1))
    scene.wire.end()
    run = scene.finish()
    assert (first["path"], second["path"]) == (None, str(scene.folder / "out_1.png"))
    assert run.code == 9
    assert scene.files() == {"out_0.preview.jpg": preview(0, 0)["image"], "out_1.png": final(1)["image"]}
    assert run.error_lines == [f"nai-trio: error: cannot write {scene.folder}/out_0.png: file too large"]
    assert list(scene.refuge.iterdir()) == []


def test_a_full_disk_does_not_hide_how_it_ended(scene: Scene) -> None:
    (scene.folder / "out_0.png").write_bytes(OLD)
    begin_unmeasured(scene)
    scene.show(preview(0, 0), preview(1, 0))
    limit_files_of(scene, 0)
    scene.show(final(0))
    scene.process.send(signal.SIGTERM)
    run = scene.finish()
    assert run.code == 143
    assert scene.files() == {"out_0.png": OLD}
    assert "stopped by SIGTERM, connection closed; nothing to keep" in run.err
    assert run.error_lines == [f"nai-trio: error: cannot write {scene.folder}/out_0.png: file too large"]


def test_a_tape_that_fills_the_disk_is_told_by_the_code_and_costs_no_picture(scene: Scene) -> None:
    tape = scene.folder.parent / "a.tape"
    begin_unmeasured(scene, "--record", tape)
    scene.show(preview(0, 0), preview(1, 0))
    limit_files_of(scene, tape.stat().st_size)
    scene.show(final(0), final(1))
    scene.wire.end()
    run = scene.finish()
    assert run.code == 9
    assert scene.files() == {"out_0.png": final(0)["image"], "out_1.png": final(1)["image"]}
    assert run.err == f"nai-trio: error: recording on '{tape}' stopped: file too large; the connection goes on\n"


def test_a_folder_that_is_removed_in_the_middle_costs_no_picture(scene: Scene) -> None:
    begin_unmeasured(scene)
    scene.show(preview(0, 0), preview(1, 0))
    shutil.rmtree(scene.folder)
    records = scene.show(final(0), final(1))
    scene.wire.end()
    run = scene.process.finish()
    check_refuge(scene, records, run, "no such file or directory")


WITHOUT_POWERS = (
    sys.executable,
    "-S",
    "-c",
    (
        "import ctypes, os, sys; assert os.geteuid() or ctypes.CDLL(None).prctl(24, 1, 0, 0, 0) == 0; "
        "os.execv(sys.argv[1], sys.argv[1:])"
    ),
)
"""Runs a program that permissions hold for, also where root runs the tests (PR_CAPBSET_DROP of CAP_DAC_OVERRIDE)."""


def test_a_folder_that_is_closed_in_the_middle_costs_no_picture(scene: Scene) -> None:
    scene.begin(before=WITHOUT_POWERS)
    scene.show(preview(0, 0), preview(1, 0))
    scene.folder.chmod(0o500)
    try:
        records = scene.show(final(0), final(1))
        scene.wire.end()
        run = scene.process.finish()
    finally:
        scene.folder.chmod(0o700)
    assert scene.files() == {}
    check_refuge(scene, records, run, "permission denied")


def check_refuge(scene: Scene, records: list[dict[str, Any]], run: Any, reason: str) -> None:
    """Both pictures are in one folder of the temporary one, which is their owner's alone, and all is told."""
    (made,) = scene.refuge.iterdir()
    assert made.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.read_bytes() for path in made.iterdir()} == {
        "out_0.png": final(0)["image"],
        "out_1.png": final(1)["image"],
    }
    paths = [str(made / "out_0.png"), str(made / "out_1.png")]
    assert [record["path"] for record in records] == paths
    assert run.code == 9
    assert run.err.splitlines() == [
        f"nai-trio: error: cannot write {scene.folder}/out_0.png: {reason}",
        f"nai-trio: written elsewhere: {', '.join(paths)}",
    ]


def test_pictures_that_arrived_all_open(scene: Scene) -> None:
    scene.begin("--previews", scene.folder)
    scene.show_all_but_the_last()
    scene.wire.end()
    assert scene.finish().code == 7
    for path in scene.folder.iterdir():
        with Image.open(path) as picture:
            picture.load()
    assert len(scene.files()) == 4 + 2
