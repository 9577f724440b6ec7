"""Help in sections: click lists all options in one column, which nobody reads at thirty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import click

from nai_trio.cli.exit_codes import EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Decorator", "SectionOption", "SectionedCommand", "option"]


Decorator: TypeAlias = "Callable[[Callable[..., Any]], Callable[..., Any]]"
"""What gives a command an option."""

_OTHERS = "Options"
_COLUMN = 26
"""The width of the options' column; a longer one has a line of its own."""

_TERM, _UNDER = 34, 4
"""The width of a table's terms, and how far texts are indented under terms that are all wider."""


class SectionOption(click.Option):
    """An option that stands under a heading of its own in the help.

    Args:
        section: the heading.
    """

    def __init__(self, *declarations: Any, section: str = _OTHERS, **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.section = section

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """What the help says; a switch that can be turned off, too, as "--[no-]name"."""
        record = super().get_help_record(ctx)
        if record is None or not self.secondary_opts:
            return record
        return f"--[no-]{self.opts[0].removeprefix('--')}", record[1]


def option(*declarations: str, **attributes: Any) -> Decorator:
    """`click.option` for a `SectionOption`, with its `section` among the attributes."""
    return click.option(*declarations, cls=SectionOption, **attributes)


class SectionedCommand(click.Command):
    """A command whose help has examples, the options by section, then tables, then the exit codes.

    Args:
        examples: command lines, of at most 76 characters so that none is broken.
        tables: heading to rows of a term and what it means.
        codes: the exit codes that this command can end with; None for all.
    """

    def __init__(
        self,
        *arguments: Any,
        examples: Sequence[str] = (),
        tables: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        codes: Sequence[int] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(*arguments, **attributes)
        self.examples = tuple(examples)
        self.tables = dict(tables or {})
        self.codes = codes

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections, in the order of their first options; those without a heading of their own come last."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(parameter, "section", _OTHERS), []).append(record)
        sections[_OTHERS] = sections.pop(_OTHERS, [])
        for heading, records in sections.items():
            with formatter.section(heading):
                # One column for all sections, so that the eye finds it again.
                formatter.write_dl([(f"{term:<{_COLUMN}}", text) for term, text in records], col_max=_COLUMN)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the tables and the exit codes."""
        codes = [(str(code), meaning) for code, meaning, _ in EXIT_CODES if self.codes is None or code in self.codes]
        for heading, rows in {**self.tables, "Exit codes": codes}.items():
            with formatter.section(heading):
                fits = any(len(term) <= _TERM for term, _ in rows)
                formatter.write_dl(rows, col_max=_TERM if fits else _UNDER)  # long terms have their text under them
        super().format_epilog(ctx, formatter)
