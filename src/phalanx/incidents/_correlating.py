"""Analysts correlate findings on several hosts: cases that name the same things within a day are related.

A user, an address, a domain or a file that two cases name links them, and so does an address that is the other
case's host: that is how an intruder moves. What is named in too many cases says nothing and links none. Links are
stored as they are found; ``related`` follows them to every connected case.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from phalanx.agents import Capability, Mission, MissionRejected, Role, SkillManifest, Toolbox
from phalanx.core import (
    NS_PER_S,
    AuditEntry,
    AuditSink,
    Entity,
    Finding,
    NotFound,
    Put,
    Record,
    Store,
    Table,
    TenantId,
    counted,
    decode,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.incidents._limits import (
    CORRELATE_WITHIN_S,
    MAX_CORRELATED_FINDINGS,
    MAX_LINK_CASES,
    MAX_LINKS,
    MAX_RELATED_CASES,
)
from phalanx.incidents._ties import named_by
from phalanx.intel import Findings, Sentinel
from phalanx.telemetry import waypoint_of, waypoint_put

CORRELATIONS = Table("correlations", indexes=("case",), sealed=True)


class Link(msgspec.Struct, frozen=True):
    """Another case, what links it, and its findings that name that."""

    case: str
    by: Entity
    findings: tuple[str, ...]


class Correlation(Record, frozen=True, kw_only=True, tag="correlation"):
    """What a finding's case has in common with others. ``findings`` were compared with it."""

    case: str
    finding: str
    links: tuple[Link, ...]
    findings: int


def links_of(finding: Finding, others: Sequence[Finding], host_names: Mapping[str, str]) -> list[Link]:
    """What links ``finding`` to the cases of ``others``, each case once for each thing, in order."""
    own = named_by(finding.entities, host_names)
    found: dict[tuple[str, Entity], list[str]] = defaultdict(list)
    cases: dict[Entity, set[str]] = defaultdict(set)
    for other in others:
        shared = own & named_by(other.entities, host_names)
        for entity in shared:
            cases[entity].add(other.case)
            if other.case != finding.case:
                found[other.case, entity].append(other.id)
    links = [
        Link(case, entity, tuple(sorted(ids)))
        for (case, entity), ids in sorted(found.items())
        if len(cases[entity]) <= MAX_LINK_CASES
    ]
    return links[:MAX_LINKS]


class CorrelateSkill:
    """Looks for other cases that a new finding belongs with."""

    manifest = SkillManifest(
        name="correlate",
        role=Role.ANALYST,
        capabilities=(Capability.AGGREGATION, Capability.INCIDENTS),
        inputs=("finding",),
        outputs=("correlation",),
        cost=0.3,
        permissions=("AuditSink", "Findings", "Sentinel", "Store"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        store, made = tools.get(Store), derive_id(id_time_ns(mission.id), "correlation", mission.id)
        row = await store.get(CORRELATIONS, mission.tenant, made)
        known = decode(row.value, Correlation) if row is not None else await self._correlated(mission, made, tools)
        if not known.links:
            return f"nothing in common with {counted(known.findings, 'finding')} of other cases"
        await _tell(known, tools.get(AuditSink))
        cases = dict.fromkeys(link.case for link in known.links)
        by = ", ".join(dict.fromkeys(str(link.by) for link in known.links[:3]))
        return f"related to {', '.join(list(cases)[:3])} by {by}"

    async def _correlated(self, mission: Mission, made: str, tools: Toolbox) -> Correlation:
        findings = tools.get(Findings)
        try:
            finding = await findings.get(mission.tenant, mission.subject)
        except NotFound as missing:
            raise MissionRejected(missing.message) from missing
        newest = await findings.list(mission.tenant, limit=MAX_CORRELATED_FINDINGS, reverse=True)
        since_ns = finding.found_at_ns - int(CORRELATE_WITHIN_S * NS_PER_S)
        others = [one for one in newest if one.id != finding.id and one.found_at_ns >= since_ns]
        links = links_of(finding, others, tools.get(Sentinel).host_names)
        made_of = Correlation(
            id=made, tenant=mission.tenant, trace=mission.trace, at_ns=mission.at_ns, case=mission.case,
            finding=finding.id, links=tuple(links), findings=sum(one.case != finding.case for one in others),
        )  # fmt: skip
        if links:
            await _keep(made_of, tools.get(Store))
        return made_of


async def related(store: Store, tenant: TenantId, case: str) -> list[str]:
    """Every case that hangs together with ``case``, itself left out, nearest first and as many as are followed."""
    seen, todo = {case: None}, [case]
    while todo and len(seen) < MAX_RELATED_CASES:
        here = todo.pop(0)
        for row in await store.find(CORRELATIONS, tenant, "case", here, limit=MAX_LINKS):
            one = decode(row.value, Correlation)
            for other in (one.case, *(link.case for link in one.links)):
                if other not in seen:
                    seen[other] = None
                    todo.append(other)
    return list(seen)[1:MAX_RELATED_CASES]


async def _keep(made: Correlation, store: Store) -> None:
    cases = dict.fromkeys((made.case, *(link.case for link in made.links)))
    waypoint = waypoint_of(
        made, room="incidents", stage="correlation", at_ns=made.at_ns,
        summary=f"related to {', '.join(list(cases)[1:4])}", case=made.case,
    )  # fmt: skip
    put = Put(CORRELATIONS, made.tenant, made.id, encode(made), {"case": tuple(cases)})
    await store.commit([put, waypoint_put(waypoint)])


async def _tell(made: Correlation, audit: AuditSink) -> None:
    entry = AuditEntry(
        id=derive_id(id_time_ns(made.id), "audit", made.id), tenant=made.tenant, trace=made.trace, at_ns=made.at_ns,
        actor="analyst", action="correlate", subject=made.finding, case=made.case,
        body={"correlation": made.id, "links": [[link.case, str(link.by)] for link in made.links]},
    )  # fmt: skip
    await audit.record(entry)


correlate_skill = CorrelateSkill()
