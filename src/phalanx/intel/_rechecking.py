"""What sentinels do with a serious finding: look at its part of the stream again, for what stands and what is missing.

``recheck`` reads the stored lines that a finding rests on once more and asks the rules in force: whether it still
stands, and what else they find on the same host around it. ``heed-silence`` learns how often that host is heard, and
says when it was silent for longer than it ever is: who covers traces, stops what tells of them.
"""

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from phalanx.agents import (
    REPORT_TOOLS,
    Capability,
    Mission,
    Role,
    SkillManifest,
    Toolbox,
    file_report,
    filed,
    finding_of,
    told,
)
from phalanx.core import (
    NS_PER_S,
    Event,
    EventId,
    Finding,
    NotFound,
    Offload,
    Trail,
    counted,
    how_long,
    iso_from_ns,
)
from phalanx.intel._limits import MAX_RECHECKED_EVENTS, MAX_RECHECKED_EVIDENCE, RHYTHM_SAMPLES
from phalanx.intel._queries import EventLog, Findings
from phalanx.intel._rhythm import Rhythm
from phalanx.intel._sentinel import Sentinel
from phalanx.intel._subjects import host_of
from phalanx.intel.sigma import RuleSet


class RecheckSkill:
    """Reads a finding's evidence again and asks the rules in force of it, and of all that its host said around it."""

    manifest = SkillManifest(
        name="recheck",
        role=Role.SENTINEL,
        capabilities=(Capability.DETECTION, Capability.INCIDENTS),
        inputs=("serious-finding",),
        outputs=("recheck",),
        cost=0.5,
        permissions=(*REPORT_TOOLS, "EventLog", "Findings", "Offload", "Sentinel", "Trail"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        if (known := await filed(mission, tools)) is not None:
            return told(known)
        finding = await finding_of(mission, tools.get(Findings))
        offload, rules = tools.get(Offload), tools.get(Sentinel).rules
        lines = finding.evidence[:MAX_RECHECKED_EVIDENCE]
        kept = await _kept(finding, lines, tools.get(EventLog))
        again = await offload.run(_hits_of, rules, kept)
        events = await _of_host(finding, tools)
        others = await offload.run(_hits_of, rules, events)
        is_rule = finding.rule in rules.rules
        standing = again[finding.rule]
        concerns = []
        if is_rule and kept and not standing:
            concerns.append(f"{finding.rule} does not find it any more: rule or evidence has changed")
        if len(kept) < len(lines):
            concerns.append(f"{len(lines) - len(kept)} of {len(lines)} lines that it rests on are no longer kept")
        host = _host(finding)
        besides = {rule: n for rule, n in others.most_common() if rule != finding.rule}
        stands = f"stands by {standing} of {len(kept)} lines" if is_rule else "is not by a rule for single events"
        summary = f"{finding.rule} {stands}; {sum(besides.values())} other hits among {len(events)} events of {host}"
        facts = {
            "lines read again": len(kept), "lines that hit again": standing, f"events of {host}": len(events),
            **{f"hits of {rule}": n for rule, n in besides.items()},
        }  # fmt: skip
        return await file_report(mission, self.manifest, tools, summary=summary, facts=facts, concerns=concerns)


class HeedSilenceSkill:
    """Finds holes in what a finding's host said: silences that are longer than its rhythm allows."""

    manifest = SkillManifest(
        name="heed-silence",
        role=Role.SENTINEL,
        capabilities=(Capability.DETECTION, Capability.PREDICTION),
        inputs=("serious-finding",),
        outputs=("silence-check",),
        cost=0.5,
        permissions=(*REPORT_TOOLS, "Findings", "Sentinel", "Trail"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        if (known := await filed(mission, tools)) is not None:
            return told(known)
        finding = await finding_of(mission, tools.get(Findings))
        host, events = _host(finding), await _of_host(finding, tools)
        times = [event.time_ns for event in events]
        holes, usual_s = holes_in(times)
        longest = max(holes, key=lambda one: one.seconds, default=None)
        concerns = [
            f"{host} was silent for {how_long(one.seconds)} from {iso_from_ns(one.begin_ns)}, and is usually heard "
            f"every {how_long(one.usual_s)}"
            for one in holes
        ]
        facts = {
            f"events of {host}": len(events), "usual gap (s)": round(usual_s, 3), "holes": len(holes),
            "longest hole (s)": round(longest.seconds, 1) if longest is not None else 0,
            "span (s)": round((times[-1] - times[0]) / NS_PER_S, 1) if times else 0,
        }  # fmt: skip
        if len(times) <= RHYTHM_SAMPLES:
            summary = f"{host} was heard {len(times)} times around it: too seldom to have a rhythm"
        else:
            summary = (
                f"{host} was heard {len(times)} times around it, usually every {how_long(usual_s)}; "
                f"{counted(len(holes), 'hole')}"
            )
        return await file_report(mission, self.manifest, tools, summary=summary, facts=facts, concerns=concerns)


@dataclass(frozen=True, slots=True)
class Hole:
    """A silence that the rhythm of what was heard before does not allow."""

    begin_ns: int
    seconds: float
    usual_s: float


def holes_in(times_ns: Sequence[int]) -> tuple[list[Hole], float]:
    """The silences in times, each by the rhythm up to it, and the usual gap in the end."""
    if not times_ns:
        return [], 0.0
    rhythm, holes = Rhythm(times_ns[0]), []
    for at_ns in times_ns[1:]:
        silent_s = rhythm.silent_s(at_ns)
        if rhythm.n >= RHYTHM_SAMPLES and silent_s > rhythm.limit_s:
            holes.append(Hole(rhythm.last_ns, silent_s, rhythm.gap_s))
        rhythm.heard(at_ns)
    return holes, rhythm.gap_s


async def _kept(finding: Finding, evidence: Sequence[EventId], events: EventLog) -> list[Event]:
    """Of the events that a finding rests on those that are still kept."""
    kept = []
    for event in evidence:
        with contextlib.suppress(NotFound):
            kept.append(await events.get(finding.tenant, event))
    return kept


async def _of_host(finding: Finding, tools: Toolbox) -> list[Event]:
    """What a finding's host said around it, in the order of time."""
    host, names = _host(finding), tools.get(Sentinel).host_names
    known_as = [host.partition(".")[0] if not host[:1].isdigit() else host]
    known_as += [alias for alias, name in names.items() if name == host]
    near = await tools.get(Trail).near(finding.tenant, finding.evidence[0], known_as, limit=MAX_RECHECKED_EVENTS)
    return [event for event in near.events if host_of(event, names) == host]


def _host(finding: Finding) -> str:
    """The partition of the stream that a finding is in: its host, or what its case is about."""
    hosts = [one.value for one in finding.entities if one.type == "host"]
    return hosts[0] if hosts else finding.case.rpartition("@")[0]


def _hits_of(rules: RuleSet, events: Sequence[Event]) -> Counter[str]:
    """How often each rule hits these events. Correlations are not asked: they would count them as having come again."""
    alone = _alone.get(rules)
    if alone is None:
        alone = _alone[rules] = RuleSet(rules.rules.values())
    hits: Counter[str] = Counter()
    for batch in {id(event.batch): event.batch for event in events}.values():
        places = {event.index for event in events if event.batch is batch}
        hits.update(hit.rule.name for hit in alone.evaluate(batch) if hit.place in places)
    return hits


# Rules of a set without its correlations, for as long as the set is in use.
_alone: WeakKeyDictionary[RuleSet, RuleSet] = WeakKeyDictionary()

recheck_skill = RecheckSkill()
heed_silence_skill = HeedSilenceSkill()
