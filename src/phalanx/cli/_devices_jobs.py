"""One job on a device: staying with it until it ends, and showing it with what its outcomes cost."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient
from phalanx.cli._output import print_json, time_of

_SHOWN_OUTCOMES = 20
_FINAL = {"Completed", "Failed", "Cancelled"}


def until_ended(found: Any, state: Callable[[Any], str], look: Callable[[Any], Any], *, every_s: float) -> Any:
    """What ``look`` makes of the answer before, again and again, until its ``state`` is a last one."""
    while state(found) not in _FINAL:
        time.sleep(every_s)
        found = look(found)
    return found


def print_job(client: NodeClient, job: dict[str, Any], as_json: bool) -> None:
    """Where it is and why, and its result once there is one."""
    if as_json:
        print_json(job)
        return
    click.echo(f"{job['id']}: {job['state']} on {job['device']}" + (f", {job['error']}" if job["error"] else ""))
    click.echo(f"why there    {job['reason']}")
    if waits := job.get("waits"):
        click.echo(f"waits        until {time_of('until_ns')(waits)}: {waits['why']}")
    for move in job["moves"]:
        click.echo(f"{move['kind']:<12} from {move['before']} to {move['after']}: {move['why']}")
    made = job["provenance"]
    if made is None:
        return
    dated = made.get("calibrated_at_ns")
    since = f", calibration of {time_of('calibrated_at_ns')(made)[:10]}" if dated else ""
    click.echo(f"result       {made['origin']}{since}, {job['shots']} shots, seed {job['seed']}")
    outcomes = sorted(job["counts"].items(), key=lambda one: (-one[1], one[0]))
    costs = _costs(client, job, [bits for bits, _ in outcomes])
    for bits, n in outcomes[:_SHOWN_OUTCOMES]:
        click.echo(f"  {bits}  {n}" + (f"  energy {costs[bits]:.6g}" if costs else ""))
    if len(outcomes) > _SHOWN_OUTCOMES:
        click.echo(f"  and {len(outcomes) - _SHOWN_OUTCOMES} more outcomes: --json")
    if costs:
        best = min(costs, key=lambda bits: (costs[bits], bits))
        click.echo(f"best drawn   {best}, energy {costs[best]:.6g}, {job['counts'][best]} of {job['shots']} shots")
    _print_treatment(job.get("treated"))
    for beside in made.get("baselines", ()):
        click.echo(
            f"classically  {beside['value']:.6g} is the lowest: {beside['method']}, {beside['cost']:,} "
            f"{beside['cost_unit']}"
        )


def state_of(row: Mapping[str, Any]) -> str:
    """Cell: the state, and until when it waits for a window."""
    waits = row.get("waits")
    return f"{row['state']}, waits until {time_of('until_ns')(waits)}" if waits else str(row["state"])


def _print_treatment(treated: dict[str, Any] | None) -> None:
    """What was done against noise, what it took, and what it brought."""
    if treated is None:
        return
    done = ", ".join(filter(None, (treated["mitigation"], treated["coherence"])))
    click.echo(f"treated      {done}: {treated['circuits']} circuits, {treated['shots']} shots in all")
    if treated["mean"] is not None:
        exact = "" if treated["exact"] is None else f", {treated['exact']:.4f} on an ideal machine"
        click.echo(
            f"mean         {treated['mean']:.4f} ± {treated['error']:.4f} of {treated['observable']}, without it "
            f"{treated['plain_mean']:.4f}{exact}"
        )
    if treated["fidelity"] is not None:
        click.echo(f"fidelity     {treated['fidelity']:.4f}, without it {treated['plain_fidelity']:.4f}")


def _costs(client: NodeClient, job: dict[str, Any], outcomes: list[str]) -> dict[str, float]:
    """What each outcome costs; nothing for a circuit."""
    if job.get("program") is None:
        return {}
    from phalanx.devices import Program, ProgramKind, energies

    program, c6 = Program.read(job["program"]["text"]), 0.0
    if program.kind is ProgramKind.ANALOG:
        limits = client.get(f"/v1/devices/{quote(job['provenance']['device'], safe='')}")["analog"]
        if limits is None:
            return {}
        c6 = limits["c6"]
    return dict(zip(outcomes, energies(program, outcomes, c6), strict=True))
