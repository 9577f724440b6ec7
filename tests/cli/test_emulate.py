"""`nai-trio emulate`, and `nai-trio generate` against it over a real socket: faults to exit codes."""

from __future__ import annotations

import http.client
import json
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest
import trio

from nai_trio.emulator import Emulator
from nai_trio.errors import NetworkError
from nai_trio.transports.listen import open_listeners, port_of

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ("--size", "64x64", "--steps", 6)

FAULTS = [
    # fault, exit code, files, a part of the error line
    ("refuse=400", 6, [], "400"),
    ("refuse=402", 4, [], "402"),
    ("refuse=429:30", 5, [], "(the service asks to wait 30 s)"),
    ("refuse=429:html", 5, [], "429"),
    ("refuse=500", 6, [], "500"),
    ("refuse=503:html", 6, [], "503"),
    ("cut=3000", 7, ["out.preview.jpg"], "ended"),
    ("missing-final", 7, ["out.preview.jpg"], "0 of 1 finished pictures"),
    ("error=2", 8, ["out.preview.jpg"], "(code 500)"),
    ("bad-json=2", 8, ["out.preview.jpg"], "expected"),
    ("missing-field=samp_ix", 8, [], "samp_ix"),
    ("wrong-type=html", 8, [], "expected"),
    ("retry=1", 0, ["out.png"], None),
]


def base_of(server: Any) -> str:
    line = server.line()
    assert line.startswith("emulator on http://127.0.0.1:")
    return line.split()[-1]


def test_the_emulators_account_is_what_it_was_told(start: Any, command: Any, tmp_path: Path) -> None:
    server = start("emulate", "--port", 0, "--anlas", 100, "--opus", "--charge")
    base = base_of(server)
    before = command("account", "--json", NOVELAI_IMAGE_BASE=base)
    large = ("--size", "512x704", "--steps", 6, "--n-samples", 3)
    run = command("generate", "x", *large, "-o", tmp_path / "out.png", NOVELAI_IMAGE_BASE=base)
    after = command("account", "--json", NOVELAI_IMAGE_BASE=base)
    assert run.code == 0, run.err
    told = [json.loads(each.out) for each in (before, after)]
    assert [each["anlas"] for each in told] == [100, 100 - 2 * 3]  # 3 Anlas each, one of three free on Opus
    assert [each["opus"] for each in told] == [True, True]


