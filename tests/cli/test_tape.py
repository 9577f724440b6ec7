"""`nai-trio tape`: files that are tapes and files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nai_trio.transports.tape import MAGIC


@pytest.mark.parametrize("content", [b"", b"something else", MAGIC + b"damage\n", b"nai-trio tape 9\n"])
@pytest.mark.parametrize(
    "command", [("replay",), ("tape", "show"), ("tape", "show", "--raw"), ("tape", "show", "--json")]
)
def test_a_file_that_is_no_tape_is_an_error_in_one_line(
    tell: Any, tmp_path: Path, command: tuple[str, ...], content: bytes
) -> None:
    (tmp_path / "x.tape").write_bytes(content)
    told = tell(*command, "x.tape")
    assert told.code == (8 if content.startswith(MAGIC) else 2)
    assert told.err.startswith("nai-trio: error: x.tape")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize("command", [("replay",), ("tape", "show")])
def test_a_file_that_is_not_there_is_named(tell: Any, command: tuple[str, ...]) -> None:
    told = tell(*command, "missing.tape")
    assert told.code == 2
    assert told.err == "nai-trio: error: missing.tape: cannot be read: no such file or directory\n"


def test_tape_alone_says_what_is_missing(tell: Any) -> None:
    assert tell("tape").code == 2
