"""The key shows nowhere: not to other users of the machine, not in logs, not in what an ended generation leaves.

What every route shows after every failure is in tests/transports/test_conformance_secrets.py; what the key's own type
shows, in tests/protocol/test_credentials.py. Here are the command as others see it, and the moments between.
"""

from __future__ import annotations

import copy
import json
import logging
import pickle
import pprint
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import recorded
import trio
import trustme
from command_line import Process, environment_of, open_process
from conformance import Site, opened
from conformance_rows import CREDENTIALS, KEY, PASSWORD, TOKEN, Row
from conformance_secrets import exposed, forms, of_error, of_records, shown_in
from scripted import answering
from staged_service import SIZE, StagedService, preview, staged_service

from nai_trio import InvalidParamsError, MissingAPIKeyError, NovelAI, NovelAIError
from nai_trio.cli import secret_files
from nai_trio.cli.job import GivenKey, Service
from nai_trio.cli.service import given_key, read_service
from nai_trio.emulator import Emulator
from nai_trio.protocol import APIKey, ImageExchange
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

PARAMS = recorded.params(steps=2)


@pytest.fixture
def service() -> Iterator[StagedService]:
    with staged_service() as service:
        yield service


# The command, as other users of the machine see it.


def everything_public_of(pid: int) -> str:
    """What the system tells anybody about a process: its command line, its name and its threads'."""
    place = Path(f"/proc/{pid}")
    texts = [(place / "cmdline").read_bytes(), (place / "status").read_bytes(), (place / "stat").read_bytes()]
    texts += [path.read_bytes() for path in place.glob("task/*/comm")]
    return b" ".join(texts).decode("latin-1")


@pytest.mark.parametrize("source", ["environment", "file", "standard input"])
def test_no_list_of_processes_shows_the_key_wherever_it_comes_from(
    source: str, service: StagedService, tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "nai_trio", "generate", "x", *map(str, SIZE), "-o", str(tmp_path / "out.png")]
    words += ["--json", "--image-base", service.url]
    environment = environment_of(None, {"NOVELAI_API_KEY": KEY if source == "environment" else "pst-another"})
    if source == "file":
        (tmp_path / "key").touch(0o600)
        (tmp_path / "key").write_text(f"{KEY}\n")
        words += ["--key-file", str(tmp_path / "key")]
    if source == "standard input":
        words += ["--key-file", "-"]
    process = open_process(words, env=environment, stdin=-1, stdout=-1, stderr=-1, text=True)
    try:
        process.stdin.write(f"{KEY}\n")
        process.stdin.close()
        wire = service.take()
        wire.begin()
        wire.events(preview(0, 0))
        line = process.stdout.readline()
        public = everything_public_of(process.pid)
        process.send_signal(signal.SIGTERM)
        rest, err = process.stdout.read(), process.stderr.read()
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            stream.close()
    assert f"authorization: bearer {KEY}" in wire.head.decode().lower()
    assert process.returncode == 143
    assert service.url in public
    for text in (public, line, rest, err, str(list(tmp_path.iterdir()))):
        assert not shown_in(text)


WATCHED = """
import logging, os, sys
started = []
def watch(event, arguments):
    if event in {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"}:
        started.append(f"{event}: {arguments!r} {dict(os.environ)!r}")
sys.addaudithook(watch)
logging.basicConfig(level=1)
from nai_trio.cli import main
code = main()
print(*started, sep="\\n")
sys.exit(code)
"""
"""Says of each program that is started what it is told, and what it could inherit (trio's import asks `ldconfig`)."""


