"""Names that are loaded at their first use are there as all others are."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

PACKAGES = ["nai_trio.protocol", "nai_trio.params"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_listed(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in vars(module)  # from now on without being loaded
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_is_not_there_is_missed_as_usual(package: str) -> None:
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=rf"module '{package}' has no attribute 'Nothing'"):
        _ = module.Nothing


@pytest.mark.parametrize(
    ("package", "late"),
    [
        ("nai_trio.protocol", ["attrs", "h11", "nai_trio.protocol.http", "trio"]),
        ("nai_trio.protocol.sse", ["h11", "msgpack", "nai_trio.protocol.http", "nai_trio.protocol.frames", "trio"]),
        ("nai_trio.protocol.exchange", ["msgpack", "zipfile", "html", "nai_trio.protocol.subscription", "trio"]),
        ("nai_trio.params", ["nai_trio.params.vibe_files", "difflib", "trio"]),
    ],
)
def test_what_is_late_is_not_loaded_with_the_package(package: str, late: list[str]) -> None:
    script = (
        "import sys; before = {*sys.modules}\n"  # what measures coverage loads some of them itself
        f"import {package}; print(sorted((set(sys.modules) - before) & set(sys.argv[1:])))"
    )
    done = subprocess.run([sys.executable, "-c", script, *late], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
