"""The sentinel: reads what was accepted, runs the detectors, and commits what follows.

- One sentinel consumes one journal, in order. Its position is in the store, in the same commit as everything it
  found up to there: after a crash it continues from there and nothing is found twice or missed. The same holds for
  the state of detectors that remember. A second sentinel is noticed by the version of the cursor.
- Lines that cannot be read go to quarantine; none stops the stream.
- Nothing it does holds the event loop for longer than one slice of lines (``_limits``).
- When storage is full it waits and begins again at the stored cursor; so does a ``run`` that is started again after
  any other failure.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from phalanx.core import (
    NO_TRACE,
    NS_PER_S,
    PROBE_TENANT,
    Clock,
    EventBatch,
    Expect,
    Finding,
    InvalidInput,
    LimitExceeded,
    Severity,
    StorageCorrupt,
    StorageFull,
    Store,
    WireError,
    decode,
)
from phalanx.crypto import CryptoError
from phalanx.crypto.vault import Shredded
from phalanx.intel._adapting import Steering
from phalanx.intel._detecting import Detected, detecting
from phalanx.intel._detector import Detector
from phalanx.intel._harvest import MISSION_SEVERITY, Commit, Harvest
from phalanx.intel._intake import Intake
from phalanx.intel._limits import (
    MAX_DETECTORS,
    MAX_READ_HITS,
    MAX_READ_ROWS,
    MAX_SLICE_ROWS,
    MAX_TAKE_BYTES,
    MAX_TAKE_RECORDS,
    STORAGE_RETRY_S,
)
from phalanx.intel._memory import Memory
from phalanx.intel._model import BATCHES, CURSORS, BatchEntry, Chunk, Cursor, cursor_key, read_cursor
from phalanx.intel.reading import slices, split_lines
from phalanx.intel.sigma import RuleSet
from phalanx.telemetry import Telemetry

# Events, and where they begin and end in the journal: record and row.
Hand = Callable[[tuple[int, int], tuple[int, int], Sequence[EventBatch]], None]


class _TooMuchFoundError(Exception):
    """The findings in lines that were read in one go may be too much for one commit."""


class Sentinel:
    """Detection as a service: ``run`` it as a task.

    ``on_missions`` is called after a commit that wrote missions. ``host_names`` maps a host's address or short name
    to its name, so that what several sources say about it comes together. A finding of medium severity or above
    becomes one mission for each of ``skills``, one of high severity or above also for each of ``serious_skills``,
    and that of a probe for each of ``probe_skills`` alone. One by a rule of ``rule_skills`` also becomes one for
    each of these, whatever its severity.
    """

    def __init__(
        self,
        intake: Intake,
        store: Store,
        rules: RuleSet,
        *,
        clock: Clock,
        telemetry: Telemetry,
        on_missions: Callable[[], None],
        host_names: Mapping[str, str] | None = None,
        skills: Sequence[str] = ("triage",),
        serious_skills: Sequence[str] = (),
        probe_skills: Sequence[str] = (),
        rule_skills: Mapping[str, Sequence[str]] = MappingProxyType({}),
        detectors: Sequence[Detector] = (),
    ) -> None:
        self._intake = intake
        self._journal = intake.journal
        self._store = store
        self._rules = rules
        self._next_rules: RuleSet | None = None
        self._hand: Hand | None = None
        self._memory = Memory(store)
        self._others: list[Detector] = []
        for detector in detectors:
            self.join(detector)
        self._clock = clock
        self._telemetry = telemetry
        self._log = telemetry.log.bind(room="intel")
        self._on_missions = on_missions
        self.host_names: Mapping[str, str] = dict(host_names or {})
        self._skills = tuple(skills)
        self._serious_skills = tuple(serious_skills)
        self._probe_skills = tuple(probe_skills)
        self._rule_skills = {rule: tuple(names) for rule, names in rule_skills.items()}
        self._offset = 0
        self._row = 0
        self._version = 0
        # Lines read in one go.
        self._read_rows = MAX_READ_ROWS
        self._moved = asyncio.Event()
        # Why it is waiting; empty if it is not.
        self.paused = ""
        metrics = telemetry.metrics
        self._events = metrics.counter("phalanx_detected_events_total", "Lines read and matched.").labels()
        self._rejected = metrics.counter("phalanx_rejected_events_total", "Lines put into quarantine.").labels()
        self._findings = metrics.counter("phalanx_findings_total", "New findings.", ("severity",))
        self._latency = metrics.histogram(
            "phalanx_detection_latency_seconds", "From acceptance of an event to its finding being durable."
        ).labels()

    @property
    def rules(self) -> RuleSet:
        """The rules in force, from the next chunk on."""
        return self._rules if self._next_rules is None else self._next_rules

    def use(self, rules: RuleSet) -> None:
        """Put ``rules`` in force from the next chunk on. They take over what the previous ones were waiting for."""
        # Until then they are shown with the present counts; when they are put in force they take them over again.
        rules.take_costs(self._rules)
        self._next_rules = rules

    def hand_to(self, hand: Hand) -> None:
        """Call ``hand`` with the events that were read: in order, but before they are committed, so again after a
        crash.
        """
        self._hand = hand

    def _renew_rules(self) -> None:
        """Between two chunks nothing is under way that the old rules would remember and the new ones miss."""
        if self._next_rules is not None:
            self._next_rules.take_over(self._rules)
            self._rules, self._next_rules = self._next_rules, None

    def steer(self, steering: Steering) -> None:
        """Pin the thresholds of detectors where people want them, from the next chunk on."""
        self._memory.steering = steering

    @property
    def detectors(self) -> Sequence[Detector]:
        """The detectors, in the order in which they run: the rules first."""
        return (self._rules, *self._others)

    def join(self, detector: Detector) -> None:
        """Add ``detector``, from the next batch on. Raises ``InvalidInput`` if its name is taken."""
        if detector.name in [known.name for known in self.detectors]:
            raise InvalidInput("detector", f"{detector.name!r} is the name of another detector")
        if len(self._others) + 1 >= MAX_DETECTORS:
            raise LimitExceeded("detectors", maximum=MAX_DETECTORS, seen=len(self._others) + 2)
        self._others.append(detector)

    @property
    def offset(self) -> int:
        """The journal offset before which everything is consumed."""
        return self._offset

    async def drained(self) -> None:
        """Return when everything accepted so far is consumed."""
        end = self._journal.end
        while self._offset < end:
            self._moved.clear()
            await self._moved.wait()

    async def run(self) -> None:
        """Consume the journal until cancelled, at any point: what was not committed is done again."""
        while True:
            try:
                await self._resume()
                while True:
                    await self._intake.wait_past(self._offset)
                    await self._consume()
            except _TooMuchFoundError:
                # Start again from the stored cursor, in smaller parts.
                self._read_rows = MAX_SLICE_ROWS
            except StorageFull as full:
                if not self.paused:
                    self._log.warning("detection pauses", reason=full.message, offset=self._offset)
                self.paused = full.message
                await self._clock.sleep(STORAGE_RETRY_S)

    async def _resume(self) -> None:
        """Go to where the store says everything is done; missions committed but not announced are announced now."""
        row = await self._store.get(*cursor_key())
        cursor = read_cursor(None if row is None else row.value)
        self._version = 0 if row is None else row.version
        if not self._journal.start <= cursor.offset <= self._journal.end:
            # Continuing would silently skip events: journal and store are from different times.
            reason = f"the cursor is at {cursor.offset}, the journal has {self._journal.start} to {self._journal.end}"
            raise StorageCorrupt("the intake journal", cursor.offset, reason)
        self._memory.forget()
        self._stand_at(cursor.offset, cursor.row)
        self._on_missions()

    async def _consume(self) -> None:
        """Take what comes next in the journal, and commit what is in it."""
        started_ns = self._clock.monotonic_ns()
        taken = await self._journal.read(self._offset, max_records=MAX_TAKE_RECORDS, max_bytes=MAX_TAKE_BYTES)
        harvest = Harvest(self.host_names)
        events = 0
        offset, row = self._offset, self._row
        for frame in taken:
            try:
                chunk = await self._intake.seals.open(decode(frame, Chunk))
            except Shredded:
                # Nobody can read it any more, which is not reported as a fault.
                offset, row = self._pass(offset, row)
                continue
            except (WireError, CryptoError) as error:
                harvest.add_unreadable(offset, frame, error.message, at_ns=self._clock.wall_ns())
                offset, row = self._pass(offset, row)
                continue
            harvest.open(offset, chunk, await self._read_before(chunk) if row else None)
            events += chunk.events - row
            self._renew_rules()
            detectors = self.detectors
            await self._recall(chunk)
            for first_row, lines in slices(split_lines(chunk.data), row, most=self._read_rows):
                detected = Detected([], [], [])
                for _ in detecting(detectors, chunk, first_row, lines, detected):
                    await asyncio.sleep(0)
                if len(detected.hits) > MAX_READ_HITS and len(lines) > MAX_SLICE_ROWS:
                    raise _TooMuchFoundError
                row = first_row + len(lines)
                if self._hand is not None:
                    self._hand((offset, first_row), (offset, row), detected.batches)
                harvest.add(offset, len(lines), detected)
                if harvest.full:
                    await self._commit(harvest, offset, row)
                    harvest = Harvest(self.host_names)
                    harvest.open(offset, chunk, await self._read_before(chunk))
                    await self._recall(chunk)
                await asyncio.sleep(0)
            offset, row = self._pass(offset, row)
        await self._commit(harvest, offset, 0)
        self._intake.backlog.pace(events, self._clock.monotonic_ns() - started_ns)

    def _pass(self, offset: int, row: int) -> tuple[int, int]:
        """Where the next record begins."""
        if self._hand is not None:
            self._hand((offset, row), (offset + 1, 0), ())
        return offset + 1, 0

    async def _recall(self, chunk: Chunk) -> None:
        for reason in await self._memory.recall(chunk.tenant, self.detectors):
            self._log.error("a detector begins anew", reason=reason)

    async def _read_before(self, chunk: Chunk) -> BatchEntry | None:
        """What the store knows about a chunk that was partly read."""
        row = await self._store.get(BATCHES, chunk.tenant, chunk.id)
        return None if row is None else decode(row.value, BatchEntry)

    async def _commit(self, harvest: Harvest, offset: int, row: int) -> None:
        now_ns = self._clock.wall_ns()
        cursor = Cursor.at(offset, row, at_ns=now_ns)
        expect = Expect(CURSORS, cursor.tenant, cursor.id, self._version)
        states, failed = self._memory.writes(self.detectors, at_ns=now_ns)
        for reason in failed:
            self._log.error("a detector's memory is not kept", reason=reason)
        commit = await harvest.commit(self._store, cursor, expect, states, skills_for=self._skills_for)
        trace = commit.found[0].trace if commit.found else NO_TRACE
        with self._telemetry.tracer.span("commit findings", room="intel", trace=trace, events=harvest.events):
            self._version = await self._store.commit(commit.writes, expect=commit.expect)
        self.paused = ""
        if len(harvest.sightings) <= MAX_READ_HITS:
            self._read_rows = MAX_READ_ROWS
        self._stand_at(offset, row)
        self._tell(harvest, commit)

    def _skills_for(self, finding: Finding) -> Sequence[str]:
        if finding.tenant == PROBE_TENANT:
            return self._probe_skills
        skills = [*self._rule_skills.get(finding.rule, ())]
        if finding.severity >= MISSION_SEVERITY:
            skills += self._skills
        if finding.severity >= Severity.HIGH:
            skills += self._serious_skills
        return tuple(dict.fromkeys(skills))

    def _stand_at(self, offset: int, row: int) -> None:
        self._offset, self._row = offset, row
        self._intake.consumed(offset, row)
        self._moved.set()

    def _tell(self, harvest: Harvest, commit: Commit) -> None:
        """What is durable now may be counted, shown and worked on."""
        now_ns = self._clock.wall_ns()
        self._events.inc(harvest.events)
        self._rejected.inc(harvest.rejected)
        for seen in harvest.sightings:
            self._latency.observe(max(0, now_ns - seen.first.batch.accepted_at_ns) / NS_PER_S)
        for finding in commit.found:
            if finding.tenant == PROBE_TENANT:
                continue
            self._findings.labels(finding.severity.name.lower()).inc()
        for waypoint in commit.waypoints():
            self._telemetry.feed.publish(waypoint)
        if commit.missions:
            self._on_missions()
