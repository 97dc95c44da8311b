"""The part of simulation ``allocation`` with a node's jobs: vendors fail, are slow and drift, nodes die and start anew.

Jobs are placed by a policy and carried out over as many lives of the node as it takes; each is asked for again under
its key when the node died before it said so. Checkers look at vendors, store and ledger from outside:

- every job ends with a result, and once ended it stays as it is; one that may be at a vendor that cannot be asked for
  it ends with an error that says so instead, and is paid for;
- a vendor has at most one job for each attempt, however often the node died or took it back, and none of its machines
  is sent anything under a key that another one was;
- the result is from the device that the job names, and of the kind that was asked for unless a move says otherwise;
- the ledger has what was done classically instead, and nothing else;
- what somebody else has booked is free of them: nothing is sent into such a window, and nothing that a living node sent
  before runs on in it, but for what a vendor does not drop. A booking counts ``_NOTICE_S`` after it was made.
"""

import asyncio
import contextlib
from collections.abc import Iterator

from phalanx.allocation import Ask, Bookable, Placements, Reservations, built_in_policies
from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    NS_PER_S,
    Circuit,
    Origin,
    PhalanxError,
    Provenance,
    Rng,
    Unavailable,
)
from phalanx.devices import (
    Backend,
    DeviceModel,
    Fleet,
    Job,
    Jobs,
    JobState,
    Mark,
    MaybeSent,
    Modality,
    Numbers,
    ProviderContext,
    SessionLimits,
    Stage,
    calibration,
    local_provider,
    subscription,
)
from phalanx.quantum import Gates, ShotResult
from phalanx.telemetry import Telemetry
from phalanx.testing._audit import MemoryAudit
from phalanx.testing._checking import Checker
from phalanx.testing._world import SimWorld

_JOBS = 4
_MACHINES = ("a.one", "a.two", "b.one")
_FORGETS = "b.one"
_CIRCUIT = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
_PAIRS = ((0, 1), (1, 2))
_STRANGER = "stranger"
_NOTICE_S = 2.0
_MAX_WINDOWS = 8


