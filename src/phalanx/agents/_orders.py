"""Orders: an objective with its constraints and a deadline, planned into missions and followed to its end.

Invariants, held by conditional commits:

- a step's mission has an id derived from the order and the step, and is written once: an order that is looked at
  again after a crash finds the missions it has made;
- an order ends once: as done when every step is done, as failed with the first step that failed or with its
  deadline;
- what a step leaves behind is durable before a step that needs it begins.
"""

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum

import msgspec

from phalanx.agents._agent import first_within
from phalanx.agents._errors import NoPlan
from phalanx.agents._limits import LATEST_NS, MAX_NOTE_CHARS, MAX_ORDER_SUBJECTS, SCAN_ROWS
from phalanx.agents._model import MISSIONS, Mission, MissionStatus, Role, SkillManifest, creation_waypoint, mission_put
from phalanx.agents._planning import needs, plan
from phalanx.core import (
    MAX_PAGE_ROWS,
    NS_PER_S,
    Clock,
    Conflict,
    Expect,
    InvalidInput,
    NotFound,
    Put,
    Record,
    Severity,
    StorageError,
    Store,
    Table,
    TenantId,
    TraceId,
    Write,
    decode,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.telemetry import StorageWait, Telemetry, waypoint_put

ORDERS = Table("orders", indexes=("status", "case"), sealed=True)


class OrderStatus(Enum):
    """Where an order stands. ``DONE`` and ``FAILED`` are final."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One mission of a plan: a skill applied to a subject once the steps it ``needs`` (by their places) are done."""

    skill: str
    role: str
    subject: str
    mission: str
    needs: tuple[int, ...] = ()


class Order(Record, frozen=True, kw_only=True, tag="order"):
    """What somebody wants done: in words, and as the kinds of records to be brought about for each subject.

    ``roles`` may take part (empty: all), agents are trusted with it from ``min_trust`` on, and what is not done at
    ``deadline_ns`` (0: none) ends as failed. ``steps`` are the plan; the result of each is its mission's.
    """

    objective: str
    by: str
    given: str
    wanted: tuple[str, ...]
    subjects: tuple[str, ...]
    case: str
    severity: Severity
    status: OrderStatus
    steps: tuple[Step, ...]
    roles: tuple[str, ...] = ()
    min_trust: float = 0.0
    deadline_ns: int = 0
    ended_ns: int = 0
    note: str = ""


class OrderResult(msgspec.Struct, frozen=True, kw_only=True):
    """An order with the missions that it has come to so far: who did each, under which key, when, and the outcome."""

    order: Order
    missions: tuple[Mission, ...]


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for; see ``Order``."""

    objective: str
    wanted: tuple[str, ...]
    subjects: tuple[str, ...]
    given: str = "finding"
    case: str = ""
    severity: Severity = Severity.MEDIUM
    roles: tuple[Role, ...] = ()
    min_trust: float = 0.0
    within_s: float = 0.0


class Orders:
    """Takes orders, and sees to their steps. ``run`` must be running."""

    def __init__(
        self,
        store: Store,
        manifests: Sequence[SkillManifest],
        *,
        clock: Clock,
        telemetry: Telemetry,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._manifests = manifests
        self._clock = clock
        self._wake = wake
        self._feed = telemetry.feed
        self._log = telemetry.log.bind(room="agents")
        self._storage = StorageWait("orders", clock, self._log)
        self._news = asyncio.Event()
        self._news.set()
        self._deadline_ns = LATEST_NS
        self._ended = telemetry.metrics.counter("phalanx_orders_total", "Orders that ended.", ("status",))

    async def place(self, tenant: TenantId, request: OrderRequest, *, by: str) -> Order:
        """Plan an order and begin it. Raises ``NoPlan`` and ``InvalidInput``; nothing is written then."""
        _check(request)
        at_ns = self._clock.wall_ns()
        order_id = derive_id(at_ns, "order", tenant, by, request.objective, *request.subjects)
        chosen = plan(self._manifests, given={request.given}, wanted=request.wanted, roles=request.roles)
        if not chosen:
            raise NoPlan([], given=[request.given])
        waits = needs(chosen, {request.given})
        steps = [
            Step(
                skill=one.name, role=one.role.value, subject=subject,
                mission=derive_id(id_time_ns(order_id), "mission", order_id, one.name, subject),
                needs=tuple(n * len(chosen) + wait for wait in waits[at]),
            )
            for n, subject in enumerate(request.subjects)
            for at, one in enumerate(chosen)
        ]  # fmt: skip
        order = Order(
            id=order_id, tenant=tenant, trace=TraceId(order_id), at_ns=at_ns, objective=request.objective, by=by,
            given=request.given, wanted=request.wanted, subjects=request.subjects, case=request.case or order_id,
            severity=request.severity, status=OrderStatus.RUNNING, steps=tuple(steps),
            roles=tuple(role.value for role in request.roles), min_trust=request.min_trust,
            deadline_ns=at_ns + int(request.within_s * NS_PER_S) if request.within_s else 0,
        )  # fmt: skip
        await self._store.commit([_order_put(order)], expect=[Expect(ORDERS, tenant, order.id, 0)])
        self.look()
        return order

    async def result(self, tenant: TenantId, order: str) -> OrderResult:
        """An order, and its missions so far in the order of the plan. Raises ``NotFound``."""
        row = await self._store.get(ORDERS, tenant, order)
        if row is None:
            raise NotFound("order", order)
        found = decode(row.value, Order)
        missions = await self._missions(found)
        return OrderResult(order=found, missions=tuple(one for one in missions if one is not None))

    async def newest(self, tenant: TenantId, *, limit: int = 100) -> list[Order]:
        """Orders, newest first."""
        rows = await self._store.scan(ORDERS, tenant, limit=min(limit, MAX_PAGE_ROWS), reverse=True)
        return [decode(row.value, Order) for row in rows]

    def ended(self, mission: Mission) -> None:
        """A mission came to its end; if it is a step of an order, the order goes on."""
        if mission.order:
            self.look()

    def look(self) -> None:
        """Look at what goes on; called whenever something may have changed."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled. Begins with what an earlier life left behind."""
        while True:
            await self._wait()
            self._news.clear()
            try:
                self._deadline_ns = LATEST_NS
                for tenant in await self._store.tenants(ORDERS):
                    await self._look_at(tenant)
                self._storage.over()
            except StorageError as error:
                self._news.set()
                await self._storage.rest(error)

    async def _wait(self) -> None:
        """Until there is news, or the next deadline has come."""
        if self._deadline_ns == LATEST_NS:
            await self._news.wait()
            return
        news = asyncio.ensure_future(self._news.wait())
        try:
            left_s = (self._deadline_ns - self._clock.wall_ns()) / NS_PER_S
            await first_within(max(0.0, left_s), self._clock, news)
        finally:
            news.cancel()

    async def _look_at(self, tenant: TenantId) -> None:
        after = ""
        while True:
            rows = await self._store.find(
                ORDERS, tenant, "status", OrderStatus.RUNNING.value, after=after, limit=SCAN_ROWS
            )
            for row in rows:
                order = decode(row.value, Order)
                if order.deadline_ns:
                    self._deadline_ns = min(self._deadline_ns, order.deadline_ns)
                try:
                    await self._advance(order, row.version)
                except Conflict:
                    # Written by a life before this one, or by a call just now: the next look sees it.
                    self._news.set()
            if len(rows) < SCAN_ROWS:
                return
            after = rows[-1].key

    async def _advance(self, order: Order, version: int) -> None:
        """Write the missions that can begin, or the order's end."""
        missions = await self._missions(order)
        failed = next((one for one in missions if one is not None and one.status is MissionStatus.FAILED), None)
        now_ns = self._clock.wall_ns()
        writes: list[Write] = []
        made: list[Mission] = []
        expect = [Expect(ORDERS, order.tenant, order.id, version)]
        if failed is not None:
            writes = [self._end(order, OrderStatus.FAILED, f"{failed.skill} of {failed.subject}: {failed.note}")]
        elif all(one is not None and one.status is MissionStatus.DONE for one in missions):
            writes = [self._end(order, OrderStatus.DONE, f"{len(missions)} of {len(missions)} steps done")]
        elif 0 < order.deadline_ns <= now_ns:
            writes = [self._end(order, OrderStatus.FAILED, "its deadline passed")]
            # What was not begun is not begun any more: its missions have the same deadline.
        else:
            done = {at for at, one in enumerate(missions) if one is not None and one.status is MissionStatus.DONE}
            made = [
                _mission(order, step, now_ns)
                for at, step in enumerate(order.steps)
                if missions[at] is None and done.issuperset(step.needs)
            ]
            for mission in made:
                writes += [mission_put(mission), waypoint_put(creation_waypoint(mission))]
                expect.append(Expect(MISSIONS, mission.tenant, mission.id, 0))
        if writes:
            await self._store.commit(writes, expect=expect)
            for mission in made:
                self._feed.publish(creation_waypoint(mission))
            self._wake()

    def _end(self, order: Order, status: OrderStatus, note: str) -> Put:
        self._ended.labels(status.value).inc()
        ended_ns = self._clock.wall_ns()
        return _order_put(msgspec.structs.replace(order, status=status, note=note[:MAX_NOTE_CHARS], ended_ns=ended_ns))

    async def _missions(self, order: Order) -> list[Mission | None]:
        found: list[Mission | None] = []
        for step in order.steps:
            row = await self._store.get(MISSIONS, order.tenant, step.mission)
            found.append(decode(row.value, Mission) if row is not None else None)
        return found


def _mission(order: Order, step: Step, at_ns: int) -> Mission:
    return Mission(
        id=step.mission, tenant=order.tenant, trace=order.trace, at_ns=at_ns, skill=step.skill, subject=step.subject,
        case=order.case, severity=order.severity, status=MissionStatus.PENDING, order=order.id,
        deadline_ns=order.deadline_ns, min_trust=order.min_trust,
    )  # fmt: skip


def _order_put(order: Order) -> Put:
    index = {"status": (order.status.value,), "case": (order.case,)}
    return Put(ORDERS, order.tenant, order.id, encode(order), index)


def _check(request: OrderRequest) -> None:
    if not request.objective or len(request.objective) > MAX_NOTE_CHARS:
        raise InvalidInput("objective", f"must have 1 to {MAX_NOTE_CHARS} characters")
    if not 1 <= len(set(request.subjects)) <= MAX_ORDER_SUBJECTS or len(set(request.subjects)) < len(request.subjects):
        raise InvalidInput("subjects", f"1 to {MAX_ORDER_SUBJECTS} different ones are possible")
    if not request.wanted:
        raise NoPlan([], given=[request.given])
    if not 0 <= request.min_trust <= 1 or request.within_s < 0:
        raise InvalidInput("min_trust", "must be from 0 to 1, and within_s not negative")
