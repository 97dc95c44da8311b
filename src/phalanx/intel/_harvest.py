"""What the sentinel gathers between two commits, and the one commit it becomes.

Batches, findings, missions, rejected lines, their waypoints and the cursor are written together
or not at all, so work that is done again after a crash begins exactly where the last commit ended.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from phalanx.agents import mission_writes
from phalanx.core import (
    NO_TRACE,
    BatchId,
    Expect,
    Finding,
    Put,
    Severity,
    Store,
    TraceId,
    Waypoint,
    Write,
    decode,
    derive_id,
    encode,
    event_id,
)
from phalanx.intel._detecting import Detected
from phalanx.intel._judging import Swallowed
from phalanx.intel._limits import MAX_EXCERPT_CHARS, MAX_FINDINGS_PER_COMMIT, MAX_REJECTS_PER_COMMIT
from phalanx.intel._merging import (
    Sighting,
    Sightings,
    accepted_waypoint,
    finding_of,
    finding_put,
    finding_waypoint,
    merged,
)
from phalanx.intel._model import (
    BATCHES,
    FINDINGS,
    IDEMPOTENCY,
    QUARANTINE,
    BadRow,
    BatchEntry,
    Chunk,
    Cursor,
    Quarantine,
    UsedKey,
)
from phalanx.intel.reading import Rejected
from phalanx.telemetry import WAYPOINTS, waypoint_of, waypoint_put

# From this severity on, a new finding is worth an agent's time.
MISSION_SEVERITY = Severity.MEDIUM


@dataclass(frozen=True, slots=True)
class Commit:
    """Writes and their conditions, and what is to be told when they are durable."""

    writes: tuple[Write, ...]
    expect: tuple[Expect, ...]
    found: tuple[Finding, ...]
    missions: int

    def waypoints(self) -> list[Waypoint]:
        """The waypoints among the writes, in order."""
        return [
            decode(write.value, Waypoint)
            for write in self.writes
            if isinstance(write, Put) and write.table == WAYPOINTS
        ]


@dataclass(slots=True)
class _Batch:
    """A chunk as far as it was read."""

    offset: int
    chunk: Chunk
    rejected: int = 0
    sources: dict[str, None] = field(default_factory=dict)
    latest_ns: int = 0


class Harvest:
    """Filled slice by slice, then committed."""

    def __init__(self, host_names: Mapping[str, str]) -> None:
        self.sightings = Sightings(host_names)
        self.events = 0
        self.rejected = 0
        self._batches: dict[int, _Batch] = {}
        self._quarantined: list[Quarantine] = []

    @property
    def full(self) -> bool:
        """Whether it is enough for one commit."""
        return len(self.sightings) >= MAX_FINDINGS_PER_COMMIT or self.rejected >= MAX_REJECTS_PER_COMMIT

    def open(self, offset: int, chunk: Chunk, known: BatchEntry | None) -> None:
        """Begin with a chunk, or go on with one of which ``known`` tells what was read before."""
        batch = self._batches[offset] = _Batch(offset, chunk)
        if known is not None:
            batch.rejected = known.rejected
            batch.sources = dict.fromkeys(known.sources)
            batch.latest_ns = known.latest_ns

    def add(self, offset: int, rows: int, detected: Detected) -> None:
        """What was found in ``rows`` more lines of an open chunk."""
        batch = self._batches[offset]
        self.events += rows
        self.sightings.add(detected.hits, chunk_events=batch.chunk.events)
        batch.sources.update(dict.fromkeys(detected.sources))
        batch.latest_ns = max(batch.latest_ns, detected.latest_ns)
        if detected.rejected:
            batch.rejected += len(detected.rejected)
            self.rejected += len(detected.rejected)
            self._quarantined.append(_quarantine(batch.chunk, detected.rejected))

    def add_unreadable(self, offset: int, frame: bytes, reason: str, *, at_ns: int) -> None:
        """A record of the journal that is not a chunk."""
        ident = derive_id(at_ns, "unreadable", str(offset))
        line = BadRow(0, reason, _excerpt(frame))
        self.rejected += 1
        cursor = Cursor.at(offset, 0, at_ns=at_ns)
        self._quarantined.append(
            Quarantine(
                id=ident,
                tenant=cursor.tenant,
                trace=NO_TRACE,
                at_ns=at_ns,
                batch=BatchId(""),
                reader="",
                lines=(line,),
            )
        )

    async def commit(
        self, store: Store, cursor: Cursor, expect: Expect, states: Sequence[Write] = (), *,
        skills_for: Callable[[Finding], Sequence[str]],
    ) -> Commit:  # fmt: skip
        """The commit that brings the store to ``cursor``; findings it knows already are read and merged."""
        writes: dict[tuple[str, str, str], Write] = {}
        expects = [expect]
        found = []
        missions = 0
        swallowed = await Swallowed.of(store, (seen.tenant for seen in self.sightings), now_ns=cursor.at_ns)
        for seen in self.sightings:
            if swallowed.takes(seen):
                continue
            row = await store.get(FINDINGS, seen.tenant, seen.id)
            expects.append(Expect(FINDINGS, seen.tenant, seen.id, 0 if row is None else row.version))
            if row is None:
                finding = finding_of(seen, found_at_ns=cursor.at_ns)
                skills = skills_for(finding)
                found.append(finding)
                missions += len(skills)
                _put(writes, _new_finding(finding, seen, skills=skills))
            else:
                _put(writes, [finding_put(merged(decode(row.value, Finding), seen))])
        for batch in self._batches.values():
            _put(writes, _batch_writes(batch))
        for quarantined in self._quarantined:
            _put(writes, _quarantine_writes(quarantined))
        counted, counted_expects = swallowed.writes()
        expects += counted_expects
        _put(writes, [*counted, *states, cursor.put()])
        return Commit(tuple(writes.values()), tuple(expects), tuple(found), missions)


def _put(writes: dict[tuple[str, str, str], Write], more: Sequence[Write]) -> None:
    # Two findings of one event share the waypoint that tells of its acceptance.
    for write in more:
        writes[write.table.name, write.tenant, write.key] = write


def _new_finding(finding: Finding, seen: Sighting, *, skills: Sequence[str]) -> list[Write]:
    writes: list[Write] = [
        finding_put(finding),
        waypoint_put(accepted_waypoint(finding, seen)),
        waypoint_put(finding_waypoint(finding), also=finding.evidence),
    ]
    for skill in skills:
        writes += mission_writes(finding, at_ns=finding.found_at_ns, skill=skill)
    return writes


def _batch_writes(batch: _Batch) -> list[Write]:
    chunk = batch.chunk
    entry = BatchEntry(
        id=chunk.id,
        tenant=chunk.tenant,
        trace=NO_TRACE,
        at_ns=chunk.at_ns,
        offset=batch.offset,
        reader=chunk.reader,
        events=chunk.events,
        rejected=batch.rejected,
        sources=tuple(batch.sources),
        latest_ns=batch.latest_ns,
    )
    writes: list[Write] = [Put(BATCHES, chunk.tenant, chunk.id, encode(entry), {"source": entry.sources})]
    if chunk.idempotency_key:
        used = UsedKey(
            id=chunk.id,
            tenant=chunk.tenant,
            trace=NO_TRACE,
            at_ns=chunk.at_ns,
            offset=batch.offset,
            events=chunk.events,
            digest=chunk.digest,
        )
        writes.append(Put(IDEMPOTENCY, chunk.tenant, chunk.idempotency_key, encode(used)))
    return writes


def _quarantine(chunk: Chunk, rejected: Sequence[Rejected]) -> Quarantine:
    batch = BatchId(chunk.id)
    first = event_id(batch, rejected[0].row)
    return Quarantine(
        id=first,
        tenant=chunk.tenant,
        trace=TraceId(first),
        at_ns=chunk.at_ns,
        batch=batch,
        reader=chunk.reader,
        lines=tuple(BadRow(line.row, line.reason[:MAX_EXCERPT_CHARS], _excerpt(line.raw)) for line in rejected),
    )


def _quarantine_writes(quarantined: Quarantine) -> list[Write]:
    waypoint = waypoint_of(
        quarantined,
        room="intel",
        stage="quarantine",
        at_ns=quarantined.at_ns,
        summary=f"{len(quarantined.lines)} lines rejected: {quarantined.lines[0].reason}",
        batch=quarantined.batch,
        rejected=len(quarantined.lines),
    )
    put = Put(QUARANTINE, quarantined.tenant, quarantined.id, encode(quarantined))
    return [put, waypoint_put(waypoint)]


def _excerpt(raw: bytes) -> str:
    return raw[:MAX_EXCERPT_CHARS].decode("utf-8", "backslashreplace")[:MAX_EXCERPT_CHARS]
