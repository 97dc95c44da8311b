"""`phalanx bench`."""

import sys

import click

from phalanx.cli._output import print_json


@click.command(short_help="Measure one figure, with its baseline and its load.")
@click.argument("name", required=False)
@click.option("--list", "list_them", is_flag=True, help="List the benchmarks there are.")
@click.option("--seed", default=1, show_default=True, help="Seed of the load.")
@click.option("--agents", default="", help="How many take part, for `consensus`: one number or several, as 4,100,847.")
@click.option(
    "--processes", default=1, show_default=True, type=click.IntRange(1, 16),
    help="Over how many processes agents are spread, with a NATS server between them, for `consensus`.",
)  # fmt: skip
@click.option("--suite", default="", help="A further part of NAME: `braun` or `rcmax` of `balancing`.")
@click.option("--stream", is_flag=True, help="Operations that arrive, for `balancing`; the same as --suite stream.")
@click.option("--quick", is_flag=True, help="A shorter run, for a first look; figures are noisier.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def bench(
    name: str | None, list_them: bool, seed: int, agents: str, processes: int, suite: str, stream: bool, quick: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Measure NAME (or `all`): its figures, the baselines they are compared with, and the load.

    Everything printed was measured in this run, baselines included. Close other programs first.
    """
    from phalanx.bench import BENCHES, describe_machine, run_bench
    from phalanx.cli._kernels import ensure_kernels
    from phalanx.core import InvalidInput

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
            tell=_tell if shown else None,
        )  # fmt: skip
        print_json(result) if as_json else _print_readable(result)


def _tell(what: str) -> None:
    click.echo(f"  {what} …", err=True)


def numbers(option: str, text: str) -> tuple[int, ...]:
    """What stands in an option that takes several numbers. Raises ``InvalidInput``."""
    from phalanx.core import InvalidInput

    try:
        return tuple(int(part) for part in text.split(",") if part)
    except ValueError as error:
        raise InvalidInput(option, f"{text[:40]!r} is not a list of numbers") from error


def _print_readable(result: dict) -> None:  # type: ignore[type-arg]
    click.secho(result["bench"], bold=True)
    for heading in ("load", "figures", "baselines", "ratios"):
        click.echo(f"  {heading}")
        for key, value in _flat(result[heading]):
            shown = f"{value:,.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
            click.echo(f"    {key:<44} {shown}")


def _flat(tree: dict, path: str = "") -> list[tuple[str, object]]:  # type: ignore[type-arg]
    rows: list[tuple[str, object]] = []
    for key, value in tree.items():
        rows += _flat(value, f"{path}{key}.") if isinstance(value, dict) else [(path + key, value)]
    return rows
