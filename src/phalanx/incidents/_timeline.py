"""What was done about an incident, by the node and by people, in one order. Read from what both left behind.

When something happened on a host is another matter: that is in the incident's findings. Here it is when somebody
noticed, assessed, decided or said something, by the node's clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from phalanx.core import (
    MAX_PAGE_ROWS,
    NO_TRACE,
    Assessment,
    Decision,
    Finding,
    Record,
    Store,
    Table,
    TenantId,
    TraceId,
    counted,
    decode,
)
from phalanx.incidents._incident import WORDS, Incident, IncidentAct, IncidentWord
from phalanx.incidents._limits import MAX_JOINED, MAX_MOMENTS
from phalanx.incidents._model import DECISIONS, PROPOSALS, ActionProposal
from phalanx.incidents._notes import PEOPLES, IncidentNote, NoteAct, moves_of, notes_of
from phalanx.incidents._telling import assessment_in_words, decision_in_words
from phalanx.intel import FINDINGS, HUNTS, OPINIONS, Hunt, Opinion
from phalanx.workflows import ASSESSMENTS

_ACTS: Mapping[IncidentAct, str] = {
    IncidentAct.MERGE: "merged", IncidentAct.SPLIT: "split", IncidentAct.CLOSE: "closed",
    IncidentAct.REOPEN: "reopened",
}  # fmt: skip
R = TypeVar("R", bound=Record)
# By whom hunts are that nobody asked for.
_HUNTER = "hunter"


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Something done about an incident, ``by`` whom, and whether that is a ``person``.

    ``act`` is in one word what, ``told`` what of it is to be known. ``incident`` is another one where it was done
    about one that became part of this, ``trace`` the way that it lies on, where there is one, ``record`` the id of what
    tells of it.
    """

    record: str
    at_ns: int
    act: str
    by: str
    person: bool
    told: str
    incident: str = ""
    trace: TraceId = NO_TRACE


@dataclass(frozen=True, slots=True)
class Timeline:
    """The newest moments, oldest first, and how many earlier ones were left out."""

    moments: tuple[Moment, ...]
    omitted: int


async def timeline(store: Store, incident: Incident) -> Timeline:
    """What was done about ``incident``, and about what became part of it."""
    notes = await _notes(store, incident)
    words: dict[str, IncidentWord] = {}
    for one in dict.fromkeys((incident.id, *(note.incident for note in notes), *_joined(notes))):
        rows = await store.find(WORDS, incident.tenant, "incident", one, limit=MAX_PAGE_ROWS, reverse=True)
        words |= {row.key: decode(row.value, IncidentWord) for row in rows}
    members = await _members(store, incident, notes)
    found = [
        *(_of_note(note, members) for note in notes),
        *(_of_word(word) for word in words.values()),
        *await _of_people(store, members),
        *await _of_node(store, incident, members),
    ]
    found = [msgspec.structs.replace(one, incident="") if one.incident == incident.id else one for one in found]
    found.sort(key=lambda one: (one.at_ns, one.person, one.act, one.told))
    return Timeline(tuple(found[-MAX_MOMENTS:]), max(0, len(found) - MAX_MOMENTS))


async def _notes(store: Store, incident: Incident) -> list[IncidentNote]:
    """Those on it, and on what joined it; what joined that as well."""
    found: list[IncidentNote] = []
    waiting, seen = [incident.id], {incident.id}
    while waiting and len(seen) <= MAX_JOINED:
        one = waiting.pop()
        some = [*await notes_of(store, incident.tenant, one), *await moves_of(store, incident.tenant, one)]
        found += some
        fresh = [other for other in _joined(some) if other not in seen]
        seen.update(fresh)
        waiting += fresh
    return found


def _joined(notes: Iterable[IncidentNote]) -> list[str]:
    return [note.other for note in notes if note.act is NoteAct.JOINED]


async def _members(store: Store, incident: Incident, notes: Sequence[IncidentNote]) -> dict[str, Finding]:
    """Its findings, and those that left it: why they did is told of them."""
    left = [one for note in notes if note.act is NoteAct.LEFT for one in note.findings]
    found = {}
    for one in dict.fromkeys((*incident.findings, *left)):
        row = await store.get(FINDINGS, incident.tenant, one)
        if row is not None:
            found[one] = decode(row.value, Finding)
    return found


