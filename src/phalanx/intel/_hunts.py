"""What hunters do with a serious finding: follow what it names through stored events, and ask saved queries.

A hunt looks through a bounded number of chunks, those nearest to the finding first, and says so. What it
found is one record, told to the ledger; the ids follow from the mission, so a repeated attempt is the same.
"""

from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources

import msgspec

from phalanx.agents import Capability, Mission, MissionRejected, Role, SkillManifest, Toolbox
from phalanx.core import (
    AuditEntry,
    AuditSink,
    Entity,
    EventId,
    Finding,
    NotFound,
    Offload,
    Put,
    Record,
    Store,
    Table,
    decode,
    derive_id,
    encode,
    id_time_ns,
    split_event_id,
)
from phalanx.intel._hunting import Quarry, ask, follow, queries_for
from phalanx.intel._limits import MAX_HUNT_QUERIES
from phalanx.intel._model import Chunk
from phalanx.intel._queries import EventLog, Findings
from phalanx.intel._sentinel import Sentinel
from phalanx.intel._subjects import entities_of, host_of
from phalanx.intel.sigma import Rule, RuleSet, parse_rule
from phalanx.telemetry import waypoint_of, waypoint_put

HUNTS = Table("hunts", indexes=("case", "finding"), sealed=True)


class HuntHit(msgspec.Struct, frozen=True):
    """An event that a hunt found, and why; ``names`` are what it names, its host first."""

    event: EventId
    time_ns: int
    why: str
    names: tuple[Entity, ...] = ()


class Hunt(Record, frozen=True, kw_only=True, tag="hunt"):
    """What a hunter found for one finding. ``events`` and ``chunks`` were looked through, which is not all there is.

    ``queries`` are the saved queries that were asked; none when the finding itself was followed.
    ``entities`` are what the events found name besides what the finding names, the most frequent first.
    """

    case: str
    finding: str
    skill: str
    queries: tuple[str, ...]
    hits: tuple[HuntHit, ...]
    entities: tuple[Entity, ...]
    events: int
    chunks: int


class ExpandSkill:
    """Follows hosts, users, addresses, programs, files and domains of a finding through the events around it."""

    manifest = SkillManifest(
        name="expand",
        role=Role.HUNTER,
        capabilities=(Capability.DETECTION, Capability.AGGREGATION),
        inputs=("serious-finding",),
        outputs=("hunt",),
        cost=1.0,
        permissions=("AuditSink", "EventLog", "Findings", "Offload", "Sentinel", "Store"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        finding = await _finding(mission, tools)
        names = tools.get(Sentinel).host_names
        hunt = await _hunted(
            mission, finding, tools, lambda quarry, chunk, lines: follow(quarry, finding, chunk, lines, names)
        )
        hosts = [one.value for one in hunt.entities if one.type == "host"]
        reached = f", reaching {', '.join(hosts[:3])}" if hosts else ""
        return f"{len(hunt.hits)} of {hunt.events} events around it are linked{reached}"


class RetroHuntSkill:
    """Asks the saved queries of a finding's techniques of the events around it."""

    manifest = SkillManifest(
        name="retro-hunt",
        role=Role.HUNTER,
        capabilities=(Capability.DETECTION, Capability.PREDICTION),
        inputs=("serious-finding",),
        outputs=("hunt",),
        cost=1.0,
        permissions=("AuditSink", "EventLog", "Findings", "Offload", "Sentinel", "Store"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        finding = await _finding(mission, tools)
        wanted = queries_for(finding, saved_queries())[:MAX_HUNT_QUERIES]
        if not wanted:
            return "no saved query is about its techniques"
        queries, names = RuleSet(wanted), tools.get(Sentinel).host_names
        hunt = await _hunted(
            mission, finding, tools,
            lambda quarry, chunk, lines: ask(quarry, finding, queries, chunk, lines, names),
            queries=tuple(queries.rules),
        )  # fmt: skip
        return f"{', '.join(hunt.queries)}: {len(hunt.hits)} of {hunt.events} events around it"


@cache
def saved_queries() -> tuple[Rule, ...]:
    """The built-in saved queries, by name."""
    files = sorted(resources.files("phalanx.intel").joinpath("hunts").iterdir(), key=lambda file: file.name)
    return tuple(parse_rule(file.read_bytes(), where=file.name) for file in files if file.name.endswith(".yml"))


async def _finding(mission: Mission, tools: Toolbox) -> Finding:
    try:
        return await tools.get(Findings).get(mission.tenant, mission.subject)
    except NotFound as missing:
        raise MissionRejected(missing.message) from missing


async def _hunted(
    mission: Mission, finding: Finding, tools: Toolbox, look: Callable[[Quarry, Chunk, Sequence[bytes]], None],
    *, queries: tuple[str, ...] = (),
) -> Hunt:  # fmt: skip
    """Look through the chunks around the finding, keep what was found, and tell the ledger.

    What an earlier attempt kept counts: a later one would see other events.
    """
    made, quarry, chunks = derive_id(id_time_ns(mission.id), "hunt", mission.id), Quarry(), 0
    row = await tools.get(Store).get(HUNTS, mission.tenant, made)
    if row is not None:
        hunt = decode(row.value, Hunt)
        await _tell(hunt, tools)
        return hunt
    batch, _ = split_event_id(finding.evidence[0])
    async for chunk, lines in tools.get(EventLog).around(mission.tenant, batch):
        # A chunk may have thousands of lines: off the event loop.
        await tools.get(Offload).run(look, quarry, chunk, lines)
        chunks += 1
    hunt = Hunt(
        id=made, tenant=mission.tenant, trace=mission.trace, at_ns=mission.at_ns, case=mission.case,
        finding=finding.id, skill=mission.skill, queries=queries,
        hits=tuple(
            HuntHit(event.id, event.time_ns, why, entities_of(event, host_of(event, tools.get(Sentinel).host_names)))
            for event, why in quarry.linked()
        ),
        entities=tuple(quarry.beside(finding)), events=quarry.events, chunks=chunks,
    )  # fmt: skip
    await _keep(hunt, tools)
    return hunt


async def _keep(hunt: Hunt, tools: Toolbox) -> None:
    summary = f"{hunt.skill}: {len(hunt.hits)} of {hunt.events} events"
    waypoint = waypoint_of(
        hunt, room="intel", stage="hunt", at_ns=hunt.at_ns, summary=summary, skill=hunt.skill, case=hunt.case
    )
    index = {"case": (hunt.case,), "finding": (hunt.finding,)}
    await tools.get(Store).commit([Put(HUNTS, hunt.tenant, hunt.id, encode(hunt), index), waypoint_put(waypoint)])
    await _tell(hunt, tools)


async def _tell(hunt: Hunt, tools: Toolbox) -> None:
    entry = AuditEntry(
        id=derive_id(id_time_ns(hunt.id), "audit", hunt.id), tenant=hunt.tenant, trace=hunt.trace, at_ns=hunt.at_ns,
        actor="hunter", action=f"hunt.{hunt.skill}", subject=hunt.finding, case=hunt.case,
        body={"hunt": hunt.id, "found": len(hunt.hits), "queries": list(hunt.queries)},
    )  # fmt: skip
    await tools.get(AuditSink).record(entry)


expand_skill = ExpandSkill()
retro_hunt_skill = RetroHuntSkill()
