"""Help in sections: click lists all options in one column, which nobody reads at thirty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import click

from nai_trio.cli.exit_codes import EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Decorator", "SectionOption", "SectionedCommand"]


Decorator: TypeAlias = "Callable[[Callable[..., Any]], Callable[..., Any]]"
"""What gives a command an option."""

_OTHERS = "Options"


class SectionOption(click.Option):
    """An option that stands under a heading of its own in the help.

    Args:
        section: the heading.
    """

    def __init__(self, *declarations: Any, section: str = _OTHERS, **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose help has the options by section, then tables, then the exit codes.

    Args:
        tables: heading to rows of a term and what it means.
        codes: the exit codes that this command can end with; None for all.
    """

    def __init__(
        self,
        *arguments: Any,
        tables: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        codes: Sequence[int] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(*arguments, **attributes)
        self.tables = dict(tables or {})
        self.codes = codes

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections, in the order of their first options; those without a heading of their own come last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(parameter, "section", _OTHERS), []).append(record)
        sections[_OTHERS] = sections.pop(_OTHERS, [])
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records, col_max=28)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the tables and the exit codes."""
        codes = [(str(code), meaning) for code, meaning, _ in EXIT_CODES if self.codes is None or code in self.codes]
        for heading, rows in {**self.tables, "Exit codes": codes}.items():
            with formatter.section(heading):
                formatter.write_dl(rows, col_max=34)
        super().format_epilog(ctx, formatter)
