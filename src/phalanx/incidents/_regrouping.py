"""From rows to what is to be written: the current incidents, and what that changes in those stored. Pure.

With a thousand findings, as many hunts and what they found it takes tenths of a second and creates much garbage: it
belongs in a separate process. Arguments and results are pickled.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

import msgspec

from phalanx.core import Finding, Row, decode
from phalanx.incidents._composing import anchor_of, composed, incident_id
from phalanx.incidents._grouping import Group, Said, grouped
from phalanx.incidents._incident import Incident, IncidentAct, IncidentStatus, IncidentWord
from phalanx.incidents._limits import OPEN_FROM
from phalanx.incidents._ties import Why, ties
from phalanx.intel import Hunt


class Kept(NamedTuple):
    """An incident as it is kept, and the version that a change of it replaces."""

    incident: Incident
    version: int


class Change(NamedTuple):
    """An incident as it is now, how it was kept, if it was, and those that have become part of it."""

    made: Incident
    known: Kept | None
    absorbed: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """What a grouping follows from, as it was read from the store."""

    findings: Sequence[Row]
    hunts: Sequence[Row]
    words: Sequence[Row]

    def __len__(self) -> int:
        return len(self.findings) + len(self.hunts) + len(self.words)

    @property
    def digest(self) -> str:
        """The same for as long as nothing in it changed."""
        rows = (*self.findings, *self.hunts, *self.words)
        return sha256("\n".join(f"{row.key} {row.version}" for row in rows).encode()).hexdigest()


def kept_of(rows: Iterable[Row]) -> dict[str, Kept]:
    return {row.key: Kept(decode(row.value, Incident), row.version) for row in rows}


def regrouped(material: Material, kept: Mapping[str, Kept], host_names: Mapping[str, str], now_ns: int) -> list[Change]:
    """Each group takes over the oldest incident whose anchor is in it; one without any opens one if it is likely."""
    findings = [decode(row.value, Finding) for row in material.findings]
    # Hunts without a finding are about rules or indicators, and tie no finding to anything.
    hunts = [hunt for row in material.hunts if (hunt := decode(row.value, Hunt)).finding]
    words = [decode(row.value, IncidentWord) for row in material.words]
    groups = grouped(findings, ties(findings, hunts, host_names), _said(words))
    return [change for group in groups if (change := _change(group, hunts, kept, host_names, now_ns)) is not None]


def _change(
    group: Group, hunts: Sequence[Hunt], kept: Mapping[str, Kept], host_names: Mapping[str, str], now_ns: int
) -> Change | None:
    ids = [incident_id(finding) for finding in group.findings]
    own = sorted((one for one in ids if one in kept), key=lambda one: (kept[one].incident.at_ns, one))
    if not own and group.probability < OPEN_FROM:
        return None
    ident = own[0] if own else incident_id(anchor_of(group))
    known = kept[ident] if own else None
    was = known.incident if known else None
    made = composed(group, hunts, host_names, ident=ident, now_ns=now_ns, known=was)
    if was is not None and was.status is not IncidentStatus.OPEN and set(made.findings) - set(was.findings):
        made = msgspec.structs.replace(made, status=IncidentStatus.OPEN, outcome=None, reason="", by="", into="")
    absorbed = tuple(kept[other] for other in own[1:])
    return Change(msgspec.structs.replace(made, assignee=_assignee(made, absorbed)), known, absorbed)


def _assignee(made: Incident, absorbed: Sequence[Kept]) -> str:
    """Who has it: whoever had it before, else who had what becomes part of it now."""
    joining = [one.incident for one in absorbed if one.incident.status is not IncidentStatus.MERGED]
    return made.assignee or next((one.assignee for one in joining if one.assignee), "")


def _said(words: Sequence[IncidentWord]) -> Said:
    return Said(
        tuple(
            (word.findings, Why("person", word.by, f"{word.by}: {word.reason}", 1.0))
            for word in words if word.act is IncidentAct.MERGE
        ),
        tuple((frozenset(word.findings), frozenset(word.rest)) for word in words if word.act is IncidentAct.SPLIT),
    )  # fmt: skip
