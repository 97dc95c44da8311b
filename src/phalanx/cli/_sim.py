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
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def sim(
    ctx: click.Context, name: str | None, list_them: bool, seed: int | None, seeds: int, first: int, as_json: bool
) -> None:
    """Run the fault simulation NAME over many seeds, with checkers that are not part of what they check.

    A seed that fails is printed; `--seed N` repeats exactly that run.
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
    if seed is not None:
        first, seeds = seed, 1

    from rich.console import Console
    from rich.progress import Progress

    failed: dict[int, list[str]] = {}
    counts: dict[str, int] = {}
    digest = ""
    with Progress(console=Console(stderr=True), disable=as_json or seeds == 1) as progress:
        task = progress.add_task(f"sim {name}", total=seeds)
        for report in map(simulations[name].run, range(first, first + seeds)):
            progress.advance(task)
            digest = report.digest
            for what, times in report.counts.items():
                counts[what] = counts.get(what, 0) + times
            if report.violations:
                failed[report.seed] = list(report.violations)
    if as_json:
        print_json(
            {
                "sim": name, "title": simulations[name].title, "first": first, "seeds": seeds, "failed": failed,
                "counts": counts, "digest": digest if seeds == 1 else None,
            }
        )  # fmt: skip
    else:
        for bad, violations in failed.items():
            click.secho(f"seed {bad}: {'; '.join(violations)}", fg="red")
            click.echo(f"  repeat it: phalanx sim {name} --seed {bad}")
        run = f"seed {first}, trace {digest[:16]}" if seeds == 1 else f"{seeds} seeds from {first}"
        click.echo(f"{name}: {run}: {len(failed)} violated an invariant")
        if counts:
            click.echo(", ".join(f"{times} {told}" for told, times in sorted(counts.items())))
    if failed:
        ctx.exit(Exit.FAILED)
