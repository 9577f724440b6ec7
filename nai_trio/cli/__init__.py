"""The `nai-trio` command.

`main` is all that is loaded before it is known that the extra's packages are there; each command loads what it needs
when it runs, so that `--help` is quick.

    main --> app (click) --> generate --> wishes --> job --> run --> album (files), display (progress)
                         --> account               streams (stdout, stderr)  report (how it ended)
                         --> emulate, tunnel, replay, tape

`replay` plays a tape through the same display, `tape` prints one, `tunnel` serves the other end of a WebSocket.

`options` is the table of what `ImageParams` has; `wishes` lays the options over the file of `--params` (`params_file`)
and the picture of `--like`; `naming` says in errors what the user called things; `syntax` reads an option whose text
holds several values; `secret_files` reads keys and tokens.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_NEEDED = ("click", "rich", "PIL")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows the command's name; by default this process's own.

    Returns:
        The exit code; `nai_trio.cli.exit_codes` has the table.
    """
    missing = [name for name in _NEEDED if not _installed(name)]
    if missing:
        names = ", ".join("Pillow" if name == "PIL" else name for name in missing)
        print(f"nai-trio: error: not installed: {names}; run: pip install 'nai-trio[cli]'", file=sys.stderr)
        return 2
    if arguments is None:  # else the environment is somebody else's
        from nai_trio.cli.secret_files import hide_environment  # noqa: PLC0415 - as little as possible so early

        hide_environment()
    try:
        from nai_trio.cli.app import run_app  # noqa: PLC0415 - needs click

        return run_app(arguments)
    except KeyboardInterrupt:
        from nai_trio.cli.streams import Streams  # noqa: PLC0415

        Streams.abandon_stdout()
        Streams().note("stopped by SIGINT before anything was sent")
        return 130


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # it is imported, but not from a file
        return True
