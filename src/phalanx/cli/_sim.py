"""`phalanx sim`."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

import click

from phalanx.cli._exits import Exit
from phalanx.cli._output import print_json

if TYPE_CHECKING:
    from phalanx.testing import SimReport, Simulation


@click.command(short_help="Run seeded fault simulations of a subsystem.")
@click.argument("name", required=False)
@click.option("--list", "list_them", is_flag=True, help="List the simulations.")
@click.option("--seed", type=click.IntRange(0), help="Run this one seed and print the digest of its trace.")
@click.option("--seeds", type=click.IntRange(1), default=100, show_default=True, help="Number of seeds to run.")
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="The first seed.")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Seeds to run in parallel.")
@click.option(
    "--beyond", is_flag=True, help="One more traitor than is tolerated: a violation must be found (`consensus`)."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def sim(
    ctx: click.Context, name: str | None, list_them: bool, seed: int | None, seeds: int, first: int, jobs: int,
    beyond: bool, as_json: bool,
) -> None:  # fmt: skip
    """Run the fault simulation NAME over many seeds, with checkers that are independent of what they check.

    A seed that fails is printed; `--seed N` repeats exactly that run. With `--beyond` more goes wrong than can be
    survived, to show that the checkers notice: the command exits with 0 if they did, and with 1 if they saw nothing.
    """
    from phalanx.core import InvalidInput

    simulations = _simulations()
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

    with _reports(name, run, range(first, first + seeds), jobs=jobs, beyond=beyond) as reports:
        found = _ran(chosen, reports, seeds, beyond=beyond, is_shown=not as_json and seeds > 1)
    if as_json:
        print_json(
            {
                "sim": name, "title": chosen.title, "first": first, "seeds": seeds, "beyond": beyond,
                "failed": found.failed, "counts": found.counts, "rates": _rates(chosen, found.counts),
                "ideal": chosen.ideal, "digest": found.digest if seeds == 1 else None,
            }
        )  # fmt: skip
    else:
        told = f"seed {first}, trace {found.digest[:16]}" if seeds == 1 else f"{seeds} seeds from {first}"
        _show(chosen, found, told, beyond)
    if bool(found.failed) is not beyond:
        ctx.exit(Exit.FAILED)


@dataclass(slots=True)
class _Found:
    """The outcome of all seeds; ``digest`` is that of the last one."""

    failed: dict[int, list[str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    digest: str = ""


@contextlib.contextmanager
def _reports(
    name: str, run: "Callable[[int], SimReport]", seeds: range, *, jobs: int, beyond: bool
) -> "Iterator[Iterable[SimReport]]":
    """One report per seed, in order, from this process or from several; a seed is the same run in each."""
    if jobs == 1 or len(seeds) == 1:
        yield map(run, seeds)
        return
    with ProcessPoolExecutor(min(jobs, len(seeds)), mp_context=get_context("spawn")) as pool:
        try:
            yield pool.map(partial(run_seed, name, beyond=beyond), seeds, chunksize=max(1, min(50, len(seeds) // jobs)))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def run_seed(name: str, seed: int, *, beyond: bool) -> "SimReport":
    """One seed of a simulation, by its name: what a process of ``--jobs`` runs."""
    chosen = _simulations()[name]
    run = chosen.beyond if beyond else chosen.run
    assert run is not None, name
    return run(seed)


def _simulations() -> "dict[str, Simulation]":
    from phalanx.demo import node_simulation
    from phalanx.testing import SIMULATIONS

    return {**SIMULATIONS, **{one.name: one for one in (node_simulation(),)}}


def _ran(chosen: "Simulation", reports: "Iterable[SimReport]", n_seeds: int, *, beyond: bool, is_shown: bool) -> _Found:
    from rich.console import Console
    from rich.progress import Progress

    found = _Found()
    with Progress(console=Console(stderr=True), disable=not is_shown) as progress:
        task = progress.add_task(f"sim {chosen.name}", total=n_seeds)
        for report in reports:
            progress.advance(task)
            found.digest = report.digest
            for what, times in report.counts.items():
                found.counts[what] = found.counts.get(what, 0) + times
            if any(chosen.expected in one for one in report.violations) if beyond else report.violations:
                found.failed[report.seed] = list(report.violations)
    return found


def _rates(chosen: "Simulation", counts: Mapping[str, int]) -> dict[str, float]:
    """Which share of what was attempted succeeded."""
    return {f"{what} of {of}": counts.get(what, 0) / counts[of] for what, of in chosen.rates.items() if counts.get(of)}


def _show(chosen: "Simulation", found: _Found, run: str, beyond: bool) -> None:
    name, option = chosen.name, " --beyond" if beyond else ""
    for bad, violations in found.failed.items():
        click.secho(f"seed {bad}: {'; '.join(violations)}", fg="yellow" if beyond else "red")
        click.echo(f"  repeat it: phalanx sim {name} --seed {bad}{option}")
    n = len(found.failed)
    if not beyond:
        click.echo(f"{name}: {run}: {n} violated an invariant")
    elif n:
        click.echo(f"{name}: {run}: {n} violated an invariant, as they must: more went wrong than is survived")
    else:
        click.secho(f"{name}: {run}: more went wrong than is survived, and the checkers saw nothing", fg="red")
    if found.counts:
        click.echo(", ".join(f"{times} {told}" for told, times in sorted(found.counts.items())))
    for what, share in _rates(chosen, found.counts).items():
        click.echo(f"{what}: {share:.3%}")
    if chosen.ideal:
        click.echo(f"ideal in it: {chosen.ideal}")
