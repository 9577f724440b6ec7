"""`nai-trio tape show`: what went over the wire, and when, for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from nai_trio.cli.exit_codes import OK, exit_code
from nai_trio.cli.sections import SectionedCommand, option
from nai_trio.cli.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.cli.tape_view import Line
    from nai_trio.transports.tape import Record

__all__ = ["tape"]

_EXAMPLES: Final = ("nai-trio tape show cat.tape", "nai-trio tape show cat.tape --json | jq .what")
_CODES: Final = (0, 1, 2, 8, 9)
_TIME: Final = 10
"""Columns of a time."""


@click.group(short_help="Look at a recorded tape.", no_args_is_help=False)
def tape() -> None:
    """Look at tapes, which nai-trio generate --record writes."""


@tape.command(cls=SectionedCommand, examples=_EXAMPLES, codes=_CODES, short_help="What went over the wire, and when.")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
@option("--raw", is_flag=True, help="The bytes as they were cut, in hexadecimal.")
@option("--json", "json_lines", is_flag=True, help="One JSON line for each thing that happened.")
@click.pass_context
def show(ctx: click.Context, /, path: Path, *, raw: bool, json_lines: bool) -> None:
    """Show what went over the wire, and when: each connection, request, response and event.

    Times are seconds since recording began. Pictures are shown by their size; what is secret was struck out before it
    was recorded.
    """
    if raw and json_lines:
        raise click.UsageError("--raw and --json exclude each other")
    streams = Streams()
    if raw:
        _show_raw(path, streams)
    else:
        _show(path, streams, json_lines=json_lines)
    if streams.failure is not None:
        streams.error(str(streams.failure))
        ctx.exit(exit_code(streams.failure))
    ctx.exit(OK)


def _show(path: Path, streams: Streams, *, json_lines: bool) -> None:
    from nai_trio.cli.tape_view import TapeView  # noqa: PLC0415 - --help does not need it
    from nai_trio.transports.tape import open_tape  # noqa: PLC0415

    with open_tape(path) as reader:
        view = TapeView()
        for record in reader:
            for line in view.take(record):
                _print(line, streams, json_lines=json_lines)
        for line in view.finish(reader.torn):
            _print(line, streams, json_lines=json_lines)


def _print(line: Line, streams: Streams, *, json_lines: bool) -> None:
    if json_lines:
        ours = {"time": line.time / 1e9, "connection": line.connection, "what": line.what}
        streams.record({**ours, **line.facts, **ours})  # an event may have members of these names
        return
    where = f"{line.connection} " if line.connection else ""
    streams.text(f"{line.time / 1e9:{_TIME}.3f}  {where}{line.mark} {streams.clean(line.text)}")
    for detail in line.details:
        blanks = len(detail) - len(detail.lstrip(" "))
        streams.text(f"{'':{_TIME + 6 + blanks}}{streams.clean(detail)}")


def _show_raw(path: Path, streams: Streams) -> None:
    from nai_trio.transports.tape import open_tape  # noqa: PLC0415 - as above

    with open_tape(path) as reader:
        for record in reader:
            streams.text(_raw_line(record))
            for line in _hexadecimal(record.data):
                streams.text(line)
        if reader.torn:
            streams.text(f"{reader.torn} bytes of a record that was not written whole")


def _raw_line(record: Record) -> str:
    words = [record.kind + (" (goes on)" if record.continued else ""), f"{len(record.data)} bytes"]
    struck = [f"{record.struck} struck"] if record.struck else []
    where = f"{record.connection} " if record.connection else ""
    return f"{record.time / 1e9:{_TIME}.3f}  {where}{', '.join(words + struck)}"


def _hexadecimal(data: bytes) -> Iterator[str]:
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        letters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"    {start:06x}  {row.hex(' '):47}  {letters}"
