"""`python -m nai_trio` is the `nai-trio` command."""

from __future__ import annotations

import sys

from nai_trio.cli import main

if __name__ == "__main__":
    sys.exit(main())
