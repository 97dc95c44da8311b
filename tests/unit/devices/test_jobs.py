"""Jobs through restarts, cancellation and repeated submissions, on virtual time."""

import asyncio
import dataclasses
import math

import numpy as np
import pytest

from phalanx.core import (
    DEFAULT_TENANT,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Origin,
    Provenance,
    TenantId,
    Unavailable,
)
from phalanx.devices import (
    EXACT,
    DeviceModel,
    EmulatedAtoms,
    Features,
    Fleet,
    Jobs,
    JobState,
    JobWishes,
    LeftSending,
    Modality,
    NoDeviceFits,
    Photons,
    Program,
    ProviderContext,
    QueuedBackend,
    SessionLimits,
    ShotResult,
    due_at_ns,
    energies,
    history_view,
    ideal_calibration,
    local_provider,
    provenance_of,
    published_machines,
    samples_of,
)
from phalanx.devices._limits import MAX_FAILURE_CHARS, MAX_KEPT_FAILURES
from phalanx.devices._programs import with_best
from phalanx.devices._running import first_of
from phalanx.devices._sending import LiveJob
from phalanx.devices._windows import DeviceBooked, undisturbed
from phalanx.quantum import Gates
from phalanx.quantum.photonic import PhotonicProgram
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld, job_ended, run_with_store, running_jobs

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
ISING = Program.read('{"fields": [0.5, 0], "couplings": [[1, 0, 1.0]]}')
OTHER = Gates(1).x(0).measure(0).circuit()
DEVICE = DeviceModel(
    name="far.machine", provider="far", kind=Modality.TRAPPED_ION, origin=Origin.HARDWARE, n_qubits=2,
    limits=SessionLimits(max_shots=1_000), calibration=ideal_calibration(2), all_to_all=True,
)  # fmt: skip


class Vendor:
    """The vendor's side of a remote machine: it outlives nodes, and keeps one job per key."""

    def __init__(self):
        self.sent = {}
        self.recalled = []
        self.done = asyncio.Event()
        self.dies_after_sending = False


class Far:
    """A backend whose jobs wait at the vendor."""

    device = DEVICE

    def __init__(self, vendor):
        self._vendor = vendor

    async def run(self, circuit, /, *, shots, seed):
        return await self.collect(
            await self.submit(circuit, shots=shots, seed=seed, key="run"), circuit, shots=shots, seed=seed
        )

    async def submit(self, circuit, /, *, shots, seed, key):
        self._vendor.sent.setdefault(key, []).append(circuit.digest)
        if self._vendor.dies_after_sending:
            await asyncio.Event().wait()
        return f"vendor-{key}"

    async def collect(self, handle, circuit, /, *, shots, seed):
        await self._vendor.done.wait()
        came_from = Provenance(
            origin=Origin.HARDWARE, device=DEVICE.name, circuits=(circuit.digest,), shots=shots, seed=seed
        )
        return ShotResult({"00": shots}, came_from)

    async def recall(self, handle, /):
        self._vendor.recalled.append(handle)


def made(world, store, *others):
    backends = [*local_provider(ProviderContext(world.offload, world.clock)).backends(), *others]
    return Jobs(store, world.clock, world.ids, Fleet(backends), Telemetry(world.clock))


@pytest.mark.requirement("QRM-8")
def test_a_job_is_carried_out_and_says_where_its_result_came_from():
    async def main(world, store):
        jobs = made(world, store)
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=500)
            assert job.state is JobState.QUEUED
            with pytest.raises(InvalidInput, match=r"is (Queued|Running)"):
                await jobs.result(DEFAULT_TENANT, job.id)
            found = await job_ended(world, jobs, job)
        assert found.state is JobState.COMPLETED
        assert found.device == "local.statevector"
        assert "smallest" in found.reason or "no other" in found.reason
        result = await jobs.result(DEFAULT_TENANT, job.id)
        assert set(result.counts) == {"00", "11"}
        assert sum(result.counts.values()) == 500
        assert result.provenance.circuits == (BELL.digest,)
        assert result.provenance.seed == job.seed

    run_with_store(main)


