"""What is noted beside an incident: comments, who has it, and what joined or left it.

Notes are added and never changed. Those of people are found apart from those of the node, which may be many. Unlike a
word, a note has no part in which findings belong together.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Final

import msgspec

from phalanx.core import Put, Record, Store, Table, TenantId, decode, derive_id, encode
from phalanx.incidents._incident import Incident
from phalanx.incidents._limits import MAX_INCIDENT_NOTES

INCIDENT_NOTES: Final = Table("incident_notes", indexes=("incident", "moved"), sealed=True)


class NoteAct(Enum):
    """What a note tells of. The first two are people's; the others are how findings moved."""

    COMMENT = "comment"
    ASSIGN = "assign"
    GREW = "grew"
    JOINED = "joined"
    LEFT = "left"


# Acts of people; the others are the node's.
PEOPLES: Final = frozenset({NoteAct.COMMENT, NoteAct.ASSIGN})


class IncidentNote(Record, frozen=True, kw_only=True, tag="incident-note"):
    """A note on one incident, by the name of ``by``.

    Of an assignment, ``to`` has it from then on in place of ``instead_of``; empty is nobody. ``other`` is the incident
    that joined this one, ``findings`` are those that came or left.
    """

    incident: str
    act: NoteAct
    by: str
    text: str = ""
    to: str = ""
    instead_of: str = ""
    other: str = ""
    findings: tuple[str, ...] = ()


class CommentWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be said of an incident. Sent again under the same ``key``, an id of the sender's, it is said once."""

    text: str
    key: str = ""


class AssignWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to have an incident, in place of whom; empty is nobody."""

    to: str
    instead_of: str = ""
    reason: str = ""


def moved_note(
    made: Incident, act: NoteAct, *, text: str = "", other: str = "", findings: Sequence[str] = (), to: str = ""
) -> IncidentNote:
    """What the node did with an incident's findings, and who has it because of that."""
    return IncidentNote(
        id=derive_id(made.changed_at_ns, "incident-note", act.value, made.id, other, *findings),
        tenant=made.tenant, trace=made.trace, at_ns=made.changed_at_ns, incident=made.id, act=act, by="analyst",
        text=text, to=to, other=other, findings=tuple(findings),
    )  # fmt: skip


def note_put(note: IncidentNote) -> Put:
    index = "incident" if note.act in PEOPLES else "moved"
    return Put(INCIDENT_NOTES, note.tenant, note.id, encode(note), {index: (note.incident,)})


async def notes_of(store: Store, tenant: TenantId, incident: str) -> list[IncidentNote]:
    """What people noted on an incident, oldest first."""
    return await _found(store, tenant, "incident", incident)


async def moves_of(store: Store, tenant: TenantId, incident: str) -> list[IncidentNote]:
    """How its findings came and left, oldest first; the newest of that."""
    return await _found(store, tenant, "moved", incident)


async def _found(store: Store, tenant: TenantId, index: str, incident: str) -> list[IncidentNote]:
    rows = await store.find(INCIDENT_NOTES, tenant, index, incident, limit=MAX_INCIDENT_NOTES, reverse=True)
    return sorted((decode(row.value, IncidentNote) for row in rows), key=lambda note: (note.at_ns, note.id))
