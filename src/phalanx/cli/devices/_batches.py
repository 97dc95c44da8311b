"""`phalanx batches`: jobs on a site's schedulers."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._client import ca_option
from phalanx.cli._files import read_text_file
from phalanx.cli._output import Group, json_option, print_json
from phalanx.cli.devices._batches_node import list_batches, route, show, stop

if TYPE_CHECKING:
    from phalanx.allocation.batches import BatchState, BatchSystem


@click.group(cls=Group, short_help="Jobs on a site's schedulers: Slurm and Kubernetes.")
def batches() -> None:
    """Jobs on a site's schedulers: Slurm (slurmrestd, or a script for sbatch) and Kubernetes.

    A job is identified by its name: the same name again is the same job, even after an answer was lost. `submit`,
    `status`, `cancel` and `script` need no node; `route`, `list`, `show` and `stop` ask a node, which chooses the
    place.
    """


def _place(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say which scheduler."""
    for option in (
        click.option("--on", "kind", type=click.Choice(["slurm", "kubernetes"]), required=True, help="The scheduler."),
        click.option("--at", "url", required=True, help="Address of slurmrestd, or of the API server."),
        click.option("--user", default="", help="For Slurm: the user the token belongs to."),
        click.option(
            "--token-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True,
            help="File with the token (from `scontrol token`, or of a service account).",
        ),
        click.option("--namespace", default="default", show_default=True, help="For Kubernetes."),
        ca_option,
        json_option,
    ):  # fmt: skip
        command = option(command)
    return command


_job_options = (
    click.option("--image", default="", help="For Kubernetes."),
    click.option("--cpus", type=click.IntRange(1), default=1, show_default=True, help="CPUs it needs."),
    click.option(
        "--memory", "memory_mib", type=click.IntRange(1), default=512, show_default=True, help="Memory, in MiB."
    ),
    click.option(
        "--limit",
        "limit_s",
        type=click.IntRange(1),
        default=3_600,
        show_default=True,
        help="Maximum run time, in seconds.",
    ),
    click.option("--env", "environment", multiple=True, metavar="NAME=VALUE", help="Environment variable; repeatable."),
    click.option("--qpu", "qpus", multiple=True, help="A QRMI resource; repeatable."),
    click.argument("name"),
    click.argument("command", nargs=-1, required=True, metavar="-- COMMAND..."),
)


def _job(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_job_options):
        command = option(command)
    return command


@batches.command()
@_job
@_place
def submit(name: str, command: tuple[str, ...], environment: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Run COMMAND as job NAME, once."""
    place = {key: given.pop(key) for key in ("kind", "url", "user", "token_file", "namespace", "ca")}
    job = _made(name, command, environment, **given)
    _show(name, _asked(place, lambda system: system.ensure(job)), as_json=as_json)


@batches.command()
@click.argument("name")
@_place
def status(name: str, as_json: bool, **place: Any) -> None:
    """State of job NAME, in the states of QRMI."""
    _show(name, _asked(place, lambda system: system.state(name)), as_json=as_json)


@batches.command()
@click.argument("name")
@_place
def cancel(name: str, as_json: bool, **place: Any) -> None:
    """Cancel job NAME; does nothing if it has ended or never existed."""
    _asked(place, lambda system: system.cancel(name))
    print_json({"name": name, "cancelled": True}) if as_json else click.echo(f"{name}: cancelled unless it had ended")


@batches.command()
@_job
def script(name: str, command: tuple[str, ...], environment: tuple[str, ...], **given: Any) -> None:
    """Print job NAME as a script for `sbatch`, with the options of QRMI's SPANK plug-in."""
    from phalanx.allocation.batches import sbatch_script

    click.echo(sbatch_script(_made(name, command, environment, **given)), nl=False)


def _made(name: str, command: tuple[str, ...], environment: tuple[str, ...], **given: Any) -> Any:
    from phalanx.allocation.batches import BatchJob

    variables = dict(one.partition("=")[::2] for one in environment)
    return BatchJob(name=name, command=command, environment=variables, **given)


def _asked(place: dict[str, Any], ask: "Callable[[BatchSystem], Awaitable[Any]]") -> Any:
    from phalanx.adapters import HttpAsker, KubernetesJobs, SlurmJobs, SystemClock

    token = read_text_file(place["token_file"]).strip()
    with contextlib.closing(HttpAsker(place["ca"])) as asks:
        system: BatchSystem = (
            SlurmJobs(asks, SystemClock(), place["url"], place["user"], token)
            if place["kind"] == "slurm"
            else KubernetesJobs(asks, SystemClock(), place["url"], token, namespace=place["namespace"])
        )

        async def main() -> Any:
            return await ask(system)

        return asyncio.run(main())


def _show(name: str, state: "BatchState", *, as_json: bool) -> None:
    import msgspec

    if as_json:
        print_json({"name": name, **msgspec.to_builtins(state)})
        return
    why = f", {state.reason}" if state.reason else ""
    code = "" if state.exit_code is None else f", exit code {state.exit_code}"
    click.echo(f"{name}: {state.state.value} as {state.id}{why}{code}")


for _of_a_node in (route, list_batches, show, stop):
    batches.add_command(_of_a_node)
