"""How well findings were put together, against the ground truth that no node is told.

Knows nothing of how it was done: it takes groups of findings, with the events that were added to each, and the truth
of events by id. What is of the node itself (its decoys, its own health) is in no truth and is left out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from phalanx.core import Finding
from phalanx.demo._attack import Deed


@dataclass(frozen=True, slots=True)
class Grouped:
    """Findings that were said to belong together, by id, and further events that were added."""

    findings: tuple[str, ...]
    events: tuple[str, ...] = ()


@dataclass(slots=True)
class Tally:
    """Counts that add up over many streams; rates are taken of the sums.

    ``true_findings`` are of an intrusion; those ``in_case`` are in the group that has most of them; ``case_findings``
    are all that this group has. The same of events. ``pieces`` are groups with something of an intrusion, ``whole``
    intrusions all of whose findings are in one group, and ``mixed`` groups with something of two. ``false_cases`` are
    groups without anything true. ``pairs`` are of findings that belong together, that were put together, and both.
    ``shares_precision`` and ``shares_recall`` are sums over the true findings, for the measure B-cubed: of what a
    finding's group has, the part that is of its intrusion; and of its intrusion, the part that its group has.
    """

    intrusions: int = 0
    found: int = 0
    whole: int = 0
    pieces: int = 0
    mixed: int = 0
    false_cases: int = 0
    findings: int = 0
    true_findings: int = 0
    in_case: int = 0
    case_findings: int = 0
    true_events: int = 0
    events_found: int = 0
    events_in_case: int = 0
    case_events: int = 0
    pairs: Counter[str] = field(default_factory=Counter)
    shares_precision: float = 0.0
    shares_recall: float = 0.0

    def add(self, other: "Tally") -> None:
        """Count what another one counted."""
        for name in self.__slots__:
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, mine + theirs)


def whose(finding: Finding, truth: Mapping[str, Deed]) -> int | None:
    """Which intrusion most of a finding's evidence is of; None when most is of none."""
    votes = Counter(truth[event].intrusion if event in truth else None for event in finding.evidence)
    return max(votes, key=lambda one: (votes[one], one is not None), default=None)


def tally(truth: Mapping[str, Deed], streamed: Mapping[str, Finding], groups: Sequence[Grouped]) -> Tally:
    """Count for one stream. ``streamed`` are its findings by id; groups of others are left out."""
    owner = {ident: whose(finding, truth) for ident, finding in streamed.items()}
    groups = [group for group in groups if any(one in owner for one in group.findings)]
    made = Tally(findings=len(owner), true_findings=sum(one is not None for one in owner.values()))
    for number in sorted({deed.intrusion for deed in truth.values()}):
        _count(made, number, truth, streamed, owner, groups)
    for group in groups:
        owners = {owner[one] for one in group.findings if one in owner} - {None}
        made.false_cases += not owners
        made.mixed += len(owners) > 1
    together = {
        pair for group in groups for pair in combinations(sorted(one for one in group.findings if one in owner), 2)
    }
    belong = {
        (one, other) for one, other in combinations(sorted(owner), 2)
        if owner[one] is not None and owner[one] == owner[other]
    }  # fmt: skip
    made.pairs.update(said=len(together), so=len(belong), both=len(together & belong))
    made.shares_precision, made.shares_recall = _shares(owner, groups)
    return made


def _shares(owner: Mapping[str, int | None], groups: Sequence[Grouped]) -> tuple[float, float]:
    """B-cubed (Bagga and Baldwin, 1998) as sums; a finding in no group is one by itself."""
    group_of = {one: set(group.findings) & set(owner) for group in groups for one in group.findings}
    precision = recall = 0.0
    for one, whom in owner.items():
        if whom is None:
            continue
        own, got = {other for other, of in owner.items() if of == whom}, group_of.get(one, {one})
        precision += len(own & got) / len(got)
        recall += len(own & got) / len(own)
    return precision, recall


def _count(
    made: Tally, number: int, truth: Mapping[str, Deed], streamed: Mapping[str, Finding],
    owner: Mapping[str, int | None], groups: Sequence[Grouped],
) -> None:  # fmt: skip
    own = {ident for ident, whom in owner.items() if whom == number}
    events = {event for event, deed in truth.items() if deed.intrusion == number}
    made.intrusions += 1
    made.true_events += len(events)
    made.events_found += len({event for one in own for event in streamed[one].evidence} & events)
    touching = [group for group in groups if own & set(group.findings)]
    if not touching:
        return
    best = max(touching, key=lambda group: len(own & set(group.findings)))
    inside = [one for one in best.findings if one in owner]
    covered = {event for one in inside for event in streamed[one].evidence} | set(best.events)
    made.found += 1
    made.pieces += len(touching)
    made.whole += own <= set(best.findings)
    made.in_case += len(own & set(inside))
    made.case_findings += len(inside)
    made.events_in_case += len(covered & events)
    made.case_events += len(covered)