def test_each_way_to_fail_has_its_exit_code_and_keeps_what_arrived(start: Any, command: Any, tmp_path: Path) -> None:
    faults = [word for fault, *_ in FAULTS for word in ("--fault", fault)]
    server = start("emulate", "--port", 0, "--key", "pst-not-a-real-key", *faults)
    base = base_of(server)
    wrong = command("generate", "x", *SMALL, "-o", tmp_path / "out.png", "--image-base", base, key="pst-another")
    assert (wrong.code, wrong.err) == (
        3,
        f"nai-trio: error: 401: Unauthorized ({base} does not take the key in NOVELAI_API_KEY)\n",
    )
    for number, (fault, code, names, words) in enumerate(FAULTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        run = command("generate", "x", *SMALL, "-o", folder / "out.png", "--json", NOVELAI_IMAGE_BASE=base)
        assert run.code == code, (fault, run.err)
        assert [path.name for path in folder.iterdir()] == names, fault
        check_told(run, fault, folder, names, words)
    server.send(signal.SIGINT)
    assert server.finish().code == 0


def check_told(run: Any, fault: str, folder: Path, names: list[str], words: str | None) -> None:
    if words is None:
        last = json.loads(run.out.splitlines()[-1])
        assert (last["event_type"], last["path"]) == ("final", str(folder / names[0]))
        assert "the service starts over" in run.err
        return
    assert '"final"' not in run.out
    assert all(str(folder / name) in run.err for name in names)
    (error,) = run.error_lines
    assert words in error, (fault, error)
    assert ("kept " in run.err) == bool(names)
    gateway = fault.startswith("refuse=503")
    assert ("billed is unknown" in run.err) == (gateway or not fault.startswith("refuse")), fault


def test_a_time_limit_ends_a_stalled_generation(start: Any, command: Any, tmp_path: Path) -> None:
    base = base_of(start("emulate", "--port", 0, "--fault", "stall=0"))
    run = command("generate", "x", *SMALL, "-o", tmp_path / "out.png", "--image-base", base, "--timeout", 0.3)
    assert run.code == 7
    assert run.error_lines == ["nai-trio: error: not finished within 0.3 s (--timeout)"]


async def test_a_stopped_command_closes_its_connection(start: Any, tmp_path: Path) -> None:
    emulator = Emulator(step_delay=0.5)
    (listener,) = await open_listeners("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, emulator.serve, [listener])
        base = f"http://127.0.0.1:{port_of(listener)}"
        process = start("generate", "x", "--size", "64x64", "--json", "-o", tmp_path / "out.png", "--image-base", base)
        await trio.to_thread.run_sync(process.line)
        process.send(signal.SIGINT)
        run = await trio.to_thread.run_sync(process.finish)
        await emulator.jobs[0].done.wait()
        nursery.cancel_scope.cancel()
    assert emulator.jobs[0].state == "disconnected"
    assert run.code == 130
    assert run.err.endswith(
        "out.preview.jpg; whether it was billed is unknown, so read the balance before trying again\n"
    )


def test_the_emulator_serves_any_client_and_outlives_bad_ones(start: Any) -> None:
    server = start("emulate", "--port", 0)
    base = base_of(server)
    assert f"NOVELAI_IMAGE_BASE={base}" in server.line()
    assert base in server.line()
    port = int(base.rpartition(":")[2])
    for noise in (
        b"",
        b"GET",
        b"\x16\x03\x01\x00\xff nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as stranger:
            stranger.sendall(noise)
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("GET", "/ai/generate-image-stream")
    assert client.getresponse().status == 405
    client.close()
    server.send(signal.SIGTERM)
    run = server.finish()
    assert run.code == 0
    assert run.err.splitlines()[-1] == "nai-trio: emulator stopped"


def test_a_port_in_use_is_one_line(command: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = command("emulate", "--port", port)
    assert run.code == 7
    assert (run.out, run.err) == ("", f"nai-trio: error: listen on 127.0.0.1, port {port}: the port is in use\n")


async def test_a_free_port_is_one_port_on_a_host_of_several_addresses() -> None:
    listeners = await open_listeners("localhost", 0)
    assert len(listeners) == 1
    assert 1 <= port_of(listeners[0]) <= 65535
    with trio.fail_after(10):
        stream = await trio.open_tcp_stream(listeners[0].socket.getsockname()[0], port_of(listeners[0]))
        await stream.aclose()
        await listeners[0].aclose()


@pytest.mark.parametrize(
    ("host", "words"),
    [("192.0.2.1", "address not available"), ("no-such-host.invalid", "name"), ("x" * 70, "not a valid host name")],
)
async def test_a_host_that_is_not_this_machine_is_refused_with_the_reason(host: str, words: str) -> None:
    with pytest.raises(NetworkError, match=f"listen on {host}, port 8000: .*{words}"):
        await open_listeners(host, 8000)


def test_attempts_sends_again_what_cannot_have_been_billed_and_says_so(
    start: Any, command: Any, tmp_path: Path
) -> None:
    base = base_of(
        start("emulate", "--port", 0, *("--fault", "refuse=429:0"), *("--fault", "refuse=503"), "--fault", "cut=99")
    )
    given = ("generate", "x", *SMALL, "-o", tmp_path / "out.png", "--image-base", base, "--attempts", 2)
    run = command(*given)
    assert run.code == 6
    assert run.err.splitlines()[0].endswith(
        "attempt 1 failed (429: Concurrent generation is locked); the next one in 0.0 s"
    )
    assert "503" in run.error_lines[0]
    cut = command(*given)
    assert cut.code == 7
    assert "attempt" not in cut.err, "never after a 2xx head"
    assert command(*given).code == 0
    assert command(*given[:-1], 0).code == 2
