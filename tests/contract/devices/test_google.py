"""Google's processors through the vendor's SDK: against its own local engine, and against a server that behaves as the
service on the wire."""

import re

import numpy as np
import pytest

from phalanx.adapters.providers import google_provider
from phalanx.core import InvalidInput, LimitExceeded, NotFound, Origin, Overloaded, Unavailable
from phalanx.devices import LiveBackend, ProviderContext, Stage, StagedBackend, Status, shipped_snapshots
from phalanx.quantum import Gates, simulate
from phalanx.testing import SimWorld
from phalanx.testing.contracts import DEVICE_CHECKS, STAGED_CHECKS, check_provider
from phalanx.testing.vendors import GoogleService

pytest.importorskip("cirq_google", reason="the extra of this vendor is not installed")

pytestmark = pytest.mark.vendor

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
CHECKS = pytest.mark.parametrize("check", DEVICE_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))


def provider(world, service, *, project="lab", **options):
    given = {"google.project": project, "google.url": service.url}
    given |= {f"google.{name}": value for name, value in options.items()}
    return google_provider(ProviderContext(world.offload, world.clock, frozenset({"google"}), given))


def willow(world, service, **options):
    (machine,) = provider(world, service, **options).backends()
    return machine


def on(work):
    with GoogleService("lab") as service:
        return SimWorld(1).run(lambda world: work(world, service))


@pytest.mark.requirement("QRM-8")
@CHECKS
def test_a_real_processor_of_google(check):
    on(lambda world, service: check(willow(world, service)))


