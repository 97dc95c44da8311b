"""`phalanx allocate`: where a circuit goes, and why."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from phalanx.cli._client import CIRCUIT_TIMEOUT_S, NodeClient, client_options
from phalanx.cli._kernels import ensure_kernels
from phalanx.cli._numbers import FiniteRange
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of
from phalanx.cli._show import limit_option
from phalanx.cli.devices._route import route
from phalanx.cli.quantum._circuits import circuit_argument, is_program
from phalanx.core import InvalidInput

if TYPE_CHECKING:
    from phalanx.core import Circuit

_SHOWN = 12


@click.group(cls=Group, short_help="Where a circuit goes, and why.")
def allocate() -> None:
    """Where a circuit goes, and why."""


@allocate.command()
@circuit_argument
@click.option(
    "--policy", default="", help="Policy to compare devices by, e.g. `pareto`; by default the default one of a node."
)  # fmt: skip
@click.option("--shots", type=click.IntRange(1), default=1_000, show_default=True, help="Number of shots.")
@click.option("--fidelity", type=FiniteRange(0, 1), default=0.0, help="Minimum useful fidelity.")
@click.option("--within", "within_s", type=FiniteRange(0), default=0.0, help="Seconds until its deadline; 0: none.")
@click.option("--budget", type=FiniteRange(0), default=0.0, help="Maximum cost, in the device's currency; 0: no limit.")
@click.option("--region", "regions", multiple=True, help="Only devices in this region; repeatable.")
@click.option(
    "--results",
    type=click.Choice(["simulated", "emulated", "hardware"]),
    help="With --on-node: only devices of this kind.",
)
@click.option(
    "--k", type=click.IntRange(1, 16), default=3, show_default=True, help="How many devices to lay the circuit out on."
)
@click.option("--all", "show_all", is_flag=True, help="Show every device.")
@click.option("--emergency", is_flag=True, help="With --on-node: only where it is known to go well.")
@click.option("--on-node", is_flag=True, help="Use the devices of a running node, as they are now.")
@client_options
@json_option
def explain(
    text: str, policy: str, shots: int, fidelity: float, within_s: float, budget: float, regions: tuple[str, ...],
    results: str | None, k: int, show_all: bool, emergency: bool, on_node: bool, client: NodeClient, as_json: bool,
) -> None:  # fmt: skip
    """Place the circuit in FILE: on devices with their published calibrations, or on a node's own.

    With --on-node, FILE may also be a program for machines without gates.

    A compiled shortlist scores every device; policies that look at layouts lay the circuit out on the best few.
    """
    if results and not on_node:
        raise click.UsageError("--results is for --on-node: the published devices are all emulated")
    if emergency and not on_node:
        raise click.UsageError("--emergency is for --on-node: published devices neither fail nor make anybody wait")
    if is_program(text) and not on_node:
        hint = "add --on-node; `phalanx devices run` runs it here"
        raise InvalidInput("FILE", "is a program without gates, which a node places on its machines", hint=hint)
    if on_node:
        wanted = {
            "program" if is_program(text) else "circuit": text, "policy": policy, "shots": shots,
            "fidelity": fidelity, "within_s": within_s, "budget": budget, "regions": regions,
            "origin": results or "", "emergency": emergency,
        }  # fmt: skip
        found = client.post_json("/v1/allocation/explain", wanted, timeout_s=CIRCUIT_TIMEOUT_S)
    else:
        asked = {
            "shots": shots, "fidelity": fidelity, "deadline_s": within_s or math.inf, "budget": budget or math.inf,
            "regions": frozenset(regions),
        }  # fmt: skip
        found = _here(text, policy or "success_probability", k, asked)
    if as_json:
        print_json(found)
        return
    rows: list[dict[str, Any]] = found["devices"]
    told: list[Column] = [
        ("score", lambda row: f"{row['score']:.4g}"),
        ("success", lambda row: "" if row["success"] is None else f"{row['success']:.1%}"),
        ("swaps", lambda row: "" if row["swaps"] is None else str(row["swaps"])),
    ]
    # Of programs there is neither a score nor a layout.
    columns: list[Column] = [
        ("device", lambda row: row["device"]),
        *([] if is_program(text) else told),
        ("why", lambda row: row["reason"]),
    ]
    click.echo(f"wanted: {found['wanted']}")
    print_table("Devices", rows if show_all else rows[:_SHOWN], columns, empty="there are no devices")
    if len(rows) > _SHOWN and not show_all:
        click.echo(f"and {len(rows) - _SHOWN} more: --all")
    click.echo(found["reason"])
    if not on_node:
        click.echo("as published, whatever a node would rather use: --on-node asks one where it goes now", err=True)


@allocate.command()
@click.argument("job", required=False)
@client_options
@limit_option
@json_option
def decisions(job: str | None, client: NodeClient, limit: int, as_json: bool) -> None:
    """A node's latest placement decisions for jobs, or everything that was considered for JOB."""
    if job is not None:
        print_json(client.get(f"/v1/allocation/decisions/{job}"))
        return
    rows = client.get("/v1/allocation/decisions", limit=min(limit, 256))["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("for", lambda row: row["subject"]),
        ("device", lambda row: row["device"]),
        ("policy", lambda row: row["policy"]),
        ("fit", lambda row: f"{row['n_fit']} of {row['n_fit'] + row['n_refused']}"),
        ("why", lambda row: row["reason"]),
    ]
    print_table("Decisions", rows, columns, empty="no job was placed since the node started")


