"""The durable way of an event: one waypoint per record of consequence, written with it."""

from collections.abc import Iterable, Sequence

from phalanx.core import Put, Record, Table, Waypoint, derive_id, encode

WAYPOINTS = Table("waypoints", indexes=("trace", "stage"), sealed=True)

# The stages of the way in the order of cause. What one commit writes carries one time, and this
# order then tells what came of what.
STAGES = (
    "accepted",
    "quarantine",
    "finding",
    "mission",
    "assigned",
    "step",
    "assessment",
    "proposal",
    "decision",
    "rehearsal",
    "hunt",
    "report",
    "correlation",
    "incident",
    "ledger",
    "taken-over",
    "mission-done",
    "mission-failed",
)
# Stages by which waypoints are looked up; an index entry that nobody asks for costs as much as a row.
_LOOKED_UP = frozenset({"finding"})
_RANK = {stage: rank for rank, stage in enumerate(STAGES)}


def waypoint_of(
    record: Record, *, room: str, stage: str, at_ns: int, summary: str, **detail: str | float | bool
) -> Waypoint:
    """The waypoint that tells of ``record`` at ``stage``; asking again for the same moment gives the same id."""
    assert stage in STAGES, stage
    return Waypoint(
        id=derive_id(at_ns, "waypoint", stage, record.id),
        tenant=record.tenant,
        trace=record.trace,
        at_ns=at_ns,
        room=room,
        stage=stage,
        subject=record.id,
        summary=summary,
        detail=detail,
    )


def waypoint_put(waypoint: Waypoint, *, also: Sequence[str] = ()) -> Put:
    """The write that belongs in the commit of the record that ``waypoint`` tells of.

    ``also`` are further traces it is part of: a finding of many events lies on the way of each.
    """
    traces = (waypoint.trace,) if waypoint.trace else ()
    if also:
        traces = tuple(dict.fromkeys((*traces, *filter(None, also))))
    index = {"trace": traces, "stage": (waypoint.stage,)} if waypoint.stage in _LOOKED_UP else {"trace": traces}
    return Put(WAYPOINTS, waypoint.tenant, waypoint.id, encode(waypoint), index)


def in_order(waypoints: Iterable[Waypoint]) -> list[Waypoint]:
    """As it happened: by time, and within one moment by cause."""
    return sorted(waypoints, key=lambda w: (w.at_ns, _RANK.get(w.stage, len(STAGES)), w.id))
