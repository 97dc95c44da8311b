"""`phalanx bench`."""

import sys
from pathlib import Path

import click

from phalanx.cli._output import print_json


@click.command(short_help="Measure one figure, with its baseline and its load.")
@click.argument("name", required=False)
@click.option("--list", "list_them", is_flag=True, help="List the benchmarks.")
@click.option("--seed", default=1, show_default=True, help="Seed of the load.")
@click.option(
    "--agents", default="", help="Number of participants, for `consensus`: one number or several, such as 4,100,847."
)
@click.option(
    "--processes", default=1, show_default=True, type=click.IntRange(1, 16),
    help="How many processes agents are spread over, with a NATS server between them, for `consensus`.",
)  # fmt: skip
@click.option("--suite", default="", help="A separate part of NAME: `braun` or `rcmax` of `balancing`.")
@click.option("--stream", is_flag=True, help="Arriving operations, for `balancing`; the same as --suite stream.")
@click.option(
    "--data", envvar="PHALANX_BENCH_DATA", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Folder with the public data. By default `bench-data`, then a folder beside the checkout.",
)  # fmt: skip
@click.option(
    "--list-data", is_flag=True, help="List the public data sets that benchmarks measure on, and where they are."
)
@click.option("--get-data", metavar="SET", help="Fetch a public data set by git, or `all`, and exit.")
@click.option("--quick", is_flag=True, help="A shorter run, for a first look; figures are noisier.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def bench(
    name: str | None, list_them: bool, seed: int, agents: str, processes: int, suite: str, stream: bool, quick: bool,
    as_json: bool, data: Path | None, list_data: bool, get_data: str | None,
) -> None:  # fmt: skip
    """Measure NAME (or `all`): its figures, the baselines they are compared with, and the load.

    Everything printed was measured in this run, baselines included. Close other programs first.
    """
    from phalanx.bench import BENCHES, describe_machine, run_bench
    from phalanx.cli._bench_shown import print_result
    from phalanx.cli._kernels import ensure_kernels
    from phalanx.core import InvalidInput

    if list_data or get_data:
        _show_data(data) if list_data else _fetch_data(get_data or "", data)
        return
    if list_them or name is None:
        for known in BENCHES.values():
            click.echo(f"{known.name:<12} {known.title}")
        return
    if name != "all" and name not in BENCHES:
        raise InvalidInput("name", f"there is no benchmark {name!r}", hint=f"one of: all, {', '.join(BENCHES)}")
    for option, given in (("--agents", bool(agents)), ("--processes", processes > 1)):
        if given and name != "consensus":
            raise InvalidInput(option, "is for the benchmark `consensus`")
    wanted = "stream" if stream else suite
    if wanted and (name == "all" or wanted not in BENCHES[name].suites):
        having = [f"{one.name}: {', '.join(one.suites)}" for one in BENCHES.values() if one.suites]
        raise InvalidInput("--suite", f"{name} has no suite {wanted!r}", hint=f"there are: {'; '.join(having)}")
    sizes = numbers("--agents", agents)
    machine = describe_machine()
    for one in BENCHES if name == "all" else [name]:
        ensure_kernels(BENCHES[one].kernels)
        if not as_json:
            click.echo(f"{BENCHES[one].title} …", err=True)
        shown = not as_json or sys.stderr.isatty()
        result = run_bench(
            one, seed=seed, quick=quick, machine=machine, agents=sizes, suite=wanted, processes=processes,
            tell=_tell if shown else None, data=data,
        )  # fmt: skip
        print_json(result) if as_json else print_result(result)


def _show_data(data: Path | None) -> None:
    from phalanx.bench.public import SETS, data_in, find_data

    with data_in(data):
        for one in SETS.values():
            found = find_data(one.name)
            click.echo(f"{one.name:<10} {one.title} ({one.licence})")
            click.echo(f"{'':<10} {found or 'not here'}; github.com/{one.repository} at {one.commit[:12]}")


def _fetch_data(wanted: str, data: Path | None) -> None:
    from phalanx.bench.public import HERE, SETS, get_data
    from phalanx.core import InvalidInput

    sets = [one for one in SETS.values() if one.paths and wanted in ("all", one.name)]
    if not sets:
        known = ", ".join(one.name for one in SETS.values() if one.paths)
        raise InvalidInput("--get-data", f"there is no set {wanted!r} to be fetched", hint=f"one of: all, {known}")
    get_data(sets, data or Path(HERE), tell=lambda line: click.echo(line, err=True))


def _tell(what: str) -> None:
    click.echo(f"  {what} …", err=True)


def numbers(option: str, text: str) -> tuple[int, ...]:
    """The values of an option that takes several numbers. Raises ``InvalidInput``."""
    from phalanx.core import InvalidInput

    try:
        return tuple(int(part) for part in text.split(",") if part)
    except ValueError as error:
        raise InvalidInput(option, f"{text[:40]!r} is not a list of numbers") from error