@allocate.command()
@click.argument("device", required=False)
@client_options
@json_option
def limits(device: str | None, client: NodeClient, as_json: bool) -> None:
    """How old machines' calibrations may be and when queues count as long, or how these limits changed for DEVICE."""
    rows = client.get("/v1/allocation/limits")["items"]
    if device is not None:
        rows = [row for row in rows if row["device"] == device]
        if not rows:
            raise click.BadParameter(f"{device} is no machine that this node reaches", param_hint="DEVICE")
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("device", lambda row: row["device"]),
        ("calibrated", lambda row: "" if row["age_h"] is None else f"{row['age_h']:,.0f} h ago"),
        ("fresh for", lambda row: f"{row['fresh_h']:,.0f} h" if row["fresh_h"] else "ever"),
        ("", lambda row: "stale" if row["stale"] else ""),
        ("queue is long above", _long),
        ("why", lambda row: row["why"]),
    ]
    print_table("Limits", rows, columns, empty="this node reaches no machines: what is emulated does not age")
    if device is not None:
        changed: list[Column] = [
            ("when", time_of("at_ns")),
            ("limit", lambda row: row["limit"]),
            ("before", lambda row: f"{row['before']:.4g}"),
            ("after", lambda row: f"{row['after']:.4g}"),
            ("why", lambda row: row["why"]),
        ]
        print_table("Changes", rows[0]["changes"], changed, empty="none has changed yet")


def _long(row: Mapping[str, Any]) -> str:
    if row["queue"] is None:
        return f"not known yet ({row['looks']} looks)"
    return f"{row['queue']:.4g} {row['queue_unit']}"


@allocate.group(cls=Group, short_help="What policies are worth, and which one is used.")
def policies() -> None:
    """What policies are worth, and which one is used."""


@policies.command("list")
@client_options
@json_option
def list_policies(client: NodeClient, as_json: bool) -> None:
    """The policies of a node; the one it places by is marked."""
    found = client.get("/v1/allocation")
    if as_json:
        print_json(found)
        return
    for name in found["policies"]:
        click.echo(f"{'*' if name == found['policy'] else ' '} {name}")


@policies.command()
@client_options
@json_option
def evaluate(client: NodeClient, as_json: bool) -> None:
    """What each policy would have been worth on the decisions of a node (doubly robust, 95 % intervals)."""
    rows = client.get("/v1/allocation/policies")["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("policy", lambda row: row["policy"]),
        ("fidelity", lambda row: _with_interval(row, "worth", ".3f")),
        ("gain", lambda row: _with_interval(row, "gain", "+.3f")),
        ("chose the same", lambda row: f"{row['matched']} of {row['n']}"),
        ("may be promoted", lambda row: f"no: {row['why_not']}" if row["why_not"] else "yes"),
    ]
    print_table("Policies", rows, columns, empty="no decision has an outcome yet whose fidelity is known")


def _with_interval(row: Mapping[str, Any], name: str, digits: str) -> str:
    """A value with its 95 % interval, where there are enough outcomes for one."""
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    return f"{value:{digits}}" + ("" if low is None else f" ({low:{digits}} to {high:{digits}})")


@policies.command()
@click.argument("name")
@click.option("--reason", required=True, help="The reason; recorded in the ledger.")
@click.option("--force", is_flag=True, help="Even where outcomes do not show that it is as good.")
@client_options
@json_option
def promote(name: str, reason: str, force: bool, client: NodeClient, as_json: bool) -> None:
    """Place by the policy NAME from now on, whatever the settings say."""
    wanted = {"reason": reason, "force": force}
    made = client.post_json(f"/v1/allocation/policies/{quote(name, safe='')}/promote", wanted)
    if as_json:
        print_json(made)
        return
    click.echo(f"circuits are placed by {made['policy']} now")


def _here(text: str, policy: str, k: int, asked: dict[str, Any]) -> dict[str, Any]:
    import msgspec

    from phalanx import allocation
    from phalanx.core import encode_json
    from phalanx.quantum import features
    from phalanx.quantum.circuits import read

    circuit: Circuit = read(text)
    wanted = allocation.requirement_of(features(circuit), **asked)
    ensure_kernels(("allocation", "mapping", "simulators"))
    allocation.warm_decisions()
    found = allocation.explain(circuit, wanted, allocation.published_devices(), policy=policy, k=k)
    told: dict[str, Any] = msgspec.json.decode(encode_json(found))
    return told


allocate.add_command(route)
