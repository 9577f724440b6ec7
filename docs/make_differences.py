"""Write docs/differences.md: where other clients send other JSON for the same wish, from the list that is tested.

python docs/make_differences.py

Nothing about a difference is written here. `make interop` asks the other clients for every wish and compares; the list
is tests/support/differences.py, the wishes are tests/support/wishes.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

PAGE = Path(__file__).with_name("differences.md")
sys.path.append(str(PAGE.parents[1] / "tests" / "support"))

from compare import Difference, Side  # noqa: E402 - where they are is said just above
from differences import SECTIONS  # noqa: E402
from peers import VERSIONS  # noqa: E402
from unsayable import UNSAYABLE  # noqa: E402
from wishes import PEERS, WISHES, Wish  # noqa: E402

HEAD = """\
<!-- Written by `python docs/make_differences.py` from tests/support/differences.py; `make interop` proves it. -->

# What other clients send

For one and the same wish, this library sends the JSON that {clients} send,
member by member, but for what stands here. `make interop` installs both and has them send {wishes} parameter sets over
all models ({counts}).
It fails for a difference that is not listed, for a listed one that does not happen, and for any value that is not
exactly the expected one on either side. Pictures are compared by format and pixels.

Where clients differ, the service's own web client is followed, as it was captured. Numbers in brackets are sections of
the wire document, the project's collection of what is known of the service. Members are those of `parameters`, but for
`input`, `model` and `use_new_shared_trial`. A dash: no difference in this.
"""

UNSAID = """\
## What cannot be asked of them

They have no words for this, so it is not compared with them.
"""


def page() -> str:
    """The whole page."""
    clients = " and ".join(f"{peer} {VERSIONS[peer]}" for peer in PEERS)
    counts = ", ".join(f"{_sayable(peer)} that {peer} has words for" for peer in PEERS)
    parts = [HEAD.format(clients=clients, wishes=sum(map(_is_sayable, WISHES)), counts=counts)]
    for title, records in SECTIONS.items():
        parts += [f"## {title}", "", *_table(records), ""]
    return "\n".join([*parts, UNSAID, *_unsaid()])


def _is_sayable(wish: Wish, peers: Iterable[str] = PEERS) -> bool:
    return any(not any(each.peer == peer and each.applies(wish) for each in UNSAYABLE) for peer in peers)


def _sayable(peer: str) -> int:
    return sum(_is_sayable(wish, [peer]) for wish in WISHES)


def _table(records: Iterable[Difference]) -> Iterator[str]:
    yield f"| member | this library | {' | '.join(PEERS)} | why |"
    yield "|---|---|---|---|---|"
    for record in records:
        members = ", ".join(f"`{each.removeprefix('parameters.')}`" for each in record.members)
        sides = (_cell(side) for side in (record.ours, record.sdk, record.nekoai))
        yield f"| {members} | {' | '.join(sides)} | {record.reason} |"


def _cell(side: Side | str) -> str:
    return side if isinstance(side, str) else side.says


def _unsaid() -> Iterator[str]:
    for peer in PEERS:
        yield f"- {peer}: {'; '.join(each.says for each in UNSAYABLE if each.peer == peer)}."
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
