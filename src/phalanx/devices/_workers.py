"""Classical workers as a monitored resource: processor, memory, load and GPUs of each machine.

A worker is a machine that runs a node. Each writes its own state, so that every node on one store sees all of them;
a state older than ``WORKER_FRESH_S`` is not fresh: that machine may be gone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AlertLevel,
    AlertSink,
    Clock,
    Delete,
    InvalidInput,
    NotFound,
    Offload,
    PhalanxError,
    Put,
    Record,
    Store,
    Table,
    decode,
    encode,
)
from phalanx.devices._limits import MAX_KEPT_READINGS, MAX_WORKERS, WATCH_WORKERS_EVERY_S, WORKER_FRESH_S

WORKERS = Table("worker_newest")
READINGS = Table("worker_readings")
PREFIX = "worker."


class GpuReading(msgspec.Struct, frozen=True, kw_only=True):
    """One graphics processor. ``busy`` is a share from 0 to 1."""

    name: str
    busy: float | None
    memory_bytes: int | None
    memory_used_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReading:
    """What the operating system says of its machine; ``None`` where it does not. ``busy`` is since the last reading."""

    cores: int
    busy: float | None
    load_1m: float | None
    memory_bytes: int | None
    memory_used_bytes: int | None
    gpus: tuple[GpuReading, ...] = ()


class HostMetrics(Protocol):
    """Reads the machine's own numbers. Takes milliseconds, and may block for them."""

    def read(self) -> HostReading: ...


class WorkerNumber(StrEnum):
    """A number of a worker that can be drawn over time."""

    BUSY = "busy"
    MEMORY = "memory"
    LOAD = "load"
    GPU = "gpu"


class SeenWorker(Record, frozen=True, kw_only=True, tag="worker-reading"):
    """How a worker was at a moment."""

    worker: str
    cores: int
    busy: float | None
    load_1m: float | None
    memory_bytes: int | None
    memory_used_bytes: int | None
    gpus: tuple[GpuReading, ...]

    def number(self, which: WorkerNumber) -> float:
        """In percent, load in processes; NaN where nobody said."""
        if which is WorkerNumber.LOAD:
            return math.nan if self.load_1m is None else self.load_1m
        if which is WorkerNumber.MEMORY:
            if not self.memory_bytes or self.memory_used_bytes is None:
                return math.nan
            return 100.0 * self.memory_used_bytes / self.memory_bytes
        if which is WorkerNumber.GPU:
            known = [gpu.busy for gpu in self.gpus if gpu.busy is not None]
            return 100.0 * sum(known) / len(known) if known else math.nan
        return math.nan if self.busy is None else 100.0 * self.busy


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """A worker as it is shown. ``fresh`` is false when it has not said how it is for a while."""

    name: str
    at_ns: int
    fresh: bool
    cores: int
    busy: float | None
    load_1m: float | None
    memory_bytes: int | None
    memory_used_bytes: int | None
    gpus: tuple[GpuReading, ...]


class WorkerHistory(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker went, oldest first."""

    worker: str
    readings: tuple[WorkerView, ...]


class Workers:
    """Keeps what workers say of themselves, bounded, and reads it back."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def observe(self, name: str, reading: HostReading) -> SeenWorker:
        """Keep one reading of the worker ``name``."""
        now_ns = self._clock.wall_ns()
        seen = SeenWorker(
            id=f"{name}/{now_ns:020d}", tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=now_ns, worker=name,
            cores=reading.cores, busy=reading.busy, load_1m=reading.load_1m, memory_bytes=reading.memory_bytes,
            memory_used_bytes=reading.memory_used_bytes, gpus=reading.gpus,
        )  # fmt: skip
        kept = await self._store.scan(READINGS, DEFAULT_TENANT, prefix=f"{name}/", limit=MAX_KEPT_READINGS)
        gone = [Delete(READINGS, DEFAULT_TENANT, row.key) for row in kept[: 1 - MAX_KEPT_READINGS]]
        value = encode(seen)
        await self._store.commit(
            [Put(READINGS, DEFAULT_TENANT, seen.id, value), Put(WORKERS, DEFAULT_TENANT, name, value), *gone]
        )
        return seen

    async def newest(self) -> list[WorkerView]:
        """The last reading of each worker, by name."""
        rows = await self._store.scan(WORKERS, DEFAULT_TENANT, limit=MAX_WORKERS)
        return [self._view(decode(row.value, SeenWorker)) for row in rows]

    async def history(self, name: str) -> list[SeenWorker]:
        """Oldest first. Raises ``NotFound``."""
        rows = await self._store.scan(READINGS, DEFAULT_TENANT, prefix=f"{name}/", limit=MAX_KEPT_READINGS)
        if not rows:
            raise NotFound("worker", name)
        return [decode(row.value, SeenWorker) for row in rows]

    async def shown(self, name: str) -> WorkerHistory:
        """The history as it is shown."""
        return WorkerHistory(worker=name, readings=tuple(self._view(one) for one in await self.history(name)))

    def _view(self, seen: SeenWorker) -> WorkerView:
        fresh = self._clock.wall_ns() - seen.at_ns <= WORKER_FRESH_S * 1e9
        return WorkerView(
            name=f"{PREFIX}{seen.worker}", at_ns=seen.at_ns, fresh=fresh, cores=seen.cores, busy=seen.busy,
            load_1m=seen.load_1m, memory_bytes=seen.memory_bytes, memory_used_bytes=seen.memory_used_bytes,
            gpus=seen.gpus,
        )  # fmt: skip


def worker_name(shown: str) -> str:
    """The worker of a name as it is shown, ``worker.NAME``."""
    if not shown.startswith(PREFIX) or shown == PREFIX:
        raise InvalidInput("worker", f"{shown!r} does not begin with {PREFIX}")
    return shown.removeprefix(PREFIX)


def worker_line(
    name: str, readings: Sequence[SeenWorker], number: WorkerNumber
) -> tuple[str, str, list[tuple[int, float]]]:
    """Name, unit and points, for ``history_svg``."""
    unit = "processes" if number is WorkerNumber.LOAD else "%"
    return f"{PREFIX}{name}: {number.value}", unit, [(one.at_ns, one.number(number)) for one in readings]


async def watch_workers(
    workers: Workers, name: str, read: Callable[[], HostReading], clock: Clock, offload: Offload, alerts: AlertSink
) -> None:
    """Says how this machine is, again and again, until cancelled."""
    while True:
        try:
            await workers.observe(name, await offload.run(read))
        except PhalanxError as error:
            alerts.alert(AlertLevel.NOTICE, "devices", f"this machine does not say how it is: {error}")
        await clock.sleep(WATCH_WORKERS_EVERY_S)
