"""`phalanx demo`: a replayed intrusion, with the dashboard or headless."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from phalanx.cli._output import print_json, printable
from phalanx.cli.node._settings import SettingsSource, settings_options
from phalanx.core import InvalidInput, PhalanxError

if TYPE_CHECKING:
    from phalanx.node import Node
    from phalanx.telemetry import LogRecord

_DEMO_DATA = Path("phalanx-data/demo")


@click.command(short_help="Start a node on a replayed intrusion and show the path of an event.")
@click.option("--seed", default=7, show_default=True, help="Seed of the intrusion: same seed, same events.")
@click.option(
    "--speed", default=10.0, show_default=True, type=click.FloatRange(0.1), help="Speed, as a multiple of the original."
)
@click.option(
    "--headless", is_flag=True, help="No server: run on virtual time, print the course of the intrusion, stop."
)
@click.option(
    "--once", is_flag=True, help="Stop once the intrusion has been dealt with, instead of continuing to serve."
)
@click.option("--json", "as_json", is_flag=True, help="With --headless: print JSON.")
@settings_options(listens=True)
def demo(
    seed: int, speed: float, headless: bool, once: bool, as_json: bool,
    source: SettingsSource,
) -> None:  # fmt: skip
    """Start a node on a replayed intrusion and show the path of an event.

    The events are synthetic (seeded, in the native formats of Windows, Linux and Zeek); what the node does with
    them is real, except that quantum steps run on a local simulator and say so. Started again on the same data, it
    continues where it was.
    """
    if headless:
        _refuse_others(click.get_current_context())
        _headless(seed, as_json)
        return
    if as_json:
        raise InvalidInput("--json", "belongs to --headless")
    import asyncio

    from phalanx.cli._kernels import ensure_kernels
    from phalanx.cli.node._serve import run_loop, serve
    from phalanx.demo import address_book, leave_bait, lures, on_loopback, stand_ins
    from phalanx.node import CIRCUIT_KERNELS

    plain = {"node__data_dir": _DEMO_DATA, "log__level": "warning", "response__agreement": True}
    folder = str(source.load(**plain).settings.node.data_dir)
    lured = {f"{section}__{name}": value for section, one in lures(folder).items() for name, value in one.items()}
    settings = source.load(**plain, **lured).settings

    async def ready(node: "Node", url: str) -> None:
        from phalanx.cli.node._up import announce

        await announce(node, url)
        click.echo(f"demo       seed {seed}, {speed:g} times as fast as it happened; Ctrl-C stops", err=True)

    async def feed(node: "Node") -> None:
        from phalanx.demo import Intrusion, ask_a_machine, deliver

        with on_loopback() as intruder:
            outcome = await deliver(Intrusion(seed), node, speed=speed, intruder=intruder, folder=folder)
        click.echo(f"demo       {outcome}", err=True)
        try:
            asked = await ask_a_machine(node)
            told = f"{asked}; more on the page Devices" if asked else "no case to ask a machine about"
        except PhalanxError as error:
            told = f"no machine answered: {error.message}"
        click.echo(f"demo       {told}", err=True)
        if once:
            stop.set()

    async def played() -> None:
        with on_loopback() as intruder:
            await leave_bait(intruder, folder)
        names = {**address_book(), **stand_ins()}
        sink = _told if settings.log.format == "auto" else None
        await serve(settings, on_ready=ready, background=feed, host_names=names, stop=stop, log_sink=sink)

    # The story is told by analyses and votes: without their kernels it would stand still in the middle.
    ensure_kernels((*CIRCUIT_KERNELS, "votes"))
    stop = asyncio.Event()
    run_loop(played())


def _told(record: "LogRecord") -> None:
    """A log line among the demo's own output. That a decoy was touched is part of the story here, not an error of
    the node.

    ``--set log.format=json`` gives logs as they are.
    """
    from phalanx.telemetry import Level

    room = str(record.fields.get("room", "node"))
    facts = ", ".join(
        f"{name} {record.fields[name]}"
        for name in ("agent", "why", "reason", "peer", "path", "error")
        if name in record.fields
    )
    text = printable(record.event + (f" ({facts})" if facts else ""))
    calm = "alert" in record.fields or record.level < Level.WARNING
    click.echo(f"{room:<10} {text if calm else f'{record.level.name.lower()}: {text}'}", err=True)


def _refuse_others(context: click.Context) -> None:
    """An option that would do nothing is an error: the node of the headless demo is always the same."""
    for option in context.command.params:
        name = str(option.name)
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name not in {"headless", "seed", "as_json"}:
            raise InvalidInput(option.opts[0], "does nothing with --headless, which takes --seed and --json")


def _headless(seed: int, as_json: bool) -> None:
    from phalanx.demo import run_headless

    way = run_headless(seed)
    if as_json:
        print_json(way)
        return
    click.secho(f"intrusion of seed {seed}, on virtual time, quantum steps simulated", bold=True)
    for line in way["way"]:
        click.echo(f"{line['at'][11:19]}  {line['room']:<10} {line['stage']:<12} {line['summary']}")
    click.secho("\nwhat each role did last", bold=True)
    for role in way["roles"]:
        click.echo(f"{role['role']:<10} {role['deeds'][0]['what'] if role['deeds'] else 'nothing'}")
    click.echo(f"\n{way['totals']}")
