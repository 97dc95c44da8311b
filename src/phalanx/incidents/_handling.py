"""What people do about an incident beside judging it: who has it, and what they say.

Several do so at once:

- comments never get into each other's way, each is added to what was said before;
- who has an incident changes only from whom the asker saw to have it. Otherwise the asker is told who has it by now,
  and nothing changes. Two who take the same incident at once do not both have it.

Both are durable before the reply, and in the ledger.
"""

from collections.abc import Awaitable, Callable, Collection

import msgspec

from phalanx.core import (
    MAX_NAME_CHARS,
    AuditEntry,
    AuditSink,
    Clock,
    Expect,
    InvalidInput,
    LimitExceeded,
    Store,
    TenantId,
    Write,
    decode,
    derive_id,
    id_time_ns,
    is_id,
)
from phalanx.incidents._errors import OutOfDate
from phalanx.incidents._incident import Incident
from phalanx.incidents._incidents import Incidents
from phalanx.incidents._limits import MAX_COMMENT_CHARS, MAX_INCIDENT_NOTES, MAX_REASON_CHARS
from phalanx.incidents._notes import (
    INCIDENT_NOTES,
    AssignWanted,
    CommentWanted,
    IncidentNote,
    NoteAct,
    note_put,
    notes_of,
)


class Handling:
    """Notes of people on incidents. ``people`` says who may have one in a tenant."""

    def __init__(
        self, incidents: Incidents, store: Store, audit: AuditSink, clock: Clock,
        people: Callable[[TenantId], Awaitable[Collection[str]]],
    ) -> None:  # fmt: skip
        self._incidents = incidents
        self._store = store
        self._audit = audit
        self._clock = clock
        self._people = people

    async def people(self, tenant: TenantId) -> list[str]:
        """Who may have an incident."""
        return sorted(await self._people(tenant))

    async def notes(self, tenant: TenantId, incident: str) -> list[IncidentNote]:
        """What people noted beside an incident, oldest first."""
        return await notes_of(self._store, tenant, incident)

    async def comment(self, tenant: TenantId, incident: str, wanted: CommentWanted, *, by: str) -> IncidentNote:
        """Say something of an incident. Raises ``NotFound``, ``InvalidInput`` and ``LimitExceeded``."""
        known = await self._incidents.live(tenant, incident)
        text = _said(wanted.text)
        if wanted.key and not is_id(wanted.key):
            raise InvalidInput("key", "is an id as this node writes them: a UUID of version 7")
        now_ns = self._clock.wall_ns()
        cause = (wanted.key,) if wanted.key else (str(now_ns), text)
        ident = derive_id(id_time_ns(wanted.key) if wanted.key else now_ns, "incident-note", incident, by, *cause)
        row = await self._store.get(INCIDENT_NOTES, tenant, ident)
        if row is None:
            await self._check_room(tenant, incident)
            note = IncidentNote(
                id=ident, tenant=tenant, trace=known.trace, at_ns=now_ns, incident=incident, act=NoteAct.COMMENT,
                by=by, text=text,
            )  # fmt: skip
            await self._store.commit([note_put(note)], expect=[Expect(INCIDENT_NOTES, tenant, ident, 0)])
        else:
            note = decode(row.value, IncidentNote)
        await self._tell(known, note, {"text": note.text})
        return note

    async def assign(self, tenant: TenantId, incident: str, wanted: AssignWanted, *, by: str) -> Incident:
        """Give an incident to somebody, or to nobody; that somebody has it already changes nothing.

        Raises ``NotFound``, ``InvalidInput``, and ``OutOfDate`` where another has it than was said.
        """
        if wanted.to and wanted.to != by and wanted.to not in await self._people(tenant):
            raise InvalidInput(
                "to", f"{wanted.to[:MAX_NAME_CHARS]!r} is nobody who may act here",
                hint="there is: " + ", ".join(await self.people(tenant)),
            )  # fmt: skip
        reason = " ".join(wanted.reason.split())
        if len(reason) > MAX_REASON_CHARS:
            raise InvalidInput("reason", f"is at most {MAX_REASON_CHARS} characters")
        await self._check_room(tenant, incident)
        noted: list[IncidentNote] = []

        def change(known: Incident) -> tuple[Incident, list[Write]]:
            if known.assignee == wanted.to:
                return known, []
            if known.assignee != wanted.instead_of:
                raise OutOfDate(incident, f"{known.assignee or 'nobody'} has it, not {wanted.instead_of or 'nobody'}")
            now_ns = self._clock.wall_ns()
            note = IncidentNote(
                id=derive_id(now_ns, "incident-note", incident, by, known.assignee, wanted.to), tenant=tenant,
                trace=known.trace, at_ns=now_ns, incident=incident, act=NoteAct.ASSIGN, by=by, text=reason,
                to=wanted.to, instead_of=known.assignee,
            )  # fmt: skip
            noted.append(note)
            return msgspec.structs.replace(known, assignee=wanted.to, changed_at_ns=now_ns), [note_put(note)]

        made = await self._incidents.rewrite(tenant, incident, change)
        for note in noted:
            await self._tell(made, note, {"to": note.to, "instead_of": note.instead_of, "why": note.text})
        return made

    async def _check_room(self, tenant: TenantId, incident: str) -> None:
        n_notes = len(await self._store.find(INCIDENT_NOTES, tenant, "incident", incident, limit=MAX_INCIDENT_NOTES))
        if n_notes >= MAX_INCIDENT_NOTES:
            raise LimitExceeded("notes on an incident", maximum=MAX_INCIDENT_NOTES, seen=n_notes + 1)

    async def _tell(self, known: Incident, note: IncidentNote, body: dict[str, object]) -> None:
        entry = AuditEntry(
            id=derive_id(note.at_ns, "audit", note.id), tenant=note.tenant, trace=note.trace, at_ns=note.at_ns,
            actor=note.by, action=f"incident.{note.act.value}", subject=note.incident,
            case=next(iter(known.cases), ""), body=body,
        )  # fmt: skip
        await self._audit.record(entry)


def _said(text: str) -> str:
    """A comment as it is kept: its lines as they were written. Raises ``InvalidInput``."""
    text = "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip().split("\n"))
    if not text or len(text) > MAX_COMMENT_CHARS:
        raise InvalidInput("text", f"is needed, in at most {MAX_COMMENT_CHARS} characters")
    if any(not char.isprintable() and char not in "\n\t" for char in text):
        raise InvalidInput("text", "holds characters that cannot be shown")
    return text
