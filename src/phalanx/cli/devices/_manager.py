"""`phalanx manager`: work that another node of the cluster places and runs for this one."""

from collections.abc import Callable
from typing import Any

import click

from phalanx.cli._client import CIRCUIT_TIMEOUT_S, NodeClient, client_options
from phalanx.cli._numbers import FiniteRange
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of
from phalanx.cli.devices._jobs import end_with, print_result, print_standing, until_ended
from phalanx.cli.quantum._circuits import circuit_argument

_LOOK_EVERY_S = 0.5
_SHOWN = 8


@click.group(cls=Group, short_help="Work that another node places and runs for this one.")
def manager() -> None:
    """Work that another node places and runs for this one.

    The node's setting `cluster.manager` names the manager, whose `cluster.manages` names the node. What runs there is
    paid from a budget that the manager granted: `phalanx budgets set NAME LIMIT UNIT --tenant NODE.ORG/TENANT` there.
    """


_wishes = (
    circuit_argument,
    click.option("--key", default="", help="A name of your choice: asking again under it is the same work."),
    click.option("--shots", type=click.IntRange(1), default=1_000, show_default=True, help="Number of shots."),
    click.option("--results", type=click.Choice(["simulated", "emulated", "hardware"]), help="Only this kind."),
    click.option("--fidelity", type=FiniteRange(0, 1), default=0.0, help="Minimum useful fidelity."),
    click.option(
        "--within", "within_s", type=FiniteRange(0), default=0.0, help="Seconds until its deadline; 0: none."
    ),
    click.option("--budget", type=FiniteRange(0), default=0.0, help="Maximum cost; 0: no limit."),
    click.option("--region", "regions", multiple=True, help="Only devices in this region; repeatable."),
    click.option("--emergency", is_flag=True, help="It may use what is reserved for emergencies."),
    click.option(
        "--hold", "hold_s", type=FiniteRange(15, 3_600), default=60.0, show_default=True,
        help="Seconds that a window is held before it must be used.",
    ),
    click.option("--no-fall-back", is_flag=True, help="Fail if the manager is away, rather than decide here."),
)  # fmt: skip


def _work(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_wishes):
        command = option(command)
    return command


@manager.command()
@client_options
@json_option
def show(client: NodeClient, as_json: bool) -> None:
    """Who is manager for this node, whether it answers, and what it grants."""
    found = client.get("/v1/manager")
    if as_json:
        print_json(found)
        return
    if not found["manager"]:
        whom = ", ".join(found["manages"]) or "nobody"
        click.echo(f"this node names no manager (cluster.manager); it is manager for {whom}")
        return
    if found["away"]:
        click.echo(f"{found['manager']}: away, {found['away']}")
    else:
        program = f"Phalanx {found['manager_program']}, " if found["manager_program"] else ""
        same = "" if found["manager_words"] == found["words"] else f", this node version {found['words']}"
        click.echo(f"{found['manager']}: answers ({program}version {found['manager_words']} of managers' words{same})")
    columns: list[Column] = [
        ("budget", lambda row: row["name"]),
        ("unit", lambda row: row["unit"]),
        ("granted", lambda row: f"{row['limit']:,.4f}"),
        ("spent", lambda row: f"{row['spent']:,.4f}"),
        ("held", lambda row: f"{row['held']:,.4f}"),
        ("left", lambda row: f"{row['left']:,.4f}"),
    ]
    if not found["away"]:
        print_table("Budgets there", found["budgets"], columns, empty="no budget was granted: nothing is run there")


@manager.command()
@_work
@click.option("--counts-only", is_flag=True, help="Tell the manager only the circuit's features, not the circuit.")
@click.option("--policy", default="", help="The manager's policy to use; by default its own choice.")
@client_options
@json_option
def place(
    text: str, counts_only: bool, policy: str, client: NodeClient, as_json: bool, **wishes: Any
) -> None:  # fmt: skip
    """Where the manager would run the circuit in FILE, and a window held there."""
    asked = {**_asked(wishes), "policy": policy, **(_shape(text) if counts_only else {"circuit": text})}
    found = client.post_json("/v1/manager/place", asked, timeout_s=CIRCUIT_TIMEOUT_S)
    if as_json:
        print_json(found)
        return
    rows: list[dict[str, Any]] = found["explanation"]["devices"]
    columns: list[Column] = [
        ("device", lambda row: row["device"]),
        ("score", lambda row: f"{row['score']:.4g}"),
        ("why", lambda row: row["reason"]),
    ]
    click.echo(f"wanted: {found['explanation']['wanted']}")
    print_table("Devices", rows[:_SHOWN], columns, empty="there are no devices")
    if len(rows) > _SHOWN:
        click.echo(f"and {len(rows) - _SHOWN} more: --json")
    click.echo(f"by {found['by']}{' itself, ' + found['why'] if found['own'] else ''}: {_where(found)}")


