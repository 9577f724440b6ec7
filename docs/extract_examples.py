"""Write every Python example of the documentation into a folder, one file each, for the type checker.

python docs/extract_examples.py FOLDER
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def main(folder: str) -> None:
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for number, block in enumerate(FENCE.findall(page.read_text("utf-8")), 1):
            (target / f"{page.stem.lower()}_{number}.py").write_text(block, "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
