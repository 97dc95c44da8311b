"""The durable way of an event: one waypoint per record of consequence, written with it."""

from collections.abc import Iterable, Sequence

from phalanx.core import Put, Table, Waypoint, encode

WAYPOINTS = Table("waypoints", indexes=("trace", "stage"))

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
    "ledger",
    "mission-done",
    "mission-failed",
)
_RANK = {stage: rank for rank, stage in enumerate(STAGES)}


def waypoint_put(waypoint: Waypoint, *, also: Sequence[str] = ()) -> Put:
    """The write that belongs in the commit of the record that ``waypoint`` tells of.

    ``also`` are further traces it is part of: a finding of many events lies on the way of each.
    """
    traces = tuple(dict.fromkeys(trace for trace in (waypoint.trace, *also) if trace))
    index = {"trace": traces, "stage": (waypoint.stage,)}
    return Put(WAYPOINTS, waypoint.tenant, waypoint.id, encode(waypoint), index)


def in_order(waypoints: Iterable[Waypoint]) -> list[Waypoint]:
    """As it happened: by time, and within one moment by cause."""
    return sorted(waypoints, key=lambda w: (w.at_ns, _RANK.get(w.stage, len(STAGES)), w.id))