async def _of_people(store: Store, members: Mapping[str, Finding]) -> list[Moment]:
    """What people said of its findings."""
    found = []
    for finding in members.values():
        rows = await store.find(OPINIONS, finding.tenant, "finding", finding.id, limit=MAX_PAGE_ROWS)
        for said in (decode(row.value, Opinion) for row in rows):
            told = f"{finding.title} on {_host(finding)}: {said.verdict.value}" + _why(said.reason)
            found.append(Moment(
                record=said.id, at_ns=said.at_ns, act="judged", by=said.by, person=True, told=told, trace=finding.trace
            ))  # fmt: skip
    return found


async def _of_node(store: Store, incident: Incident, members: Mapping[str, Finding]) -> list[Moment]:
    """What was assessed, decided and hunted because of its findings."""
    tenant = incident.tenant
    found: list[Moment] = []
    for case in incident.cases:
        made = await _of_case(store, ASSESSMENTS, Assessment, tenant, case)
        found += [
            _by_node(one, "assessed", "analyst", assessment_in_words(one))
            for one in made if one.finding in members
        ]  # fmt: skip
        asked = {one.id: one for one in await _of_case(store, PROPOSALS, ActionProposal, tenant, case)}
        found += [
            _by_node(one, "decided", one.authority, decision_in_words(asked[one.about], one))
            for one in await _of_case(store, DECISIONS, Decision, tenant, case) if one.about in asked
        ]  # fmt: skip
        for hunt in await _of_case(store, HUNTS, Hunt, tenant, case):
            if hunt.finding in members:
                told = f"{hunt.skill} found {counted(len(hunt.hits), 'event')} for {members[hunt.finding].title}"
                found.append(Moment(
                    record=hunt.id, at_ns=hunt.at_ns, act="hunted", by=hunt.by, person=hunt.by != _HUNTER, told=told,
                    trace=hunt.trace,
                ))  # fmt: skip
    return found


async def _of_case(store: Store, table: Table, kind: type[R], tenant: TenantId, case: str) -> list[R]:
    rows = await store.find(table, tenant, "case", case, limit=MAX_PAGE_ROWS, reverse=True)
    return [decode(row.value, kind) for row in rows]


def _by_node(record: Record, act: str, by: str, told: str) -> Moment:
    return Moment(
        record=record.id, at_ns=record.at_ns, act=act, by=by, person=False, told=told, trace=record.trace
    )  # fmt: skip


def _of_word(word: IncidentWord) -> Moment:
    told = word.reason
    if word.act is IncidentAct.SPLIT:
        told = f"{counted(len(word.findings), 'finding')} set apart: {word.reason}"
    elif word.outcome is not None:
        told = f"{word.outcome.value}: {word.reason}"
    return Moment(
        record=word.id, at_ns=word.at_ns, act=_ACTS[word.act], by=word.by, person=True, told=told,
        incident=word.incidents[0],
    )  # fmt: skip


def _of_note(note: IncidentNote, members: Mapping[str, Finding]) -> Moment:
    match note.act:
        case NoteAct.COMMENT:
            act, told = "commented", note.text
        case NoteAct.ASSIGN:
            instead = f", in place of {note.instead_of}" if note.instead_of and note.to else ""
            act, told = "assigned", f"{note.to or 'nobody'} has it{instead}" + _why(note.text)
        case NoteAct.GREW:
            act, told = "put together", note.text
        case NoteAct.JOINED:
            has = f"; {note.to}, who had it, has this one" if note.to else ""
            act, told = "joined", f"incident {note.other} became part of it{has}"
        case NoteAct.LEFT:
            names = [members[one].title for one in note.findings if one in members]
            act, told = "left", f"{counted(len(note.findings), 'finding')} left: {', '.join(dict.fromkeys(names))}"
    return Moment(
        record=note.id, at_ns=note.at_ns, act=act, by=note.by, person=note.act in PEOPLES, told=told,
        incident=note.incident,
    )  # fmt: skip


def _why(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _host(finding: Finding) -> str:
    return finding.case.rpartition("@")[0]
