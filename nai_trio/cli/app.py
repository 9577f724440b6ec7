"""The click application: the commands by name, and every expected error as one line and an exit code."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Final

import click

from nai_trio._version import __version__
from nai_trio.cli.exit_codes import USAGE, OutputError, exit_code
from nai_trio.cli.streams import Streams
from nai_trio.errors import InvalidParamsError, NovelAIError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run_app"]

_COMMANDS = ("generate", "account", "emulate", "tunnel", "replay", "tape")
"""Each is a module of this package and the command in it, of the same name, loaded when it is asked for."""


_PERIOD: Final = re.compile(r"(?<!\.)\.$")
_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"nai_trio.cli.{cmd_name}"), cmd_name)
        return command


@click.group(cls=_LazyGroup, invoke_without_command=True, context_settings=_SETTINGS)
@click.version_option(__version__, prog_name="nai-trio", message="%(prog)s %(version)s")
@click.pass_context
def app(ctx: click.Context) -> None:
    """An unofficial NovelAI client that streams image generation live."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(USAGE)


def run_app(arguments: Sequence[str] | None) -> int:
    """Run the application; see `nai_trio.cli.main`."""
    streams = Streams()
    try:
        code = app.main(arguments, prog_name="nai-trio", standalone_mode=False)
    except click.ClickException as error:
        streams.error(_PERIOD.sub("", error.format_message()) + _hint(error))
        return USAGE
    except InvalidParamsError as error:
        from nai_trio.cli.naming import usage_text  # noqa: PLC0415 - loaded by then

        streams.error(usage_text(error))
        return exit_code(error)
    except (NovelAIError, OutputError) as error:
        streams.error(str(error))
        return exit_code(error)
    except click.Abort:
        raise KeyboardInterrupt from None  # click turns the one into the other
    return int(code or 0)


def _hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return "" if context is None else f" (see {context.command_path} --help)"