def test_a_key_finds_the_first_job_and_refuses_another_request():
    async def main(world, store):
        jobs = made(world, store)
        first, again = [await jobs.submit(DEFAULT_TENANT, BELL, shots=50, key="nightly") for _ in range(2)]
        assert first.id == again.id
        both = await asyncio.gather(*(jobs.submit(DEFAULT_TENANT, BELL, shots=50, key="race") for _ in range(2)))
        assert both[0].id == both[1].id
        with pytest.raises(InvalidInput, match="another job"):
            await jobs.submit(DEFAULT_TENANT, OTHER, shots=50, key="nightly")
        elsewhere = await jobs.submit(TenantId("other"), OTHER, shots=50, key="nightly")
        assert elsewhere.id != first.id, "keys are their tenant's own"
        with pytest.raises(NotFound):
            await jobs.get(TenantId("other"), first.id)

    run_with_store(main)


def test_what_does_not_fit_is_refused_with_nothing_written():
    async def main(world, store):
        jobs = made(world, store)
        for field, value in (
            ("shots", 0), ("shots", -3), ("seed", -1), ("seed", 1 << 63), ("key", "a\0b"), ("fidelity", -0.1),
            ("fidelity", math.nan), ("fidelity", 1.1), ("budget", -1.0), ("budget", math.inf),
            ("deadline_at_ns", -1), ("regions", ("eu", " ")), ("origin", "real"),
        ):  # fmt: skip
            is_wish = hasattr(JobWishes(), field)
            given = {"shots": 5} | ({"wishes": JobWishes(**{field: value})} if is_wish else {field: value})
            for work in (BELL, ISING):
                with pytest.raises(InvalidInput) as refused:
                    await jobs.submit(DEFAULT_TENANT, work, **given)
                assert refused.value.field == field, value
        for field in ("mitigate", "coherence", "observable"):
            with pytest.raises(InvalidInput, match=f"{field}: is for circuits"):
                await jobs.submit(DEFAULT_TENANT, ISING, shots=5, **{field: "readout"})
        with pytest.raises(NotFound):
            await jobs.submit(DEFAULT_TENANT, BELL, shots=5, device="no.such")
        assert await jobs.newest(DEFAULT_TENANT, limit=10) == []

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
def test_a_job_survives_a_restart_before_it_began():
    async def main(world, store):
        job = await made(world, store).submit(DEFAULT_TENANT, BELL, shots=50, seed=7)
        second = made(world, store)
        async with running_jobs(second):
            found = await job_ended(world, second, job)
        assert found.state is JobState.COMPLETED
        assert found.attempts == 1

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
def test_what_was_sent_to_a_vendor_is_collected_after_a_restart_and_not_sent_again():
    async def main(world, store):
        vendor = Vendor()
        first = made(world, store, Far(vendor))
        assert isinstance(Far(vendor), QueuedBackend)
        async with running_jobs(first):
            job = await first.submit(DEFAULT_TENANT, BELL, shots=50, device=DEVICE.name)
            while not (await first.get(DEFAULT_TENANT, job.id)).handle:
                await world.clock.sleep(0.1)
        assert (await first.get(DEFAULT_TENANT, job.id)).state is JobState.RUNNING
        vendor.done.set()
        second = made(world, store, Far(vendor))
        async with running_jobs(second):
            found = await job_ended(world, second, job)
        assert found.state is JobState.COMPLETED
        assert found.attempts == 2
        assert vendor.sent == {job.id: [BELL.digest]}, "sent once"

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
def test_a_job_of_a_device_that_is_not_there_waits_and_holds_up_no_other():
    async def main(world, store):
        vendor = Vendor()
        async with running_jobs(jobs := made(world, store, Far(vendor))):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device=DEVICE.name)
            while not (await jobs.get(DEFAULT_TENANT, job.id)).handle:
                await world.clock.sleep(0.1)
        vendor.done.set()
        async with running_jobs(jobs := made(world, store)):
            other = await job_ended(world, jobs, await jobs.submit(DEFAULT_TENANT, BELL, shots=10))
            assert other.state is JobState.COMPLETED
            assert "far.machine is none of this node's devices" in jobs.rests(job)[1]
        async with running_jobs(jobs := made(world, store, Far(vendor))):
            assert (await job_ended(world, jobs, job)).state is JobState.COMPLETED
        assert list(vendor.sent.values()) == [[BELL.digest]]

    run_with_store(main)


