"""Batch jobs of a node: routed to this machine or a scheduler, each once by its name, and learned from as they end.

Where a job goes is durable before anything is sent there. A name that is requested again goes where it went first,
so a submission whose answer was lost is the same job.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import msgspec

from phalanx.adapters import KubernetesJobs, LocalBatches, SlurmJobs
from phalanx.adapters.keys import read_private
from phalanx.allocation.batches import BatchJob, BatchState, BatchSystem
from phalanx.allocation.routing import LOCAL, SLURM, Aims, BatchPlace, Expectations, Routed, route_batch
from phalanx.core import (
    DEFAULT_TENANT,
    MIB,
    NS_PER_S,
    Clock,
    Conflict,
    Delete,
    Expect,
    InvalidInput,
    LimitExceeded,
    NotFound,
    PhalanxError,
    Put,
    Store,
    Table,
    Unavailable,
)
from phalanx.devices import JobState
from phalanx.node._limits import BATCH_LOAD_S, BATCH_POLL_S, MAX_BATCH_RECORDS
from phalanx.node._ports import Ports
from phalanx.node.settings._places import PlaceSetting
from phalanx.node.settings._settings import Settings

BATCHED = Table("batch_jobs", sealed=True)
_UNKNOWN_BYTES = 1 << 40  # Where nobody says how much memory there is, it is the job's own matter.


class BatchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A batch job, where it went and why, and how it stood when it was last asked."""

    job: BatchJob
    place: str
    reason: str
    at_ns: int
    expected_s: float
    told_s: float
    state: BatchState
    ended_at_ns: int = 0


class BatchRouted(msgspec.Struct, frozen=True, kw_only=True):
    """The job, and how it was routed; ``routed`` is null when its name was known."""

    record: BatchRecord
    routed: Routed | None = None


