"""The durable life of missions: who may write the next step, and the reading service.

Invariants, held by the store's conditional commits and by nothing in memory:

- a mission reaches ``done`` or ``failed`` once;
- every assignment raises the row's version, and only the holder of the latest version writes the next step. An
  agent that was replaced holds an old one and is turned away (``Fenced``), so a late result can never overwrite a
  newer attempt;
- the mission and the waypoint that reports its step are one commit.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from phalanx.agents._errors import Fenced
from phalanx.agents._limits import MAX_NOTE_CHARS, SCAN_ROWS, STORAGE_PAUSE_S
from phalanx.agents._model import (
    CAME_OVER,
    MISSIONS,
    Mission,
    MissionStatus,
    mission_put,
    mission_waypoint,
    pending_for,
)
from phalanx.agents._succession import Succession
from phalanx.core import (
    MAX_PAGE_ROWS,
    NS_PER_S,
    Clock,
    Conflict,
    Expect,
    NotFound,
    Row,
    StorageError,
    Store,
    TenantId,
    Waypoint,
    WireError,
    Write,
    decode,
)
from phalanx.telemetry import Telemetry, waypoint_put

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Claim:
    """A mission as it was read or written, and its row's version: the right to write the next step."""

    mission: Mission
    version: int


@dataclass(frozen=True, slots=True)
class Window:
    """Missions read ahead, and the key after which there may be more; empty when there are none."""

    claims: Sequence[Claim]
    last: str


@dataclass(frozen=True, slots=True)
class Taker(Generic[A]):
    """Who is given a mission, as it is written down, and the agent itself."""

    name: str
    identity: str
    agent: A