def test_a_node_that_dies_between_sending_and_noting_sends_again_under_the_same_key():
    async def main(world, store):
        vendor = Vendor()
        vendor.dies_after_sending = True
        first = made(world, store, Far(vendor))
        async with running_jobs(first):
            job = await first.submit(DEFAULT_TENANT, BELL, shots=50, device=DEVICE.name)
            while not vendor.sent:
                await world.clock.sleep(0.1)
        vendor.dies_after_sending = False
        vendor.done.set()
        second = made(world, store, Far(vendor))
        async with running_jobs(second):
            await job_ended(world, second, job)
        assert list(vendor.sent) == [job.id], "one key, so that the vendor's side keeps one job"

    run_with_store(main)


def test_a_cancelled_job_stays_cancelled_and_the_vendor_is_told():
    async def main(world, store):
        vendor = Vendor()
        jobs = made(world, store, Far(vendor))
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=50, device=DEVICE.name)
            while not (await jobs.get(DEFAULT_TENANT, job.id)).handle:
                await world.clock.sleep(0.1)
            assert (await jobs.cancel(DEFAULT_TENANT, job.id)).state is JobState.CANCELLED
            vendor.done.set()
            await world.clock.sleep(1.0)
            assert (await jobs.get(DEFAULT_TENANT, job.id)).state is JobState.CANCELLED
            assert vendor.recalled == [f"vendor-{job.id}"]
            other = await jobs.submit(DEFAULT_TENANT, OTHER, shots=5)
            assert (await job_ended(world, jobs, other)).state is JobState.COMPLETED, "the service goes on"
            assert (await jobs.cancel(DEFAULT_TENANT, other.id)).state is JobState.COMPLETED, "too late"

    run_with_store(main)


def test_a_backend_that_fails_fails_its_job_alone():
    class Broken(Far):
        async def submit(self, circuit, /, *, shots, seed, key):
            raise RuntimeError("the vendor's SDK fell over")

    async def main(world, store):
        jobs = made(world, store, Broken(Vendor()))
        async with running_jobs(jobs):
            bad = await jobs.submit(DEFAULT_TENANT, BELL, shots=50, device=DEVICE.name)
            good = await jobs.submit(DEFAULT_TENANT, OTHER, shots=50)
            assert (await job_ended(world, jobs, good)).state is JobState.COMPLETED
            found = await job_ended(world, jobs, bad)
        assert found.state is JobState.FAILED
        assert found.error == "RuntimeError: the vendor's SDK fell over"
        failures = await jobs.failures.of(DEFAULT_TENANT, DEVICE.name)
        assert {(one.job, one.why) for one in failures} == {(bad.id, found.error)}
        assert [one.attempt for one in failures] == list(range(1, len(failures) + 1))
        assert await jobs.failures.of(TenantId("others"), DEVICE.name) == [], "what a vendor says may name what was run"
        shown = history_view(DEVICE.name, [], [], failures).failures
        assert [one.attempt for one in shown] == [one.attempt for one in failures]

    run_with_store(main)


def test_failures_are_kept_up_to_a_bound_and_newest_last():
    async def main(world, store):
        jobs = made(world, store, Far(Vendor()))
        job = await jobs.submit(DEFAULT_TENANT, BELL, shots=50, device=DEVICE.name)
        for at in range(MAX_KEPT_FAILURES + 3):
            await world.clock.sleep(1.0)
            await jobs.failures.keep(job, job.device, f"failure {at} " + "x" * MAX_FAILURE_CHARS)
        kept = await jobs.failures.of(DEFAULT_TENANT, DEVICE.name)
        assert len(kept) == MAX_KEPT_FAILURES
        assert kept[0].why.startswith("failure 3 ")
        assert len(kept[-1].why) == MAX_FAILURE_CHARS

    run_with_store(main)