def test_a_run_in_development_mode_with_every_log_on_shows_nothing(service: StagedService, tmp_path: Path) -> None:
    """Nor do Python's own diagnostics, or the loggers of libraries; nor is it there for other programs to inherit."""
    words = ["generate", "x", *map(str, SIZE), "-o", str(tmp_path / "out.png"), "--image-base", service.url]
    process = Process([sys.executable, "-X", "dev", "-c", WATCHED, *words], environment_of(KEY, {}))
    message = json.dumps({"statusCode": 401, "message": f"no such key: {KEY}"})
    service.take().send(
        b"HTTP/1.1 401 No\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(message)
        + message.encode()
    )
    run = process.finish()
    process.kill()
    assert run.code == 3
    assert run.err.splitlines()[-1].startswith("nai-trio: error: 401: no such key: *** (")
    assert not shown_in(run.out + run.err)


def test_a_dump_of_every_thread_shows_no_values(service: StagedService, tmp_path: Path) -> None:
    words = ["generate", "x", *map(str, SIZE), "-o", str(tmp_path / "out.png"), "--image-base", service.url]
    script = (
        "import faulthandler, resource, signal, sys; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); "
        "faulthandler.register(signal.SIGUSR1, all_threads=True, chain=False); "
        "from nai_trio.cli import main; sys.exit(main())"
    )
    process = open_process(
        [sys.executable, "-X", "faulthandler", "-c", script, *words], env=environment_of(KEY, {}), stderr=-1, text=True
    )
    try:
        wire = service.take()
        wire.begin()
        wire.events(preview(0, 0))
        process.send_signal(signal.SIGUSR1)
        process.send_signal(signal.SIGABRT)
        err = process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert "Fatal Python error: Aborted" in err
    assert "nai_trio" in err
    assert not shown_in(err)


# In this process.


async def test_cancelled_at_any_moment_no_frame_holds_a_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Through a proxy that wants credentials, in TLS, on a tape: what hangs on each `Cancelled` is looked at."""
    caplog.set_level(1)
    row = Row(("http+auth", "tls"), scheme="http")
    seen = 0
    async with opened(row, Site(trustme.CA(), tmp_path), Emulator(api_keys={KEY}).serve) as route:
        for step in range(1, 500):
            error = await cancelled_after(step, route)
            if error is None:
                break
            found = exposed(of_error(without_frames_of_this_file(error)))
            assert not found, f"step {step}: {found}"
            seen += 1
    assert seen > 10
    assert not exposed(of_records(caplog.records))


async def cancelled_after(step: int, route: Any) -> trio.Cancelled | None:
    caught: list[trio.Cancelled] = []
    with trio.CancelScope() as scope:
        stopper = _CancelAtStep(scope, step)
        trio.lowlevel.add_instrument(stopper)
        try:
            async with route.client() as client:
                await client.image.generate(PARAMS)
        except trio.Cancelled as error:
            caught.append(error)
            raise
        finally:
            trio.lowlevel.remove_instrument(stopper)
    return caught[0] if caught else None


class _CancelAtStep(trio.abc.Instrument):
    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self._task = trio.lowlevel.current_task()
        self._scope = scope
        self._left = step

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._left -= 1
            if not self._left:
                self._scope.cancel()


def without_frames_of_this_file(error: BaseException) -> BaseException:
    """The error without this file's frames, which hold the secrets by right; also without those it passes through."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return error.with_traceback(frames)


async def test_an_error_in_a_group_shows_no_secret_either() -> None:
    async def refused() -> None:
        transport = MemoryTransport(Emulator(api_keys={"another"}).serve)
        async with NovelAI(KEY, image_base="http://localhost", transport=transport) as client:
            await client.image.generate(PARAMS)

    with pytest.raises(BaseExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refused)
    text = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "AuthenticationError" in text
    assert not shown_in(text)


BAD_KEYS = [f"{KEY}\n", f"{KEY} ", f" {KEY}", f"{KEY}\r\nx: y", f"{KEY}\u2028", f"\ufeff{KEY}", KEY.encode()]


