"""Two ways to show a result: JSON for programs, a table for people."""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

# Columns that are never folded, and the longest first column that is not.
_WHOLE = frozenset({"trace", "id", "when", "first seen"})
_NAME = 32
_PIPE_WIDTH = 10_000
# Letters that a column of a table has at least, if its cells have as many.
_READABLE = 12

_NEGATIVE = re.compile(r"-\.?\d")

Column = tuple[str, Callable[[Mapping[str, Any]], str]]


class Command(click.Command):
    """A command that reads ``-5`` as a number, and says what is wrong with its arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption:
            if not any(_NEGATIVE.match(one) for one in given):
                raise
        ctx.ignore_unknown_options = True
        return super().parse_args(ctx, given)


class Group(click.Group):
    """A group that lists each command with its whole first sentence, where click would truncate it."""

    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        shown = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(limit=500)) for name, one in shown if one is not None])


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def printable(text: str) -> str:
    """The text with everything escaped that a terminal might act on: an attacker may have written it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def print_json(value: Any) -> None:
    # JSON allows controls of its own in strings; escaped as JSON does it they mean the same.
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def print_table(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], *, empty: str) -> None:
    """A table as wide as the terminal, or a block per row where that is too narrow for a table; `empty` says what an
    empty result means.
    """
    if not rows:
        click.echo(empty)
        return
    # What an attacker put into a field is shown, never interpreted.
    cells = [[printable(cell(row)) for _, cell in columns] for row in rows]
    headings = [heading for heading, _ in columns]
    widths = [max(len(heading), *(len(row[at]) for row in cells)) for at, heading in enumerate(headings)]
    # What is copied from a table, and what its rows are of, is in one piece.
    whole = [name in _WHOLE or (not at and widths[at] <= _NAME) for at, name in enumerate(headings)]
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Into a pipe or a file a row is one line, however long; on a terminal it is folded.
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    if _least_width(widths, whole) > console.width:
        _print_blocks(title, headings, cells)
        return
    table = Table(title=Text(printable(title)), title_justify="left", header_style="bold", pad_edge=False, box=None)
    for heading, in_one_piece in zip(headings, whole, strict=True):
        table.add_column(heading, overflow="fold", no_wrap=in_one_piece)
    for row in cells:
        table.add_row(*map(Text, row))  # Text, not str: no markup
    console.print(table, soft_wrap=not sys.stdout.isatty())


def _least_width(widths: Sequence[int], whole: Sequence[bool]) -> int:
    """Below this a table is no longer readable: its words would be broken into single letters."""
    least = [width if one else min(width, _READABLE) for width, one in zip(widths, whole, strict=True)]
    return sum(least) + 2 * (len(least) - 1)


def _print_blocks(title: str, headings: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """A line for each cell that is not empty, and an empty line between two rows."""
    click.secho(printable(title), bold=True)
    wide = max(map(len, headings))
    for row in cells:
        click.echo()
        for heading, cell in zip(headings, row, strict=True):
            if cell:
                click.echo(f"{click.style(f'{heading:<{wide}}', bold=True)}  {cell}")


def time_of(field: str) -> Callable[[Mapping[str, Any]], str]:
    """Cell: a nanosecond wall time as date and time, a dash for none."""
    from phalanx.core import iso_from_ns

    return lambda row: iso_from_ns(row[field])[:19].replace("T", " ") if row[field] is not None else "–"


def time_of_id(field: str) -> Callable[[Mapping[str, Any]], str]:
    """Cell: the time an identifier begins with, which orders listings: that of its cause."""
    from phalanx.core import id_time_ns, iso_from_ns

    return lambda row: iso_from_ns(id_time_ns(row[field]))[:19].replace("T", " ")
