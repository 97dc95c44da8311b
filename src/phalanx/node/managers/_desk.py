"""What a manager does for another node: places work and holds its window, and runs it under that node's budgets.

Invariants: what was decided under a key is durable before its window is booked, and a window has the key's name, so
a question that is asked again, even after the manager was killed, finds what was decided and booked. A job is
submitted under the same key, so it is run and charged once. A node without a budget here runs nothing here.
"""

import asyncio
import math

import msgspec

from phalanx.allocation import (
    Ask,
    Booking,
    BookingState,
    Explanation,
    Grade,
    JobWait,
    NothingFits,
    NoWindow,
    Placements,
    Reservations,
    Shape,
    shape_of,
)
from phalanx.allocation.money import Budgets, BudgetView, JobCost
from phalanx.core import (
    NS_PER_S,
    Circuit,
    Clock,
    Delete,
    Expect,
    InvalidInput,
    NotFound,
    Offload,
    Origin,
    PhalanxError,
    Put,
    Store,
    Table,
    TenantId,
    Unavailable,
)
from phalanx.devices import Job, Jobs, JobWishes, Wish, in_short
from phalanx.node._limits import MAX_LISTED_WORK, MAX_PLACED_KEPT, MAX_WINDOWS_TRIED, PLACED_PRUNE_EVERY
from phalanx.node.managers._words import JobLine, Placed, Work

