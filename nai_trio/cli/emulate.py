"""`nai-trio emulate`: the emulator on a port, for any client in any language.

It listens on loopback unless asked otherwise by name: it takes every key and answers everybody.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from nai_trio.cli.exit_codes import OK
from nai_trio.cli.sections import SectionedCommand, option
from nai_trio.cli.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nai_trio.cli.stopping import StopSignals
    from nai_trio.emulator import Emulator

__all__ = ["emulate"]


_FAULTS: Final = [
    ("cut=BYTES", "close the connection after so many bytes of the body"),
    ("stall=BYTES", "send no more after so many bytes of the body"),
    ("error[=EVENTS]", "an error event after so many good events (default: 0)"),
    ("retry[=EVENTS]", "a retry event after so many; the job goes on"),
    ("refuse=STATUS[:html|:SECONDS]", "a status instead of the job, as JSON or as a page, or with Retry-After"),
    ("wrong-type=KIND", "another body than was asked for: html, json, zip, image, sse, msgpack"),
    ("missing-final", "all previews, no picture"),
    ("missing-field=NAME", "every event without this member"),
    ("huge-prefix[=EVENTS]", "a frame that claims 4 GiB"),
    ("bad-base64[=EVENTS]", "a picture that is not base64"),
    ("bad-json[=EVENTS]", "an event that is not JSON (msgpack: not msgpack)"),
]
_TABLES: Final = {"Faults: each accepted generation takes the next one": _FAULTS}
_CODES: Final = (0, 1, 2, 7)


@click.command(
    cls=SectionedCommand,
    tables=_TABLES,
    codes=_CODES,
    short_help="Serve the emulator on this machine, for any client.",
)
@option("--port", type=click.IntRange(0, 65535), required=True, metavar="N", help="The port; 0 takes a free one.")
@option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@option("--allow-remote", is_flag=True, help="Listen on an address that other machines can reach.")
@option("--key", "keys", multiple=True, help="An API key to accept, made up by you; may be repeated (default: any).")
@option("--pace", type=click.FloatRange(0, 60), default=0, show_default=True, metavar="S", help="Seconds per step.")
@option("--anlas", type=click.IntRange(0), default=10_000, show_default=True, metavar="N", help="Every key's balance.")
@option("--opus", is_flag=True, help="Every key has Opus, whose small pictures are free.")
@option("--charge", is_flag=True, help="Let the balance fall by what is generated and encoded.")
@option("--fault", "faults", multiple=True, metavar="SPEC", help="What shall go wrong, once; may be repeated.")
@click.pass_context
def emulate(ctx: click.Context, /, **values: Any) -> None:
    """Serve the image service's emulator: same paths, same bytes, no account.

    Prints "emulator on http://HOST:PORT" once it listens, and serves until Ctrl-C.
    """
    from nai_trio.cli.stopping import StopSignals  # noqa: PLC0415 - loads trio, which --help does not need

    with StopSignals() as stop:
        ctx.exit(_emulate(stop, **values))


def _emulate(
    stop: StopSignals,
    *,
    port: int,
    host: str,
    allow_remote: bool,
    keys: Sequence[str],
    faults: Sequence[str],
    **account: Any,
) -> int:
    import trio  # noqa: PLC0415 - as above

    from nai_trio.transport import Origin  # noqa: PLC0415

    if not (allow_remote or Origin("http", host, port).is_loopback):
        raise click.UsageError(f"--host {host} can be reached from other machines; give --allow-remote if you mean it")
    emulator = _build(keys, faults, **account)
    trio.run(partial(_serve, emulator, host, port, stop, any_key=not keys))
    return OK


def _build(keys: Sequence[str], faults: Sequence[str], *, pace: float, **account: Any) -> Emulator:
    from nai_trio.emulator import Emulator  # noqa: PLC0415 - draws with Pillow, which takes long to load
    from nai_trio.emulator.faults import parse_fault  # noqa: PLC0415

    emulator = Emulator(api_keys=keys or None, step_delay=pace, **account)
    try:
        emulator.inject(*map(parse_fault, faults))
    except ValueError as error:
        raise click.UsageError(f"--fault: {error}") from error
    return emulator


async def _serve(emulator: Emulator, host: str, port: int, stop: StopSignals, *, any_key: bool) -> None:
    from nai_trio.cli.serving import serve_until_stopped  # noqa: PLC0415 - a socket only now

    streams = Streams()
    announce = partial(_announce, streams, host, any_key=any_key)
    await serve_until_stopped(host, port, stop, streams, announce=announce, serve=emulator.serve)
    streams.note("emulator stopped")


def _announce(streams: Streams, host: str, port: int, *, any_key: bool) -> None:
    from nai_trio.transport import Origin  # noqa: PLC0415 - as above

    base = Origin("http", host, port).address
    key = "pst-not-a-real-key" if any_key else "YOUR_KEY"
    streams.text(f"emulator on {base}")
    streams.text(f"  nai-trio:       NOVELAI_IMAGE_BASE={base} NOVELAI_API_KEY={key} nai-trio generate ...")
    streams.text(f"  other clients:  {base} in place of https://image.novelai.net, {'any key' if any_key else key}")
