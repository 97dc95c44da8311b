"""What ties a finding to other events, as questions to the archive. Pure.

A link is what a finding names (a user, a host, an address, a domain, a program, a file), and what its events carry that
only events of one process, one logon or one connection carry. What many events have is no trail: it is told, with its
number, and not followed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from phalanx.core import Entity, Event, Finding
from phalanx.intel._limits import MAX_HOP_LINKS, MAX_HUNT_HITS, MAX_HUNT_LINKS, MIN_NEEDLE_CHARS
from phalanx.intel._subjects import entities_of, host_of
from phalanx.intel.archive import And, Match, Or, Text, Value
from phalanx.intel.sigma import as_text

Expr = And | Or | Match | Text
_MIN_MARK_CHARS = 6
# Fields by what their values are marks of. Those of a logon are of one host only.
_PROCESS = (
    "ProcessGuid", "ParentProcessGuid", "SourceProcessGUID", "TargetProcessGUID", "SourceProcessGuid",
    "TargetProcessGuid", "process.entity_id", "process.parent.entity_id",
)  # fmt: skip
_LOGON = ("LogonGuid", "LogonId", "SubjectLogonId", "TargetLogonId")
_FLOW = ("uid", "flow_id", "community_id", "network.community_id")
_MARKS: Mapping[str, tuple[str, ...]] = {"process": _PROCESS, "logon": _LOGON, "connection": _FLOW}


@dataclass(frozen=True, slots=True)
class Link:
    """Something to follow: how it is called, and the question for events that have it."""

    name: str
    expr: Expr


def links_of(
    finding: Finding, evidence: Iterable[Event], host_names: Mapping[str, str], most: int = MAX_HUNT_LINKS
) -> list[Link]:
    """What to follow from a finding: marks of its events first, which say most, and as much of what it names."""
    marks = dict.fromkeys(mark for event in evidence for mark in _marks(event, host_names))
    named = [link for entity in finding.entities if (link := link_to(entity)) is not None]
    return list(dict.fromkeys((*list(marks)[: max(most // 2, most - len(named))], *named)))[:most]


def link_to(entity: Entity) -> Link | None:
    """The events that name something; None when its name is too short to say anything."""
    value = entity.value
    # A host's short name is what most lines have, and a user is named with a domain or without.
    if entity.type == "host" and not value[:1].isdigit():
        value = value.partition(".")[0]
    elif entity.type == "user":
        value = value.rpartition("\\")[2].partition("@")[0]
    return Link(str(entity), Text(_exactly(value))) if len(value) >= MIN_NEEDLE_CHARS else None


def _marks(event: Event, host_names: Mapping[str, str]) -> Iterable[Link]:
    host = host_of(event, host_names).partition(".")[0]
    for kind, names in _MARKS.items():
        for name in names:
            value = as_text(event.get(name))
            if len(value) < _MIN_MARK_CHARS or not value.strip("{}0x-"):
                continue
            expr: Expr = Or(tuple(Match(one, (_exactly(value),)) for one in names))
            if kind == "logon" and not name.endswith("Guid"):
                expr = And((expr, Match("host", (_exactly(host),))))
            yield Link(f"{kind}:{value}", expr)


def _exactly(text: str) -> Value:
    return Value((text,), quoted=True)


@dataclass(slots=True)
class Trail:
    """What was found so far: events by id with the links that led there, and what else those name."""

    finding: Finding
    host_names: Mapping[str, str]
    events: dict[str, tuple[Event, list[str]]] = field(default_factory=dict)
    followed: dict[str, int] = field(default_factory=dict)
    common: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    complete: bool = True

    def add(self, link: Link, events: Iterable[Event]) -> None:
        """Take events to which a link led; the finding's own evidence is no news."""
        evidence = set(self.finding.evidence)
        for event in events:
            if event.id not in evidence:
                self.events.setdefault(event.id, (event, []))[1].append(link.name)

    def onward(self) -> list[Link]:
        """What the events name that nobody followed yet, the rarest first; each says over what it was come to."""
        seen: Counter[Entity] = Counter()
        over: dict[Entity, str] = {}
        for event, links in self.events.values():
            for entity in entities_of(event, host_of(event, self.host_names)):
                seen[entity] += 1
                over.setdefault(entity, links[0])
        found = []
        for entity, _ in sorted(seen.items(), key=lambda one: (one[1], one[0])):
            link = link_to(entity)
            if link is not None and not self.knows(str(entity)):
                found.append(Link(f"{link.name} (over {over[entity]})", link.expr))
        return found[:MAX_HOP_LINKS]

    def knows(self, name: str) -> bool:
        """Whether it was followed, or is in too much."""
        return any(one.partition(" (over ")[0] == name for one in (*self.followed, *self.common))

    def nearest(self) -> list[tuple[Event, str]]:
        """The events nearest in time to the finding, in order of time, each with what led there."""
        at_ns = self.finding.first_seen_ns
        kept = sorted(self.events.values(), key=lambda one: (abs(one[0].time_ns - at_ns), one[0].id))[:MAX_HUNT_HITS]
        return [(event, ", ".join(links)) for event, links in sorted(kept, key=lambda one: (one[0].time_ns, one[0].id))]

    def beside(self, most: int) -> list[Entity]:
        """What the events name besides what the finding names, the most frequent first."""
        return _beside(self.finding.entities, [event for event, _ in self.events.values()], self.host_names, most)


def _beside(known: Sequence[Entity], events: Sequence[Event], host_names: Mapping[str, str], most: int) -> list[Entity]:
    counts: Counter[Entity] = Counter()
    for event in events:
        counts.update(entities_of(event, host_of(event, host_names)))
    return [entity for entity, _ in counts.most_common() if entity not in known][:most]
