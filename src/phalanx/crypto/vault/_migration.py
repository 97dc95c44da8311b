"""The background job that brings everything at rest to what the settings ask for.

First the keys that are for another algorithm are rotated, from the root down; then every row of
every sealed table that is in clear, or sealed under another key than the current one, is sealed
anew, and so is every file. Where it stands is committed with the rows it moved: a job that is killed goes on from
there, one that is stopped can be started again. Between two batches it rests so long that it
works a quarter of the time at most.

Besides, rows that a reader met in an old form are sealed anew soon after they were read.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import msgspec

from phalanx.core import NO_TRACE, NS_PER_S, Clock, NotFound, Put, Record, Row, Table, TenantId, decode, encode
from phalanx.crypto.vault._changes import NODE_ACTOR
from phalanx.crypto.vault._errors import Shredded
from phalanx.crypto.vault._limits import (
    MIGRATION_BATCH,
    MIGRATION_REST_MAX_S,
    MIGRATION_REST_MIN_S,
    MIGRATION_REST_TIMES,
    TEND_EVERY_S,
)
from phalanx.crypto.vault._model import REGISTER, VAULT_PROGRESS
from phalanx.crypto.vault._resealing import SealedRows, reseal, reseal_rows
from phalanx.crypto.vault._sealed_store import SealedStore
from phalanx.crypto.vault._vault import Vault
from phalanx.telemetry import Telemetry

_KEY = "migration"


class SealedFiles(Protocol):
    """Files that their owner seals himself, beside the store."""

    async def count(self) -> int: ...

    def reseal(self) -> AsyncGenerator[bool, None]:
        """Look at one after the other, and seal anew what needs it; whether each did."""
        ...


class MigrationState(Enum):
    """Where the job is: never needed, at work, stopped by somebody, or through."""

    IDLE = "idle"
    RUNNING = "running"
    STOPPED = "stopped"
    DONE = "done"


class Migration(Record, frozen=True, kw_only=True, tag="vault-migration"):
    """A run of the job. ``at_ns`` is when it began; ``table``, ``owner`` and ``key`` are where it stands.

    ``rows`` of ``total_rows`` (as counted at its beginning) were looked at, ``resealed`` of them
    changed; ``rotated_keys`` were for another algorithm. ``worked_ns`` leaves out the rests and
    the time it was stopped or down.
    """

    state: MigrationState
    actor: str
    seal_with: str
    total_rows: int = 0
    rows: int = 0
    resealed: int = 0
    rotated_keys: int = 0
    worked_ns: int = 0
    ended_at_ns: int = 0
    table: str = ""
    owner: str = ""
    key: str = ""

    @property
    def rows_per_s(self) -> float:
        """How fast it works while it works."""
        return self.rows / (self.worked_ns / NS_PER_S) if self.worked_ns else 0.0


@dataclass(frozen=True, slots=True)
class _Place:
    table: Table
    tenant: TenantId


class MigrationJob:
    """Runs beside the node; ``run`` it as a task."""

    def __init__(
        self,
        vault: Vault,
        store: SealedStore,
        clock: Clock,
        telemetry: Telemetry,
        *,
        besides: Sequence[SealedRows] = (),
        files: SealedFiles | None = None,
    ) -> None:
        """``besides`` and ``files`` are not the store's to seal; the job has them sealed anew as well."""
        self._files = files
        self._vault = vault
        self._store = store
        self._besides = besides
        self._clock = clock
        self._log = telemetry.log.bind(room="crypto")
        self._resealed = telemetry.metrics.counter(
            "phalanx_vault_resealed_rows_total", "Rows resealed, by the migration and after they were read."
        ).labels()
        self._wanted = asyncio.Event()
        self._record: Migration | None = None
        self._once_more = False

    async def status(self) -> Migration:
        """The run under way, or the last one."""
        if self._record is None:
            row = await self._store.inner.get(VAULT_PROGRESS, REGISTER, _KEY)
            self._record = decode(row.value, Migration) if row is not None else self._fresh(MigrationState.IDLE, "")
        return self._record

    async def start(self, *, actor: str = NODE_ACTOR) -> Migration:
        """Begin, or go on where it was stopped.

        One under way goes on, and once more after its end: what it has passed may be of an old key by now.
        """
        last = await self.status()
        if last.state is MigrationState.RUNNING and last.seal_with == self._vault.seal_with:
            self._once_more = last.rows > 0
            return last
        if last.state is MigrationState.STOPPED and last.seal_with == self._vault.seal_with:
            record = msgspec.structs.replace(last, state=MigrationState.RUNNING, actor=actor)
        else:
            record = self._fresh(MigrationState.RUNNING, actor)
        await self._turn(record, "migration started", actor)
        self._wanted.set()
        return record

    async def stop(self, *, actor: str = NODE_ACTOR) -> Migration:
        """Stop after the batch under way; what was moved stays moved."""
        last = await self.status()
        if last.state is not MigrationState.RUNNING:
            return last
        record = msgspec.structs.replace(last, state=MigrationState.STOPPED)
        await self._turn(record, "migration stopped", actor)
        return record

    async def run(self) -> None:
        """Take up what was interrupted, begin what the settings ask for, and wait for more, until cancelled."""
        last = await self.status()
        if last.state is MigrationState.RUNNING and last.seal_with == self._vault.seal_with:
            self._wanted.set()
        elif last.state is MigrationState.RUNNING or (
            last.state is not MigrationState.STOPPED and await self._is_needed()
        ):
            await self.start()
        while True:
            await _either(self._wanted, self._clock, TEND_EVERY_S)
            if self._wanted.is_set():
                self._wanted.clear()
                await self._migrate()
            elif self._store.seals:
                self._resealed.inc(await self._reseal_noticed())

    async def _is_needed(self) -> bool:
        return bool(self._store.seals and self._store.unsealed_tables) or bool(await self._vault.outdated_keys())

    async def _migrate(self) -> None:
        if self._is_stopped():
            return
        begun = await self.status()
        if not begun.total_rows:
            begun = self._record = msgspec.structs.replace(begun, total_rows=await self._count())
        for key in await self._vault.outdated_keys():
            with contextlib.suppress(Shredded, NotFound):
                await self._vault.rotate(key.level, key.tenant, key.purpose, actor=begun.actor or NODE_ACTOR)
            so_far = await self.status()
            self._record = msgspec.structs.replace(so_far, rotated_keys=so_far.rotated_keys + 1)
            if self._is_stopped():
                return
        for where in self._besides:
            n_changed = await reseal_rows(self._store.inner, self._vault, where)
            so_far = await self.status()
            self._record = msgspec.structs.replace(so_far, resealed=so_far.resealed + n_changed)
        if not await self._migrate_files():
            return
        for table in self._store.tables if self._store.seals else ():
            if table.name >= begun.table and not await self._migrate_table(table):
                return
        if self._is_stopped():
            return
        done = msgspec.structs.replace(
            await self.status(),
            state=MigrationState.DONE,
            ended_at_ns=self._clock.wall_ns(),
            table="",
            owner="",
            key="",
        )
        await self._turn(done, "migration finished", NODE_ACTOR)
        if self._once_more:
            self._once_more = False
            await self.start(actor=done.actor or NODE_ACTOR)

    async def _migrate_files(self) -> bool:
        """Every file; false when the job was stopped meanwhile. What is done already costs a look at its row."""
        if self._files is None or (await self.status()).table:
            return True
        begun_ns = self._clock.monotonic_ns()
        async with contextlib.aclosing(self._files.reseal()) as files:
            async for changed in files:
                so_far, now_ns = await self.status(), self._clock.monotonic_ns()
                self._record = msgspec.structs.replace(
                    so_far,
                    rows=so_far.rows + 1,
                    resealed=so_far.resealed + changed,
                    worked_ns=so_far.worked_ns + now_ns - begun_ns,
                )
                if self._is_stopped():
                    return False
                if changed:
                    await self._rest(begun_ns)
                begun_ns = self._clock.monotonic_ns()
        return True

    async def _rest(self, begun_ns: int) -> None:
        """As many times as long as the work since then took, within bounds."""
        worked_s = (self._clock.monotonic_ns() - begun_ns) / NS_PER_S
        await self._clock.sleep(min(max(worked_s * MIGRATION_REST_TIMES, MIGRATION_REST_MIN_S), MIGRATION_REST_MAX_S))

    async def _migrate_table(self, table: Table) -> bool:
        """Every row of a table; false when the job was stopped meanwhile."""
        start = await self.status()
        for tenant in await self._store.tenants(table):
            if table.name == start.table and tenant < start.owner:
                continue
            after = start.key if (table.name, tenant) == (start.table, start.owner) else ""
            try:
                if not await self._migrate_rows(_Place(table, tenant), after):
                    return False
            except Shredded:
                continue
        await self._store.all_sealed(table)
        return True

    async def _migrate_rows(self, place: _Place, after: str) -> bool:
        inner = self._store.inner
        while rows := await inner.scan(place.table, place.tenant, after=after, limit=MIGRATION_BATCH):
            begun_ns = self._clock.monotonic_ns()
            after = rows[-1].key
            await self._move(place, rows, begun_ns)
            await self._rest(begun_ns)
            if self._is_stopped():
                return False
        return True

    async def _move(self, place: _Place, rows: list[Row], begun_ns: int) -> None:
        before = await self.status()
        planned = msgspec.structs.replace(
            before,
            rows=before.rows + len(rows),
            table=place.table.name,
            owner=place.tenant,
            key=rows[-1].key,
            worked_ns=before.worked_ns + self._clock.monotonic_ns() - begun_ns,
        )
        n_changed = await reseal(self._store, self._vault, place.table, place.tenant, rows, [self._put(planned)])
        self._resealed.inc(n_changed)
        # Somebody may have stopped the job while the rows were written: his word stands.
        state = (await self.status()).state
        self._record = msgspec.structs.replace(
            planned,
            state=state,
            resealed=before.resealed + n_changed,
            worked_ns=before.worked_ns + self._clock.monotonic_ns() - begun_ns,
        )
        if state is not planned.state:
            await self._store.inner.commit([self._put(self._record)])

    async def _count(self) -> int:
        n_rows = await self._files.count() if self._files is not None else 0
        for table in self._store.tables:
            for tenant in await self._store.tenants(table):
                after = ""
                while rows := await self._store.inner.scan(table, tenant, after=after):
                    n_rows, after = n_rows + len(rows), rows[-1].key
                    await self._clock.sleep(MIGRATION_REST_MIN_S)
        return n_rows

    async def _reseal_noticed(self) -> int:
        n_changed = 0
        for table, tenant, keys in self._store.take_noticed():
            found = [await self._store.inner.get(table, tenant, key) for key in keys]
            with contextlib.suppress(Shredded):
                rows = [row for row in found if row is not None]
                n_changed += await reseal(self._store, self._vault, table, tenant, rows)
        return n_changed

    def _is_stopped(self) -> bool:
        return self._record is not None and self._record.state is not MigrationState.RUNNING

    def _fresh(self, state: MigrationState, actor: str) -> Migration:
        return Migration(
            id=_KEY, tenant=REGISTER, trace=NO_TRACE, at_ns=self._clock.wall_ns(),
            state=state, actor=actor, seal_with=self._vault.seal_with,
        )  # fmt: skip

    def _put(self, record: Migration) -> Put:
        return Put(VAULT_PROGRESS, REGISTER, _KEY, encode(record))

    async def _turn(self, record: Migration, action: str, actor: str) -> None:
        """Into another state, and into the ledger."""
        body: dict[str, str | int | float | bool] = {
            "seal_with": record.seal_with,
            "rows": record.rows,
            "resealed": record.resealed,
            "rotated_keys": record.rotated_keys,
        }
        event = self._vault.outbox.put(action, "data at rest", actor, body)
        await self._store.inner.commit([self._put(record), event])
        self._record = record
        self._log.info(action, rows=record.rows, resealed=record.resealed, actor=actor)
        self._vault.outbox.on_event()


async def _either(event: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Wait for the event, at most so long."""
    tasks = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep(seconds))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
