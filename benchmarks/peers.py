"""The clients of others, unchanged from PyPI, in a virtual environment of their own: .bench/peers.

They are installed once; the environment is made anew when the list below or the Python changes. Without a network there
is none, and the table says so.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["REQUIREMENTS", "MissingPeers", "peers", "versions"]

FOLDER = Path(__file__).resolve().parents[1] / ".bench" / "peers"
REQUIREMENTS = (
    "novelai-sdk==0.14.1",
    "nekoai-api==0.5.0",
    "httpx==0.28.1",
    "httpx-sse==0.4.3",
    "httpcore==1.0.9",
    "h11==0.16.0",
    "trio==0.35.0",
    "aiohttp==3.14.5",
    "sseclient-py==1.9.0",
    "msgpack==1.2.4",
)


class MissingPeers(Exception):
    """They cannot be installed here; says why."""


def peers() -> Path:
    """Their interpreter; the environment is made where it is missing.

    Raises:
        MissingPeers: it cannot be.
    """
    folder = {"posix": "bin", "nt": "Scripts"}[os.name]
    python = FOLDER / folder / "python"
    stamp = FOLDER / "done.json"
    wanted = json.dumps([platform.python_version(), *REQUIREMENTS])
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print("installing the peers into .bench/peers ...", file=sys.stderr)
    venv.create(FOLDER, with_pip=True, clear=True)
    command: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *REQUIREMENTS,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingPeers(done.stderr.strip().rpartition("\n")[2] or f"pip ended with {done.returncode}")
    stamp.write_text(wanted, encoding="utf-8")
    return python


def versions(python: Path) -> dict[str, str]:
    """What is installed beside an interpreter: names and versions."""
    code = (
        "import importlib.metadata as m, json;"
        "print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
    )
    told: dict[str, str] = json.loads(subprocess.run([python, "-c", code], capture_output=True, check=True).stdout)
    return dict(sorted(told.items(), key=lambda pair: pair[0].lower()))


if __name__ == "__main__":
    print(peers())