class Missions:
    """Reads missions, for pages and the API."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, tenant: TenantId, mission: str) -> Mission:
        """Raises ``NotFound``."""
        row = await self._store.get(MISSIONS, tenant, mission)
        if row is None:
            raise NotFound("mission", mission, hint="`phalanx agents missions` lists the newest")
        return decode(row.value, Mission)

    async def list(
        self,
        tenant: TenantId,
        *,
        after: str = "",
        limit: int = 100,
        status: MissionStatus | None = None,
        case: str | None = None,
        came_over: bool = False,
        newest: bool = False,
    ) -> list[Mission]:
        """Missions by id, past ``after``; of one status, of one case, or those taken over from other nodes."""
        assert status is None or case is None, "by status or by case, not by both"
        limit = min(limit, MAX_PAGE_ROWS)
        if came_over or status is not None:
            value = status.value if status is not None and not came_over else CAME_OVER
            rows = await self._store.find(MISSIONS, tenant, "status", value, after=after, limit=limit, reverse=newest)
        elif case is not None:
            rows = await self._store.find(MISSIONS, tenant, "case", case, after=after, limit=limit, reverse=newest)
        else:
            rows = await self._store.scan(MISSIONS, tenant, after=after, limit=limit, reverse=newest)
        found = [decode(row.value, Mission) for row in rows]
        return [one for one in found if status in (None, one.status)]


class MissionBook:
    """Writes the steps of missions, each fenced by the version it follows."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        telemetry: Telemetry,
        on_end: Callable[[Mission], None] = lambda _: None,
        succession: Succession | None = None,
    ) -> None:
        self.succession = succession
        self._store = store
        self._clock = clock
        self._on_end = on_end
        self._feed = telemetry.feed
        self._log = telemetry.log.bind(room="agents")
        metrics = telemetry.metrics
        steps = metrics.counter("phalanx_missions_total", "State changes of missions.", ("status",))
        self._assigned = steps.labels("assigned")
        self._done = steps.labels("done")
        self._failed = steps.labels("failed")
        self._again = steps.labels("pending-again")
        self._handed = steps.labels("handed-over")
        self._unreadable = steps.labels("unreadable")
        self._fenced = metrics.counter("phalanx_missions_fenced_total", "Outcomes that came too late and were dropped.")
        self._assignment_seconds = metrics.histogram(
            "phalanx_mission_assignment_seconds", "From a mission's creation to its first assignment."
        )

    async def tenants(self) -> list[TenantId]:
        return await self._store.tenants(MISSIONS)

    async def standing(self, tenant: TenantId, status: MissionStatus) -> AsyncGenerator[Claim, None]:
        """Every mission that stands at ``status``, in order of id, read in pages as it is consumed."""
        after = ""
        while True:
            rows = await self._store.find(MISSIONS, tenant, "status", status.value, after=after, limit=SCAN_ROWS)
            for row in rows:
                if (claim := self._read(row, tenant)) is not None:
                    yield claim
            if len(rows) < SCAN_ROWS:
                return
            after = rows[-1].key

    async def count(self, status: MissionStatus) -> int:
        """How many missions stand at ``status``, of all tenants."""
        return sum([1 for tenant in await self.tenants() async for _ in self.standing(tenant, status)])

    async def pending(self, tenant: TenantId, skill: str, after: str) -> "Window":
        """Pending missions for ``skill`` in order of id, past ``after``."""
        rows = await self._store.find(MISSIONS, tenant, "status", pending_for(skill), after=after, limit=SCAN_ROWS)
        claims = [claim for row in rows if (claim := self._read(row, tenant)) is not None]
        return Window(claims, rows[-1].key if len(rows) == SCAN_ROWS else "")

    async def assign(self, given: Sequence[tuple[Claim, Taker[A]]]) -> list[tuple[Claim, A]]:
        """Give missions to agents, all in one commit; returns those that were free to be given.

        The attempt is counted now, so that one that kills the node counts.
        """
        try:
            return await self._assigned_at_once(given)
        except Conflict:
            if len(given) == 1:
                self._log.warning("mission changed while handed out", mission=given[0][0].mission.id)
                return []
        # One of them changed. Each by itself, so that the others do not wait for it.
        return [done for one in given for done in await self.assign([one])]

    async def _assigned_at_once(self, given: Sequence[tuple[Claim, Taker[A]]]) -> list[tuple[Claim, A]]:
        steps, now_ns = [], self._clock.wall_ns()
        for claim, taker in given:
            attempt = claim.mission.attempts + 1
            steps.append(
                self._step(
                    claim, "assigned", f"given to {taker.name}, attempt {attempt}", status=MissionStatus.ASSIGNED,
                    agent=taker.name, identity=taker.identity, given_ns=now_ns, attempts=attempt,
                )
            )  # fmt: skip
        claims = await self._commit([claim for claim, _ in given], steps)
        self._assigned.inc(len(claims))
        for claim in claims:
            if claim.mission.attempts == 1:
                self._assignment_seconds.observe(max(0, now_ns - claim.mission.at_ns) / NS_PER_S)
        return [(claim, one[1].agent) for claim, one in zip(claims, given, strict=True)]

    async def done(self, claim: Claim, summary: str) -> None:
        await self._ended(claim, "mission-done", summary, MissionStatus.DONE)
        self._done.inc()

    async def failed(self, claim: Claim, reason: str) -> None:
        await self._ended(claim, "mission-failed", reason, MissionStatus.FAILED)
        self._failed.inc()

    async def _ended(self, claim: Claim, stage: str, note: str, status: MissionStatus) -> None:
        succession, mission = self.succession, claim.mission.id
        also: Sequence[Write] = ()
        written: Claim | None = None
        try:
            if succession is not None:
                also = await succession.settle(claim.mission, claim.version)
            written = await self._write(claim, stage, note, also, status=status, ended_ns=self._clock.wall_ns())
        finally:
            if succession is not None:
                succession.over(mission, durable=written is not None)
        self._on_end(written.mission)

    async def again(self, claim: Claim, reason: str) -> None:
        """Back to the queue after a failed attempt."""
        await self._write(claim, "", reason, status=MissionStatus.PENDING, agent="", identity="")
        self._again.inc()

    async def unbegun(self, claim: Claim, reason: str) -> None:
        """Back to the queue, and the attempt is not counted: the mission had no part in its ending."""
        attempts = max(0, claim.mission.attempts - 1)
        await self._write(claim, "", reason, status=MissionStatus.PENDING, agent="", identity="", attempts=attempts)
        self._again.inc()

    async def hand_over(
        self, claims: Sequence[Claim], taker: Taker[Any], reason: str, *, again: Claim | None = None
    ) -> list[Claim]:
        """Give missions of one agent to another, however long storage takes; returns those that were its to give.

        One commit for all. For ``again`` an attempt is counted; for the others the same attempt goes on.
        """
        look = False
        while True:
            try:
                if look:
                    # After storage failed it may have written all the same, and then all of them went together.
                    found = [await self._still(one, taker.name) for one in claims]
                    if handed := [one for one in found if one is not None and one.mission.agent == taker.name]:
                        return handed
                    claims = [one for one in found if one is not None]
                look = True
                return await self._handed_over(claims, taker, reason, again.mission.id if again else "")
            except Conflict:
                continue
            except StorageError as error:
                self._log.warning("a hand-over waits for storage", to=taker.name, reason=error.message)
                await self._clock.sleep(STORAGE_PAUSE_S)

    async def _handed_over(self, claims: Sequence[Claim], taker: Taker[Any], reason: str, again: str) -> list[Claim]:
        """Once. Raises ``Conflict`` when one of them changed meanwhile."""
        if not claims:
            return []
        now_ns = self._clock.wall_ns()
        steps = [
            self._step(
                one, "assigned", reason, agent=taker.name, identity=taker.identity, given_ns=now_ns,
                attempts=one.mission.attempts + (one.mission.id == again),
            )
            for one in claims
        ]  # fmt: skip
        handed = await self._commit(claims, steps)
        self._handed.inc(len(handed))
        return handed

    async def _still(self, claim: Claim, agent: str) -> Claim | None:
        """The claim if it stands as it did, the one that ``agent`` has if it was written; None if it is another's."""
        mission = claim.mission
        row = await self._store.get(MISSIONS, mission.tenant, mission.id)
        if row is not None and row.version == claim.version:
            return claim
        found = decode(row.value, Mission) if row is not None else None
        if row is not None and found is not None and (found.agent, found.status) == (agent, MissionStatus.ASSIGNED):
            return Claim(found, row.version)
        self._fenced.inc()
        self._log.warning("not handed over: it is another's", mission=mission.id, to=agent)
        return None

    async def surely(self, write: Callable[[Claim, str], Awaitable[None]], claim: Claim, note: str) -> None:
        """One of the outcomes above, however long storage takes; unless it is no longer this claim's to write."""
        while True:
            try:
                return await write(claim, note)
            except Fenced as fenced:
                self._fenced.inc()
                self._log.warning("late outcome dropped", mission=claim.mission.id, reason=fenced.message)
                return None
            except StorageError as error:
                self._log.warning("outcome waits for storage", mission=claim.mission.id, reason=error.message)
                await self._clock.sleep(STORAGE_PAUSE_S)

    async def _write(self, claim: Claim, stage: str, note: str, also: Sequence[Write] = (), **changes: Any) -> Claim:
        """One step of the mission; ``stage`` names its waypoint, empty for none."""
        try:
            [written] = await self._commit([claim], [self._step(claim, stage, note, **changes)], also)
        except Conflict as conflict:
            mission = claim.mission
            raise Fenced(MISSIONS.name, mission.id, expected=claim.version, found=conflict.found) from conflict
        return written

    def _step(self, claim: Claim, stage: str, note: str, **changes: Any) -> tuple[Mission, Waypoint | None]:
        note = note[:MAX_NOTE_CHARS]
        mission = msgspec.structs.replace(claim.mission, note=note, **changes)
        waypoint = mission_waypoint(mission, stage, at_ns=self._clock.wall_ns(), summary=note) if stage else None
        return mission, waypoint

    async def _commit(
        self, claims: Sequence[Claim], steps: Sequence[tuple[Mission, Waypoint | None]], also: Sequence[Write] = ()
    ) -> list[Claim]:
        """The next step of each, all or none. Raises ``Conflict`` when one is not this claim's to write."""
        writes = [mission_put(mission) for mission, _ in steps]
        waypoints = [waypoint for _, waypoint in steps if waypoint is not None]
        expect = [Expect(MISSIONS, one.mission.tenant, one.mission.id, one.version) for one in claims]
        version = await self._store.commit([*writes, *also, *map(waypoint_put, waypoints)], expect=expect)
        for waypoint in waypoints:
            self._feed.publish(waypoint)
        return [Claim(mission, version) for mission, _ in steps]

    def _read(self, row: Row, tenant: TenantId) -> Claim | None:
        try:
            return Claim(decode(row.value, Mission), row.version)
        except WireError as error:
            # Damaged, or written by a newer version: it must not stop the missions behind it.
            self._unreadable.inc()
            self._log.error("unreadable mission", mission=row.key, tenant=tenant, reason=error.message)
            return None