def test_a_job_that_takes_the_node_with_it_is_given_up():
    async def main(world, store):
        vendor = Vendor()
        vendor.dies_after_sending = True
        job_id = ""
        for life in range(6):
            jobs = made(world, store, Far(vendor))
            async with running_jobs(jobs):
                if not life:
                    job_id = (await jobs.submit(DEFAULT_TENANT, BELL, shots=50, device=DEVICE.name)).id
                await world.clock.sleep(1.0)
        found = await jobs.get(DEFAULT_TENANT, job_id)
        assert found.state is JobState.FAILED
        assert "attempts" in found.error

    run_with_store(main)


ATOMS = '{"atoms_um": [[0,0],[5.5,0]], "amplitude": [[0,0],[1,12],[2,0]], "detuning": [[0,-20],[2,20]]}'


@pytest.mark.requirement("QRM-8")
def test_programs_are_jobs_like_circuits():
    async def main(world, store):
        jobs = made(world, store, *(EmulatedAtoms(one.device, world.offload) for one in published_machines("pasqal")))
        program = Program.read(ATOMS)
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, program, shots=200, key="atoms")
            assert (await jobs.submit(DEFAULT_TENANT, program, shots=200, key="atoms")).id == job.id
            found = await job_ended(world, jobs, job)
        assert (found.state, found.device) == (JobState.COMPLETED, "pasqal.analog"), found.error
        assert found.circuit is None
        assert found.program == program
        assert found.provenance.origin is Origin.EMULATED
        assert found.provenance.circuits == (program.digest,)
        (beside,) = found.provenance.baselines
        assert beside.cost == 4
        lowest = min(energies(program, list(found.counts), 865_723.02))
        assert beside.value <= lowest + 1e-9
        with pytest.raises(InvalidInput, match="takes no analog"):
            await jobs.submit(DEFAULT_TENANT, program, shots=200, device="local.statevector")
        with pytest.raises(InvalidInput, match="runs no gates"):
            await jobs.submit(DEFAULT_TENANT, BELL, shots=200, device="pasqal.analog")
        qubo = Program.read('{"qubo": [[0, 0, -1.0]]}')
        with pytest.raises(InvalidInput, match="samples no Ising"):
            await jobs.submit(DEFAULT_TENANT, qubo, shots=200, device="pasqal.analog")
        with pytest.raises(NoDeviceFits, match="hardware ones are asked for"):
            await jobs.submit(DEFAULT_TENANT, qubo, shots=200, origin=Origin.HARDWARE)
        async with running_jobs(jobs):
            found = await job_ended(world, jobs, await jobs.submit(DEFAULT_TENANT, qubo, shots=200))
        assert (found.state, found.device, found.counts) == (JobState.COMPLETED, "local.annealer", {"1": 200})

    run_with_store(main)


DIP = (
    '{"modes": 2, "photons": [1, 1], "circuit": [{"kind": "beam-splitter", "modes": [0, 1]}], '
    '"detectors": "threshold", "min_detected": 2}'
)


def test_when_something_is_due_is_a_number_of_seconds_from_now():
    assert (due_at_ns(5, 0.0), due_at_ns(5, 1.5), due_at_ns(5, 1e-12)) == (0, 1_500_000_005, 6)
    for within_s in (-1.0, math.nan, math.inf):
        with pytest.raises(InvalidInput, match="within_s"):
            due_at_ns(5, within_s)
    with pytest.raises(LimitExceeded, match="within_s"):
        due_at_ns(5, 1e300)


@pytest.mark.requirement("QRM-8")
def test_photons_are_jobs_and_every_shot_counts_though_few_are_kept():
    async def main(world, store):
        jobs = made(world, store, *(Photons(one.device, world.offload) for one in published_machines("quandela")))
        program, ascella = Program.read(DIP), "quandela.ascella"
        async with running_jobs(jobs):
            found = await job_ended(
                world, jobs, await jobs.submit(DEFAULT_TENANT, program, shots=100_000, device=ascella)
            )
            never = Program.read(
                DIP.replace('"min_detected": 2', '"heralds": [{"mode": 0}, {"mode": 1, "photons": 0}]')
            )
            one = await job_ended(world, jobs, await jobs.submit(DEFAULT_TENANT, never, shots=1, device=ascella))
        assert (found.state, found.device) == (JobState.COMPLETED, ascella), found.error
        assert found.program == program
        assert set(found.counts) == {"1,1"}
        assert 0 < found.counts["1,1"] < 1_000
        assert (found.provenance.shots, found.shots_given) == (100_000, 100_000)
        assert len(found.provenance.baselines) == 2
        assert (one.state, one.shots_given) == (JobState.COMPLETED, 1)
        with pytest.raises(InvalidInput, match="takes no photonic"):
            await jobs.submit(DEFAULT_TENANT, program, shots=200, device="local.statevector")
        wide = Program.of_photonic(PhotonicProgram(modes=25, photons=(1,) + (0,) * 24))
        with pytest.raises(LimitExceeded, match="limited to 24"):
            await jobs.submit(DEFAULT_TENANT, wide, shots=1, device="quandela.belenos")

    run_with_store(main)


