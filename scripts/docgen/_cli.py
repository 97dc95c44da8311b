"""docs/reference/cli.md: the command tree, walked through click's own objects."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from docgen._markdown import code, page, table

INTRODUCTION = (
    "Results go to standard output, everything else to standard error. Every command that answers with data has "
    "`--json`. `phalanx COMMAND --help` says the same as this page."
)


def cli_page(root: Path) -> str:  # noqa: ARG001 - every page is built from the repository
    """The page, from the root command."""
    from phalanx.cli._exits import MEANING
    from phalanx.cli._main import root as command

    codes = table(["code", "meaning"], [(str(int(code)), meaning) for code, meaning in MEANING.items()])
    sections = [section for path, context, found in commands(command) for section in describe(path, context, found)]
    return page("Command line", "`phalanx.cli`", INTRODUCTION, "## Exit codes", codes, *sections)


def commands(root: click.Command) -> Iterator[tuple[str, click.Context, click.Command]]:
    """Every command with its full name, parents before children, in the order of the help."""
    todo: list[tuple[str, click.Context, click.Command]] = [("phalanx", click.Context(root, info_name="phalanx"), root)]
    while todo:
        path, context, command = todo.pop(0)
        yield path, context, command
        if isinstance(command, click.Group):
            children = []
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                if child is not None and not child.hidden:
                    children.append((f"{path} {name}", click.Context(child, parent=context, info_name=name), child))
            todo = children + todo


def describe(path: str, context: click.Context, command: click.Command) -> list[str]:
    """One command: usage, what it does, its arguments and options."""
    usage = command.collect_usage_pieces(context)
    text = inspect.cleandoc(command.help or "").replace("\f", "").replace("\b\n", "")
    return [
        f"## `{path}`",
        text,
        f"```text\n{' '.join([path, *usage])}\n```",
        table(["parameter", "meaning"], [parameter(one, context) for one in command.params]),
    ]


def parameter(one: click.Parameter, context: click.Context) -> tuple[str, str]:
    """A parameter as the help shows it; an argument has a name and a type only."""
    if isinstance(one, click.Option):
        record = one.get_help_record(context)
        if record is not None:
            return code(record[0]), record[1]
    return code(one.make_metavar(context)), f"argument: {one.type.name}"
