"""The API key and the tunnel's token, out of a file, standard input and the environment."""

from __future__ import annotations

import getpass
import io
import os
import stat
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from emulator_thread import KEY, Served, emulator_on_a_port
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.cli import main, secret_files
from nai_trio.cli.secret_files import SecretError, check_secret, read_secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLANTED = "pst-planted-key-not-real"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with emulator_on_a_port() as served:
        yield served


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOVELAI_API_KEY", "NAI_TRIO_TUNNEL_TOKEN", "NOVELAI_IMAGE_BASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(secret_files, "_hidden", {})


def read(source: Path | str) -> tuple[str, list[str]]:
    warned: list[str] = []
    return read_secret(str(source), flag="--key-file", what="an API key", warn=warned.append), warned


def private(path: Path, content: bytes) -> Path:
    path.touch(0o600)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n"])
def test_a_files_line_end_is_not_part_of_the_key(end: bytes, tmp_path: Path) -> None:
    assert read(private(tmp_path / "key", PLANTED.encode() + end)) == (PLANTED, [])


BAD = [
    (b"", "nothing"),
    (b"\n", "nothing"),
    (b"planted\nplanted", "several lines"),
    (b"planted\rplanted\n", "several lines"),
    (b"planted planted", "other characters"),
    (b" planted", "other characters"),
    (b"\xef\xbb\xbfplanted", "other characters"),
    (b"planted\xff", "other characters"),
    (b"planted\0", "other characters"),
    ("plantéd".encode(), "other characters"),
    (b"planted" * 600, "more"),
    (b"planted\n" + b"\n" * 5000, "more"),
]


@pytest.mark.parametrize(("content", "came"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_a_file_that_holds_no_key_is_refused_and_not_repeated(content: bytes, came: str, tmp_path: Path) -> None:
    path = private(tmp_path / "key", content)
    with pytest.raises(SecretError) as caught:
        read(path)
    expected = "an API key of printable ASCII without blanks, at most 4096 characters"
    assert str(caught.value) == f"--key-file {path}: expected {expected}, got {came}"
    tell = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in tell.stack if frame.filename != __file__]
    assert len(frames) == 2
    assert not [frame for frame in frames if "plant" in str(frame.locals)]


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_one_printable_word_or_refused(content: bytes) -> None:
    try:
        text = check_secret(content, source="there", what="a word")
    except SecretError as error:
        assert str(error).startswith("there: expected a word of printable ASCII")
    else:
        assert text.encode() == content.rstrip(b"\r\n")
        assert text.isascii()
        assert text.isprintable()
        assert text.split() == [text]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_can_get_at_is_told(mode: int, tmp_path: Path) -> None:
    path = private(tmp_path / "key", PLANTED.encode())
    path.chmod(mode)
    key, (warning,) = read(path)
    assert key == PLANTED
    assert warning == (f"warning: --key-file {path}: other users can get at it (mode {mode:04o}); chmod 600 it")


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    """As the shell's `<(...)` gives one."""
    os.mkfifo(tmp_path / "pipe", 0o644)

    def write() -> None:
        with (tmp_path / "pipe").open("wb", buffering=0) as pipe:
            for piece in (PLANTED[:5], PLANTED[5:], "\n"):
                pipe.write(piece.encode())

    writer = threading.Thread(target=write)
    writer.start()
    assert read(tmp_path / "pipe") == (PLANTED, [])
    writer.join()


def test_what_never_ends_is_read_no_further_than_needed() -> None:
    with pytest.raises(SecretError, match="got more"):
        read("/dev/zero")


@pytest.mark.parametrize(("name", "reason"), [("missing", "no such file or directory"), (".", "is a directory")])
def test_a_file_that_cannot_be_read_is_named(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(SecretError) as caught:
        read(tmp_path / name)
    assert str(caught.value) == f"--key-file {tmp_path / name}: cannot be read: {reason}"


def test_a_key_in_place_of_a_files_name_is_not_repeated() -> None:
    with pytest.raises(SecretError) as caught:
        read(PLANTED)
    assert PLANTED not in str(caught.value)
    assert "takes the name of a file, not the key" in str(caught.value)


class Stdin:
    """Standard input as a program finds it."""

    def __init__(self, content: bytes, *, terminal: bool = False) -> None:
        self.buffer = io.BytesIO(content)
        self.isatty = lambda: terminal


def test_standard_input_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(f"{PLANTED}\n".encode()))
    assert read("-") == (PLANTED, [])


def test_a_terminal_is_asked_without_an_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sys, "stdin", Stdin(b"", terminal=True))
    monkeypatch.setattr(getpass, "getpass", lambda prompt, stream: asked.append(prompt) or PLANTED)
    assert read("-") == (PLANTED, [])
    assert asked == ["API key: "]


