"""`phalanx sim`."""

import click

from phalanx.cli._exits import Exit
from phalanx.cli._output import print_json


@click.command(short_help="Run seeded fault simulations of a subsystem.")
@click.argument("name", required=False)
@click.option("--list", "list_them", is_flag=True, help="List the simulations there are.")
@click.option("--seed", type=click.IntRange(0), help="Run this one seed and print the digest of its trace.")
@click.option("--seeds", type=click.IntRange(1), default=100, show_default=True, help="How many seeds to run.")
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="The first seed.")
@click.option(
    "--beyond", is_flag=True, help="One traitor more than is tolerated: a violation must be found (`consensus`)."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def sim(
    ctx: click.Context, name: str | None, list_them: bool, seed: int | None, seeds: int, first: int, beyond: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Run the fault simulation NAME over many seeds, with checkers that are not part of what they check.

    A seed that fails is printed; `--seed N` repeats exactly that run. With `--beyond` more goes wrong than can be
    survived, to show that the checkers see it: it ends with 0 when they did, and with 1 when they saw nothing.
    """
    from phalanx.core import InvalidInput
    from phalanx.demo import node_simulation
    from phalanx.testing import SIMULATIONS

    simulations = {**SIMULATIONS, **{one.name: one for one in (node_simulation(),)}}
    if list_them or name is None:
        for known, one in simulations.items():
            click.echo(f"{known:<12} {one.title}")
        return
    if name not in simulations:
        raise InvalidInput("name", f"there is no simulation {name!r}", hint=f"one of: {', '.join(simulations)}")
    chosen = simulations[name]
    run = chosen.beyond if beyond else chosen.run
    if run is None:
        having = [known for known, one in simulations.items() if one.beyond is not None]
        raise InvalidInput("--beyond", f"{name} has no such runs", hint=f"those have: {', '.join(having)}")
    if seed is not None:
        first, seeds = seed, 1

    from rich.console import Console
    from rich.progress import Progress

    failed: dict[int, list[str]] = {}
    counts: dict[str, int] = {}
    digest = ""
    with Progress(console=Console(stderr=True), disable=as_json or seeds == 1) as progress:
        task = progress.add_task(f"sim {name}", total=seeds)
        for report in map(run, range(first, first + seeds)):
            progress.advance(task)
            digest = report.digest
            for what, times in report.counts.items():
                counts[what] = counts.get(what, 0) + times
            if any(chosen.expected in one for one in report.violations) if beyond else report.violations:
                failed[report.seed] = list(report.violations)
    if as_json:
        print_json(
            {
                "sim": name, "title": chosen.title, "first": first, "seeds": seeds, "beyond": beyond, "failed": failed,
                "counts": counts, "digest": digest if seeds == 1 else None,
            }
        )  # fmt: skip
    else:
        _show(
            name, failed, f"seed {first}, trace {digest[:16]}" if seeds == 1 else f"{seeds} seeds from {first}", beyond
        )
        if counts:
            click.echo(", ".join(f"{times} {told}" for told, times in sorted(counts.items())))
    if bool(failed) is not beyond:
        ctx.exit(Exit.FAILED)


def _show(name: str, failed: dict[int, list[str]], run: str, beyond: bool) -> None:
    option = " --beyond" if beyond else ""
    for bad, violations in failed.items():
        click.secho(f"seed {bad}: {'; '.join(violations)}", fg="yellow" if beyond else "red")
        click.echo(f"  repeat it: phalanx sim {name} --seed {bad}{option}")
    if not beyond:
        click.echo(f"{name}: {run}: {len(failed)} violated an invariant")
    elif failed:
        click.echo(
            f"{name}: {run}: {len(failed)} violated an invariant, as they must: more went wrong than is survived"
        )
    else:
        click.secho(f"{name}: {run}: more went wrong than is survived, and the checkers saw nothing", fg="red")