PLACED = Table("manager_placed", sealed=True)
_LASTING = 1.5  # What runs took now and then takes longer.
_NO_WINDOW = "none"  # Of a job where nothing can be booked: it gets a window where it is moved to, if one can be.


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided under a key; ``turn`` counts windows that ran out."""

    digest: str
    at_ns: int
    explanation: Explanation
    window: str = ""
    turn: int = 0


class ManagerDesk:
    """One node's work for others; ``tenant`` is always the asking node's name and its tenant there."""

    def __init__(
        self, name: str, store: Store, clock: Clock, offload: Offload, placements: Placements,
        reservations: Reservations, jobs: Jobs, budgets: Budgets,
    ) -> None:  # fmt: skip
        self._name, self._store, self._clock, self._offload = name, store, clock, offload
        self._placements, self._reservations = placements, reservations
        self._jobs, self._budgets = jobs, budgets
        self._turn = asyncio.Lock()
        self._written = 0

    async def place(self, tenant: TenantId, key: str, work: Work) -> Placed:
        """Where it goes, with a window that is held there. Raises ``NoWindow`` where none is free in time."""
        work.check()
        shape = work.shape
        if shape is None:
            shape = await self._offload.run(shape_of, _circuit(work))
        digest = work.digest(shape)
        async with self._turn:
            kept, version = await self._kept(tenant, key)
            if kept is not None:
                if kept.digest != digest:
                    raise InvalidInput("key", f"{key!r} stands for other work")
                window = await self._window(tenant, kept.window)
                done = await self._jobs.known(tenant, key) is not None
                if done or not kept.window or (window is not None and window.is_live):
                    return self._placed(key, kept, window)
            fresh = _Kept(
                digest=digest, at_ns=self._clock.wall_ns(), explanation=await self._decided(tenant, work),
                turn=0 if kept is None else kept.turn + 1,
            )  # fmt: skip
            return await self._booked(tenant, key, work, shape, fresh, version)

    async def submit(self, tenant: TenantId, key: str, work: Work) -> Job:
        """Run it in its window, placed before or now. The same key again is the same job."""
        if work.circuit is None:
            raise InvalidInput("circuit", "to be run it is needed itself")
        if (known := await self._jobs.known(tenant, key)) is not None:
            if (known.work.digest, known.shots) != (work.circuit.digest, work.shots):
                raise InvalidInput("key", f"{key!r} stands for another job")
            return known
        if not await self._budgets.all(tenant):
            raise Unavailable(
                f"running work of {tenant}", "no budget was granted to it here",
                hint=f"at {self._name}: phalanx budgets set NAME 100 jobs --tenant {tenant}",
            )  # fmt: skip
        placed = await self.place(tenant, key, work)
        found = placed.explanation
        if not found.device:
            raise NothingFits(found.wanted, in_short({one.device: one.reason for one in found.devices if not one.fits}))
        opens_ns, window = 0, _NO_WINDOW
        if placed.window is not None:
            window, opens_ns = placed.window.id, (await self._reservations.confirm(tenant, placed.window.id)).start_ns
        wishes = JobWishes(
            origin=work.origin, fidelity=work.fidelity, budget=work.budget, regions=work.regions,
            emergency=work.emergency, degrade=work.degrade, not_before_ns=opens_ns, window=window,
            deadline_at_ns=self._clock.wall_ns() + round(work.within_s * NS_PER_S) if work.within_s else 0,
        )  # fmt: skip
        try:
            return await self._jobs.submit(
                tenant, work.circuit, shots=work.shots, device=found.device, seed=work.seed, key=key, wishes=wishes,
                reason=f"{found.reason}; asked for by {tenant}", movable=True,
            )  # fmt: skip
        except PhalanxError as error:
            await self._release(tenant, key, f"nothing was submitted: {error.message}")
            raise

    async def job(self, tenant: TenantId, key: str) -> Job:
        """Raises ``NotFound``. What is left of its window when it has ended is given back."""
        found = await self._jobs.known(tenant, key)
        if found is None:
            raise NotFound("job", key)
        if found.state.final:
            await self._release(tenant, key, "the job has ended, and what was left of it was given back")
        return found

    async def newest(self, tenant: TenantId) -> tuple[JobLine, ...]:
        """The latest jobs, newest first."""
        return tuple([JobLine.of(one, self._name) for one in await self._jobs.newest(tenant, limit=MAX_LISTED_WORK)])

    async def seen(self, tenant: TenantId, job: Job) -> tuple[JobWait | None, JobCost | None]:
        """What it waits for, and what it holds or was charged, as whoever asked for it may know."""
        waits = self._placements.now(job, self._jobs, seen_by=tenant).waits
        return waits, await self._budgets.cost(tenant, job.id)

    async def cancel(self, tenant: TenantId, key: str) -> Job | None:
        """The job as it ended, if there was one; its window is given back in any case."""
        found = await self._jobs.known(tenant, key)
        if found is not None:
            found = await self._jobs.cancel(tenant, found.id)
        elif (await self._kept(tenant, key))[0] is None:
            raise NotFound("work", key)
        await self._release(tenant, key, "given up by who held it")
        return found

    async def budgets(self, tenant: TenantId) -> tuple[BudgetView, ...]:
        """What the node was granted here."""
        return tuple([await self._budgets.view(one) for one in await self._budgets.all(tenant)])

    async def _decided(self, tenant: TenantId, work: Work) -> Explanation:
        try:
            origin = Origin(work.origin) if work.origin else None
        except ValueError as error:
            raise InvalidInput("origin", str(error)) from error
        wish = wish_for(tenant, work, origin)
        if work.shape is not None:
            return self._placements.explain_shape(work.shape, wish)
        return await self._placements.explain(wish, policy=work.policy)

    async def _booked(
        self, tenant: TenantId, key: str, work: Work, shape: Shape, fresh: _Kept, version: int
    ) -> Placed:  # fmt: skip
        """The first of the devices, best first, that has a window in time."""
        bookable = {one.name for one in await self._reservations.resources()}
        fitting = [one.device for one in fresh.explanation.devices if one.fits][:MAX_WINDOWS_TRIED]
        refused: NoWindow | None = None
        for device in fitting:
            name = f"{tenant}/{key}.{fresh.turn}" if device in bookable else ""
            explanation = _moved(fresh.explanation, device, refused)
            kept = msgspec.structs.replace(fresh, explanation=explanation, window=name)
            version = await self._keep(tenant, key, kept, version)
            if not name:
                return self._placed(key, kept, None)
            try:
                window = (await self._reservations.book(tenant, self._asked(device, work, shape), id=name))[0]
            except NoWindow as error:
                refused = error
                continue
            return self._placed(key, kept, window)
        if refused is not None:
            raise refused
        return self._placed(key, fresh, None)

    async def moved(self, job: Job, device: str, /) -> tuple[str, int]:
        """A window there for a job whose device is none any more; the one that it had is given back."""
        tenant, key = job.tenant, job.key
        assert job.circuit is not None, "what is placed is a circuit"
        shape = await self._offload.run(shape_of, job.circuit)
        async with self._turn:
            kept, version = await self._kept(tenant, key)
            if kept is None:
                raise NotFound("work", key)
            before, opens_ns, turn = kept.window, 0, kept.turn + 1
            name = ""
            if device in {one.name for one in await self._reservations.resources()}:
                name = f"{tenant}/{key}.{turn}"
                wishes = job.wishes
                ask = self._ask(device, shape, job.shots, wishes.deadline_at_ns, emergency=wishes.emergency)
                opens_ns = (await self._reservations.book(tenant, ask, id=name))[0].start_ns
            reason = f"{device}: it was moved from {job.device}"
            explanation = msgspec.structs.replace(kept.explanation, device=device, reason=reason)
            kept = msgspec.structs.replace(kept, explanation=explanation, window=name, turn=turn)
            await self._keep(tenant, key, kept, version)
            old = await self._window(tenant, before)
            if old is not None and old.is_live:
                await self._reservations.cancel(tenant, old.id, f"its job moved to {device}")
        return name or _NO_WINDOW, opens_ns

    def _asked(self, device: str, work: Work, shape: Shape) -> Ask:
        now_ns = self._clock.wall_ns()
        latest_ns = now_ns + round(work.within_s * NS_PER_S) if work.within_s else 0
        ask = self._ask(device, shape, work.shots, latest_ns, emergency=work.emergency)
        return msgspec.structs.replace(ask, hold_until_ns=now_ns + round(work.hold_s * NS_PER_S))

    def _ask(self, device: str, shape: Shape, shots: int, latest_end_ns: int, *, emergency: bool) -> Ask:
        lasts_s = _LASTING * self._placements.lasts_s(device, shape, shots)
        return Ask(
            demands={device: 1}, duration_ns=max(NS_PER_S, round(lasts_s * NS_PER_S)),
            earliest_ns=self._clock.wall_ns(), latest_end_ns=latest_end_ns,
            grade=Grade.EMERGENCY if emergency else Grade.FIRM,
        )  # fmt: skip

    async def _window(self, tenant: TenantId, name: str) -> Booking | None:
        if not name:
            return None
        return next((one for one in await self._reservations.bookings(tenant) if one.id == name), None)

    async def _release(self, tenant: TenantId, key: str, why: str) -> None:
        kept, _ = await self._kept(tenant, key)
        window = None if kept is None else await self._window(tenant, kept.window)
        if window is not None and window.state in {BookingState.HELD, BookingState.BOOKED}:
            await self._reservations.cancel(tenant, window.id, why)

    async def _kept(self, tenant: TenantId, key: str) -> tuple[_Kept | None, int]:
        row = await self._store.get(PLACED, tenant, key)
        return (None, 0) if row is None else (msgspec.msgpack.decode(row.value, type=_Kept), row.version)

    async def _keep(self, tenant: TenantId, key: str, kept: _Kept, version: int) -> int:
        self._written += 1
        if self._written % PLACED_PRUNE_EVERY == 0:
            await self._prune(tenant)
        return await self._store.commit(
            [Put(PLACED, tenant, key, msgspec.msgpack.encode(kept))], expect=[Expect(PLACED, tenant, key, version)]
        )

    async def _prune(self, tenant: TenantId) -> None:
        found: list[tuple[int, str]] = []
        after = ""
        while rows := await self._store.scan(PLACED, tenant, after=after):
            after = rows[-1].key
            found += [(msgspec.msgpack.decode(row.value, type=_Kept).at_ns, row.key) for row in rows]
        old = sorted(found)[: max(0, len(found) - MAX_PLACED_KEPT)]
        if old:
            await self._store.commit([Delete(PLACED, tenant, key) for _, key in old])

    def _placed(self, key: str, kept: _Kept, window: Booking | None) -> Placed:
        return Placed(by=self._name, key=key, explanation=kept.explanation, window=window)


def wish_for(tenant: TenantId, work: Work, origin: Origin | None) -> Wish:
    """What a device is chosen by."""
    return Wish(
        circuit=_circuit(work), shots=work.shots, tenant=tenant, origin=origin, fidelity=work.fidelity,
        deadline_s=work.within_s or math.inf, budget=work.budget or math.inf, regions=frozenset(work.regions),
        emergency=work.emergency,
    )  # fmt: skip


def _circuit(work: Work) -> Circuit:
    if work.circuit is not None:
        return work.circuit
    assert work.shape is not None, "checked before"
    return work.shape.stand_in()


def _moved(explanation: Explanation, device: str, refused: NoWindow | None) -> Explanation:
    """The decision, where a better device had no window in time."""
    if refused is None:
        return explanation
    reason = f"{device}: {explanation.device} is preferred, but has no window in time"
    return msgspec.structs.replace(explanation, device=device, reason=reason)