@pytest.mark.parametrize("bad", BAD_KEYS, ids=[str(number) for number in range(len(BAD_KEYS))])
def test_a_key_with_something_beside_it_is_in_no_frame_of_its_error(bad: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most likely it is a real one, with a line end from a file."""
    if isinstance(bad, str):
        monkeypatch.setenv("NOVELAI_API_KEY", bad)
    for make in [lambda: NovelAI(bad), lambda: APIKey(bad), *([NovelAI] if isinstance(bad, str) else [])]:
        with pytest.raises(InvalidParamsError) as caught:
            make()
        assert not exposed(of_error(without_frames_of_this_file(caught.value)))


def values(**more: Any) -> dict[str, Any]:
    return {"key_file": None, "emulator": False, **more}


def test_no_frame_of_the_command_holds_what_is_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_files, "_hidden", {})
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_text(f"{KEY} {PASSWORD}")
    monkeypatch.setenv("NOVELAI_API_KEY", f"{KEY} {PASSWORD}")
    for given in (values(key_file=str(tmp_path / "key")), values()):
        with pytest.raises(MissingAPIKeyError) as caught:
            given_key(given)
        assert not exposed(of_error(without_frames_of_this_file(caught.value)))


def test_no_frame_of_the_command_holds_the_key_where_something_else_is_wrong() -> None:
    key = GivenKey(APIKey(KEY), "there")
    with pytest.raises(NovelAIError) as caught:
        read_service(key=key, emulator=False, image_base="http://example", allow_plain_http=False)
    assert not exposed(of_error(without_frames_of_this_file(caught.value)))


def held_by_the_command() -> list[Any]:
    key = APIKey(KEY)
    return [
        GivenKey(key, "there"),
        Service(api_key=KEY, proxy=f"http://{CREDENTIALS.replace('/', '%2F')}@h"),
        Service(api_key=key),
    ]


def held_by_the_library() -> list[Any]:
    client = NovelAI(KEY, image_base="http://localhost", transport=MemoryTransport(answering(b"")))
    exchange = ImageExchange(PARAMS, **client.service)
    return [client, client.service, client.api_key, client.image, vars(client), exchange, vars(exchange)]


@pytest.mark.parametrize("make", [held_by_the_command, held_by_the_library])
def test_no_way_of_showing_an_object_shows_the_key(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    for thing in make():
        logging.getLogger("somebody").info("%s %r", thing, thing)
        texts = [repr(thing), str(thing), f"{thing}", f"{thing!r}", f"{thing!s}", pprint.pformat(thing), ascii(thing)]
        texts += [f"{thing}" + format(thing, ""), "%s" % (thing,), repr([thing]), repr({"it": thing})]  # noqa: UP031
        if isinstance(thing, GivenKey):
            texts += [repr(attrs.asdict(thing)), repr(attrs.astuple(thing))]
        for text in texts:
            assert not shown_in(text), type(thing)
    assert not exposed(of_records(caplog.records))


@pytest.mark.parametrize("make", [held_by_the_command, held_by_the_library])
@pytest.mark.parametrize("way", [pickle.dumps, copy.deepcopy, json.dumps])
def test_no_way_of_copying_an_object_takes_the_key_along(make: Any, way: Any) -> None:
    for thing in make()[:5]:
        try:
            copied = way(thing)
        except Exception as error:  # noqa: BLE001 - whatever the library of the copy raises
            assert not shown_in(f"{error} {error!r}")
        else:
            text = copied if isinstance(copied, str) else copied.decode("latin-1") if isinstance(copied, bytes) else ""
            assert not shown_in(text), type(thing)


def test_the_state_of_a_key_is_not_given_out() -> None:
    key = APIKey(KEY)
    for way in (copy.copy, lambda each: each.__getstate__(), lambda each: each.__reduce_ex__(4)):
        with pytest.raises(TypeError, match="not pickled"):
            way(key)
    with pytest.raises(TypeError):
        format(key, ">40")
    with pytest.raises(AttributeError):
        _ = key.__dict__


def test_the_search_knows_the_secrets_it_looks_for() -> None:
    assert {KEY, TOKEN, PASSWORD} <= set(forms().values())
