"""What an agent found out in words and figures: one kind of record for all skills that act on nothing.

A skill files one report per mission, whose id is derived from the mission: a repeated attempt finds what an earlier
one filed, and uses it. Report and waypoint are one commit; the ledger records it.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from phalanx.agents._errors import MissionRejected
from phalanx.agents._limits import MAX_REPORT_CONCERNS, MAX_REPORT_ENTITIES, MAX_REPORT_FACTS
from phalanx.agents._model import Mission, SkillManifest
from phalanx.agents._toolbox import Toolbox
from phalanx.core import (
    AuditEntry,
    AuditSink,
    Entity,
    Finding,
    FindingReader,
    NotFound,
    Put,
    Record,
    Store,
    Table,
    Write,
    decode,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.telemetry import waypoint_of, waypoint_put

REPORTS = Table("reports", indexes=("case", "skill", "subject"), sealed=True)
# What a skill that files reports needs for it, besides its own tools.
REPORT_TOOLS = ("AuditSink", "Store")

Fact = str | int | float


class Report(Record, frozen=True, kw_only=True, tag="report"):
    """What ``skill`` made of ``subject``.

    ``facts`` are figures and words by name, ``concerns`` what a person should look at, ``entities`` whom it is about
    besides what was known.
    """

    skill: str
    role: str
    agent: str
    case: str
    subject: str
    summary: str
    facts: dict[str, Fact]
    concerns: tuple[str, ...] = ()
    entities: tuple[Entity, ...] = ()


async def finding_of(mission: Mission, findings: FindingReader) -> Finding:
    """What the mission is about; without it there is nothing to do. Raises ``MissionRejected``."""
    try:
        return await findings.get(mission.tenant, mission.subject)
    except NotFound as missing:
        raise MissionRejected(missing.message) from missing


async def filed(mission: Mission, tools: Toolbox) -> Report | None:
    """The report that an earlier attempt at the mission filed, with the ledger told of it; None when there is none."""
    row = await tools.get(Store).get(REPORTS, mission.tenant, _id_of(mission))
    if row is None:
        return None
    report = decode(row.value, Report)
    await _tell(report, tools)
    return report


async def file_report(
    mission: Mission, manifest: SkillManifest, tools: Toolbox, *, summary: str, facts: Mapping[str, Fact],
    concerns: Sequence[str] = (), entities: Sequence[Entity] = (),
    also: Callable[[Report], Sequence[Write]] = lambda _: (),
) -> str:  # fmt: skip
    """File what was found out, with ``also`` what else belongs into the commit; what the mission comes to, in words."""
    report = Report(
        id=_id_of(mission), tenant=mission.tenant, trace=mission.trace, at_ns=mission.at_ns, skill=manifest.name,
        role=manifest.role.value, agent=mission.agent, case=mission.case, subject=mission.subject, summary=summary,
        facts=dict(list(facts.items())[:MAX_REPORT_FACTS]), concerns=tuple(concerns[:MAX_REPORT_CONCERNS]),
        entities=tuple(dict.fromkeys(entities))[:MAX_REPORT_ENTITIES],
    )  # fmt: skip
    waypoint = waypoint_of(
        report, room="agents", stage="report", at_ns=report.at_ns, summary=f"{report.skill}: {summary}",
        skill=report.skill, case=report.case, concerns=len(report.concerns),
    )  # fmt: skip
    index = {"case": (report.case,), "skill": (report.skill,), "subject": (report.subject,)}
    put = Put(REPORTS, report.tenant, report.id, encode(report), index)
    await tools.get(Store).commit([put, waypoint_put(waypoint), *also(report)])
    await _tell(report, tools)
    return told(report)


def told(report: Report) -> str:
    """A report in one line."""
    return f"{report.summary}; {'; '.join(report.concerns)}" if report.concerns else report.summary


def _id_of(mission: Mission) -> str:
    return derive_id(id_time_ns(mission.id), "report", mission.id)


async def _tell(report: Report, tools: Toolbox) -> None:
    entry = AuditEntry(
        id=derive_id(id_time_ns(report.id), "audit", report.id), tenant=report.tenant, trace=report.trace,
        at_ns=report.at_ns, actor=report.role, action=f"report.{report.skill}", subject=report.subject,
        case=report.case,
        body={"report": report.id, "facts": msgspec.to_builtins(report.facts), "concerns": list(report.concerns)},
    )  # fmt: skip
    await tools.get(AuditSink).record(entry)
