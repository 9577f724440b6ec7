"""`nai-trio tunnel`: the relay for `--proxy ws://...`, on a machine of your own that reaches the service.

Whoever reaches it goes on to the origins named here, so off loopback it wants a token. That comes from the environment
or a file: a command line can be read by every user of the machine.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from nai_trio.cli.exit_codes import OK
from nai_trio.cli.secret_files import TOKEN_VARIABLE, SecretError, check_secret, from_environment, read_secret
from nai_trio.cli.sections import SectionedCommand, option
from nai_trio.cli.streams import Streams
from nai_trio.errors import InvalidParamsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import trio

    from nai_trio.cli.stopping import StopSignals
    from nai_trio.transport import Origin
    from nai_trio.transports.tunnel import Tunnel

__all__ = ["tunnel"]
_EXAMPLES: Final = [
    "nai-trio tunnel --listen 127.0.0.1:8080 --to https://image.novelai.net",
    f"{TOKEN_VARIABLE}=... nai-trio tunnel --listen 0.0.0.0:8080 --to https://...",
]
_CODES: Final = (0, 1, 2, 7)


@click.command(
    cls=SectionedCommand,
    examples=_EXAMPLES,
    codes=_CODES,
    short_help="Relay WebSocket connections to the service, for --proxy ws://.",
)
@option("--listen", required=True, metavar="HOST:PORT", help="Where to listen; port 0 takes a free one.")
@option(
    "--to",
    "origins",
    multiple=True,
    required=True,
    metavar="ORIGIN",
    help="Where it leads, and nowhere else; repeatable.",
)
@option(
    "--token-file",
    metavar="FILE",
    help="What clients must bring, as a bearer token or as the password in the URL; - for standard input (default: "
    f"{TOKEN_VARIABLE}). Needed off loopback.",
)
@option("--max-connections", type=click.IntRange(1), default=32, show_default=True, metavar="N", help="At a time.")
@option(
    "--idle",
    type=click.FloatRange(0, min_open=True),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="Close what has been silent for so long.",
)
@click.pass_context
def tunnel(ctx: click.Context, /, **values: Any) -> None:
    """Take WebSocket connections, and pass their bytes on to an origin.

    The bytes stay encrypted between the client and the origin. Prints "tunnel on ws://HOST:PORT" once it listens, says
    a line on stderr about each connection, and serves until Ctrl-C.
    """
    from nai_trio.cli.stopping import StopSignals  # noqa: PLC0415 - loads trio, which --help does not need

    token = _read_token(values.pop("token_file"))
    with StopSignals() as stop:
        ctx.exit(_tunnel(stop, token=token, **values))


def _tunnel(
    stop: StopSignals,
    *,
    listen: str,
    origins: Sequence[str],
    token: str | None,
    max_connections: int,
    idle: float,
) -> int:
    import trio  # noqa: PLC0415 - as above

    from nai_trio.transport import Origin  # noqa: PLC0415
    from nai_trio.transports.tunnel import Tunnel  # noqa: PLC0415

    host, port = _read_address(listen)
    if token is None and not Origin("http", host, port).is_loopback:
        hint = f"set {TOKEN_VARIABLE} to a token, or name its file with --token-file"
        raise click.UsageError(f"--listen {listen} can be reached from other machines: {hint}")
    streams = Streams(secret=token or "")
    made = Tunnel(
        [_read_origin(text) for text in origins],
        token=token,
        max_connections=max_connections,
        idle_seconds=idle,
        log=streams.note,
    )
    trio.run(partial(_serve, made, streams, host, port, stop, origins=origins, wants_token=token is not None))
    return OK


def _read_address(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None or parts.netloc != text or "@" in text:
        raise click.UsageError(f"--listen: expected HOST:PORT, e.g. 127.0.0.1:8080 or [::1]:8080, got {text!r}")
    return host, port


def _read_origin(text: str) -> Origin:
    from nai_trio.address import parse_base_url  # noqa: PLC0415 - as above

    try:
        base = parse_base_url(text, allow_plain_http=True)
    except InvalidParamsError:
        base = None
    if base is None or base.path:
        shown = "a URL with credentials in it" if "@" in text else repr(text)
        raise click.UsageError(f"--to: expected an origin such as https://image.novelai.net, got {shown}")
    return base.origin


def _read_token(file: str | None) -> str | None:
    """The token, or None where there is none to ask for."""
    value = from_environment(TOKEN_VARIABLE)
    try:
        if file is not None:
            return read_secret(file, flag="--token-file", what="a token", warn=Streams().note)
        if value is not None:
            return check_secret(os.fsencode(value), source=TOKEN_VARIABLE, what="a token")
    except SecretError as error:
        raise click.UsageError(str(error)) from None
    return None


async def _serve(
    made: Tunnel,
    streams: Streams,
    host: str,
    port: int,
    stop: StopSignals,
    *,
    origins: Sequence[str],
    wants_token: bool,
) -> None:
    from nai_trio.cli.serving import serve_until_stopped  # noqa: PLC0415 - a socket only now
    from nai_trio.transport import host_in_url  # noqa: PLC0415

    def announce(taken: int) -> None:
        streams.text(f"tunnel on ws://{host_in_url(host)}:{taken}")
        streams.text(f"  to {', '.join(origins)}, {'for who has the token' if wants_token else 'no token asked for'}")

    async def serve(stream: trio.SocketStream) -> None:
        await made.serve(stream, peer=_peer(stream))

    await serve_until_stopped(host, port, stop, streams, announce=announce, serve=serve)
    streams.note("tunnel stopped")


def _peer(stream: trio.SocketStream) -> str:
    try:
        host, port, *_ = stream.socket.getpeername()
    except OSError:  # gone already
        return "a client"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
