"""Hits become findings. Pure.

Hits of one pattern on one subject, which is a host unless the detector says otherwise, within one hour of event time
are one finding, whose id follows from just these. So hits that come later, in another chunk or after a crash, find it
again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from phalanx.core import (
    MAX_EVIDENCE,
    NS_PER_S,
    Entity,
    Event,
    EventId,
    Finding,
    Put,
    TenantId,
    TraceId,
    Waypoint,
    derive_id,
    encode,
    iso_from_ns,
)
from phalanx.intel._detector import Hit, Pattern
from phalanx.intel._limits import MAX_ENTITIES
from phalanx.intel._model import FINDINGS
from phalanx.intel._subjects import UNKNOWN_HOST, entities_of, place_of, quote
from phalanx.messaging import Marking
from phalanx.telemetry import waypoint_of

_SOURCE = "source:"
_BY_LABEL = {marking.label: marking for marking in Marking}
_HOUR_NS = 3_600 * NS_PER_S


@dataclass(slots=True)
class Sighting:
    """The hits that belong to one finding, of what is being read now."""

    id: str
    tenant: TenantId
    rule: Pattern
    host: str
    first: Event
    evidence: list[EventId]
    entities: dict[Entity, None]
    hits: int
    first_seen_ns: int
    last_seen_ns: int
    chunk_events: int
    told: str
    confidence: float
    marking: Marking = Marking.CLEAR

    def add(self, hit: Hit) -> None:
        """One more hit."""
        self.hits += 1
        if hit.confidence is not None:
            self.confidence = max(self.confidence, hit.confidence)
        self.marking = max(self.marking, hit.marking)
        self._keep(hit.earlier)
        for place in hit.places:
            event = Event(hit.batch, place)
            self.first_seen_ns = min(self.first_seen_ns, event.time_ns)
            self.last_seen_ns = max(self.last_seen_ns, event.time_ns)
            if len(self.evidence) < MAX_EVIDENCE:
                self._keep((event.id,))
                self.entities.update(dict.fromkeys(entities_of(event, self.host)))
        if len(self.entities) < MAX_ENTITIES:
            self.entities.update(dict.fromkeys(hit.entities))

    def _keep(self, events: Iterable[EventId]) -> None:
        for event in events:
            if len(self.evidence) < MAX_EVIDENCE and event not in self.evidence:
                self.evidence.append(event)


class Sightings:
    """Gathers hits, in the order in which their events were accepted."""

    def __init__(self, host_names: Mapping[str, str]) -> None:
        self._host_names = host_names
        self._by_id: dict[tuple[TenantId, str], Sighting] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Sighting]:
        return iter(self._by_id.values())

    def add(self, hits: Iterable[Hit], *, chunk_events: int) -> None:
        """``chunk_events`` is the number of events in the chunk that the hits are in."""
        for hit in sorted(hits, key=lambda hit: hit.batch.rows[hit.place]):
            event = Event(hit.batch, hit.place)
            host = place_of(event, self._host_names)
            tenant = hit.batch.tenant
            hour_ns = event.time_ns - event.time_ns % _HOUR_NS
            finding = derive_id(hour_ns, "finding", tenant, hit.rule.name, hit.subject or host)
            seen = self._by_id.get((tenant, finding))
            if seen is None:
                seen = self._by_id[tenant, finding] = Sighting(
                    id=finding,
                    tenant=tenant,
                    rule=hit.rule,
                    host=host,
                    first=event,
                    evidence=[],
                    entities={},
                    hits=0,
                    first_seen_ns=event.time_ns,
                    last_seen_ns=event.time_ns,
                    chunk_events=chunk_events,
                    told=hit.told,
                    confidence=hit.rule.confidence if hit.confidence is None else hit.confidence,
                )
            seen.add(hit)


def finding_of(seen: Sighting, *, found_at_ns: int) -> Finding:
    """A new finding. Its trace is its first event."""
    rule = seen.rule
    quoted = quote(rule.fields, seen.first)
    where = f"Seen on {_told(seen.host, seen.entities)}"
    told = f" {where}: {quoted}." if quoted else f" {where}."
    told = f" {seen.told.rstrip('.')}.{told}" if seen.told else told
    return Finding(
        id=seen.id,
        tenant=seen.tenant,
        trace=TraceId(seen.evidence[0]),
        at_ns=found_at_ns,
        case=case_of(seen.host, seen.first.time_ns),
        rule=rule.name,
        title=rule.title,
        severity=rule.severity,
        confidence=seen.confidence,
        techniques=rule.techniques,
        tactics=rule.tactics,
        entities=tuple(seen.entities)[:MAX_ENTITIES],
        evidence=tuple(seen.evidence),
        hits=seen.hits,
        first_seen_ns=seen.first_seen_ns,
        last_seen_ns=seen.last_seen_ns,
        accepted_at_ns=seen.first.batch.accepted_at_ns,
        found_at_ns=found_at_ns,
        explanation=(rule.description or rule.title) + told,
        marking=_label(seen.marking),
    )


def merged(known: Finding, seen: Sighting) -> Finding:
    """A known finding with more hits. What it was first found by stays."""
    return msgspec.structs.replace(
        known,
        hits=known.hits + seen.hits,
        first_seen_ns=min(known.first_seen_ns, seen.first_seen_ns),
        last_seen_ns=max(known.last_seen_ns, seen.last_seen_ns),
        evidence=tuple(dict.fromkeys((*known.evidence, *seen.evidence)))[:MAX_EVIDENCE],
        entities=tuple(dict.fromkeys((*known.entities, *seen.entities)))[:MAX_ENTITIES],
        marking=_label(max(_BY_LABEL.get(known.marking, Marking.CLEAR), seen.marking)),
    )


def _label(marking: Marking) -> str:
    return "" if marking is Marking.CLEAR else marking.label


def finding_put(finding: Finding) -> Put:
    """The write that stores a finding; it is found under each event of its evidence."""
    index = {
        "case": (finding.case,), "trace": finding.evidence, "severity": (finding.severity.name.lower(),),
        "rule": (finding.rule,),
    }  # fmt: skip
    return Put(FINDINGS, finding.tenant, finding.id, encode(finding), index)


def case_of(host: str, time_ns: int) -> str:
    """What happens on one host in one day belongs together."""
    return f"{host}@{iso_from_ns(time_ns)[:10]}"


def accepted_waypoint(finding: Finding, seen: Sighting) -> Waypoint:
    """Tells that the first event of a finding was accepted, and with how many others."""
    batch = seen.first.batch
    return Waypoint(
        id=derive_id(batch.accepted_at_ns, "waypoint", "accepted", finding.trace),
        tenant=finding.tenant,
        trace=finding.trace,
        at_ns=batch.accepted_at_ns,
        room="intel",
        stage="accepted",
        subject=finding.trace,
        summary=f"{batch.log_source} event accepted among {seen.chunk_events}",
        detail={"batch": batch.batch, "events": seen.chunk_events, "reader": batch.reader},
    )


def finding_waypoint(finding: Finding) -> Waypoint:
    """Tells of a new finding."""
    return waypoint_of(
        finding,
        room="intel",
        stage="finding",
        at_ns=finding.found_at_ns,
        summary=f"{finding.title} on {_told(finding.case.rpartition('@')[0], finding.entities)}",
        rule=finding.rule,
        severity=finding.severity.name.lower(),
        case=finding.case,
        hits=finding.hits,
    )


def _told(place: str, entities: Iterable[Entity]) -> str:
    """A place as people read it: a source by its own name, of which a case's holds only the letters."""
    if place == UNKNOWN_HOST:
        return "an unknown host"
    if not place.startswith(_SOURCE):
        return place
    name = next((one.value for one in entities if one.type == "source"), place.removeprefix(_SOURCE))
    return f"the sources {name}" if ", " in name else f"the source {name}"
