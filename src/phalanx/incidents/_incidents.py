"""Incidents as they are stored: regrouped when there is something new, and changed by people.

- Which findings belong together follows from findings, hunts and what people said; the order in which they came
  does not matter. An incident keeps its id while its anchor is in it. When two grow together the older one stays,
  and the other says which one it was merged into.
- What a person said holds against anything found later.
- A closed incident that gets a new finding is open again.
- Every change is in the ledger: opened, grown, merged, split, closed, reopened, and by whom.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypedDict

import msgspec

from phalanx.core import (
    MAX_PAGE_ROWS,
    AuditEntry,
    AuditSink,
    Clock,
    Expect,
    Finding,
    InvalidInput,
    NotFound,
    Offload,
    Overloaded,
    Put,
    Row,
    Store,
    Table,
    TenantId,
    Unavailable,
    Write,
    counted,
    decode,
    derive_id,
    encode,
    iso_from_ns,
)
from phalanx.incidents._errors import OutOfDate
from phalanx.incidents._incident import (
    INCIDENTS,
    SCORES,
    WORDS,
    CloseWanted,
    Incident,
    IncidentAct,
    IncidentOutcome,
    IncidentScore,
    IncidentStatus,
    IncidentWord,
    MergeWanted,
    SplitWanted,
)
from phalanx.incidents._limits import (
    MAX_GROUPED_FINDINGS,
    MAX_GROUPED_HUNTS,
    MAX_OPEN_INCIDENTS,
    MAX_REASON_CHARS,
    MAX_THREAD_ROWS,
    MAX_WORDS,
    SCAN_ROWS,
)
from phalanx.incidents._notes import NoteAct, moved_note, note_put
from phalanx.incidents._regrouping import Change, Kept, Material, kept_of, regrouped
from phalanx.intel import FINDINGS, HUNTS, wrong_findings
from phalanx.telemetry import waypoint_of, waypoint_put


class _Page(TypedDict):
    after: str
    limit: int
    reverse: bool


class Incidents:
    """All incidents of a node. ``host_names`` are by address; ``processes`` take what is too much for a thread."""

    def __init__(
        self, store: Store, audit: AuditSink, clock: Clock, offload: Offload, processes: Offload,
        host_names: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._store = store
        self._audit = audit
        self._clock = clock
        self._offload = offload
        self._processes = processes
        self._host_names = host_names
        self._working = asyncio.Lock()
        self._done: dict[TenantId, str] = {}

    async def get(self, tenant: TenantId, incident: str) -> Incident:
        """Raises ``NotFound``."""
        row = await self._store.get(INCIDENTS, tenant, incident)
        if row is None:
            raise NotFound("incident", incident)
        return decode(row.value, Incident)

    async def newest(
        self, tenant: TenantId, *, status: IncidentStatus | None = None, assignee: str = "", after: str = "",
        limit: int = MAX_PAGE_ROWS,
    ) -> list[Incident]:  # fmt: skip
        """Newest first, past the incident ``after``; those that stand so, and that somebody has."""
        page: _Page = {"after": after, "limit": limit, "reverse": True}
        if assignee:
            value = _assigned(assignee, status) if status else assignee
            rows = await self._store.find(INCIDENTS, tenant, "assignee", value, **page)
        elif status:
            rows = await self._store.find(INCIDENTS, tenant, "status", status.value, **page)
        else:
            rows = await self._store.scan(INCIDENTS, tenant, **page)
        return [decode(row.value, Incident) for row in rows]

    async def of_finding(self, tenant: TenantId, finding: str) -> Incident | None:
        """The incident that a finding is in."""
        rows = await self._store.find(INCIDENTS, tenant, "finding", finding, limit=1, reverse=True)
        return decode(rows[0].value, Incident) if rows else None

    async def of_case(self, tenant: TenantId, case: str) -> list[Incident]:
        """The incidents that a host's case is part of."""
        rows = await self._store.find(INCIDENTS, tenant, "case", case, limit=MAX_PAGE_ROWS, reverse=True)
        return [decode(row.value, Incident) for row in rows]

    async def words(self, tenant: TenantId, incident: str) -> list[IncidentWord]:
        """What people said of an incident, oldest first."""
        rows = await self._store.find(WORDS, tenant, "incident", incident, limit=MAX_PAGE_ROWS)
        return [decode(row.value, IncidentWord) for row in rows]

    async def score(self, incident: Incident, rates: Mapping[str, float], *, by: str) -> IncidentScore:
        """Keep what somebody who knows the truth measured of an incident."""
        made = IncidentScore(
            id=incident.id, tenant=incident.tenant, trace=incident.trace, at_ns=self._clock.wall_ns(),
            rates={name: round(rate, 4) for name, rate in rates.items()}, by=by,
        )  # fmt: skip
        await self._store.commit([Put(SCORES, made.tenant, made.id, encode(made))])
        return made

    async def score_of(self, tenant: TenantId, incident: str) -> IncidentScore | None:
        """What was measured of an incident, if anything was."""
        row = await self._store.get(SCORES, tenant, incident)
        return None if row is None else decode(row.value, IncidentScore)

    async def merge(self, tenant: TenantId, wanted: MergeWanted, *, by: str) -> Incident:
        """Say that incidents are one. Raises ``NotFound`` and ``InvalidInput``."""
        if len(set(wanted.incidents)) < 2:
            raise InvalidInput("incidents", "two at least can be merged")
        known = [await self.live(tenant, incident) for incident in wanted.incidents]
        word = self._word(IncidentAct.MERGE, known, wanted.reason, by, findings=tuple(one.findings[0] for one in known))
        await self._say(word, known[0])
        found = await self.of_finding(tenant, known[0].findings[0])
        assert found is not None
        return found

    async def split(self, tenant: TenantId, incident: str, wanted: SplitWanted, *, by: str) -> Incident:
        """Say that findings do not belong to an incident; they are together as far as they are tied without it."""
        known, out = await self.live(tenant, incident), set(wanted.findings)
        if not out or not out < set(known.findings):
            raise InvalidInput("findings", "some of the incident's findings are wanted, and not all of them")
        rest = tuple(one for one in known.findings if one not in out)
        word = self._word(IncidentAct.SPLIT, [known], wanted.reason, by, findings=tuple(sorted(out)), rest=rest)
        await self._say(word, known)
        found = await self.of_finding(tenant, rest[0])
        return known if found is None else found

    async def close(self, tenant: TenantId, incident: str, wanted: CloseWanted, *, by: str) -> Incident:
        """Close an incident, with what it turned out to be and why. Raises ``OutOfDate``."""

        def change(known: Incident) -> tuple[Incident, list[Write]]:
            if wanted.seen_ns not in (0, known.changed_at_ns):
                raise OutOfDate(incident, f"it changed at {iso_from_ns(known.changed_at_ns)}")
            word = self._word(IncidentAct.CLOSE, [known], wanted.reason, by, outcome=wanted.outcome)
            closed = msgspec.structs.replace(
                known, status=IncidentStatus.CLOSED, outcome=wanted.outcome, reason=word.reason, by=by,
                changed_at_ns=word.at_ns,
            )  # fmt: skip
            return closed, [_word_put(word)]

        closed = await self.rewrite(tenant, incident, change)
        await self._tell(
            closed, f"incident.{IncidentAct.CLOSE.value}", by, {"outcome": wanted.outcome.value, "why": closed.reason}
        )
        return closed

    async def live(self, tenant: TenantId, incident: str) -> Incident:
        """One that goes on by itself. Raises ``NotFound``, and ``InvalidInput`` for one that was merged."""
        return (await self._live(tenant, incident)).incident

    async def rewrite(
        self, tenant: TenantId, incident: str, change: Callable[[Incident], tuple[Incident, Sequence[Write]]]
    ) -> Incident:
        """Write an incident as ``change`` makes it of what it is now, with what is to be in the same commit.

        Nothing comes between. Raises what ``live`` and ``change`` raise; then nothing is written.
        """
        async with self._working:
            known, version = await self._live(tenant, incident)
            made, also = change(known)
            if made != known:
                await self._store.commit([_put(made), *also], expect=[Expect(INCIDENTS, tenant, incident, version)])
            return made

    async def regroup(self, tenant: TenantId) -> int:
        """Put findings together anew, if there is anything new; returns how many incidents changed."""
        async with self._working:
            kept = await self._offload.run(kept_of, await _scan(self._store, INCIDENTS, tenant, MAX_OPEN_INCIDENTS))
            material = Material(
                await self._findings(tenant, [one.incident for one in kept.values()]),
                await _scan(self._store, HUNTS, tenant, MAX_GROUPED_HUNTS),
                await _scan(self._store, WORDS, tenant, MAX_WORDS),
            )
            if self._done.get(tenant) == material.digest:
                return 0
            changes = await self._changes(material, kept)
            n_changed = 0
            for change in changes:
                n_changed += await self._bring_about(change)
            self._done[tenant] = material.digest
            return n_changed

    async def _changes(self, material: Material, kept: Mapping[str, Kept]) -> list[Change]:
        """What is to change. Much material goes to a process: a thread and its garbage would hold up the event loop."""
        wanted = partial(regrouped, material, kept, dict(self._host_names), self._clock.wall_ns())
        if len(material) > MAX_THREAD_ROWS:
            # Without a process it is slower, and a person who just spoke waits for it.
            with contextlib.suppress(Overloaded, Unavailable):
                return await self._processes.run(wanted)
        return await self._offload.run(wanted)

    async def _findings(self, tenant: TenantId, kept: Sequence[Incident]) -> list[Row]:
        """The newest, and the older ones of incidents that some of them are in; none that somebody called wrong."""
        wrong = await wrong_findings(self._store, tenant)
        rows = {row.key: row for row in await _scan(self._store, FINDINGS, tenant, MAX_GROUPED_FINDINGS)}
        for incident in kept:
            if not any(one in rows for one in incident.findings):
                continue
            for older in [one for one in incident.findings if one not in rows]:
                row = await self._store.get(FINDINGS, tenant, older)
                if row is not None:
                    rows[older] = row
        return [row for ident, row in sorted(rows.items()) if ident not in wrong]

    async def _bring_about(self, change: Change) -> int:
        """Write what a change says, one commit for each incident; returns how many of them are not as they were."""
        made, n_changed = change.made, await self._write(change)
        for other in change.absorbed:
            known = other.incident
            if known.status is IncidentStatus.MERGED and known.into == made.id:
                continue
            into = msgspec.structs.replace(
                known, status=IncidentStatus.MERGED, into=made.id, members=(), changed_at_ns=made.changed_at_ns
            )
            had = change.known.incident.assignee if change.known else ""
            heir = known.assignee if made.assignee == known.assignee != had else ""
            await self._store.commit(
                [_put(into), note_put(moved_note(made, NoteAct.JOINED, other=known.id, to=heir))],
                expect=[Expect(INCIDENTS, made.tenant, known.id, other.version)],
            )
            await self._tell(into, "incident.merge", "analyst", {"into": made.id})
            n_changed += 1
        return n_changed

    async def _write(self, change: Change) -> int:
        made = change.made
        known, version = change.known or (None, 0)
        if known is not None and _same(made, known):
            return 0
        new = [one for one in made.findings if known is None or one not in known.findings]
        action = _action(made, known, new)
        found, hosts = counted(len(made.members), "finding"), counted(len(made.hosts), "host")
        summary = f"{found} on {hosts} {'is' if len(made.members) == 1 else 'are'} one: {made.title}"
        writes: list[Write] = [_put(made)]
        if new:
            point = waypoint_of(
                made, room="incidents", stage="incident", at_ns=made.changed_at_ns, summary=summary,
                incident=made.id, findings=len(made.members), probability=made.probability,
            )  # fmt: skip
            writes.append(waypoint_put(point, also=await self._traces(made.tenant, new)))
            writes.append(note_put(moved_note(made, NoteAct.GREW, text=summary, findings=new)))
        left = () if known is None else tuple(one for one in known.findings if one not in made.findings)
        if left:
            writes.append(note_put(moved_note(made, NoteAct.LEFT, findings=left)))
        await self._store.commit(writes, expect=[Expect(INCIDENTS, made.tenant, made.id, version)])
        if action:
            await self._tell(made, action, "analyst", {"new": new, "probability": made.probability})
        return 1

    async def _traces(self, tenant: TenantId, findings: Sequence[str]) -> list[str]:
        rows = [await self._store.get(FINDINGS, tenant, one) for one in findings]
        return [decode(row.value, Finding).trace for row in rows if row is not None]

    async def _live(self, tenant: TenantId, incident: str) -> Kept:
        row = await self._store.get(INCIDENTS, tenant, incident)
        if row is None:
            raise NotFound("incident", incident)
        known = decode(row.value, Incident)
        if known.status is IncidentStatus.MERGED:
            raise InvalidInput("incident", f"{incident} was merged into {known.into}")
        return Kept(known, row.version)

    def _word(
        self, act: IncidentAct, known: Sequence[Incident], reason: str, by: str, *, findings: tuple[str, ...] = (),
        rest: tuple[str, ...] = (), outcome: IncidentOutcome | None = None,
    ) -> IncidentWord:  # fmt: skip
        reason, now_ns = " ".join(reason.split()), self._clock.wall_ns()
        if not reason or len(reason) > MAX_REASON_CHARS:
            raise InvalidInput("reason", f"is needed, in at most {MAX_REASON_CHARS} characters")
        return IncidentWord(
            id=derive_id(now_ns, "incident-word", act.value, *(one.id for one in known), *findings),
            tenant=known[0].tenant, trace=known[0].trace, at_ns=now_ns, act=act,
            incidents=tuple(one.id for one in known), findings=findings, rest=rest, outcome=outcome, reason=reason,
            by=by,
        )  # fmt: skip

    async def _say(self, word: IncidentWord, about: Incident) -> None:
        await self._store.commit([_word_put(word)])
        entry = AuditEntry(
            id=derive_id(word.at_ns, "audit", word.id), tenant=word.tenant, trace=word.trace, at_ns=word.at_ns,
            actor=word.by, action=f"incident.{word.act.value}", subject=word.incidents[0],
            case=next(iter(about.cases), ""),
            body={"incidents": list(word.incidents), "findings": list(word.findings), "why": word.reason},
        )  # fmt: skip
        await self._audit.record(entry)
        await self.regroup(word.tenant)

    async def _tell(self, made: Incident, action: str, actor: str, body: dict[str, object]) -> None:
        entry = AuditEntry(
            id=derive_id(made.changed_at_ns, "audit", action, made.id), tenant=made.tenant, trace=made.trace,
            at_ns=made.changed_at_ns, actor=actor, action=action, subject=made.id, case=next(iter(made.cases), ""),
            body={"findings": len(made.members), "cases": list(made.cases), **body},
        )  # fmt: skip
        await self._audit.record(entry)


