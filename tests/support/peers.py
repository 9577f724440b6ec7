"""Other NovelAI clients, unchanged from PyPI, each in its own virtual environment under .interop/."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = {"novelai-sdk": "0.14.1", "nekoai-api": "0.5.0"}
FOLDERS = {"posix": "bin", "nt": "Scripts"}


def environment(package: str) -> Path:
    """The interpreter of an environment that holds that client; made and filled where it is missing."""
    folder = ROOT / ".interop" / f"{package}-{VERSIONS[package]}"
    python = folder / FOLDERS[os.name] / "python"
    done = folder / "done"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, f"{package}=={VERSIONS[package]}"], check=True)
        done.touch()
    return python


def run_peer(package: str, script: str, *arguments: str) -> str:
    """Run a script with that client's interpreter; return what it prints."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NOVELAI"))}
    done = subprocess.run(
        [environment(package), "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=clean,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    print(done.stderr, file=sys.stderr)
    return done.stdout
