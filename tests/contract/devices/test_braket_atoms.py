"""Aquila at Amazon: analog programs in Braket's own form, sent once, against the SDK's local simulator of atoms."""

import json
from types import SimpleNamespace

import pytest

from phalanx.adapters.providers import braket_provider
from phalanx.core import DEFAULT_TENANT, Origin, Unavailable
from phalanx.devices import Fleet, Jobs, JobState, JobWishes, Program, ProviderContext, Status
from phalanx.quantum.analog import AnalogProgram, braket_text, probabilities, read_program
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld, job_ended, running_jobs
from phalanx.testing.contracts import ANALOG_CHECKS

pytestmark = pytest.mark.vendor

SWEEP = AnalogProgram(
    atoms_um=((0.0, 0.0), (5.5, 0.0), (11.0, 0.0)), amplitude=((0, 0), (0.4, 12), (3.6, 12), (4, 0)),
    detuning=((0, -30), (0.4, -30), (3.6, 30), (4, 30)),
)  # fmt: skip


class Amazon:
    """An account whose Aquila is the SDK's local simulator; tasks wait once, and are kept by their tags.

    What is run goes through the SDK's own making of a task, to a session that keeps the requests: what the SDK does
    not send is not run here either.
    """

    status = "ONLINE"
    properties = SimpleNamespace(json=lambda: json.dumps({"paradigm": {}}))

    def __init__(self):
        self.tasks, self.asked, self.requests, self.arn = {}, 0, [], ""

    def device(self, arn):
        assert arn.endswith("quera/Aquila"), arn
        self.arn = arn
        return self

    def run(self, specification, *, shots, tags):
        from braket.aws import AwsQuantumTask

        return AwsQuantumTask.create(self, self.arn, specification, ("bucket", "tasks"), shots, tags=tags)

    def create_quantum_task(self, **request):
        from braket.devices import LocalSimulator
        from braket.ir.ahs import Program as Document

        self.requests.append(request)
        task = LocalSimulator("braket_ahs").run(Document.parse_raw(request["action"]), shots=request["shots"])
        name = f"arn:aws:braket:us-east-1:1:quantum-task/{len(self.requests)}"
        self.tasks[name] = (task, request["tags"])
        return name

    def queue_depth(self):
        return SimpleNamespace(quantum_tasks={"Normal": "3"})

    def task(self, handle):
        self.asked += 1
        state = "QUEUED" if self.asked == 1 else "COMPLETED"
        return SimpleNamespace(state=lambda: state, result=self.tasks[handle][0].result)

    def find(self, arn, key):
        return next((name for name, (_, tags) in self.tasks.items() if tags.get("phalanx-key") == key), "")


