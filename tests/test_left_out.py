"""A machine without the programs that tests run against: the run says so in one line, or fails where it has to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = ["tests/third_party/test_microsocks.py", "tests/third_party/test_nginx.py"]


def run_without_programs(empty: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "REQUIRE_THIRD_PARTY"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES],
        cwd=ROOT,
        env={**environment, "THIRD_PARTY_PATH": str(empty), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_is_left_out_is_named_in_one_line_with_the_way_to_install_it(tmp_path: Path) -> None:
    done = run_without_programs(tmp_path)
    told = [line for line in done.stdout.splitlines() if line.startswith("left out: ")]
    assert len(told) == 1
    assert "(microsocks, nginx)" in told[0]
    assert told[0].endswith("To run them: apt-get install --no-install-recommends microsocks nginx-light")
    assert "SKIPPED" not in done.stdout
    assert "failed" not in done.stdout
    assert "error" not in done.stdout.lower()


def test_where_they_are_required_it_is_an_error(tmp_path: Path) -> None:
    done = run_without_programs(tmp_path, REQUIRE_THIRD_PARTY="1")
    assert done.returncode == 4  # pytest's: wrong usage
    assert "apt-get install --no-install-recommends microsocks nginx-light" in done.stdout + done.stderr


def test_the_gate_installs_what_is_missing(tmp_path: Path) -> None:
    program = [sys.executable, ROOT / "tests" / "support" / "programs.py"]
    environment = {**os.environ, "THIRD_PARTY_PATH": str(tmp_path)}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["microsocks", "nginx-light", "tinyproxy", "websockify"]
    gate = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "tests/support/programs.py" in gate
    assert "export REQUIRE_THIRD_PARTY=1" in gate
