"""Why two findings belong together, and how much that counts. Pure.

A finding names hosts, users, addresses, domains and files; two of them are tied by what both name, by one naming
the other's host, and by an event that a hunt found between them. Each reason has a weight from 0 to 1, which halves
over ``TIE_HALF_LIFE_S`` between them; several combine like independent probabilities. What many hosts name says
nothing, and neither does what hunts saw again and again: that is everyday activity, not a path that somebody took.

Legitimate work happens where an intruder is, at the same time, by people whose accounts the intruder may have. So
what could mean several findings counts for the nearest and least common:

- two findings on one host that name different people are hardly tied by the host: whole days happen on a server;
- one that names nobody belongs to those nearest to it in time on its host;
- an account seen on many hosts ties little, by name and by what hunts found of it; a list of guessed accounts
  nothing;
- an event that a hunt found leads to the findings nearest to it, and hardly to those of other people.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from phalanx.core import NS_PER_S, Entity, Finding
from phalanx.incidents._limits import (
    BRIDGE_WITHIN_S,
    GROUP_WITHIN_S,
    MAX_BRIDGE_HOSTS,
    MAX_PEOPLE,
    MAX_PERSON_HOSTS,
    MAX_TIE_HOSTS,
    MAX_WHYS,
    NEAREST_HALF_S,
    TIE_HALF_LIFE_S,
    TIE_NEIGHBOURS,
    USUAL_APART_S,
)
from phalanx.intel import Hunt

# Accounts that every machine has.
EVERYBODY = frozenset({"system", "local service", "network service", "root", "administrator", "anonymous logon", "-"})
_LINKING = frozenset({"ip", "domain", "file"})
# How much a reason counts by itself, when it is fresh.
_SAME_PERSON, _SAME_HOST, _OTHER_PERSON = 0.9, 0.7, 0.3
_SHARED = {"user": 0.8, "ip": 0.9, "domain": 0.9, "file": 0.8}
_MOVE, _BRIDGE = 0.6, 0.6
# Each of several reasons that go by an account of many hosts: together they tie nothing.
_COMMON_PERSON = 0.25


class Why(msgspec.Struct, frozen=True):
    """One reason why findings belong together. ``kind`` is host, user, ip, domain, file, move, hunt or person;
    ``by`` is what both have in common, or who said so.
    """

    kind: str
    by: str
    text: str
    weight: float


class Tie(NamedTuple):
    """Two findings, by id, how much ties them, and why, the weightiest reason first."""

    one: str
    other: str
    weight: float
    why: tuple[Why, ...]


@dataclass(frozen=True, slots=True)
class _Look:
    """A finding as this module looks at it. ``named`` are in canonical form; ``people`` those accounts of it."""

    finding: Finding
    host: str
    named: frozenset[Entity]
    people: frozenset[Entity]


def named_by(entities: Iterable[Entity], host_names: Mapping[str, str]) -> set[Entity]:
    """What can tie, of what is named; an address of a known host is that host, an account is without its domain."""
    named = set()
    for entity in entities:
        value = entity.value.lower()
        if entity.type == "host":
            named.add(Entity("host", value))
        elif entity.type == "ip" and value in host_names:
            named.add(Entity("host", host_names[value]))
        elif entity.type == "user":
            # With and without its domain it is one account.
            name = value.rpartition("\\")[2].partition("@")[0]
            named |= {Entity("user", name)} if name not in EVERYBODY and not name.endswith("$") else set()
        elif entity.type in _LINKING:
            named.add(Entity(entity.type, value))
    return named


def host_in(case: str) -> str:
    """The host in the name of a host's case."""
    return case.rpartition("@")[0]


def ties(findings: Sequence[Finding], hunts: Sequence[Hunt], host_names: Mapping[str, str]) -> list[Tie]:
    """Every pair that is tied by anything, in a fixed order; work grows with the findings, not with their pairs."""
    looks = [_look(one, host_names) for one in sorted(findings, key=lambda one: (one.first_seen_ns, one.id))]
    seen = _Seen.of(hunts, host_names)
    found: dict[tuple[str, str], dict[tuple[str, str], Why]] = defaultdict(dict)
    for one, other, why in (*_shared(looks, seen), *_moves(looks, seen), *_bridges(looks, seen), *_shown(looks, seen)):
        pair = (min(one.finding.id, other.finding.id), max(one.finding.id, other.finding.id))
        known = found[pair].get((why.kind, why.by))
        if known is None or known.weight < why.weight:
            found[pair][why.kind, why.by] = why
    return [_tie(pair, whys.values()) for pair, whys in sorted(found.items())]


def _look(finding: Finding, host_names: Mapping[str, str]) -> _Look:
    named = named_by(finding.entities, host_names)
    people = frozenset(one for one in named if one.type == "user")
    if len(people) > MAX_PEOPLE:
        named, people = named - people, frozenset()
    return _Look(finding, host_in(finding.case), frozenset(named), people)


