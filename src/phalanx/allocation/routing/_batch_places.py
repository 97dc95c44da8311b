"""Where a batch job runs: on this machine, on Slurm or on Kubernetes, with the reason. Pure.

Each place is a way of answering, told by seconds and money as circuits' ways are; a classical job is right wherever it
runs. What a place takes besides running (getting there, waiting behind others) is by what it says of its queue, and is
corrected by how long jobs there really took.
"""

from collections.abc import Sequence

import msgspec

from phalanx.allocation.batches import BatchJob, BatchLoad
from phalanx.allocation.routing._learning import Expectations
from phalanx.allocation.routing._limits import MAX_LATE
from phalanx.allocation.routing._router import Routed, Verdict
from phalanx.allocation.routing._ways import Aims, Kind, Way, expected_loss, not_worth_it

LOCAL, SLURM, KUBERNETES = "local", "slurm", "kubernetes"


class BatchPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A place as it is now. ``slots`` jobs run there at once; ``start_s`` is what getting there takes when it is idle.

    ``speed`` is how much faster it runs a job than was told; ``cpu_hour`` what an hour of a CPU costs. ``commands`` are
    what may be run there; empty: anything, but on this machine nothing. ``problem``: why it cannot be asked.
    """

    name: str
    kind: str
    cpus: int
    memory_mib: int
    slots: int = 1
    start_s: float = 0.0
    speed: float = 1.0
    cpu_hour: float = 0.0
    image: str = ""
    commands: tuple[str, ...] = ()
    load: BatchLoad = BatchLoad()
    problem: str = ""


def route_batch(
    job: BatchJob, expected_s: float, aims: Aims, places: Sequence[BatchPlace], learned: Expectations
) -> Routed:  # fmt: skip
    """The place that is expected to lose least of what the job is worth; a tie goes to the first."""
    order = {one.name: at for at, one in enumerate(places)}
    ways = [_way(job, expected_s, aims, one, learned) for one in places]
    fit = sorted((one for one in ways if not one.why_not), key=lambda one: (expected_loss(aims, one), order[one.name]))
    best = fit[0] if fit else None
    verdicts = [Verdict(way=one, loss=expected_loss(aims, one), reason=_told(aims, one, best)) for one in fit]
    verdicts += [Verdict(way=one, loss=aims.stake, reason=one.why_not) for one in ways if one.why_not]
    if best is None:
        refused = "; ".join(f"{one.name} {one.why_not}" for one in ways)
        return Routed(
            name="", kind="", reason=f"no place is left: {refused or 'there is none'}", aims=aims, ways=tuple(verdicts)
        )  # fmt: skip
    reason = f"{best.name}: {best.seconds:.3g} s for {best.money:.4g} {aims.currency}"
    if len(fit) > 1:
        more = expected_loss(aims, fit[1]) - expected_loss(aims, best)
        reason += f"; {fit[1].name} would lose {more:.3g} {aims.currency} more"
    elif len(ways) > 1:
        reason += "; " + "; ".join(f"{one.name} {one.why_not}" for one in ways if one.why_not)
    return Routed(name=best.name, kind=Kind.CLASSICAL.value, reason=reason, aims=aims, ways=tuple(verdicts))


def _way(job: BatchJob, expected_s: float, aims: Aims, place: BatchPlace, learned: Expectations) -> Way:
    run_s = expected_s / place.speed
    behind = max(0, place.load.pending + place.load.running - place.slots + 1)
    told_s = place.start_s + behind * run_s / place.slots + run_s
    seconds, late = learned.seconds(place.name, told_s, aims.deadline_s)
    money = place.cpu_hour * job.cpus * run_s / 3_600.0
    way = Way(
        name=place.name, kind=Kind.CLASSICAL, seconds=seconds, money=money, fidelity=1.0, late=late, expected_s=told_s,
        note=f"{place.kind}, {place.load.running} run and {place.load.pending} wait there",
    )  # fmt: skip
    why_not = _refusal(job, run_s, aims, place, seconds, money, late) or not_worth_it(aims, way)
    return msgspec.structs.replace(way, why_not=why_not)


def _refusal(
    job: BatchJob, run_s: float, aims: Aims, place: BatchPlace, seconds: float, money: float, late: float
) -> str:
    """The first reason against it; empty where there is none."""
    command = job.command[0]
    refusals = (
        (bool(place.problem), f"cannot be asked: {place.problem}"),
        (aims.only == Kind.QUANTUM, "is classical, and only quantum ones are wanted"),
        (place.kind == LOCAL and command not in place.commands, f"runs no {command!r}: no setting allows it"),
        (bool(place.commands) and command not in place.commands, f"runs no {command!r}"),
        (job.cpus > place.cpus, f"has {place.cpus} CPUs for a job, {job.cpus} are needed"),
        (job.memory_mib > place.memory_mib, f"has {place.memory_mib} MiB for a job, {job.memory_mib} are needed"),
        (place.kind == KUBERNETES and not (job.image or place.image), "needs an image"),
        (bool(job.qpus) and place.kind != KUBERNETES, "takes no QPUs for a job over this interface"),
        (run_s > job.limit_s, f"would take {run_s:.3g} s, and the job's limit is {job.limit_s} s"),
        (
            bool(aims.budget) and money > aims.budget,
            f"would cost {money:.4g} {aims.currency}, more than {aims.budget:g}",
        ),
        (late > MAX_LATE, f"would take {seconds:.3g} s, and {aims.within_s:g} s are left"),
    )
    return next((told for is_so, told in refusals if is_so), "")


def _told(aims: Aims, one: Way, best: Way | None) -> str:
    told = f"{one.seconds:.3g} s, {one.money:.4g} {aims.currency}"
    return f"loses least: {told}" if one is best else f"loses more than {best.name if best else ''}: {told}"
