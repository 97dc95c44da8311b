"""Jobs at every vendor through the deaths of a node: carried out for real, against what behaves as its service."""

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from phalanx.adapters.providers import (
    OfferedResource,
    braket_provider,
    dwave_provider,
    google_provider,
    ibm_provider,
    ionq_provider,
    iqm_provider,
    pasqal_provider,
    qrmi_provider,
    quandela_provider,
    quantinuum_provider,
)
from phalanx.core import DEFAULT_TENANT, decode
from phalanx.devices import JOBS, Fleet, Job, Jobs, JobState, JobWishes, Program, ProviderContext, ising
from phalanx.quantum import Gates
from phalanx.quantum.analog import AnalogProgram
from phalanx.quantum.photonic import PhotonicProgram
from phalanx.telemetry import Telemetry
from phalanx.testing import InlineOffload, SimWorld, job_ended, running_jobs
from phalanx.testing.delivery import PeerServer
from phalanx.testing.vendors import (
    PASQAL_PROJECT,
    DWaveApi,
    GoogleService,
    IonqApi,
    IqmApi,
    PasqalApi,
    QuandelaApi,
    QuantinuumApi,
)

pytestmark = pytest.mark.vendor

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
PULSE = Program.of_analog(
    AnalogProgram(atoms_um=((0.0, 0.0), (20.0, 0.0)), amplitude=((0, 0), (0.5, 1), (1, 0)), detuning=((0, 0), (1, 0)))
)
SPINS = Program.of_ising(ising({0: 0.5}, {(0, 1): 1.0, (1, 2): -1.0}, 3))
PHOTON = Program.of_photonic(PhotonicProgram(modes=2, photons=(1, 0), detectors="threshold"))
SECRET = "s3cret"


@dataclasses.dataclass
class Vendor:
    """A vendor's side: ``machine`` of a process that begins, and the jobs that it ``kept``, in all lives.

    ``goes_away`` for so many questions.
    """

    machine: Callable
    kept: Callable
    goes_away: Callable
    work: object = BELL


def over_http(product, make, options, name="", work=BELL):
    @contextlib.contextmanager
    def opened():
        with PeerServer(product()) as server:

            def machine(world):
                given = {key: value.replace("URL", server.url) for key, value in options.items()}
                provider = next(iter(options)).partition(".")[0]
                made = ProviderContext(
                    world.offload, world.clock, frozenset({provider}), given, lambda name, variable: SECRET
                )
                return next(one for one in make(made).backends() if one.device.name == (name or one.device.name))

            yield Vendor(machine, lambda: server.product.kept, lambda n: server.trouble.extend(["error"] * n), work)

    return opened


@contextlib.contextmanager
def google():
    pytest.importorskip("cirq_google", reason="the extra of this vendor is not installed")
    with GoogleService("lab") as service:

        def machine(world):
            given = {"google.project": "lab", "google.url": service.url}
            return google_provider(
                ProviderContext(world.offload, world.clock, frozenset({"google"}), given)
            ).backends()[0]

        yield Vendor(machine, lambda: list(service.jobs), lambda n: service.trouble.extend(["down"] * n))


class Away:
    """An account at a vendor that gives no answer to some questions."""

    questions = 0

    def answers(self, error):
        if self.questions:
            self.questions -= 1
            raise error()

    def goes_away(self, questions):
        self.questions = questions