def apart_s(one: Finding, other: Finding) -> float:
    """The time between what two findings tell of; 0 when they overlap. When they arrived says nothing."""
    gap_ns = max(one.first_seen_ns, other.first_seen_ns) - min(one.last_seen_ns, other.last_seen_ns)
    return max(0, gap_ns) / NS_PER_S


def _faded(weight: float, one: _Look, other: _Look) -> float:
    """The weight after the time between them."""
    gap_s = apart_s(one.finding, other.finding)
    return 0.0 if gap_s > GROUP_WITHIN_S else weight * 0.5 ** (gap_s / TIE_HALF_LIFE_S)


def _tie(pair: tuple[str, str], whys: Iterable[Why]) -> Tie:
    ordered = sorted(whys, key=lambda why: (-why.weight, why.kind, why.by))
    against = 1.0
    for why in ordered:
        against *= 1.0 - why.weight
    return Tie(*pair, round(1.0 - against, 4), tuple(ordered[:MAX_WHYS]))


def _shared(looks: Sequence[_Look], seen: "_Seen") -> Iterator[tuple[_Look, _Look, Why]]:
    """Findings that name the same thing, each with those just before it."""
    nearest_s = _nearest_s(looks)
    by_entity: dict[Entity, list[_Look]] = defaultdict(list)
    for look in looks:
        for entity in look.named | {Entity("host", look.host)}:
            if entity.type != "host" or entity.value == look.host:
                by_entity[entity].append(look)
    for entity, group in sorted(by_entity.items()):
        if len({look.host for look in group}) > MAX_TIE_HOSTS:
            continue
        for place, one in enumerate(group):
            for other in group[max(0, place - TIE_NEIGHBOURS) : place]:
                base, text = _base(entity, one, other)
                if (
                    entity.type == "user"
                    and len({look.host for look in group} | seen.hosts_of[entity]) > MAX_PERSON_HOSTS
                ):
                    base = _COMMON_PERSON
                elif entity.type == "host":
                    base *= _nearness(one, other, nearest_s)
                if weight := _faded(base, one, other):
                    yield one, other, Why(entity.type, str(entity), text, round(weight, 4))


def _nearest_s(looks: Sequence[_Look]) -> dict[str, float]:
    """For each finding that names nobody how far the nearest one on its host is that names somebody."""
    nearest = {look.finding.id: GROUP_WITHIN_S for look in looks}
    for group in _on_hosts(looks).values():
        for place, one in enumerate(group):
            for other in group[max(0, place - TIE_NEIGHBOURS) : place]:
                for unnamed, named in ((one, other), (other, one)):
                    if named.people and not unnamed.people:
                        ident = unnamed.finding.id
                        nearest[ident] = min(nearest[ident], apart_s(one.finding, other.finding))
    return nearest


def _nearness(one: _Look, other: _Look, nearest_s: Mapping[str, float]) -> float:
    """1, and less where one of two findings names nobody and has somebody who is nearer."""
    if bool(one.people) == bool(other.people):
        return 1.0
    unnamed = other if one.people else one
    return _halved(apart_s(one.finding, other.finding) - nearest_s[unnamed.finding.id])


def _halved(farther_s: float) -> float:
    """What counts of something that is farther off than what is nearest."""
    return float(0.5 ** (max(0.0, farther_s) / NEAREST_HALF_S))


def _base(entity: Entity, one: _Look, other: _Look) -> tuple[float, str]:
    if entity.type != "host":
        return _SHARED[entity.type], f"both name {entity}"
    if one.people & other.people:
        return _SAME_PERSON, f"both on {entity.value}, by the same account"
    if one.people and other.people:
        return _OTHER_PERSON, f"both on {entity.value}, by different accounts"
    return _SAME_HOST, f"both on {entity.value}"


def _moves(looks: Sequence[_Look], seen: "_Seen") -> Iterator[tuple[_Look, _Look, Why]]:
    """Findings that name another's host: that is how an intruder moves."""
    on_host = _on_hosts(looks)
    for one in looks:
        for entity in sorted(one.named):
            if entity.type != "host" or entity.value == one.host or entity.value not in on_host:
                continue
            if seen.usual(None, {one.host, entity.value}):
                continue
            for other in _nearest(one, on_host[entity.value]):
                if weight := _faded(_MOVE, one, other):
                    yield one, other, Why("move", str(entity), f"one names {entity.value}, the other is on it", weight)