@pytest.mark.requirement("QRM-7")
@pytest.mark.parametrize("check", STAGED_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_google_says_how_far_a_job_is(check):
    on(lambda world, service: check(willow(world, service)))


def local_engine(name):
    """The SDK's own, whose jobs have ended once they are there: the world's clock is not that of its threads."""
    import cirq
    from cirq_google import engine
    from cirq_google.engine.local_simulation_type import LocalSimulationType

    class Processor(engine.SimulatedLocalProcessor):
        async def run_sweep_async(self, *args, **kwargs):
            job = await super().run_sweep_async(*args, **kwargs)
            await job.results_async()
            return job

        def _create_id(self, id_type="reservation"):
            # The service's own names hold no paths.
            return super()._create_id(id_type).replace("/", "-")

    metrics = engine.load_median_device_calibration(name)
    return engine.SimulatedLocalEngine([
        Processor(
            processor_id=name, sampler=cirq.Simulator(seed=1), device=engine.create_device_from_processor_id(name),
            calibrations={int(metrics.timestamp / 1_000): metrics},
            simulation_type=LocalSimulationType.ASYNCHRONOUS,
        )
    ])  # fmt: skip


def on_local(world, name):
    made = ProviderContext(world.offload, world.clock, frozenset({"google"}), {"google.project": "lab"})
    (machine,) = google_provider(made, engine=lambda project, url: local_engine(name)).backends()
    return machine


@pytest.mark.requirement("QRM-8")
@CHECKS
@pytest.mark.parametrize("name", ["willow_pink", "rainbow"])
def test_the_submission_path_with_the_local_engine_of_the_sdk(check, name):
    """Circuits of Willow are made of cz, those of Rainbow of the gates that it has figures of."""
    SimWorld(1).run(lambda world: check(on_local(world, name)))


@pytest.mark.parametrize(("name", "gate"), [("willow_pink", "cz"), ("rainbow", "syc"), ("weber", "syc")])
def test_circuits_come_to_what_quantum_mechanics_says(name, gate):
    gates = Gates(4).h(0).rx(0.7, 1).ccx(0, 1, 2).p(1.1, 2).cx(2, 3).ry(0.4, 3).cz(0, 3).h(2).measure(3, 1, 2)
    expected = simulate.probabilities(gates)

    async def main(world):
        machine = on_local(world, name)
        assert machine.device.operations[1].name == gate
        counts = (await machine.run(gates.circuit(), shots=20_000, seed=1)).counts
        seen = np.array([counts.get(f"{at:03b}", 0) for at in range(8)]) / 20_000
        assert np.abs(seen - expected).sum() / 2 < 0.02

    SimWorld(1).run(main)


@pytest.mark.requirement("QRM-4")
def test_its_figures_are_those_that_the_service_gives():
    """The shipped ones were taken from the SDK's noise properties, which it computes from the same metrics."""
    shipped = next(one for one in shipped_snapshots("google") if one.head.name == "willow_pink").calibration

    async def main(world, service):
        made = provider(world, service)
        check_provider(made)
        (machine,) = made.backends()
        assert isinstance(machine, StagedBackend)
        assert isinstance(machine, LiveBackend)
        device = await machine.look()
        known = device.calibration
        assert (device.name, device.origin, device.status) == ("google.willow_pink", Origin.HARDWARE, Status.ONLINE)
        assert known.calibrated_at_ns == 1_790_565_000 * 10**9
        assert known.pair.tolist() == shipped.pair.tolist()
        for name in ("t1_ns", "t2_ns", "one_qubit_error", "two_qubit_error", "readout_error", "two_qubit_ns"):
            np.testing.assert_allclose(getattr(known, name), getattr(shipped, name), rtol=1e-6, err_msg=name)
        service.healthy = False
        assert (await machine.look()).status is Status.OFFLINE
        now_s = world.clock.wall_ns() // 10**9
        for healthy, down_s, back_s, status in [
            (False, 0, now_s + 60, Status.MAINTENANCE), (True, now_s - 60, now_s + 60, Status.MAINTENANCE),
            (True, now_s + 60, now_s + 120, Status.ONLINE), (True, now_s - 120, now_s - 60, Status.ONLINE),
        ]:  # fmt: skip
            service.healthy, service.down_s, service.back_s = healthy, down_s, back_s
            assert (await machine.look()).status is status, (healthy, down_s, back_s)
        service.healthy, service.calibrated = True, False
        assert (await machine.look()).reach == 1, "without metrics nothing is made up"
        with pytest.raises(LimitExceeded, match="connected qubits"):
            await machine.submit(BELL, shots=10, seed=1, key="k")

    on(main)


def test_the_wire_is_as_published():
    async def main(world, service):
        await willow(world, service).submit(BELL, shots=10, seed=1, key="ours")
        (name,) = service.jobs
        assert re.fullmatch(r"projects/lab/programs/(phalanx-[0-9a-f]{32})/jobs/\1", name)
        job = service.jobs[name].message
        chosen = job.scheduling_config.processor_selector
        assert chosen.processor == "projects/lab/processors/willow_pink"
        assert chosen.device_config_selector.run_name == "default"
        assert job.description == "ours"
        circuit = service._circuit(name.partition("/jobs/")[0])
        assert {type(one.gate).__name__ for one in circuit.all_operations()} == {
            "PhasedXZGate", "CZPowGate", "MeasurementGate",
        }  # fmt: skip
        assert len(circuit.all_qubits()) == 2, "qubits that are not used are not named"
        assert circuit[-1].operations[0].gate.key == "c", "all bits are read at once"
        assert service.asked.count("GetQuantumProcessor") == 1, "it is not asked anew for every job"

    on(main)


def test_a_busy_service_is_left_alone_for_as_long_as_it_says():
    async def main(world, service):
        machine = willow(world, service)
        handle = await machine.submit(BELL, shots=100, seed=1, key="ours")
        service.trouble.extend(["busy", "busy"])
        before_ns = world.clock.wall_ns()
        await machine.stage(handle)
        assert world.clock.wall_ns() - before_ns >= 2 * 7 * 10**9
        service.trouble.extend(["down", "late", "busy", "down"] * 5)
        result = await machine.collect(handle, BELL, shots=100, seed=1)
        assert sum(result.counts.values()) == 100
        assert result.provenance.origin is Origin.HARDWARE
        service.trouble.append("busy")
        with pytest.raises(Overloaded) as told:
            await machine.submit(BELL, shots=100, seed=1, key="another")
        assert told.value.retry_after_s == 7
        service.trouble.extend(["down"] * 20)
        with pytest.raises(Unavailable, match="trouble: down"):
            await machine.submit(BELL, shots=100, seed=1, key="another")
        assert len(service.trouble) == 20 - 1 - 6, "asked a bounded number of times, and sent once"
        service.trouble.clear()
        assert len(service.jobs) == 1

    on(main)


@pytest.mark.parametrize("lost", [["lost"], ["", "lost"]], ids=["program", "job"])
def test_a_job_whose_answer_was_lost_is_not_made_twice(lost):
    async def main(world, service):
        machine = willow(world, service)
        service.trouble.extend(lost)
        if len(lost) == 1:
            with pytest.raises(Unavailable):
                await machine.submit(BELL, shots=100, seed=1, key="ours")
        handle = await machine.submit(BELL, shots=100, seed=1, key="ours")
        again = await willow(world, service).submit(BELL, shots=100, seed=1, key="ours")
        assert again == handle, "in another life too"
        assert (len(service.programs), len(service.jobs)) == (1, 1)
        assert sum((await machine.collect(handle, BELL, shots=100, seed=1)).counts.values()) == 100

    on(main)


def test_an_error_of_ours_is_told_the_first_time(monkeypatch):
    asked = []

    def wrong(self, handle):
        asked.append(handle)
        raise AttributeError("no such thing")

    async def main(world, service):
        machine = willow(world, service)
        monkeypatch.setattr(type(machine), "_job", wrong)
        with pytest.raises(Unavailable, match="no such thing"):
            await machine.stage("program/job")
        assert asked == ["program/job"]

    on(main)


def test_what_google_refuses_is_said_in_our_words():
    async def main(world, service):
        machine = willow(world, service)
        for trouble in ("denied", "who"):
            service.trouble.append(trouble)
            with pytest.raises(Unavailable, match="refuses the credentials") as told:
                await machine.submit(BELL, shots=10, seed=1, key="k")
            assert "gcloud auth" in told.value.hint
        with pytest.raises(NotFound, match="no job"):
            await machine.stage("nobody/knows")
        with pytest.raises(NotFound, match="no project"):
            willow(world, service, project="another")
        with pytest.raises(InvalidInput, match="names no project"):
            willow(world, service, project="")
        with pytest.raises(InvalidInput, match="weber is no machine there; there are willow_pink"):
            willow(world, service, processors="weber")
        with pytest.raises(InvalidInput, match="https"):
            willow(world, service, url="http://quantum.example.org")

    on(main)


def test_a_program_that_is_none_ends_with_the_reason(monkeypatch):
    import cirq

    from phalanx.adapters.providers import _google as google

    def wrong(circuit, model, plan):
        return cirq.Circuit(
            cirq.CZ(cirq.GridQubit(0, 6), cirq.GridQubit(9, 9)), cirq.measure(cirq.GridQubit(0, 6), key="c")
        )

    async def main(world, service):
        machine = willow(world, service)
        monkeypatch.setattr(google, "google_circuit", wrong)
        with pytest.raises(Unavailable, match=r"ended as failure: INVALID_PROGRAM: Qubit pair is not valid"):
            await machine.run(BELL, shots=10, seed=1)

    on(main)


def test_a_job_can_be_recalled_until_it_has_ended():
    async def main(world, service):
        machine = willow(world, service)
        handle = await machine.submit(BELL, shots=10, seed=1, key="k")
        assert await machine.stage(handle) is Stage.WAITING
        await machine.recall(handle)
        assert await machine.stage(handle) is Stage.NOTHING
        with pytest.raises(Unavailable, match="ended as cancelled"):
            await machine.collect(handle, BELL, shots=10, seed=1)
        with pytest.raises(InvalidInput, match="the job is CANCELLED"):
            await machine.recall(handle)

    on(main)


def test_a_processor_that_cannot_be_asked_at_the_start_is_there_offline():
    async def main(world, service):
        handle = await willow(world, service).submit(BELL, shots=10, seed=1, key="k")
        service.trouble.append("down")
        with pytest.raises(Unavailable, match="trouble: down"):
            provider(world, service)
        service.trouble.append("down")
        machine = willow(world, service, processors="willow_pink")
        assert machine.device.status is Status.OFFLINE
        service.trouble.extend(["down"] * 100)
        with pytest.raises(Unavailable, match="trouble: down"):
            await machine.submit(Gates(1).x(0).measure(0).circuit(), shots=10, seed=1, key="other")
        service.trouble.clear()
        assert sum((await machine.collect(handle, BELL, shots=10, seed=1)).counts.values()) == 10
        assert (await machine.look()).n_qubits == 105

    on(main)