class Amazon(Away):
    """An account whose machine is the SDK's local simulator."""

    status = "ONLINE"

    def __init__(self):
        self.tasks, self.sent, self.seen = {}, [], set()

    def ask(self):
        from botocore.exceptions import ClientError, EndpointConnectionError

        if self.questions % 2:
            self.answers(lambda: EndpointConnectionError(endpoint_url="https://braket.example.org"))
        said = {"Error": {"Code": "ServiceUnavailable"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
        self.answers(lambda: ClientError(said, "GetQuantumTask"))

    def device(self, arn):
        return self

    def run(self, circuit, *, shots, tags):
        self.ask()
        from braket.devices import LocalSimulator

        task = LocalSimulator().run(circuit, shots=shots)
        self.tasks[task.id] = (task, tags)
        self.sent.append(tags["phalanx-key"])
        return task

    def task(self, arn):
        self.ask()
        task, _ = self.tasks[arn]
        state = task.state() if arn in self.seen else "QUEUED"
        self.seen.add(arn)
        return SimpleNamespace(state=lambda: state, result=task.result)

    def find(self, arn, key):
        self.ask()
        return next((name for name, (_, tags) in self.tasks.items() if tags.get("phalanx-key") == key), "")


@contextlib.contextmanager
def braket():
    pytest.importorskip("braket.devices", reason="the extra of this vendor is not installed")
    account = Amazon()

    def machine(world):
        made = ProviderContext(world.offload, world.clock, frozenset({"braket"}))
        backends = braket_provider(made, account=lambda: account).backends()
        return next(one for one in backends if one.device.name == "braket.iqm-garnet")

    yield Vendor(machine, lambda: account.sent, account.goes_away)


class Ibm(Away):
    """An account whose machine is the SDK's local one, and which keeps what was sent by its tags."""

    def __init__(self):
        self.tagged, self.sent, self.asked = {}, [], 0

    def ask(self):
        """As the SDK says it: its own error, which hides the one of who asked over HTTP."""
        from qiskit_ibm_runtime.api.exceptions import RequestsApiError
        from qiskit_ibm_runtime.exceptions import IBMRuntimeError

        try:
            self.answers(lambda: RequestsApiError("Max retries exceeded", 502 if self.questions % 2 else -1))
        except RequestsApiError as error:
            raise IBMRuntimeError(f"Failed to retrieve job: {error}") from None

    def backends(self, *, simulator):
        from qiskit_ibm_runtime.fake_provider import FakeManilaV2

        return [FakeManilaV2()]

    def jobs(self, *, job_tags, limit):
        self.ask()
        return [self.tagged[tag] for tag in job_tags if tag in self.tagged][:limit]

    def job(self, handle):
        self.ask()
        self.asked += 1
        found = next(job for job in self.tagged.values() if job.job_id() == handle)
        return SimpleNamespace(status=lambda: "QUEUED" if self.asked == 1 else "DONE", result=found.result)


@contextlib.contextmanager
def ibm():
    pytest.importorskip("qiskit_ibm_runtime", reason="the extra of this vendor is not installed")
    account = Ibm()

    def machine(world):
        made = ProviderContext(world.offload, world.clock, frozenset({"ibm"}))
        (found,) = ibm_provider(made, service=lambda: account).backends()
        send = found._send

        def kept(circuit, shots, seed, key):
            """The local mode keeps no tags."""
            handle = send(circuit, shots, seed, key)
            account.tagged[key] = found._sent.pop(handle)
            account.sent.append(key)
            return handle

        found._send = kept
        return found

    yield Vendor(machine, lambda: account.sent, account.goes_away)


@contextlib.contextmanager
def qrmi():
    backend = next(
        one for one in ibm_provider(ProviderContext(InlineOffload(), SimWorld(1).clock)).backends()
        if one.device.name == "ibm.fake_manila"
    )  # fmt: skip
    started = []

    def run(circuit, shots):
        return {"00": shots}

    away, ended = Away(), threading.Event()

    class Resource(OfferedResource):
        asked = 0

        def is_accessible(self):
            away.answers(lambda: RuntimeError("the service does not answer"))
            return super().is_accessible()

        def task_status(self, name):
            away.answers(lambda: RuntimeError("the service does not answer"))
            self.asked += 1
            ended.wait(20)
            return "Queued" if self.asked == 1 else super().task_status(name)

        def _carry_out(self, *task):
            super()._carry_out(*task)
            ended.set()

        def task_start(self, payload):
            started.append(payload)
            return super().task_start(payload)

    resource = Resource(backend, run, lambda: f"token-{len(started)}")

    def machine(world):
        made = ProviderContext(world.offload, world.clock, frozenset({"qrmi"}))
        return qrmi_provider(made, resources=lambda: [resource], payload=lambda text: text).backends()[0]

    yield Vendor(machine, lambda: started, away.goes_away)


FINDS = {
    "ibm": ibm,
    "braket": braket,
    "google": google,
    "dwave": over_http(lambda: DWaveApi(SECRET), dwave_provider, {"dwave.url": "URL/sapi/v2"}, work=SPINS),
    "ionq": over_http(lambda: IonqApi(SECRET), ionq_provider, {"ionq.url": "URL/v0.4"}, "ionq.aria-1"),
    "pasqal": over_http(
        lambda: PasqalApi(SECRET, SECRET), pasqal_provider,
        {"pasqal.url": "URL", "pasqal.auth_url": "URL/oauth/token", "pasqal.project": PASQAL_PROJECT},
        "pasqal.fresnel", PULSE,
    ),
}  # fmt: skip
FINDS_NOT = {
    "iqm": over_http(lambda: IqmApi(SECRET), iqm_provider, {"iqm.url": "URL"}),
    "quantinuum": over_http(
        lambda: QuantinuumApi(SECRET, SECRET), quantinuum_provider, {"quantinuum.url": "URL/v1"}, "quantinuum.h2-1"
    ),
    "quandela": over_http(
        lambda: QuandelaApi(SECRET), quandela_provider, {"quandela.url": "URL"}, "quandela.ascella", PHOTON
    ),
    "qrmi": qrmi,
}
EVERY = FINDS | FINDS_NOT


class DyingStore:
    """The store of a node that dies right before it writes anything once ``now`` says so of what is to be written."""

    def __init__(self, store, now):
        self._store, self._now = store, now
        self.dead = False

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, writes, *, expect=()):
        self.dead = self.dead or self._now(writes)
        if self.dead:
            await asyncio.Event().wait()
        return await self._store.commit(writes, expect=expect)


def written(writes):
    return [decode(one.value, Job) for one in writes if one.table == JOBS]


async def life(world, store, vendor, *, machine=None):
    """The jobs of a process that begins, and its machine."""
    backend = machine or vendor.machine(world)
    if not backend.device.status.takes_work:
        await backend.look()
    return Jobs(store, world.clock, world.ids, Fleet([backend]), Telemetry(world.clock)), backend


async def submitted(jobs, vendor, backend, *, pinned=False, **wishes):
    return await jobs.submit(
        DEFAULT_TENANT, vendor.work, shots=100, device=backend.device.name, movable=not pinned,
        wishes=JobWishes(**wishes),
    )  # fmt: skip


async def died(world, vendor, now):
    """A job of a node that died when ``now`` said so."""
    store = world.store("node")
    dying = DyingStore(store, now)
    jobs, backend = await life(world, dying, vendor)
    async with running_jobs(jobs):
        job = await submitted(jobs, vendor, backend)
        while not dying.dead:
            await world.clock.sleep(0.1)
    return store, job


def on(vendor, work):
    with vendor() as opened:
        SimWorld(1).run(lambda world: work(world, opened))


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("vendor", EVERY.values(), ids=EVERY)
def test_what_was_on_its_way_when_a_node_died_is_not_sent_again(vendor):
    async def main(world, vendor):
        store, job = await died(world, vendor, lambda _: bool(vendor.kept()))
        jobs, backend = await life(world, store, vendor)
        assert (await jobs.get(DEFAULT_TENANT, job.id)).handle == "", "it was not noted"
        async with running_jobs(jobs):
            ended = await job_ended(world, jobs, job)
        assert len(vendor.kept()) == 1
        assert (ended.sending, ended.moves) == ({}, ())
        if finds:
            assert (ended.state, sum(ended.counts.values())) == (JobState.COMPLETED, 100), ended.error
            assert ended.losses == ()
        else:
            assert ended.state is JobState.FAILED
            assert f"look for a job named {job.id} there" in ended.error
            assert [(one.device, one.handle, one.charged) for one in ended.losses] == [
                (backend.device.name, job.id, True)
            ]

    finds = vendor in FINDS.values()
    on(vendor, main)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("vendor", EVERY.values(), ids=EVERY)
def test_what_had_not_left_when_a_node_died_is_sent_by_the_next(vendor):
    async def main(world, vendor):
        store, job = await died(world, vendor, lambda writes: any(one.attempts for one in written(writes)))
        jobs, _ = await life(world, store, vendor)
        async with running_jobs(jobs):
            ended = await job_ended(world, jobs, job)
        assert (ended.state, len(vendor.kept()), ended.losses) == (JobState.COMPLETED, 1, ()), ended.error

    on(vendor, main)


@pytest.mark.parametrize("vendor", EVERY.values(), ids=EVERY)
def test_that_a_job_is_about_to_be_sent_is_durable_before_it_leaves(vendor):
    """Where its name is kept unique that is not needed."""

    async def main(world, vendor):
        marks = []

        def noted(writes):
            marks.extend((len(vendor.kept()), tuple(one.sending)) for one in written(writes))
            return False

        store = DyingStore(world.store("node"), noted)
        jobs, backend = await life(world, store, vendor)
        async with running_jobs(jobs):
            ended = await job_ended(world, jobs, await submitted(jobs, vendor, backend))
        assert ended.state is JobState.COMPLETED, ended.error
        assert ((0, (ended.id,)) in marks) == marked
        assert not [one for one in marks if one[0] and one[1]], "what it is called there comes instead of the mark"

    marked = vendor is not google
    on(vendor, main)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("vendor", EVERY.values(), ids=EVERY)
def test_a_job_that_a_vendor_has_outlives_an_outage_there_and_says_so(vendor):
    async def main(world, vendor):
        jobs, backend = await life(world, world.store("node"), vendor)
        async with running_jobs(jobs):
            job = await submitted(jobs, vendor, backend, pinned=True)
            while not (found := await jobs.get(DEFAULT_TENANT, job.id)).handle:
                await world.clock.sleep(0.01)
            assert jobs.rests(found) is None
            vendor.goes_away(30)
            told = set()
            while not (found := await jobs.get(DEFAULT_TENANT, job.id)).state.final:
                if rests := jobs.rests(found):
                    told.add(rests[1])
                    assert world.clock.wall_ns() < rests[0] <= world.clock.wall_ns() + 3_600 * 10**9
                await world.clock.sleep(1.0)
        assert (found.state, sum(found.counts.values()), found.attempts) == (JobState.COMPLETED, 100, 1), found.error
        assert len(vendor.kept()) == 1
        (why, *_) = told
        assert why.startswith(f"{backend.device.name} has it, and does not say how it is ("), told
        assert jobs.rests(found) is None

    on(vendor, main)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("vendor", [braket, ibm, qrmi], ids=["braket", "ibm", "qrmi"])
def test_an_outage_that_does_not_end_ends_the_job_after_an_hour(vendor):
    async def main(world, vendor):
        jobs, backend = await life(world, world.store("node"), vendor)
        async with running_jobs(jobs):
            job = await submitted(jobs, vendor, backend, pinned=True)
            while not (await jobs.get(DEFAULT_TENANT, job.id)).handle:
                await world.clock.sleep(0.01)
            vendor.goes_away(10_000)
            before_s = world.loop.time()
            ended = await job_ended(world, jobs, job)
        assert ended.state is JobState.FAILED
        assert 3_600 < world.loop.time() - before_s < 3_700
        assert [one.charged for one in ended.losses] == [True], "nobody can say that it was not begun"

    on(vendor, main)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("vendor", EVERY.values(), ids=EVERY)
def test_what_was_sent_to_a_device_by_name_waits_for_a_vendor_that_is_away(vendor):
    async def main(world, vendor):
        store = world.store("node")
        jobs, backend = await life(world, store, vendor)
        job = await submitted(jobs, vendor, backend, pinned=True)
        machine = vendor.machine(world)
        if not machine.device.status.takes_work:
            await machine.look()
        vendor.goes_away(10)
        jobs, _ = await life(world, store, vendor, machine=machine)
        async with running_jobs(jobs):
            ended = await job_ended(world, jobs, job)
        assert (ended.state, len(vendor.kept()), ended.losses) == (JobState.COMPLETED, 1, ()), ended.error

    on(vendor, main)
