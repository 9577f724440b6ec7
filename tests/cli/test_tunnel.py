"""`nai-trio tunnel`, and `nai-trio generate --proxy ws://...` through it, as processes of their own."""

from __future__ import annotations

import re
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

from nai_trio.cli import main

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "planted-token-not-real"
VARIABLE = "NAI_TRIO_TUNNEL_TOKEN"
SMALL = ("--size", "64x64", "--steps", 4)


def address_of(server: Any, kind: str, scheme: str) -> str:
    line: str = server.line()
    assert re.fullmatch(rf"{kind} on {scheme}://127\.0\.0\.1:\d+\n", line)
    return line.rpartition(" ")[2].strip()


def test_a_generation_goes_through_and_each_connection_is_one_line(start: Any, command: Any, tmp_path: Path) -> None:
    base = address_of(start("emulate", "--port", 0), "emulator", "http")
    relay = start("tunnel", "--listen", "127.0.0.1:0", "--to", base, **{VARIABLE: TOKEN})
    url = address_of(relay, "tunnel", "ws")
    assert relay.line() == f"  to {base}, for who has the token\n"
    with_token = url.replace("ws://", f"ws://me:{TOKEN}@")
    out = tmp_path / "out.png"
    good = command("generate", "x", *SMALL, "-o", out, "--image-base", base, "--proxy", with_token)
    assert (good.code, out.exists()) == (0, True), good.err
    wrong = command("generate", "x", *SMALL, "-o", tmp_path / "no.png", "--image-base", base, "--proxy", url)
    assert wrong.code == 7
    assert "the relay wants credentials: 401" in wrong.error_lines[0]
    relay.send(signal.SIGINT)
    run = relay.finish()
    assert run.code == 0
    served, refused, last = run.err.splitlines()
    assert re.fullmatch(
        rf"nai-trio: 127\.0\.0\.1:\d+: to {base}: \d+ bytes up, \d+ down in \d+\.\d s; the client left", served
    )
    assert re.fullmatch(r"nai-trio: 127\.0\.0\.1:\d+: refused: 401 expected a bearer token.*", refused)
    assert last == "nai-trio: tunnel stopped"
    assert TOKEN not in run.out + run.err


def test_it_serves_strangers_and_outlives_them_and_stops_in_the_middle(start: Any, tmp_path: Path) -> None:
    base = address_of(start("emulate", "--port", 0, "--pace", 1), "emulator", "http")
    relay = start("tunnel", "--listen", "127.0.0.1:0", "--to", base, "--max-connections", 1)
    url = address_of(relay, "tunnel", "ws")
    assert relay.line() == f"  to {base}, no token asked for\n"
    for noise in (b"", b"GET", b"\x16\x03\x01 nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as stranger:
            stranger.sendall(noise)
    out = tmp_path / "out.png"
    client = start("generate", "x", *SMALL, "--json", "-o", out, "--image-base", base, "--proxy", url)
    client.line()  # the first preview
    relay.send(signal.SIGTERM)
    run = relay.finish()
    assert run.code == 0
    assert run.err.count("no WebSocket was asked for") == 4
    assert run.err.splitlines()[-1] == "nai-trio: tunnel stopped"
    assert "the tunnel stopped" in run.err
    cut = client.finish()
    assert cut.code == 7
    assert len(cut.error_lines) == 1


def test_the_token_may_be_in_a_file(start: Any, command: Any, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    relay = start("tunnel", "--listen", "127.0.0.1:0", "--to", "https://image.novelai.net", "--token-file", path)
    address_of(relay, "tunnel", "ws")
    assert relay.line() == "  to https://image.novelai.net, for who has the token\n"
    relay.send(signal.SIGINT)
    assert relay.finish().code == 0
    wrong = command("tunnel", "--listen", "127.0.0.1:0", "--to", "https://x", "--token-file", tmp_path / "none")
    assert (wrong.code, wrong.out) == (2, "")
    assert f"--token-file {tmp_path / 'none'}: cannot be read: no such file or directory" in wrong.err


USAGE = [
    (("--listen", "0.0.0.0:0"), f"can be reached from other machines: set {VARIABLE} to a token"),
    (("--listen", "[::]:0"), "can be reached from other machines"),
    (("--listen", "relay.example:0"), "can be reached from other machines"),
    (("--listen", "127.0.0.1"), "--listen: expected HOST:PORT, e.g. 127.0.0.1:8080 or [::1]:8080, got '127.0.0.1'"),
    (("--listen", "127.0.0.1:99999"), "--listen: expected HOST:PORT"),
    (("--listen", "::1:80"), "--listen: expected HOST:PORT"),
    (("--listen", "ws://127.0.0.1:80"), "--listen: expected HOST:PORT"),
    (("--listen", ":80"), "--listen: expected HOST:PORT"),
    (("--listen", "127.0.0.1:0", "--to", "image.novelai.net"), "--to: expected an origin such as https://image"),
    (("--listen", "127.0.0.1:0", "--to", "https://x/path"), "got 'https://x/path'"),
    (("--listen", "127.0.0.1:0", "--to", "https://planted:word@x"), "got a URL with credentials in it"),
    (("--listen", "127.0.0.1:0", "--max-connections", "0"), "--max-connections"),
    (("--listen", "127.0.0.1:0", "--idle", "0"), "--idle"),
]


@pytest.mark.parametrize(("words", "told"), USAGE, ids=[str(number) for number in range(len(USAGE))])
def test_wrong_usage_is_one_line(words: tuple[str, ...], told: str, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert main(["tunnel", "--to", "https://image.novelai.net", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("nai-trio: error: ")
    assert error.count("\n") == 1
    assert told in error
    assert "planted" not in error


@pytest.mark.parametrize("token", ["", " ", "planted token", "plantéd"])
def test_a_token_that_is_none_is_refused_and_not_shown(token: str, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv(VARIABLE, token)
    assert main(["tunnel", "--listen", "127.0.0.1:0", "--to", "https://image.novelai.net"]) == 2
    error = capsys.readouterr().err
    assert f"{VARIABLE}: expected a token of printable ASCII without blanks" in error
    assert "plant" not in error


def test_a_token_that_is_too_long_is_refused_and_not_cut(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "token").write_text("p" * 4097)
    words = ("--listen", "127.0.0.1:0", "--to", "https://image.novelai.net", "--token-file", str(tmp_path / "token"))
    assert main(["tunnel", *words]) == 2
    assert "without blanks, at most 4096 characters" in capsys.readouterr().err


def test_a_port_in_use_is_one_line(command: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = command("tunnel", "--listen", f"127.0.0.1:{port}", "--to", "https://image.novelai.net")
    assert run.code == 7
    assert (run.out, run.err) == ("", f"nai-trio: error: listen on 127.0.0.1, port {port}: the port is in use\n")


def test_nothing_is_needed_but_where_to_listen_and_where_to_lead(capsys: Any) -> None:
    assert main(["tunnel", "--listen", "127.0.0.1:0"]) == 2
    assert "--to" in capsys.readouterr().err
    assert main(["tunnel", "--to", "https://image.novelai.net"]) == 2
    assert "--listen" in capsys.readouterr().err
