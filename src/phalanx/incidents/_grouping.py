"""Findings to groups that belong together, by their ties and by what people said. Pure.

The strongest ties are taken first, and each joins two groups unless somebody said that they are separate. So a
person's word holds against any chain of ties that would rejoin what was split.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from phalanx.core import Finding
from phalanx.incidents._limits import MAX_WHYS, TIE_FROM
from phalanx.incidents._risk import Sign, stage_risks
from phalanx.incidents._ties import Tie, Why


class Member(msgspec.Struct, frozen=True):
    """A finding of an incident, the finding that it is tied to most, and why. The first of all has no ``to``."""

    finding: str
    to: str
    weight: float
    why: tuple[Why, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Findings that belong together, in order of time, and each with its reason."""

    findings: tuple[Finding, ...]
    members: tuple[Member, ...]

    @property
    def probability(self) -> float:
        """How likely at least one stage of an attack is in it, by the priors of triage (``_risk``)."""
        against = 1.0
        for stage in stage_risks([Sign.of(finding) for finding in self.findings]):
            against *= 1.0 - stage.risk
        return round(1.0 - against, 4)


@dataclass(frozen=True, slots=True)
class Said:
    """What people said: findings that are together, each with who said so and why, and pairs of sets that are apart."""

    together: tuple[tuple[tuple[str, ...], Why], ...] = ()
    apart: tuple[tuple[frozenset[str], frozenset[str]], ...] = ()

    def ties(self, known: Iterable[str]) -> list[Tie]:
        """What is together as ties of full weight, as far as it is among ``known``."""
        there = set(known)
        found = []
        for ids, why in self.together:
            present = [one for one in ids if one in there]
            found += [Tie(present[0], other, 1.0, (why,)) for other in present[1:]]
        return found


def grouped(findings: Sequence[Finding], found: Iterable[Tie], said: Said) -> list[Group]:
    """All groups, those that began first at the front. A finding without ties is a group by itself."""
    by_id = {finding.id: finding for finding in findings}
    group_of = {ident: {ident} for ident in by_id}
    kept: dict[str, list[Tie]] = {ident: [] for ident in by_id}
    every = [*said.ties(by_id), *(tie for tie in found if tie.weight >= TIE_FROM)]
    for tie in sorted(every, key=lambda tie: (-tie.weight, tie.one, tie.other)):
        one, other = group_of[tie.one], group_of[tie.other]
        if one is not other:
            if _apart(one, other, said.apart):
                continue
            large, small = (one, other) if len(one) >= len(other) else (other, one)
            large |= small
            for ident in small:
                group_of[ident] = large
        kept[tie.one].append(tie)
        kept[tie.other].append(tie)
    groups = {id(group): group for group in group_of.values()}
    made = [_group([by_id[ident] for ident in group], kept) for group in groups.values()]
    return sorted(made, key=lambda group: _order(group.findings[0]))


def _apart(one: set[str], other: set[str], apart: Sequence[tuple[frozenset[str], frozenset[str]]]) -> bool:
    return any((one & a and other & b) or (one & b and other & a) for a, b in apart)


def _order(finding: Finding) -> tuple[int, str]:
    return finding.first_seen_ns, finding.id


def _group(findings: list[Finding], kept: Mapping[str, Sequence[Tie]]) -> Group:
    findings.sort(key=_order)
    place = {finding.id: number for number, finding in enumerate(findings)}
    members = []
    for finding in findings:
        own = kept[finding.id]
        # The strongest tie to what was there before it; where there is none, the strongest at all.
        before = [tie for tie in own if place[_end(tie, finding.id)] < place[finding.id]]
        best = max(before or own, key=lambda tie: (tie.weight, -place[_end(tie, finding.id)]), default=None)
        if best is None or finding is findings[0]:
            members.append(Member(finding.id, "", 0.0, ()))
        else:
            members.append(Member(finding.id, _end(best, finding.id), best.weight, best.why[:MAX_WHYS]))
    return Group(tuple(findings), tuple(members))


def _end(tie: Tie, ident: str) -> str:
    return tie.other if tie.one == ident else tie.one
