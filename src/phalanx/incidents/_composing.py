"""From a group of findings to the stored incident. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from phalanx.core import Entity, Finding, derive_id, id_time_ns
from phalanx.incidents._grouping import Group
from phalanx.incidents._incident import Expanded, Incident, IncidentStatus, Linked, Seen
from phalanx.incidents._limits import (
    MAX_EXPANDED,
    MAX_INCIDENT_ENTITIES,
    MAX_MEMBERS,
    MAX_TITLE_CHARS,
    USUAL_APART_S,
)
from phalanx.incidents._risk import TACTICS
from phalanx.incidents._ties import host_in, named_by
from phalanx.intel import Hunt

_ORDER = {tactic: place for place, tactic in enumerate(TACTICS)}
_NS = 1_000_000_000


def incident_id(anchor: Finding) -> str:
    """The id of the incident that was opened for a finding."""
    return derive_id(id_time_ns(anchor.id), "incident", anchor.tenant, anchor.id)


def anchor_of(group: Group) -> Finding:
    """The finding that came first of those that were found."""
    return min(group.findings, key=lambda finding: (finding.found_at_ns, finding.id))


def composed(
    group: Group, hunts: Sequence[Hunt], host_names: Mapping[str, str], *, ident: str, now_ns: int,
    known: Incident | None,
) -> Incident:  # fmt: skip
    """The incident of a group as it is now; what people said of ``known`` stays."""
    findings, anchor = group.findings, anchor_of(group)
    ids = {finding.id for finding in findings}
    own = [hunt for hunt in hunts if hunt.finding in ids]
    cases = tuple(dict.fromkeys(finding.case for finding in findings))
    made = Incident(
        id=ident, tenant=anchor.tenant, trace=anchor.trace, at_ns=known.at_ns if known else now_ns,
        title=_title(group), status=known.status if known else IncidentStatus.OPEN,
        severity=max(finding.severity for finding in findings), probability=group.probability,
        cases=cases, members=group.members[:MAX_MEMBERS], linked=_linked(findings, host_names),
        techniques=_techniques(findings), expanded=_expanded(findings, own, host_names),
        first_seen_ns=min(finding.first_seen_ns for finding in findings),
        last_seen_ns=max(finding.last_seen_ns for finding in findings),
        changed_at_ns=now_ns, hunts=len(own),
    )  # fmt: skip
    if known is None:
        return made
    return msgspec.structs.replace(
        made, outcome=known.outcome, reason=known.reason, by=known.by, into=known.into, assignee=known.assignee
    )


def _title(group: Group) -> str:
    """The host it began on, how far it reached, and the furthest stage."""
    hosts = list(dict.fromkeys(host_in(finding.case) for finding in group.findings))
    worst = max(group.findings, key=lambda finding: (finding.severity, finding.confidence, -finding.first_seen_ns))
    reach = f" and {len(hosts) - 1} other{'s' if len(hosts) > 2 else ''}" if len(hosts) > 1 else ""
    return f"{worst.title}: {hosts[0]}{reach}"[:MAX_TITLE_CHARS]


def _linked(findings: Sequence[Finding], host_names: Mapping[str, str]) -> tuple[Linked, ...]:
    """What two findings or more name, what most name first."""
    by: dict[Entity, list[str]] = defaultdict(list)
    for finding in findings:
        for entity in sorted(named_by(finding.entities, host_names) | {Entity("host", host_in(finding.case))}):
            by[entity].append(finding.id)
    shared = [(entity, ids) for entity, ids in by.items() if len(ids) > 1]
    shared.sort(key=lambda one: (-len(one[1]), one[0]))
    return tuple(Linked(entity, tuple(ids[:MAX_MEMBERS])) for entity, ids in shared[:MAX_INCIDENT_ENTITIES])


def _techniques(findings: Sequence[Finding]) -> tuple[Seen, ...]:
    """Each technique once, as it was first seen; at one moment in the order of an attack."""
    first: dict[str, Seen] = {}
    for finding in findings:
        tactic = min(finding.tactics, key=lambda one: _ORDER.get(one, len(_ORDER)), default="")
        for technique in finding.techniques:
            seen = Seen(technique, tactic, finding.first_seen_ns, host_in(finding.case), finding.id)
            if technique not in first or seen.at_ns < first[technique].at_ns:
                first[technique] = seen
    return tuple(sorted(first.values(), key=lambda one: (one.at_ns, _ORDER.get(one.tactic, 99), one.technique)))


def _expanded(
    findings: Sequence[Finding], hunts: Sequence[Hunt], host_names: Mapping[str, str]
) -> tuple[Expanded, ...]:
    """Events that hunts found and that are more than a host's or a person's daily life, in order of time.

    An event counts when it names, beside its host, what a finding of the incident names and what was not already
    usual: not seen between the same hosts before the incident began, or again and again.
    """
    evidence = {event for finding in findings for event in finding.evidence}
    named = {finding.id: named_by(finding.entities, host_names) for finding in findings}
    hosts = {host_in(finding.case) for finding in findings}
    spans: dict[tuple[Entity, frozenset[Entity]], tuple[int, int]] = {}
    looked = []
    for hunt in hunts:
        for hit in hunt.hits:
            names = frozenset(named_by(hit.names, host_names))
            machines = frozenset(one for one in names if one.type == "host")
            looked.append((hunt, hit, names, machines))
            for entity in names - machines:
                first, last = spans.get((entity, machines), (hit.time_ns, hit.time_ns))
                spans[entity, machines] = (min(first, hit.time_ns), max(last, hit.time_ns))
    found: dict[str, Expanded] = {}
    for hunt, hit, names, machines in sorted(looked, key=lambda one: (one[1].time_ns, one[1].event, one[0].id)):
        if hit.event in evidence or hit.event in found:
            continue
        by = sorted(entity for entity in (names - machines) & named[hunt.finding] if _new(spans[entity, machines]))
        host = next((one.value for one in hit.names if one.type == "host"), "")
        if by and ({one.value for one in machines} & hosts):
            why = ", ".join(str(entity) for entity in by)
            found[hit.event] = Expanded(hit.event, hit.time_ns, host, why, hunt.finding)
    return tuple(list(found.values())[:MAX_EXPANDED])


def _new(span: tuple[int, int]) -> bool:
    return span[1] - span[0] <= USUAL_APART_S * _NS
