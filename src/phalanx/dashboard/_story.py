"""The page of one trace: the whole story of an event, with every record it left behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from phalanx.agents import MISSIONS, REPORTS, Mission, Report
from phalanx.core import (
    Assessment,
    Decision,
    Event,
    Finding,
    NotFound,
    Outcome,
    Record,
    Table,
    TenantId,
    Waypoint,
    decode,
    is_id,
)
from phalanx.dashboard._limits import MAX_STORY_EVENTS
from phalanx.dashboard._seals import Seal, Seals
from phalanx.dashboard._stations import Tag, is_held, origin_tags, outcome_tag
from phalanx.incidents import CORRELATIONS, DECISIONS, PROPOSALS, REHEARSALS, ActionProposal, Correlation, Rehearsal
from phalanx.intel import FINDINGS, HUNTS, QUARANTINE, Hunt, Quarantine, ocsf_view
from phalanx.intel.reading import mapping_of
from phalanx.workflows import ASSESSMENTS, STEP_RESULTS, StepResult

if TYPE_CHECKING:
    from phalanx.node import Node

_RECORDS: Mapping[str, tuple[Table, type[Record]]] = {
    "finding": (FINDINGS, Finding),
    "quarantine": (QUARANTINE, Quarantine),
    "mission": (MISSIONS, Mission),
    "step": (STEP_RESULTS, StepResult),
    "assessment": (ASSESSMENTS, Assessment),
    "proposal": (PROPOSALS, ActionProposal),
    "decision": (DECISIONS, Decision),
    "hunt": (HUNTS, Hunt),
    "correlation": (CORRELATIONS, Correlation),
    "rehearsal": (REHEARSALS, Rehearsal),
    "report": (REPORTS, Report),
}
# Said of every record on this page already, or of no interest to a person.
_UNSAID = ("kind", "v", "tenant", "trace")

# Stages that say who is to do what, before anybody did.
_ORDERS = frozenset({"mission", "assigned"})


@dataclass(frozen=True, slots=True)
class EventFacts:
    """One accepted event as it is shown: the line itself, its fields, and OCSF as a view of it.

    ``lossy`` names the fields of which that view holds only a part, and why.
    """

    id: str
    time_ns: int
    log_source: str
    raw: str
    fields: Mapping[str, Any]
    ocsf: Mapping[str, Any]
    lossy: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Chapter:
    """One waypoint of a story and the record it tells of. ``since_ns`` counts from the first one."""

    waypoint: Waypoint
    since_ns: int
    state: str
    tags: tuple[Tag, ...]
    record: Mapping[str, Any]
    seal: Seal | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """Everything the page shows. ``missing`` counts events that are no longer kept."""

    trace: str
    chapters: Sequence[Chapter]
    events: Sequence[EventFacts]
    missing: int
    findings: Sequence[Finding]
    assessment: Assessment | None
    decisions: Sequence[Decision]
    seals: Sequence[Seal]

    @property
    def stretches(self) -> list[list[Chapter]]:
        """The chapters in order; orders that follow one another are together, as they are many and alike."""
        return [
            list(chapters)
            for _, chapters in groupby(
                self.chapters,
                lambda chapter: "" if chapter.waypoint.stage in _ORDERS else chapter.waypoint.id,
            )
        ]

    @property
    def worst(self) -> Finding | None:
        return max(self.findings, key=lambda finding: finding.severity, default=None)


async def tell(node: "Node", tenant: TenantId, trace: str) -> Story:
    """The story of ``trace``. Raises ``NotFound`` when there is neither a waypoint nor an event."""
    points = await node.story(tenant, trace) if is_id(trace) else []
    records = {point.id: await _record(node, point) for point in points if point.stage in _RECORDS}
    found = [record for record in records.values() if record is not None]
    findings = [record for record in found if isinstance(record, Finding)]
    evidence = dict.fromkeys(event for finding in findings for event in finding.evidence)
    events, missing = await _events(node, tenant, list(evidence) or [trace])
    if not points and not events:
        raise NotFound("trace", trace, hint="look at /v1/events and /v1/findings for ids that exist")
    seals = await Seals.of(node.ledger)
    chapters = [await _chapter(point, records.get(point.id), points[0].at_ns, seals) for point in points]
    return Story(
        trace=trace,
        chapters=chapters,
        events=events,
        missing=missing,
        findings=findings,
        assessment=next((record for record in reversed(found) if isinstance(record, Assessment)), None),
        decisions=[record for record in found if isinstance(record, Decision)],
        seals=[chapter.seal for chapter in chapters if chapter.seal is not None],
    )


async def _record(node: "Node", waypoint: Waypoint) -> Record | None:
    table, kind = _RECORDS[waypoint.stage]
    row = await node.store.get(table, waypoint.tenant, waypoint.subject)
    return None if row is None else decode(row.value, kind)


async def _events(node: "Node", tenant: TenantId, ids: Sequence[str]) -> tuple[list[EventFacts], int]:
    found: list[EventFacts] = []
    missing = 0
    for event_id in ids[:MAX_STORY_EVENTS]:
        try:
            found.append(_event_facts(await node.events.get(tenant, event_id)))
        except NotFound:
            missing += 1
    return found, missing


def _event_facts(event: Event) -> EventFacts:
    return EventFacts(
        id=event.id,
        time_ns=event.time_ns,
        log_source=str(event.batch.log_source),
        raw=event.raw.decode(errors="replace"),
        fields=event.fields(),
        ocsf={name: value for name, value in ocsf_view(event).items() if name != "raw_data"},
        lossy=mapping_of(event).lossy,
    )


async def _chapter(point: Waypoint, record: Record | None, start_ns: int, seals: Seals) -> Chapter:
    shown: dict[str, Any] = dict(point.detail)
    state, seal = "done", None
    tags: tuple[Tag, ...] = ()
    if record is not None:
        shown = {name: value for name, value in msgspec.to_builtins(record).items() if name not in _UNSAID}
    if isinstance(record, StepResult):
        tags = origin_tags([record])
    elif isinstance(record, Assessment):
        tags = (Tag(f"P {record.probability:.2f}"), *(Tag(one.origin.value, "quantum") for one in record.provenance))
    elif isinstance(record, Decision):
        state = "done" if record.outcome is Outcome.APPROVED else "refused"
        tags = (outcome_tag(record), *((Tag("not executed"),) if is_held(record) else ()))
    elif point.stage == "mission-failed":
        state = "failed"
    elif point.stage == "ledger":
        seal = await seals.seal(point.subject)
        shown |= seal.entry
        tags = (Tag(seal.verdict, seal.kind),)
    return Chapter(point, point.at_ns - start_ns, state, tags, shown, seal)
