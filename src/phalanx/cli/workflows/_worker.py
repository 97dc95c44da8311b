"""`phalanx worker`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phalanx.core import InvalidInput

if TYPE_CHECKING:
    from phalanx.node import WorkerPlan


@click.command(short_help="Work for a node, here or on another machine.")
@click.option("--token", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE",
              help="The token that the node made (`phalanx workflows worker-token`).")  # fmt: skip
@click.option("--processes", default=0, show_default=True, type=click.IntRange(0, 256),
              help="Pieces of work in parallel. 0: one per core.")  # fmt: skip
@click.option("--drain-s", default=30.0, show_default=True, type=click.FloatRange(0, 3_600),
              help="After SIGTERM, how long work in progress may take to end.")  # fmt: skip
@click.option("--server", metavar="URL", help="Address of the node's server, if it differs from the token's.")
def worker(token: Path, processes: int, drain_s: float, server: str | None) -> None:
    """Work for a node, here or on another machine.

    Takes pieces of its workflows' classical steps: calls, by name, of functions that are installed here too. A
    worker stores nothing; it can be killed at any time, and another worker or the node does what it was doing. It
    stops on Ctrl-C or SIGTERM, once work in progress has ended or the drain time is over.
    """
    import msgspec

    from phalanx.adapters.keys import read_private
    from phalanx.cli.node._serve import run_loop
    from phalanx.node import WorkerPlan, WorkerToken

    try:
        found = WorkerToken.from_text(read_private(token).decode())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("--token", f"{token} cannot be read: {error}") from error
    if server is not None:
        found = msgspec.structs.replace(found, urls=(server,))
    run_loop(_work(WorkerPlan(token=found, processes=processes, drain_s=drain_s)))


async def _work(plan: "WorkerPlan") -> None:
    from phalanx.cli.node._serve import stopped_by_signals
    from phalanx.node import run_worker

    stop = stopped_by_signals()

    def ready(processes: int, functions: int) -> None:
        told = f"{processes} processes, {functions} functions"
        click.echo(f"worker     {plan.token.name} works for {plan.token.host} ({told})", err=True)

    await run_worker(plan, stop=stop, on_ready=ready, log_sink=lambda line: click.echo(line, err=True))
    click.echo(f"worker     {plan.token.name} has left", err=True)
