"""The durable way of an event: one waypoint per record of consequence, written with it."""

from collections.abc import Sequence

from phalanx.core import Put, Table, Waypoint, encode

WAYPOINTS = Table("waypoints", indexes=("trace", "stage"))


def waypoint_put(waypoint: Waypoint, *, also: Sequence[str] = ()) -> Put:
    """The write that belongs in the commit of the record that ``waypoint`` tells of.

    ``also`` are further traces it is part of: a finding of many events lies on the way of each.
    """
    traces = tuple(dict.fromkeys(trace for trace in (waypoint.trace, *also) if trace))
    index = {"trace": traces, "stage": (waypoint.stage,)}
    return Put(WAYPOINTS, waypoint.tenant, waypoint.id, encode(waypoint), index)
