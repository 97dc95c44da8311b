"""One job on a device: waiting until it ends, and showing it with what its outcomes cost."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient
from phalanx.cli._exits import Exit
from phalanx.cli._job import until_so
from phalanx.cli._output import print_json, time_of

_SHOWN_OUTCOMES = 20
_FINAL = {"Completed", "Failed", "Cancelled"}


def until_ended(found: Any, state: Callable[[Any], str], look: Callable[[Any], Any], *, every_s: float) -> Any:
    """Calls ``look`` on the previous answer, again and again, until the job's ``state`` is final."""
    return until_so(found, lambda one: state(one) in _FINAL, look, every_s)


def end_with(state: str) -> None:
    """Ends the command as the job ended, so that a waiting caller can go by the exit code."""
    if state != "Completed":
        click.get_current_context().exit(Exit.FAILED)


def print_job(client: NodeClient, job: dict[str, Any], as_json: bool) -> None:
    """Where the job is and why, and its result once there is one."""
    if as_json:
        print_json(job)
        return
    print_standing(job, job["id"])
    if job["provenance"] is not None:
        print_result(job, _c6(client, job))


def print_standing(job: Mapping[str, Any], name: str) -> None:
    """Where it is and why, what it waits for, how it got there, and what it costs."""
    click.echo(f"{name}: {job['state']} on {job['device']}" + (f", {job['error']}" if job["error"] else ""))
    click.echo(f"why there    {job['reason']}")
    if waits := job.get("waits"):
        click.echo(f"waits        until {time_of('until_ns')(waits)}: {waits['why']}")
    for move in job["moves"]:
        click.echo(f"{move['kind']:<12} from {move['before']} to {move['after']}: {move['why']}")
    if cost := job.get("cost"):
        click.echo(f"cost         {cost['told']}")


def print_result(job: Mapping[str, Any], c6: float | None) -> None:
    """Outcomes, what they cost, and what is known about them classically; ``c6`` is that of an analog program's
    machine.
    """
    made = job["provenance"]
    dated = made.get("calibrated_at_ns")
    since = f", calibration of {time_of('calibrated_at_ns')(made)[:10]}" if dated else ""
    click.echo(f"result       {made['origin']}{since}, {job['shots']} shots, seed {job['seed']}")
    program = job.get("program") or {}
    if program.get("kind") == "photonic":
        print_photons(program["text"], job["counts"], job["shots"], made.get("baselines", ()))
        return
    outcomes = sorted(job["counts"].items(), key=lambda one: (-one[1], one[0]))
    costs = _costs(program, [bits for bits, _ in outcomes], c6)
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


def print_photons(text: str, counts: Mapping[str, int], shots: int, baselines: Iterable[Mapping[str, Any]]) -> None:
    """What is left of the shots, the outcomes with the bits they encode, and what is known classically about the
    first.
    """
    from phalanx.quantum.photonic import read_photonic

    program, kept = read_photonic(text), sum(counts.values())
    click.echo(f"kept         {kept:,} of {shots:,} shots ({kept / shots:.3g})" + ("" if kept else ": no outcome"))
    outcomes = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    for outcome, n in outcomes[:_SHOWN_OUTCOMES]:
        spelt = f"  bits {program.bits(outcome)}" if program.rails else ""
        click.echo(f"  {outcome}  {n}  {n / kept:.4f}{spelt}")
    if len(outcomes) > _SHOWN_OUTCOMES:
        click.echo(f"  and {len(outcomes) - _SHOWN_OUTCOMES} more outcomes: --json")
    for beside in baselines:
        click.echo(f"classically  {beside['value']:.4f} is the {beside['method']}")


def state_of(row: Mapping[str, Any]) -> str:
    """Cell: the state, and until when it waits for a window."""
    waits = row.get("waits")
    return f"{row['state']}, waits until {time_of('until_ns')(waits)}" if waits else str(row["state"])


def _print_treatment(treated: dict[str, Any] | None) -> None:
    """What was done against noise, what it took, and what it gained."""
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


def _c6(client: NodeClient, job: Mapping[str, Any]) -> float | None:
    """The C6 coefficient of the machine that ran an analog program; None if there is no machine, or it does not say."""
    from phalanx.devices import Program, ProgramKind

    if job.get("program") is None or Program.read(job["program"]["text"]).kind is not ProgramKind.ANALOG:
        return None
    analog = client.get(f"/v1/devices/{quote(job['provenance']['device'], safe='')}")["analog"]
    return None if analog is None else float(analog["c6"])


def _costs(program: Mapping[str, Any], outcomes: list[str], c6: float | None) -> dict[str, float]:
    """What each outcome costs; nothing for a circuit, or if the machine is unknown."""
    if not program:
        return {}
    from phalanx.devices import Program, ProgramKind, energies

    found = Program.read(program["text"])
    if found.kind is ProgramKind.ANALOG and c6 is None:
        return {}
    return dict(zip(outcomes, energies(found, outcomes, c6 or 0.0), strict=True))