class SimWindows:
    """What strangers have booked, as a vendor could know it: machine, when it counts, until when."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._spans: list[tuple[str, float, float]] = []
        self.alive_since_s = 0.0

    @property
    def count(self) -> int:
        return len(self._spans)

    def add(self, machine: str, start_s: float, end_s: float, now_s: float) -> None:
        self._spans.append((machine, max(start_s, now_s) + _NOTICE_S, end_s))
        self._checker.count("windows of others")

    def check_sent(self, machine: str, now_s: float) -> None:
        within = [span for span in self._spans if span[0] == machine and span[1] <= now_s < span[2]]
        awake = now_s >= self.alive_since_s + _NOTICE_S
        self._checker.require(not (within and awake), "sent into a window of somebody else", machine, now_s, within)

    def check_ended(self, machine: str, ended_s: float) -> None:
        """A result that somebody waited for."""
        within = [
            span for span in self._spans
            if span[0] == machine and span[1] <= ended_s < span[2] and self.alive_since_s + _NOTICE_S <= ended_s
        ]  # fmt: skip
        self._checker.require(not within, "ran on in a window of somebody else", machine, ended_s, within)


class SimVendor:
    """A machine at a vendor: it outlives nodes, keeps one job for each key, and goes away now and then."""

    def __init__(self, world: SimWorld, name: str, rng: Rng, windows: SimWindows) -> None:
        self._world, self._rng, self._windows = world, rng, windows
        self._flaky = rng.uniform(0.0, 0.4)
        self._age = 0
        self.device = self._model(name)
        self.down_until_s = 0.0
        self.results: dict[str, float] = {}
        self._begins: dict[str, float] = {}
        self._dropped: set[str] = set()

    def drift(self) -> None:
        """Another calibration, better or worse."""
        self._age += 1
        self.device = self._model(self.device.name)

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        return await self.collect(await self.submit(circuit, shots=shots, seed=seed, key=""), circuit, shots=shots,
                                  seed=seed)  # fmt: skip

    async def submit(self, circuit: Circuit, /, *, shots: int, seed: int, key: str) -> str:  # noqa: ARG002
        self._windows.check_sent(self.device.name, self._world.loop.time())
        await self._world.clock.sleep(self._rng.uniform(0.01, 0.5))
        self._require_up()
        slow = 50.0 if self._rng.chance(0.1) else 1.0
        if key not in self.results:
            self._begins[key] = self._world.loop.time() + slow * self._rng.exponential(1.0)
            self.results[key] = self._begins[key] + slow * self._rng.exponential(1.0)
        return key

    async def stage(self, handle: str, /) -> Stage:
        self._require_up()
        if handle in self._dropped:
            return Stage.NOTHING
        now = self._world.loop.time()
        if now < self._begins[handle]:
            return Stage.WAITING
        return Stage.RUNNING if now < self.results[handle] else Stage.DONE

    async def collect(self, handle: str, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        left_s = self.results[handle] - self._world.loop.time()
        await self._world.clock.sleep(max(0.0, left_s))
        if left_s > 0.0 and handle not in self._dropped:
            self._windows.check_ended(self.device.name, self.results[handle])
        self._require_up()
        if handle in self._dropped:
            raise Unavailable(self.device.name, "it was dropped")
        if self._rng.chance(self._flaky):
            raise Unavailable(self.device.name, "the run came to nothing")
        came_from = Provenance(
            origin=Origin.HARDWARE, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed
        )
        return ShotResult({"00": shots}, came_from)

    async def recall(self, handle: str, /) -> None:
        if self._rng.chance(0.2):
            raise Unavailable(self.device.name, f"{handle} cannot be dropped")
        if self._world.loop.time() < self._begins[handle]:
            self._dropped.add(handle)

    def _require_up(self) -> None:
        if self._world.loop.time() < self.down_until_s:
            raise Unavailable(self.device.name, "it is away")

    def _model(self, name: str) -> DeviceModel:
        numbers = Numbers(two_qubit_error=self._rng.uniform(0.001, 0.1), one_qubit_error=1e-4, readout_error=0.01)
        return DeviceModel(
            name=name, provider=name[0], kind=Modality.SUPERCONDUCTING, origin=Origin.HARDWARE, n_qubits=3,
            limits=SessionLimits(max_shots=1_000),
            calibration=calibration(3, _PAIRS, numbers, calibrated_at_ns=self._age, source="made"),
            # By a list of ours it costs nothing: without one a machine is no second device for what is not urgent.
            price=subscription(0.0, as_of_ns=1, source="made"),
        )  # fmt: skip


class SimForgetful(SimVendor):
    """One that cannot be asked for a job by its key: what it is sent it takes, however often."""

    def __init__(self, world: SimWorld, name: str, rng: Rng, windows: SimWindows, checker: Checker) -> None:
        super().__init__(world, name, rng, windows)
        self._checker = checker
        self._marks: dict[str, Mark] = {}

    @contextlib.contextmanager
    def marking(self, key: str, mark: Mark, /, *, before: bool) -> Iterator[None]:
        if before:
            self._checker.count("jobs that may be there")
            raise MaybeSent(self.device.name, key)
        self._marks[key] = mark
        yield

    async def submit(self, circuit: Circuit, /, *, shots: int, seed: int, key: str) -> str:
        await self._marks[key]()
        self._checker.require(key not in self.results, "sent a second time", self.device.name, key)
        handle = await super().submit(circuit, shots=shots, seed=seed, key=key)
        await self._world.clock.sleep(self._rng.exponential(1.0))  # The answer is on its way.
        return handle


def _keys(job: Job, device: str) -> set[str]:
    """Under which a vendor may have it: one for each place where it was, and for each attempt after one was lost."""
    lost = sum(loss.device == device for loss in job.losses)
    places = ["", *(f"-at-{number}" for number in range(2, len(job.moves) + 2))]
    more = ["", *(f"-{number}" for number in range(2, lost + 2))]
    return {f"{job.id}{second}{at}{number}" for second in ("", "-second") for at in places for number in more}


def _earlier(device: str) -> Job:
    """A job that took two seconds."""
    return Job(
        id="earlier", tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=0, device=device, circuit=_CIRCUIT, shots=10,
        seed=1, reason="", state=JobState.COMPLETED, started_at_ns=1, finished_at_ns=2 * NS_PER_S,
    )  # fmt: skip


class JobsRun:
    """A node with jobs, in one world."""

    def __init__(self, world: SimWorld, checker: Checker, placements: type[Placements] = Placements) -> None:
        self._world, self._checker, self._placements = world, checker, placements
        self._windows = SimWindows(checker)
        self._rng = world.rng.child("jobs")
        self._store, self._book = world.store("jobs"), MemoryAudit()
        self._vendors: dict[str, SimVendor] = {
            name: SimVendor(world, name, self._rng.child(name), self._windows) for name in _MACHINES
        }
        self._vendors[_FORGETS] = SimForgetful(world, _FORGETS, self._rng.child(_FORGETS), self._windows, self._checker)
        self._ended: dict[str, Job] = {}

    async def main(self) -> None:
        trouble = asyncio.ensure_future(self._trouble())
        lives = 0
        while len(self._ended) < _JOBS:
            lives += 1
            self._checker.require(lives < 200, "jobs do not come to an end", sorted(self._ended))
            for_s = self._rng.exponential(20.0) if lives < 6 and self._rng.chance(0.7) else 2_000.0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(for_s):
                    await self._life()
            self._checker.count("lives of the node")
        trouble.cancel()
        await self._judge()

    async def _life(self) -> None:
        """The node from its start to its death, or until every job has ended."""
        ideal = local_provider(ProviderContext(self._world.offload, self._world.clock)).backends()
        backends: list[Backend] = [*ideal, *self._vendors.values()]
        fleet = Fleet(backends)
        policies = built_in_policies()
        # The policy of layouts maps circuits, which costs more than all else here; where jobs go is the same to them.
        placements = self._placements(fleet, self._world.clock, self._world.offload, policies, policy="shortlist")
        jobs = Jobs(
            self._store, self._world.clock, self._world.ids, fleet, Telemetry(self._world.clock), chooser=placements,
            audit=self._book,
        )  # fmt: skip
        for name in _MACHINES:
            for _ in range(8):
                await placements.told(_earlier(name))  # So that it is known what takes too long.
        reservations = Reservations(self._store, self._world.clock, self._world.ids, placements.booked)
        for name in _MACHINES:
            await reservations.declare(Bookable(name=name))
        self._windows.alive_since_s = self._world.loop.time()
        serving = asyncio.ensure_future(jobs.run())
        watching = asyncio.ensure_future(self._around(jobs, reservations))
        try:
            await asyncio.gather(*(self._client(jobs, f"job {number}") for number in range(_JOBS)))
        finally:
            serving.cancel()
            watching.cancel()
            await asyncio.wait([serving, watching])
        if not watching.cancelled() and watching.exception() is not None:
            raise AssertionError from watching.exception()

    async def _client(self, jobs: Jobs, key: str) -> None:
        """Submits under a key of its own, which finds the first, and looks until it has ended."""
        while True:
            try:
                job = await jobs.submit(DEFAULT_TENANT, _CIRCUIT, shots=10, origin=Origin.HARDWARE, key=key)
                break
            except PhalanxError:
                await self._world.clock.sleep(10.0)  # Nothing fits while every breaker is open.
        while not (found := await jobs.get(DEFAULT_TENANT, job.id)).state.final:
            await self._world.clock.sleep(2.0)
        before = self._ended.setdefault(key, found)
        self._checker.require(before == found, "a job that had ended changed", before, found)

    async def _around(self, jobs: Jobs, reservations: Reservations) -> None:
        await asyncio.gather(self._drifts(jobs), self._strangers(reservations))

    async def _strangers(self, reservations: Reservations) -> None:
        """Others book machines for a while, now or soon."""
        while self._windows.count < _MAX_WINDOWS:
            await self._world.clock.sleep(self._rng.exponential(5.0))
            machine, now_ns = self._rng.choice(list(_MACHINES)), self._world.clock.wall_ns()
            ask = Ask(
                demands={machine: 1}, duration_ns=round(self._rng.uniform(3.0, 40.0) * NS_PER_S),
                earliest_ns=now_ns + round(self._rng.choice([0.0, self._rng.exponential(20.0)]) * NS_PER_S),
            )  # fmt: skip
            booked = (await reservations.book(_STRANGER, ask))[0]
            now_s, now_ns = self._world.loop.time(), self._world.clock.wall_ns()
            begins_s, ends_s = [now_s + (at - now_ns) / NS_PER_S for at in (booked.start_ns, booked.end_ns)]
            self._windows.add(machine, begins_s, ends_s, now_s)

    async def _drifts(self, jobs: Jobs) -> None:
        while True:
            await self._world.clock.sleep(self._rng.exponential(15.0))
            vendor = self._vendors[self._rng.choice(list(_MACHINES))]
            vendor.drift()
            for _ in range(await jobs.reconsider(vendor.device.name, "it drifted")):
                self._checker.count("jobs moved by drift")

    async def _trouble(self) -> None:
        """Machines, and all of a vendor's, go away for a while."""
        while True:
            await self._world.clock.sleep(self._rng.exponential(15.0))
            names = [self._rng.choice(list(_MACHINES))]
            if self._rng.chance(0.3):
                names = list(_MACHINES) if self._rng.chance(0.5) else [one for one in _MACHINES if one[0] == "a"]
            for name in names:
                self._vendors[name].down_until_s = self._world.loop.time() + self._rng.exponential(40.0)

    async def _judge(self) -> None:
        degraded: set[str] = set()
        for key, job in self._ended.items():
            if job.state is JobState.FAILED and "look for a job named" in job.error:
                paid = any(one.device == _FORGETS and one.charged for one in job.losses)
                self._checker.require(paid, "a job that may be there is not paid for", key, job.error, job.losses)
                continue
            self._checker.require(job.state is JobState.COMPLETED, "a job came to nothing", key, job.error, job.moves)
            made = job.provenance
            self._checker.require(made is not None and made.device == job.device, "a result from elsewhere", job)
            kinds = [move.kind for move in job.moves]
            for kind in kinds:
                self._checker.count(f"jobs {kind}")
            if "degraded" in kinds:
                degraded.add(job.id)
            classical = made is not None and made.origin is Origin.SIMULATED
            self._checker.require(classical == ("degraded" in kinds), "a result of another kind, unsaid", job)
        told = {entry.subject for entry in self._book.kept}
        self._checker.require(degraded <= told, "done classically, and the ledger does not know", degraded - told)
        for name, vendor in self._vendors.items():
            attempts = {key for job in self._ended.values() for key in _keys(job, name)}
            self._checker.require(set(vendor.results) <= attempts, "a job that nobody asked for", vendor.results)
        for provider in {vendor.device.provider for vendor in self._vendors.values()}:
            # Most vendors look for a key among the jobs of all their machines.
            sent = [key for one in self._vendors.values() if one.device.provider == provider for key in one.results]
            self._checker.require(len(sent) == len(set(sent)), "two machines of a vendor were sent one key", sent)
        for job in self._ended.values():
            for loss in job.losses:
                self._checker.count("attempts given up, charged" if loss.charged else "attempts given up for nothing")