def test_problems_of_an_annealer_are_jobs_too():
    class Annealing:
        device = dataclasses.replace(
            DEVICE, name="far.annealer", kind=Modality.ANNEALER, origin=Origin.SIMULATED,
            features=Features(gates=False, analog=True),
        )  # fmt: skip

        async def run(self, circuit, /, *, shots, seed):
            raise AssertionError("an annealer runs no circuit")

        async def sample(self, problem, /, *, shots, seed):
            spins = np.tile(np.array([[1, -1]], np.int8), (shots, 1))
            return samples_of(problem, spins, provenance_of(self.device, problem, shots, seed))

    async def main(world, store):
        jobs = made(world, store, Annealing())
        program = Program.read('{"fields": [0.5, 0], "couplings": [[1, 0, 1.0]]}')
        async with running_jobs(jobs):
            job = await job_ended(world, jobs, await jobs.submit(DEFAULT_TENANT, program, shots=30))
        assert job.counts == {"10": 30}
        assert energies(program, ["10", "01"]) == [-0.5, -1.5]
        assert [(one.method, one.value) for one in job.provenance.baselines] == [(EXACT, -1.5)]

    run_with_store(main)


def test_of_two_attempts_that_failed_each_device_is_told_what_it_said_itself():
    async def main(world):
        async def fails(after_s, why):
            await world.clock.sleep(after_s)
            raise Unavailable("a device", why)

        async def hurry():
            return "v.second", asyncio.ensure_future(fails(1, "the second's"))

        failed = {}
        attempts = {"v.first": asyncio.ensure_future(fails(10, "the first's"))}
        with pytest.raises(Unavailable, match="the first's"):
            await first_of(attempts, failed, hurry, 2, world.clock.sleep)
        assert {name: error.reason for name, error in failed.items()} == {
            "v.first": "the first's", "v.second": "the second's",
        }  # fmt: skip

    SimWorld(1).run(main)


def test_a_result_is_not_lost_for_what_stands_beside_it(monkeypatch):
    def fails(*_):
        raise ValueError("no such state")

    monkeypatch.setattr("phalanx.devices._programs.known_beside", fails)

    async def main(world):
        device = local_provider(ProviderContext(world.offload, world.clock)).backends()[0].device
        came_from = Provenance(origin=Origin.HARDWARE, device="v.m", circuits=("c",), shots=2, seed=1)
        result = ShotResult({"0": 2}, came_from)
        program = Program.read('{"fields": [0.5]}')
        assert await with_best(device, program, result, world.offload) is result

    SimWorld(1).run(main)


def test_what_was_on_its_way_when_its_device_was_booked_goes_with_the_job():
    async def main(world, store):
        jobs = made(world, store, Far(Vendor()))
        job = await jobs.submit(DEFAULT_TENANT, BELL, shots=50, device=DEVICE.name)
        live = LiveJob(job, 1, jobs.write, world.clock)

        async def submit(key):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as left:
                raise LeftSending from left

        async def leave():
            await world.clock.sleep(5)
            return DEVICE.name

        with pytest.raises(DeviceBooked) as told:
            await undisturbed(live, live.sent(submit, Far(Vendor()), second=False), leave())
        assert [(one.device, one.handle, one.charged) for one in told.value.left] == [(DEVICE.name, job.id, True)]
        assert (await jobs.get(DEFAULT_TENANT, job.id)).losses == (), "where it stays it is asked for under its key"

    run_with_store(main)