def test_a_standard_input_that_is_closed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SecretError, match="--key-file -: cannot be read: it is closed"):
        read("-")


# In the commands.


def account(served: Served, *words: object) -> int:
    return main(["account", "--image-base", served.url, *map(str, words)])


def test_the_files_key_goes_before_the_environments(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOVELAI_API_KEY", "pst-not-a-real-key-either")
    path = private(tmp_path / "key", f"{KEY}\n".encode())
    assert account(served, "--key-file", path) == 0
    assert account(served) == 3
    assert "does not take the key in NOVELAI_API_KEY)" in capfd.readouterr().err
    path.write_text("pst-not-a-real-key-either")
    assert account(served, "--key-file", path) == 3
    assert f"does not take the key in --key-file {path})" in capfd.readouterr().err


def test_a_file_for_others_eyes_is_one_line_and_no_error(
    served: Served, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = private(tmp_path / "key", KEY.encode())
    path.chmod(0o644)
    assert account(served, "--key-file", path) == 0
    expected = f"nai-trio: warning: --key-file {path}: other users can get at it (mode 0644); chmod 600 it\n"
    assert capfd.readouterr().err == expected
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_file_without_a_key_has_the_code_of_a_missing_key(
    served: Served, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert account(served, "--key-file", private(tmp_path / "key", b"planted planted")) == 3
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "planted" not in err


def test_a_bad_key_in_the_environment_matters_only_where_it_is_used(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOVELAI_API_KEY", "planted planted")
    assert main(["account", "--emulator"]) == 0
    assert account(served, "--key-file", private(tmp_path / "key", KEY.encode())) == 0
    assert capfd.readouterr().err == ""
    assert account(served) == 3
    err = capfd.readouterr().err
    assert "NOVELAI_API_KEY holds no API key" in err
    assert "planted" not in err


@pytest.mark.parametrize("words", [["account"], ["generate", "x", "-o", "out.png"]])
def test_an_emulator_takes_no_key(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--emulator", "--key-file", "key"]) == 2
    assert "--emulator and --key-file exclude each other" in capfd.readouterr().err


def test_an_estimate_does_not_look_for_the_key(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "1girl", "--estimate", "--key-file", "/no/such/file"]) == 0
    assert capfd.readouterr().err == ""


def test_the_token_of_a_tunnel_comes_from_standard_input_too(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b"planted planted\n"))
    words = ("--listen", "127.0.0.1:0", "--to", "https://image.novelai.net", "--token-file", "-")
    assert main(["tunnel", *words]) == 2
    err = capfd.readouterr().err
    assert "--token-file -: expected a token of printable ASCII without blanks" in err
    assert "planted" not in err


def test_the_commands_own_environment_is_rid_of_secrets(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOVELAI_API_KEY", PLANTED)
    monkeypatch.setenv("NAI_TRIO_TUNNEL_TOKEN", "planted planted")
    monkeypatch.setattr(sys, "argv", ["nai-trio", "tunnel", "--listen", "127.0.0.1:0", "--to", "https://x"])
    assert main() == 2
    assert "NAI_TRIO_TUNNEL_TOKEN: expected a token" in capfd.readouterr().err  # known, though no longer there
    assert "planted" not in " ".join(os.environ.values())
    assert secret_files.from_environment("NOVELAI_API_KEY") == PLANTED


def test_an_empty_token_stays_wrong_when_it_is_out_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NAI_TRIO_TUNNEL_TOKEN", "")
    monkeypatch.setattr(sys, "argv", ["nai-trio", "tunnel", "--listen", "127.0.0.1:0", "--to", "https://x"])
    assert main() == 2
    assert "got nothing" in capfd.readouterr().err


def test_whoever_calls_the_command_keeps_the_environment(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[Any]
) -> None:
    monkeypatch.setenv("NOVELAI_API_KEY", PLANTED)
    assert main(["account", "--emulator"]) == 0
    assert os.environ["NOVELAI_API_KEY"] == PLANTED
