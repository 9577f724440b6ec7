"""One target under atheris, in a process of its own: run.py starts it.

    python tests/fuzz/engine.py TARGET [libFuzzer's options and folders]

Only what reads bytes is instrumented, and the libraries that read them where these are what is tried: it makes them
some times slower, and the targets' own judgment shall not be what leads the fuzzer.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
WEBSOCKETS = ("h11", "wsproto", "trio_websocket")
ALSO_LED_BY = {
    **dict.fromkeys(("chunked", "head", "http_proxy", "response"), ("h11",)),
    **dict.fromkeys(("tunnel", "websocket_answer", "websocket_messages"), WEBSOCKETS),
    "socks": ("socksio",),
    "zip_answer": ("zipfile",),
}

if __name__ == "__main__":
    name, *options = sys.argv[1:]
    sys.path[:0] = [str(HERE), str(HERE.parent / "support")]
    with atheris.instrument_imports(include=["nai_trio", *ALSO_LED_BY.get(name, ())]):
        target = importlib.import_module(f"targets.{name}")
        for module in target.MEASURED:
            importlib.import_module(module)
    atheris.Setup([sys.argv[0], *options], target.check)
    atheris.Fuzz()