class Batches:
    """``places`` as the settings have them, with the system of each by name."""

    def __init__(
        self, store: Store, clock: Clock, places: Sequence[BatchPlace], systems: Mapping[str, BatchSystem],
        local: LocalBatches | None = None,
    ) -> None:  # fmt: skip
        self._local = local
        self._store, self._clock = store, clock
        self._places, self._systems = tuple(places), dict(systems)
        self.learned = Expectations()

    async def route(self, job: BatchJob, expected_s: float, aims: Aims) -> Routed:
        """Where it would go now, and what speaks for and against each place. Nothing is sent."""
        if not 0.0 < expected_s < float("inf"):
            raise InvalidInput("expected_s", "how long it runs is more than nothing, and finite")
        places = await asyncio.gather(*(self._asked(one) for one in self._places))
        return route_batch(job, expected_s, aims, places, self.learned)

    async def submit(self, job: BatchJob, expected_s: float, aims: Aims) -> BatchRouted:
        """Have it run where it is routed to, once. Raises ``Unavailable`` where no place is left."""
        known, version = await self._kept(job.name)
        if known is not None:
            if known.job != job:
                raise InvalidInput("name", f"{job.name!r} stands for another job")
            return BatchRouted(record=await self._ensured(known, version))
        routed = await self.route(job, expected_s, aims)
        if not routed.name:
            raise Unavailable("a place to run it", routed.reason, hint="ask for less, wait, or pay more")
        record = BatchRecord(
            job=job, place=routed.name, reason=routed.reason, at_ns=self._clock.wall_ns(), expected_s=expected_s,
            told_s=routed.ways[0].way.expected_s, state=BatchState(id="", state=JobState.QUEUED),
        )  # fmt: skip
        await self._prune()
        try:
            version = await self._write(record, 0)
        except Conflict:
            return await self.submit(job, expected_s, aims)
        return BatchRouted(record=await self._ensured(record, version), routed=routed)

    async def get(self, name: str) -> BatchRecord:
        """As it stands now, where its place can be asked. Raises ``NotFound``."""
        found, version = await self._kept(name)
        if found is None:
            raise NotFound("batch job", name)
        if found.state.state.final:
            return found
        if not found.state.id:
            return await self._ensured(found, version)
        try:
            state = await self._system(found).state(name)
        except NotFound:
            state = BatchState(id=found.state.id, state=JobState.FAILED, reason=self._gone(found))
        return await self._seen(found, state, version)

    async def cancel(self, name: str) -> BatchRecord:
        """As it ended: cancelled, unless it had ended before."""
        found, version = await self._kept(name)
        if found is None:
            raise NotFound("batch job", name)
        if found.state.state.final:
            return found
        await self._system(found).cancel(name)
        try:
            state = await self._system(found).state(name)
        except NotFound:
            state = BatchState(id=found.state.id, state=JobState.CANCELLED)
        if not state.state.final:
            state = msgspec.structs.replace(state, state=JobState.CANCELLED)
        return await self._seen(found, state, version)

    async def run(self) -> None:
        """Ask how what has not ended stands, every so often, until cancelled; what runs here ends then."""
        try:
            while True:
                for one, _ in await self._all():
                    if not one.state.state.final:
                        with contextlib.suppress(Unavailable):
                            await self.get(one.job.name)
                await self._clock.sleep(BATCH_POLL_S)
        finally:
            if self._local is not None:
                await self._local.close()

    async def newest(self, *, limit: int) -> list[BatchRecord]:
        """As they were when they were last asked, newest first."""
        found = [one for one, _ in await self._all()]
        return sorted(found, key=lambda one: -one.at_ns)[:limit]

    async def _asked(self, place: BatchPlace) -> BatchPlace:
        """With its queue as it is now, or why nobody knows."""
        try:
            async with asyncio.timeout(BATCH_LOAD_S):
                return msgspec.structs.replace(place, load=await self._systems[place.name].load())
        except TimeoutError:
            return msgspec.structs.replace(place, problem=f"no answer within {BATCH_LOAD_S:g} s")
        except PhalanxError as error:
            return msgspec.structs.replace(place, problem=error.message)

    async def _ensured(self, record: BatchRecord, version: int) -> BatchRecord:
        """Sent, if it was not. One that is refused has failed; where nobody answered it may be asked again."""
        if record.state.id:
            return record
        image = next((one.image for one in self._places if one.name == record.place), "")
        job = record.job if record.job.image else msgspec.structs.replace(record.job, image=image)
        if self._is_local(record):
            # A process here has no name that a second life of the node could find: it is begun at most once.
            sent = msgspec.structs.replace(record, state=BatchState(id=job.name, state=JobState.QUEUED))
            try:
                version = await self._write(sent, version)
            except Conflict:
                return (await self._kept(job.name))[0] or record  # Who looked at the same moment begins it.
            record = sent
        try:
            state = await self._system(record).ensure(job)
        except (InvalidInput, LimitExceeded) as error:
            state = BatchState(id=record.job.name, state=JobState.FAILED, reason=error.message)
        return await self._seen(record, state, version)

    async def _seen(self, record: BatchRecord, state: BatchState, version: int) -> BatchRecord:
        if state == record.state:
            return record
        now_ns = self._clock.wall_ns()
        made = msgspec.structs.replace(record, state=state, ended_at_ns=now_ns if state.state.final else 0)
        try:
            await self._write(made, version)
        except Conflict:
            return (await self._kept(record.job.name))[0] or made
        if state.state is JobState.COMPLETED:
            self.learned.took(record.place, record.told_s, (now_ns - record.at_ns) / NS_PER_S)
        return made

    def _gone(self, record: BatchRecord) -> str:
        if self._is_local(record):
            return "the node stopped while it ran"
        return f"{record.place} does not know it any more"

    def _is_local(self, record: BatchRecord) -> bool:
        return any(one.name == record.place and one.kind == LOCAL for one in self._places)

    def _system(self, record: BatchRecord) -> BatchSystem:
        if record.place not in self._systems:
            raise Unavailable(record.place, "no setting names it any more", hint="put it back to know how it went")
        return self._systems[record.place]

    async def _kept(self, name: str) -> tuple[BatchRecord | None, int]:
        row = await self._store.get(BATCHED, DEFAULT_TENANT, name)
        return (None, 0) if row is None else (msgspec.json.decode(row.value, type=BatchRecord), row.version)

    async def _all(self) -> list[tuple[BatchRecord, int]]:
        found: list[tuple[BatchRecord, int]] = []
        after = ""
        while rows := await self._store.scan(BATCHED, DEFAULT_TENANT, after=after):
            after = rows[-1].key
            found += [(msgspec.json.decode(row.value, type=BatchRecord), row.version) for row in rows]
        return found

    async def _write(self, record: BatchRecord, version: int) -> int:
        name = record.job.name
        return await self._store.commit(
            [Put(BATCHED, DEFAULT_TENANT, name, msgspec.json.encode(record))],
            expect=[Expect(BATCHED, DEFAULT_TENANT, name, version)],
        )

    async def _prune(self) -> None:
        """The oldest of those that have ended make room; what has not is never forgotten."""
        every = [one for one, _ in await self._all()]
        if len(every) < MAX_BATCH_RECORDS:
            return
        ended = sorted((one for one in every if one.state.state.final), key=lambda one: one.at_ns)
        if not ended:
            raise LimitExceeded("batch jobs that have not ended", maximum=MAX_BATCH_RECORDS, seen=len(every) + 1)
        old = ended[: max(1, MAX_BATCH_RECORDS // 10)]
        await self._store.commit([Delete(BATCHED, DEFAULT_TENANT, one.job.name) for one in old])


def opened_batches(settings: Settings, ports: Ports, store: Store) -> Batches:
    """This machine, where a command may be run on it, and the schedulers that the settings name, in that order."""
    wanted, workers = settings.allocation, settings.node.workers
    seen = None if ports.host is None else ports.host.read()
    local = LocalBatches(wanted.local_commands, wanted.local_slots)
    here = BatchPlace(
        name=LOCAL, kind=LOCAL, cpus=workers if seen is None else seen.cores, slots=wanted.local_slots,
        memory_mib=((None if seen is None else seen.memory_bytes) or _UNKNOWN_BYTES) // MIB,
        commands=wanted.local_commands,
    )  # fmt: skip
    places: list[BatchPlace] = [here]
    systems: dict[str, BatchSystem] = {LOCAL: local}
    for one in wanted.places:
        if one.name in systems:
            raise InvalidInput("allocation.places", f"two are called {one.name!r}, or one as this machine is")
        systems[one.name] = _system(one, ports)
        places.append(
            BatchPlace(
                name=one.name, kind=one.type, cpus=one.cpus, memory_mib=one.memory_mib, slots=one.slots,
                start_s=one.start_s, speed=one.speed, cpu_hour=one.cpu_hour, image=one.image, commands=one.commands,
            )
        )  # fmt: skip
    return Batches(store, ports.clock, places, systems, local)


def _system(one: PlaceSetting, ports: Ports) -> BatchSystem:
    if ports.asks is None:
        raise Unavailable(one.name, "this node asks nobody over HTTP")
    try:
        token = read_private(one.token_file).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("allocation.places", f"{one.name}: {one.token_file} cannot be read: {error}") from error
    asks = ports.asks(one.ca)
    if one.type == SLURM:
        return SlurmJobs(asks, ports.clock, one.url, one.user, token)
    return KubernetesJobs(asks, ports.clock, one.url, token, namespace=one.namespace)