def _action(made: Incident, known: Incident | None, new: Sequence[str]) -> str:
    """What the ledger is told; nothing when only what is known of its findings changed."""
    if known is None:
        return "incident.open"
    if known.status is not IncidentStatus.OPEN and made.status is IncidentStatus.OPEN:
        return "incident.reopen"
    gone = [one for one in known.findings if one not in made.findings]
    return "incident.grow" if new else "incident.shrink" if gone else ""


def _same(made: Incident, known: Incident) -> bool:
    return msgspec.structs.replace(made, changed_at_ns=known.changed_at_ns) == known


def _put(made: Incident) -> Put:
    index = {"finding": made.findings, "status": (made.status.value,), "case": made.cases}
    if made.assignee:
        index["assignee"] = (made.assignee, _assigned(made.assignee, made.status))
    return Put(INCIDENTS, made.tenant, made.id, encode(made), index)


def _assigned(assignee: str, status: IncidentStatus) -> str:
    """Under what one finds somebody's incidents that stand so; names hold no line break."""
    return f"{assignee}\n{status.value}"


def _word_put(word: IncidentWord) -> Put:
    return Put(WORDS, word.tenant, word.id, encode(word), {"incident": word.incidents})


async def _scan(store: Store, table: Table, tenant: TenantId, most: int) -> list[Row]:
    """The newest rows of a table, the oldest of them first."""
    rows: list[Row] = []
    while len(rows) < most:
        after = rows[-1].key if rows else ""
        # In short pages: each is unsealed in one turn of the event loop.
        page = await store.scan(table, tenant, after=after, limit=min(SCAN_ROWS, most - len(rows)), reverse=True)
        rows += page
        if len(page) < SCAN_ROWS:
            break
    return rows[::-1]
