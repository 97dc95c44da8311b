"""What hunters do with a serious finding: follow what it names through stored events, and ask saved queries.

A hunt looks through a bounded number of chunks, those nearest to the finding first, and where more is kept than those,
it asks the archive for what lies farther off. It says how much it looked at. What it found is one record, told to the
ledger; the ids follow from the mission, so a repeated attempt is the same.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from phalanx.agents import Capability, Mission, Role, SkillManifest, Toolbox, finding_of
from phalanx.core import (
    AuditSink,
    Event,
    Finding,
    Offload,
    Store,
    counted,
    decode,
    derive_id,
    id_time_ns,
    split_event_id,
)
from phalanx.intel._archive_hunts import ArchiveHunts
from phalanx.intel._hunt import HUNTS, Hunt, HuntLink, hit_of, keep, links_told, tell
from phalanx.intel._hunting import Quarry, ask, follow, queries_for
from phalanx.intel._limits import HUNTER_HUNT_S, MAX_HUNT_HITS, MAX_HUNT_QUERIES, MAX_HUNTER_LINKS
from phalanx.intel._model import Chunk
from phalanx.intel._queries import EventLog, Findings
from phalanx.intel._saved_queries import saved_queries
from phalanx.intel._sentinel import Sentinel
from phalanx.intel.sigma import RuleSet


class ExpandSkill:
    """Follows hosts, users, addresses, programs, files and domains of a finding through the events around it."""

    manifest = SkillManifest(
        name="expand",
        role=Role.HUNTER,
        capabilities=(Capability.DETECTION, Capability.AGGREGATION),
        inputs=("serious-finding",),
        outputs=("hunt",),
        cost=1.0,
        permissions=("ArchiveHunts", "AuditSink", "EventLog", "Findings", "Offload", "Sentinel", "Store"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        finding = await finding_of(mission, tools.get(Findings))
        names = tools.get(Sentinel).host_names
        hunt = await _hunted(
            mission,
            finding,
            tools,
            lambda quarry, chunk, lines: follow(quarry, finding, chunk, lines, names),
            _followed,
        )
        hosts = [one.value for one in hunt.entities if one.type == "host"]
        reached = f", reaching {', '.join(hosts[:3])}" if hosts else ""
        are = "is" if len(hunt.hits) == 1 else "are"
        return f"{len(hunt.hits)} of {counted(hunt.events + hunt.archived, 'event')} {are} linked{reached}"


class RetroHuntSkill:
    """Asks the saved queries of a finding's techniques of the events around it."""

    manifest = SkillManifest(
        name="retro-hunt",
        role=Role.HUNTER,
        capabilities=(Capability.DETECTION, Capability.PREDICTION),
        inputs=("serious-finding",),
        outputs=("hunt",),
        cost=1.0,
        permissions=("ArchiveHunts", "AuditSink", "EventLog", "Findings", "Offload", "Sentinel", "Store"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        finding = await finding_of(mission, tools.get(Findings))
        wanted = queries_for(finding, saved_queries())[:MAX_HUNT_QUERIES]
        if not wanted:
            return "no saved query is about its techniques"
        queries, names = RuleSet(wanted), tools.get(Sentinel).host_names
        hunt = await _hunted(
            mission, finding, tools,
            lambda quarry, chunk, lines: ask(quarry, finding, queries, chunk, lines, names),
            lambda hunts, finding: _asked(hunts, finding, queries), queries=tuple(queries.rules),
        )  # fmt: skip
        return f"{', '.join(hunt.queries)}: {len(hunt.hits)} of {counted(hunt.events + hunt.archived, 'event')}"


class _Far(NamedTuple):
    """What the archive had: events with why, what was followed, and how many events were asked."""

    hits: Sequence[tuple[Event, str]] = ()
    links: tuple[HuntLink, ...] = ()
    asked: int = 0
    complete: bool = True


async def _followed(hunts: ArchiveHunts, finding: Finding) -> _Far:
    trail = await hunts.follow(finding, most_links=MAX_HUNTER_LINKS, timeout_s=HUNTER_HUNT_S)
    return _Far(trail.nearest(), links_told(trail), trail.asked, trail.complete)


async def _asked(hunts: ArchiveHunts, finding: Finding, queries: RuleSet) -> _Far:
    found = await hunts.asked_around(finding, queries, timeout_s=HUNTER_HUNT_S)
    hits = [(Event(hit.batch, hit.at), hit.rule) for hit in found.hits]
    return _Far(hits, (), found.answer.asked, found.answer.complete)


async def _hunted(
    mission: Mission, finding: Finding, tools: Toolbox, look: Callable[[Quarry, Chunk, Sequence[bytes]], None],
    farther: Callable[[ArchiveHunts, Finding], Awaitable[_Far]], *, queries: tuple[str, ...] = (),
) -> Hunt:  # fmt: skip
    """Look through the chunks around the finding and ask the archive, keep what was found, and tell the ledger.

    What an earlier attempt kept counts: a later one would see other events.
    """
    made, quarry, chunks = derive_id(id_time_ns(mission.id), "hunt", mission.id), Quarry(), 0
    row = await tools.get(Store).get(HUNTS, mission.tenant, made)
    if row is not None:
        hunt = decode(row.value, Hunt)
        await tell(hunt, tools.get(AuditSink))
        return hunt
    batch, _ = split_event_id(finding.evidence[0])
    async for part in tools.get(EventLog).parts_around(mission.tenant, batch):
        # A chunk may have thousands of lines: off the event loop.
        await tools.get(Offload).run(_look_at, part, look, quarry)
        chunks += len(part)
    hunts, names = tools.get(ArchiveHunts), tools.get(Sentinel).host_names
    far = await farther(hunts, finding) if hunts.beyond(finding, quarry.events) else _Far()
    near = quarry.linked()
    known = {*finding.evidence, *(event.id for event, _ in near)}
    found = [*near, *((event, why) for event, why in far.hits if event.id not in known)][:MAX_HUNT_HITS]
    hunt = Hunt(
        id=made, tenant=mission.tenant, trace=mission.trace, at_ns=mission.at_ns, case=mission.case,
        finding=finding.id, skill=mission.skill, queries=queries,
        hits=tuple(hit_of(event, why, names) for event, why in found),
        entities=tuple(quarry.beside(finding)), events=quarry.events, chunks=chunks, archived=far.asked,
        links=far.links, complete=far.complete,
    )  # fmt: skip
    await keep(hunt, tools.get(Store), tools.get(AuditSink))
    return hunt


def _look_at(
    part: Sequence[tuple[Chunk, Sequence[bytes]]], look: Callable[[Quarry, Chunk, Sequence[bytes]], None],
    quarry: Quarry,
) -> None:  # fmt: skip
    for chunk, lines in part:
        look(quarry, chunk, lines)


expand_skill = ExpandSkill()
retro_hunt_skill = RetroHuntSkill()
