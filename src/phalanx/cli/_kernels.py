"""`phalanx kernels`: the compiled code behind balancing, votes, indicators and circuits."""

from collections.abc import Iterable

import click

from phalanx.cli._output import Column, Group, json_option, print_json, print_table


@click.group(cls=Group, short_help="The compiled code behind balancing, votes, indicators and circuits.")
def kernels() -> None:
    """The compiled code behind balancing, votes, indicators and circuits.

    It is compiled once per machine and version of Phalanx: by a node in the background, by a command that needs it, or
    here, for example after an installation.
    """


@kernels.command()
@json_option
def show(as_json: bool) -> None:
    """Which groups of kernels are compiled, and where they are stored."""
    from phalanx.adapters.processes import KERNELS, keep_user_kernels, missing_kernels
    from phalanx.core import kernel_folder

    keep_user_kernels()
    missing, folder = set(missing_kernels()), kernel_folder()
    rows = [{"group": group, "compiled": group not in missing, "folder": str(folder or "")} for group in KERNELS]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("group", lambda row: row["group"]),
        ("compiled", lambda row: "yes" if row["compiled"] else "no: `phalanx kernels compile`"),
        ("folder", lambda row: row["folder"] or "none can be written to"),
    ]
    print_table("Kernels", rows, columns, empty="none")


@kernels.command("compile")
@json_option
def compile_all(as_json: bool) -> None:
    """Compile what is missing: half a minute of CPU the first time, nothing after that."""
    from phalanx.adapters.processes import KERNELS

    made = ensure_kernels(KERNELS)
    if as_json:
        print_json({"compiled": made})
    elif not made:
        click.echo("everything is compiled already")


def ensure_kernels(groups: Iterable[str]) -> list[str]:
    """Compile the missing kernels of ``groups`` and say so on standard error; returns which those were."""
    from phalanx.adapters.processes import compile_kernels, keep_user_kernels, missing_kernels

    keep_user_kernels()
    missing = missing_kernels(groups)
    if missing:
        click.echo("compiling kernels, once on this machine, half a minute of a processor:", err=True)
        compile_kernels(missing, lambda name, number, count: click.echo(f"  {number}/{count} {name}", err=True))
    return missing
