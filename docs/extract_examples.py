"""Find every Python example of the documentation; write them into a folder, one file each, for the type checker.

python docs/extract_examples.py FOLDER
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples() -> Iterator[tuple[Path, int, str]]:
    """Page, line of the fence, and text of each example."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text("utf-8")
        for block in FENCE.finditer(text):
            yield page, text[: block.start()].count("\n") + 1, block[1]


def main(folder: str) -> None:
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for page, line, text in examples():
        (target / f"{page.stem.lower()}_line_{line}.py").write_text(text, "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