def _bridges(looks: Sequence[_Look], seen: "_Seen") -> Iterator[tuple[_Look, _Look, Why]]:
    """Findings on another host that an event leads to, which a hunt found by what the first one names."""
    on_host, by_id = _on_hosts(looks), {look.finding.id: look for look in looks}
    for finding, at_ns, names, place in seen.hits:
        one = by_id.get(finding)
        if one is None:
            continue
        shared = [entity for entity in one.named & names if entity.type != "host"]
        for by in sorted(shared):
            if len(seen.hosts_of[by]) > MAX_BRIDGE_HOSTS:
                continue
            for host in sorted(entity.value for entity in names if entity.type == "host"):
                if host == one.host or host not in on_host or seen.usual(by, {one.host, host}):
                    continue
                near = [(_off_s(other.finding, at_ns), other) for other in on_host[host]]
                least_s = min(off_s for off_s, _ in near)
                for off_s, other in near:
                    base = _bridge(by, other, place, seen) * _halved(off_s - least_s)
                    if off_s <= BRIDGE_WITHIN_S and (weight := _faded(base, one, other)):
                        text = f"a hunt found {by} on {host}"
                        yield one, other, Why("hunt", f"{by} {host}", text, round(weight, 4))


def _off_s(finding: Finding, at_ns: int) -> float:
    """How far a moment is from a finding; 0 within it."""
    return max(0, finding.first_seen_ns - at_ns, at_ns - finding.last_seen_ns) / NS_PER_S


def _bridge(by: Entity, to: _Look, place: str, seen: "_Seen") -> float:
    """What an event at ``place`` that names ``by`` counts for a finding on a host that it names.

    Who came from a host may have used another account there; who is on the event's own is the one it names.
    """
    if by.type != "user":
        return _BRIDGE
    if to.host == place and to.people and by not in to.people:
        return _OTHER_PERSON
    return _COMMON_PERSON if len(seen.hosts_of[by]) > MAX_PERSON_HOSTS else _BRIDGE


def _shown(looks: Sequence[_Look], seen: "_Seen") -> Iterator[tuple[_Look, _Look, Why]]:
    """Findings that name what an event names which a hunt found on the first one's host, though that does not."""
    by_entity: dict[Entity, list[_Look]] = defaultdict(list)
    for look in looks:
        for entity in look.named:
            if entity.type != "host":
                by_entity[entity].append(look)
    by_id = {look.finding.id: look for look in looks}
    for finding, at_ns, names, place in seen.hits:
        one = by_id.get(finding)
        if one is None or Entity("host", one.host) not in names:
            continue
        near_s = _off_s(one.finding, at_ns)
        hosts = {entity.value for entity in names if entity.type == "host"}
        for by in sorted(entity for entity in names if entity in by_entity and entity not in one.named):
            if near_s > BRIDGE_WITHIN_S or len(seen.hosts_of[by]) > MAX_BRIDGE_HOSTS or seen.usual(by, hosts):
                continue
            base = _bridge(by, one, place, seen)
            for other in by_entity[by][-TIE_NEIGHBOURS:]:
                if other.host != one.host and (weight := _faded(base, one, other)):
                    text = f"a hunt found {by} on {one.host}"
                    yield one, other, Why("hunt", f"{by} {one.host}", text, round(weight, 4))


def _on_hosts(looks: Sequence[_Look]) -> dict[str, list[_Look]]:
    on_host: dict[str, list[_Look]] = defaultdict(list)
    for look in looks:
        on_host[look.host].append(look)
    return on_host


def _nearest(one: _Look, others: Sequence[_Look]) -> list[_Look]:
    at_ns = one.finding.first_seen_ns
    return sorted(others, key=lambda look: (abs(look.finding.first_seen_ns - at_ns), look.finding.id))[:TIE_NEIGHBOURS]


class _Seen:
    """What hunts saw: events with what they name, each once for each finding that was followed."""

    def __init__(self) -> None:
        # The finding that was followed, when the event was, what it names, and the host that it is of.
        self.hits: list[tuple[str, int, frozenset[Entity], str]] = []
        self.hosts_of: dict[Entity, set[str]] = defaultdict(set)
        self._times: dict[tuple[Entity | None, frozenset[str]], tuple[int, int]] = {}

    @classmethod
    def of(cls, hunts: Sequence[Hunt], host_names: Mapping[str, str]) -> "_Seen":
        seen = cls()
        for hunt in sorted(hunts, key=lambda hunt: hunt.id):
            for hit in hunt.hits:
                names = frozenset(named_by(hit.names, host_names))
                own = named_by(hit.names[:1], host_names)
                place = next((one.value for one in own if one.type == "host"), "")
                seen.hits.append((hunt.finding, hit.time_ns, names, place))
                seen._add(hit.time_ns, names)
        return seen

    def _add(self, at_ns: int, names: frozenset[Entity]) -> None:
        hosts = frozenset(entity.value for entity in names if entity.type == "host")
        others = [entity for entity in names if entity.type != "host"]
        for entity in others:
            self.hosts_of[entity] |= hosts
        for by in (None, *others):
            first, last = self._times.get((by, hosts), (at_ns, at_ns))
            self._times[by, hosts] = (min(first, at_ns), max(last, at_ns))

    def usual(self, by: Entity | None, hosts: set[str]) -> bool:
        """Whether ``by`` (or anything) was seen between these hosts again and again."""
        first, last = self._times.get((by, frozenset(hosts)), (0, 0))
        return last - first > USUAL_APART_S * NS_PER_S
