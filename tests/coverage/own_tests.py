"""Which test files belong to which source file.

The rule: `nai_trio/<room>/<stem>.py` has `tests/<room>/test_<stem>.py`, and `test_<stem>_<more>.py` where there is
more; `transports/<stem>.py` has the same in tests/transports/, a module of the package's top in tests/client/ or
tests/. A test file that fits two stems belongs to the longer one. The door of a room, `__init__.py`, has
tests/test_exports.py, and `test_<room>.py` where it does more than export.

`ELSEWHERE` names further test files where those of the rule cannot do: of files that can be seen only through a
neighbour, and of what has a room of its own. Each row says why, and fails the check when it is not needed any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

ROOT: Final = Path(__file__).resolve().parents[2]
Table: TypeAlias = Mapping[str, tuple[str, Sequence[str]]]

ELSEWHERE: Final[Table] = {
    "nai_trio/__main__.py": ("one line that calls the command", ["cli/test_generate", "cli/test_cli"]),
    "nai_trio/_version.py": ("one constant", ["test_exports"]),
    # What the client is made of: there is nothing to see of it but what the client does.
    "nai_trio/account.py": ("one call", ["client/test_calls"]),
    "nai_trio/client.py": ("transports and the pool", ["client/test_proxy", "client/test_regressions"]),
    "nai_trio/driver.py": (
        "moves one exchange",
        [
            "client/test_failures",
            "client/test_calls",
            "client/test_sending",
            "client/test_connections",
            "client/test_regressions",
            "client/test_fast_streams",
        ],
    ),
    "nai_trio/generation.py": ("what `generate` does", ["client/test_generate_stream", "client/test_deliveries"]),
    "nai_trio/image.py": ("`client.image`", ["client/test_generate_stream", "client/test_deliveries"]),
    "nai_trio/pool.py": (
        "connections",
        [
            "client/test_connections",
            "client/test_sending",
            "client/test_tls_connections",
            "client/test_regressions",
            "client/test_calls",
        ],
    ),
    "nai_trio/stream.py": ("what a user holds", ["client/test_generate_stream", "client/test_failures"]),
    "nai_trio/vibes.py": (
        "`encode_vibe`",
        ["client/test_vibe_flights", "client/test_vibe_cache", "client/test_deliveries"],
    ),
    # The standards have a room of their own.
    "nai_trio/protocol/bodies.py": ("pictures in JSON", ["protocol/test_picture_list"]),
    # Halves of one thing.
    "nai_trio/params/vibe_json.py": ("the JSON in a vibe file", ["params/test_vibe_files"]),
    "nai_trio/params/vibe_parts.py": ("the records in a vibe file", ["params/test_vibe_files"]),
    "nai_trio/protocol/collected.py": ("bodies that are read whole", ["protocol/test_bodies", "protocol/test_call"]),
    "nai_trio/protocol/service.py": ("the base of both exchanges", ["protocol/test_exchange", "protocol/test_call"]),
    "transports/layered.py": (
        "the base of proxies and relays",
        ["transports/test_http_proxy", "transports/test_socks", "transports/test_conformance"],
    ),
    "transports/system_stream.py": (
        "the base of TCP and Unix streams",
        ["transports/test_tcp", "transports/test_receive_when_ready"],
    ),
    "transports/tls_stream.py": ("reads into memory that is shared", ["transports/test_receive_when_ready"]),
    "transports/tunnel_relay.py": ("a tunnel's inner loop", ["transports/test_tunnel"]),
    "transports/websocket_link.py": (
        "a WebSocket's messages",
        ["transports/test_websocket_stream", "transports/test_websocket"],
    ),
    "transports/websocket_wire.py": (
        "a WebSocket's bytes",
        ["transports/test_websocket_stream", "transports/test_websocket"],
    ),
    # Parts of a picture, which only a picture shows.
    "nai_trio/emulator/accents.py": ("seen in pictures", ["emulator/test_encoding", "emulator/test_generation"]),
    "nai_trio/emulator/brushes.py": ("seen in pictures", ["emulator/test_generation"]),
    "nai_trio/emulator/metadata.py": ("read from pictures", ["emulator/test_generation", "emulator/test_stealth"]),
    "nai_trio/emulator/painter.py": ("seen in pictures", ["emulator/test_studio", "emulator/test_stealth"]),
    "nai_trio/emulator/pictures.py": ("seen in pictures", ["emulator/test_generation"]),
    "nai_trio/emulator/scene.py": ("seen in pictures", ["emulator/test_generation"]),
    # Parts of an answer, which only a client sees.
    "nai_trio/emulator/server.py": (
        "faults and framing",
        ["emulator/test_chosen_faults", "emulator/test_http", "emulator/test_account"],
    ),
    "nai_trio/emulator/bodies.py": ("answers", ["emulator/test_server", "emulator/test_server_faults"]),
    "nai_trio/emulator/jobs.py": ("answers", ["emulator/test_server", "emulator/test_server_faults"]),
    # Parts of a command, which only a run shows.
    "nai_trio/cli/album.py": (
        "files of a run",
        ["cli/test_run", "cli/test_emulate", "cli/test_generate", "reliability/test_salvage"],
    ),
    "nai_trio/cli/bars.py": ("bars that end by force", ["reliability/test_salvage"]),
    "nai_trio/cli/files.py": ("a tape's file", ["cli/test_recorded_job"]),
    "nai_trio/cli/display.py": ("what a run shows", ["cli/test_bars", "cli/test_generate"]),
    "nai_trio/cli/generate.py": ("every option of a run", ["cli/test_document", "cli/test_app", "cli/test_account"]),
    "nai_trio/cli/job.py": ("what a run is of", ["cli/test_recorded_job", "cli/test_options", "cli/test_account"]),
    "nai_trio/cli/replaying.py": ("one run of a tape", ["cli/test_replay"]),
    "nai_trio/cli/report.py": (
        "how a run ends",
        ["cli/test_generate", "cli/test_emulate", "cli/test_stopping", "cli/test_streams"],
    ),
    "nai_trio/cli/service.py": (
        "whom a run asks",
        ["cli/test_account", "cli/test_app", "cli/test_emulate", "cli/test_proxy", "cli/test_secret_files"],
    ),
    "nai_trio/cli/serving.py": ("commands that serve", ["cli/test_emulate", "cli/test_tunnel"]),
    "nai_trio/cli/tape.py": ("`tape show`", ["cli/test_tape_view"]),
}
"""Source: why, and the further test files, without `tests/` and `.py`."""


def sources(root: Path = ROOT) -> list[str]:
    """Every module of the package, as paths from the root of the repository."""
    found = [*root.glob("nai_trio/**/*.py"), *root.glob("transports/**/*.py")]
    return sorted(path.relative_to(root).as_posix() for path in found)


def module_names(root: Path = ROOT) -> list[str]:
    """Every module of the package by its name, but `__main__`: it would run."""
    names = []
    for source in sources(root):
        dotted = source.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        names.append(dotted if dotted.startswith("nai_trio") else f"nai_trio.{dotted}")
    return [name for name in names if not name.endswith("__main__")]


def own_tests(source: str, *, root: Path = ROOT, table: Table = ELSEWHERE) -> list[str]:
    """The test files of a source file, the rule's and the table's, as paths from the root."""
    further = table[source][1] if source in table else ()
    return [*by_rule(source, root=root), *(f"tests/{name}.py" for name in further)]


def by_rule(source: str, *, root: Path = ROOT) -> list[str]:
    """The test files that the rule finds for a source file."""
    stem = _stem(source)
    rivals = [_stem(each) for each in sources(root) if _rooms(each) == _rooms(source)]
    found = [
        path
        for room in _rooms(source)
        for path in sorted((root / room).glob("test_*.py"))
        if max((rival for rival in rivals if _fits(path, rival)), key=len, default=None) == stem
    ]
    if source.endswith("/__init__.py"):
        found.append(root / "tests/test_exports.py")
    return [path.relative_to(root).as_posix() for path in found]


def table_faults(*, root: Path = ROOT, table: Table = ELSEWHERE) -> list[str]:
    """What is wrong with the pairs before anything is measured, in words."""
    present = sources(root)
    faults = [f"{source}: in the table, but there is no such file" for source in table if source not in present]
    for source in present:
        tests = own_tests(source, root=root, table=table)
        if not tests:
            faults.append(f"{source}: no test file of its own")
        faults += [f"{source}: {test} is not there" for test in tests if not (root / test).is_file()]
    return faults


def _rooms(source: str) -> list[str]:
    rooms = source.removeprefix("nai_trio/").split("/")[:-1]
    return [f"tests/{rooms[0]}"] if rooms else ["tests/client", "tests"]


def _stem(source: str) -> str:
    path = Path(source)
    return path.parent.name if path.stem == "__init__" else path.stem.strip("_")


def _fits(test: Path, stem: str) -> bool:
    return f"{test.stem}_".startswith(f"test_{stem}_")
