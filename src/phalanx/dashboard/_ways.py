"""The live page's rows: one way each.

A way is what followed from one event. It is made of the stored waypoints and records every time
it is shown, so a row never says more or less than the store.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from phalanx.core import NO_TRACE, Decision, Finding, Record, Severity, Store, Table, TenantId, Waypoint, decode
from phalanx.dashboard._limits import MAX_WAY_WAYPOINTS, MAX_WAYS
from phalanx.dashboard._stations import Known, Stop, stops
from phalanx.incidents import DECISIONS
from phalanx.intel import FINDINGS
from phalanx.telemetry import WAYPOINTS, in_order
from phalanx.workflows import STEP_RESULTS, StepResult

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Way:
    """One row. ``at_ns`` is when its newest finding was committed."""

    trace: str
    at_ns: int
    title: str
    severity: Severity
    about: str
    stops: tuple[Stop, ...]


class Ways:
    """Reads ways from the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def newest(self, tenant: TenantId) -> list[Way]:
        """The ways of the newest findings, newest first."""
        rows = await self._store.find(WAYPOINTS, tenant, "stage", "finding", limit=MAX_WAYS, reverse=True)
        return await self.of(tenant, [decode(row.value, Waypoint).trace for row in rows])

    async def of(self, tenant: TenantId, traces: Sequence[str]) -> list[Way]:
        """The ways of ``traces``, newest first; a trace without a finding has none."""
        found = [await self._way(tenant, trace) for trace in dict.fromkeys(traces) if trace != NO_TRACE]
        return sorted((way for way in found if way is not None), key=lambda way: (way.at_ns, way.trace), reverse=True)

    async def _way(self, tenant: TenantId, trace: str) -> Way | None:
        rows = await self._store.find(WAYPOINTS, tenant, "trace", trace, limit=MAX_WAY_WAYPOINTS)
        # An event can be evidence of a finding that began with an earlier one: that is another way.
        points = in_order([point for point in (decode(row.value, Waypoint) for row in rows) if point.trace == trace])
        findings = await self._records(FINDINGS, Finding, [one for one in points if one.stage == "finding"])
        if not findings:
            return None
        quantum = [one for one in points if one.stage == "step" and one.detail.get("kind") == "quantum"]
        known = Known(
            waypoints=points,
            findings=findings,
            quantum_steps=await self._records(STEP_RESULTS, StepResult, quantum),
            decisions=await self._records(DECISIONS, Decision, [one for one in points if one.stage == "decision"]),
        )
        worst = max(findings, key=lambda finding: finding.severity)
        return Way(
            trace=trace,
            at_ns=max(finding.at_ns for finding in findings),
            title=worst.title + (f" and {len(findings) - 1} more" if len(findings) > 1 else ""),
            severity=worst.severity,
            about=" · ".join(entity.value for entity in worst.entities[:2]),
            stops=stops(known),
        )

    async def _records(self, table: Table, kind: type[R], waypoints: Sequence[Waypoint]) -> list[R]:
        """The records that ``waypoints`` tell of."""
        rows = [await self._store.get(table, one.tenant, one.subject) for one in waypoints]
        return [decode(row.value, kind) for row in rows if row is not None]