def aquila(world, account):
    context = ProviderContext(world.offload, world.clock, frozenset({"braket"}))
    backends = braket_provider(context, account=lambda: account).backends()
    return next(one for one in backends if one.device.name == "braket.quera-aquila")


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("check", ANALOG_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_the_submission_path_with_the_local_simulator_of_atoms(check):
    pytest.importorskip("braket.devices", reason="the extra of this vendor is not installed")

    async def main(world):
        backend = aquila(world, Amazon())
        assert backend.device.origin is Origin.HARDWARE
        await check(backend)

    SimWorld(1).run(main)


@pytest.mark.requirement("QRM-8")
def test_a_program_is_written_as_braket_reads_it():
    ahs = pytest.importorskip("braket.ir.ahs", reason="the extra of this vendor is not installed")
    text = braket_text(SWEEP)
    assert read_program(text).atoms_um == SWEEP.atoms_um
    assert read_program(text).detuning == SWEEP.detuning
    document = ahs.Program.parse_raw(text)
    register = document.setup.ahs_register
    assert [float(x) for x, _ in register.sites] == [0.0, 5.5e-6, 11e-6]
    (drive,) = document.hamiltonian.drivingFields
    assert [float(one) for one in drive.amplitude.time_series.values] == [0.0, 12e6, 12e6, 0.0]
    assert [float(one) for one in drive.phase.time_series.times] == [0.0, 4e-6]
    fine = braket_text(
        AnalogProgram(atoms_um=((0, 0),), amplitude=((0, 0), (1, 1.23456789)), detuning=((0, 0), (1, 0)))
    )
    assert json.loads(fine)["hamiltonian"]["drivingFields"][0]["amplitude"]["time_series"]["values"][1] == "1234400"
    beside = AnalogProgram(atoms_um=((5.549, 0),), amplitude=SWEEP.amplitude, detuning=SWEEP.detuning)
    assert read_program(braket_text(beside)).atoms_um == ((5.5, 0.0),), "atoms are put on a grid of 0.1 µm"


@pytest.mark.requirement("QRM-8")
def test_what_is_asked_of_amazon_is_the_program_as_it_was_written():
    ahs = pytest.importorskip("braket.ir.ahs", reason="the extra of this vendor is not installed")
    turned = AnalogProgram(
        atoms_um=((-7.3, 0), (0, 8.1)), amplitude=SWEEP.amplitude, detuning=SWEEP.detuning,
        phase=((0, 0.1), (2, 1.2345678), (4, 1.2345678)),
    )  # fmt: skip

    def sent(program):
        account = Amazon()
        account.create_quantum_task = lambda **request: account.requests.append(request) or "t"

        async def main(world):
            return await aquila(world, account).submit_program(program, shots=7, seed=1, key="")

        assert SimWorld(4).run(main) == "t"
        (request,) = account.requests
        return request

    for program in (SWEEP, turned):
        request = sent(program)
        assert (request["deviceArn"].rpartition("/")[2], request["shots"]) == ("Aquila", 7)
        asked, written = (ahs.Program.parse_raw(one) for one in (request["action"], braket_text(program)))
        assert asked == written
        assert asked.braketSchemaHeader.name == "braket.ir.ahs.program"


@pytest.mark.requirement("QRM-7", "QRM-8")
def test_a_job_is_sent_once_though_its_node_dies_and_comes_to_what_theory_says():
    pytest.importorskip("braket.devices", reason="the extra of this vendor is not installed")

    async def main(world):
        account, store = Amazon(), world.store("node")

        def life():
            return Jobs(store, world.clock, world.ids, Fleet([aquila(world, account)]), Telemetry(world.clock))

        first = life()
        async with running_jobs(first):
            job = await first.submit(DEFAULT_TENANT, Program.of_analog(SWEEP), shots=1_000)
            await world.clock.sleep(0.5)
        assert (await first.get(DEFAULT_TENANT, job.id)).handle in account.tasks
        second = life()
        async with running_jobs(second):
            found = await job_ended(world, second, job)
        assert (found.state, len(account.tasks)) == (JobState.COMPLETED, 1)
        assert found.provenance.origin is Origin.HARDWARE
        assert found.provenance.baselines[0].cost_unit == "outcomes"
        expected = probabilities(SWEEP, aquila(world, account).device.analog.c6)
        assert found.counts["101"] / 1_000 == pytest.approx(float(expected[0b101]), abs=0.06)

    SimWorld(2).run(main)


def test_a_job_of_which_no_shot_began_with_all_atoms_says_so_and_is_not_the_machines_failure():
    async def main(world):
        account = Amazon()
        seen = SimpleNamespace(status=SimpleNamespace(value="Success"), pre_sequence=[1, 0, 1], post_sequence=[0, 0, 0])
        account.run = lambda specification, *, shots, tags: SimpleNamespace(id="t")
        account.tasks["t"] = (SimpleNamespace(result=lambda: SimpleNamespace(measurements=[seen])), {})
        fleet = Fleet([aquila(world, account)])
        jobs = Jobs(world.store("node"), world.clock, world.ids, fleet, Telemetry(world.clock))
        failed = []
        jobs._chooser.failed = failed.append
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, Program.of_analog(SWEEP), shots=1, wishes=JobWishes(patient=True))
            found = await job_ended(world, jobs, job)
        assert (found.state, failed) == (JobState.FAILED, [])
        assert "none of the 1 on braket.quera-aquila began with all 3 atoms in place" in found.error
        assert account.asked == 3, "it waits, it is done, and what it is at the end; its result is not asked for again"

    SimWorld(5).run(main)


def test_shots_that_began_without_an_atom_are_left_out_and_the_status_is_asked_for():
    async def main(world):
        account = Amazon()

        def shot(before, after, status="Success"):
            return SimpleNamespace(status=SimpleNamespace(value=status), pre_sequence=before, post_sequence=after)

        drawn = [shot([1, 1], [0, 1]), shot([1, 0], [0, 0]), shot([1, 1], [0, 1]), shot([1, 1], [1, 1], "Failure")]
        account.tasks["t"] = (SimpleNamespace(result=lambda: SimpleNamespace(measurements=drawn)), {})
        backend = aquila(world, account)
        found = await backend.collect_program("t", SWEEP, shots=4, seed=1)
        assert (found.counts, found.provenance.shots) == ({"10": 2}, 2)
        drawn[:] = [shot([1, 1], [1, 1], "Failure")]
        with pytest.raises(Unavailable, match="none of 1 shots was a success"):
            await backend.collect_program("t", SWEEP, shots=1, seed=1)
        account.status = "OFFLINE"
        seen = await backend.look()
        assert (seen.status, seen.queue.depth) == (Status.OFFLINE, 3)
        assert seen.analog is not None

    SimWorld(3).run(main)