@manager.command()
@_work
@click.option("--seed", type=click.IntRange(0), help="The same seed gives the same result on a simulator.")
@click.option("--no-degrade", is_flag=True, help="Fail rather than be done by a classical simulator.")
@click.option("--wait", is_flag=True, help="Wait until it has ended, and print its result.")
@client_options
@json_option
def submit(
    text: str, seed: int | None, no_degrade: bool, wait: bool, client: NodeClient, as_json: bool, **wishes: Any
) -> None:  # fmt: skip
    """Run the circuit in FILE at the manager, in the window it holds for it."""
    asked = {**_asked(wishes), "circuit": text, "seed": seed, "degrade": not no_degrade}
    found = client.post_json("/v1/manager/jobs", asked, timeout_s=CIRCUIT_TIMEOUT_S)
    if wait:
        found = until_ended(
            found, lambda one: one["job"]["state"], lambda one: client.get("/v1/manager/job", key=one["key"]),
            every_s=_LOOK_EVERY_S,
        )  # fmt: skip
    _print_job(found, as_json=as_json)
    if wait:
        end_with(found["job"]["state"])


@manager.command()
@click.argument("key")
@client_options
@json_option
def job(key: str, client: NodeClient, as_json: bool) -> None:
    """The job of KEY, and its result once it has completed."""
    _print_job(client.get("/v1/manager/job", key=key), as_json=as_json)


@manager.command("list")
@client_options
@json_option
def list_jobs(client: NodeClient, as_json: bool) -> None:
    """The latest jobs at the manager, and those that ran here while it was away."""
    rows = client.get("/v1/manager/jobs")["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("at", lambda row: row["at"]),
        ("device", lambda row: row["device"]),
        ("state", lambda row: row["state"]),
        ("why there", lambda row: row["reason"]),
        ("error", lambda row: row["error"]),
        ("key", lambda row: row["key"]),
    ]
    print_table("Managed jobs", rows, columns, empty="nothing was submitted yet: phalanx manager submit --help")


@manager.command()
@click.argument("key")
@client_options
@json_option
def cancel(key: str, client: NodeClient, as_json: bool) -> None:
    """Cancel the job of KEY, unless it has ended, and give its window back."""
    _print_job(client.post("/v1/manager/cancel", key=key), as_json=as_json)


def _asked(wishes: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: value for name, value in wishes.items() if name not in {"no_fall_back", "results"}},
        "origin": wishes["results"] or "", "fall_back": not wishes["no_fall_back"],
    }  # fmt: skip


def _shape(text: str) -> dict[str, Any]:
    import msgspec

    from phalanx.allocation import shape_of
    from phalanx.quantum.circuits import read

    return {"shape": msgspec.to_builtins(shape_of(read(text)))}


def _where(found: dict[str, Any]) -> str:
    explanation, window = found["explanation"], found["window"]
    if not explanation["device"]:
        return f"nothing fits: {explanation['reason']}"
    if window is None:
        return f"{explanation['reason']} (key {found['key']})"
    span = f"{time_of('start_ns')(window)} to {time_of('end_ns')(window)}"
    return f"{explanation['reason']}; held from {span} under key {found['key']}"


def _print_job(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    made = found["job"]
    if made is None:
        click.echo(f"{found['key']} at {found['at']}: {found['why']}")
        return
    print_standing({**made, "waits": found.get("waits"), "cost": found.get("cost")}, f"{found['key']} at {found['at']}")
    if found["own"]:
        click.echo(f"here         since {found['why']}")
    if made["provenance"] is not None:
        print_result(made, None)
