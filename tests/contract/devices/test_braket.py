"""Amazon Braket: the submission path against the SDK's own local simulator, and device-property documents."""

import asyncio
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from phalanx.adapters.providers import braket_model, braket_provider
from phalanx.core import InvalidInput, Origin, Unavailable
from phalanx.devices import ErrorKind, Modality, ProviderContext, Status, Window
from phalanx.quantum import Gates
from phalanx.testing import InlineOffload, SimWorld
from phalanx.testing.contracts import DEVICE_CHECKS, STAGED_CHECKS

pytestmark = pytest.mark.vendor

ARN = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
CHECKS = pytest.mark.parametrize("check", DEVICE_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()


def document(**changes):
    rb = {"name": "RANDOMIZED_BENCHMARKING", "description": ""}
    qubits = {
        label: {
            "T1": {"value": 3e-5, "standardError": None, "unit": "S"},
            "T2": {"value": 9e-5, "standardError": None, "unit": "S"},
            "oneQubitFidelity": [
                {"fidelityType": rb, "fidelity": 0.999, "standardError": 1e-4},
                {"fidelityType": {"name": "READOUT"}, "fidelity": 0.97, "standardError": None},
            ],
        }
        for label in ("1", "2", "4")
    }
    gate = {"direction": None, "gateName": "CZ", "fidelity": 0.992, "standardError": 2e-3, "fidelityType": rb}
    return {
        "service": {
            "executionWindows": [
                {"executionDay": "Weekdays", "windowStartHour": "09:00:00", "windowEndHour": "17:00:00"},
                {"executionDay": "Saturday", "windowStartHour": "22:00:00", "windowEndHour": "03:00:00"},
            ],
            "shotsRange": [1, 20_000],
            "deviceCost": {"price": 0.00145, "unit": "shot"},
            "updatedAt": "2026-02-03T04:05:06+00:00",
        },
        "paradigm": {
            "qubitCount": 3, "nativeGateSet": ["cz", "prx"],
            "connectivity": {"fullyConnected": False, "connectivityGraph": {"1": ["2"], "2": ["1", "4"], "4": ["2"]}},
        },
        "standardized": {
            "oneQubitProperties": qubits,
            "twoQubitProperties": {"1-2": {"twoQubitGateFidelity": [gate]}, "2-4": {"twoQubitGateFidelity": []}},
        },
    } | changes  # fmt: skip


@pytest.mark.requirement("QRM-4")
def test_a_document_becomes_a_device():
    device = braket_model("braket.iqm-garnet", ARN, document())
    known = device.calibration
    assert (device.kind, device.origin, device.region) == (Modality.SUPERCONDUCTING, Origin.HARDWARE, "eu-north-1")
    assert known.pair.tolist() == [[0, 1], [1, 2]]
    assert known.faulty_coupler.tolist() == [False, True], "a coupler that nobody has measured is masked"
    assert known.median("t2_ns") == 60_000, "T2 is at most twice T1"
    assert abs(known.two_qubit_error[0] - 0.008) < 1e-12
    assert known.two_qubit_error_se[0] == 2e-3
    assert known.one_qubit_kind is ErrorKind.RB
    assert abs(known.median("readout_error") - 0.03) < 1e-12
    assert known.calibrated_at_ns == int(datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp()) * 10**9
    assert device.limits.max_shots == 20_000
    assert device.price.cost(1_000, 0, 0, 0, 0).amount == pytest.approx(0.30 + 1.45)
    assert Window(0, 9 * 3_600, 17 * 3_600) in device.windows
    assert {Window(5, 22 * 3_600, 86_400), Window(6, 0, 3 * 3_600)} <= set(device.windows)


def test_a_document_of_a_whole_machine_and_one_that_is_none():
    whole = document(
        paradigm={"qubitCount": 4, "nativeGateSet": ["GPi", "MS"], "connectivity": {"fullyConnected": True}},
        standardized={
            "oneQubitProperties": {},
            "T1": {"value": 100, "unit": "S"},
            "TwoQubitGateFidelity": [{"fidelityType": {"name": "DIRECT_RANDOMIZED_BENCHMARKING"}, "fidelity": 0.99}],
            "TwoQubitGateDuration": {"value": 970, "unit": "US"},
            "ReadoutFidelity": [{"fidelityType": None, "fidelity": 0.995}],
        },
    )
    device = braket_model("braket.x", "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1", whole)
    assert (device.kind, device.all_to_all, device.reach) == (Modality.TRAPPED_ION, True, 4)
    assert device.calibration.median("two_qubit_ns") == 970_000
    assert abs(device.calibration.median("readout_error") - 0.005) < 1e-12
    with pytest.raises(InvalidInput, match="not understood"):
        braket_model("braket.x", ARN, {"paradigm": {}})


class Device:
    """An ``AwsDevice`` whose machine is the SDK's local simulator."""

    status = "ONLINE"

    def __init__(self, account):
        self.account = account
        self.properties = SimpleNamespace(json=lambda: json.dumps(document()))

    def run(self, circuit, *, shots, tags):
        from braket.devices import LocalSimulator

        task = LocalSimulator().run(circuit, shots=shots)
        self.account.tasks[task.id] = (task, tags)
        return task

    def queue_depth(self):
        return SimpleNamespace(quantum_tasks={"Normal": "7", "Priority": ">4000"})


class Account:
    def __init__(self):
        self.tasks, self.cancelled = {}, set()
        self.asked = 0

    def device(self, arn):
        return Device(self)

    def task(self, arn):
        task, _ = self.tasks[arn]
        self.asked += 1
        done = "CANCELLED" if arn in self.cancelled else task.state()
        # The service is of eventual consistency: it may say what was so a moment ago.
        state = "QUEUED" if self.asked == 1 else done
        return SimpleNamespace(state=lambda: state, result=task.result, cancel=lambda: self.cancelled.add(arn))

    def find(self, arn, key):
        return next((name for name, (_, tags) in self.tasks.items() if tags.get("phalanx-key") == key), "")


def machine(world, account):
    made = ProviderContext(world.offload, world.clock, frozenset({"braket"}))
    backends = braket_provider(made, account=lambda: account).backends()
    return next(one for one in backends if one.device.name == "braket.iqm-garnet")


@pytest.mark.requirement("QRM-8")
@CHECKS
def test_the_submission_path_with_the_local_simulator_of_the_sdk(check):
    pytest.importorskip("braket.devices", reason="the extra of this vendor is not installed")

    async def main(world):
        backend = machine(world, Account())
        assert backend.device.origin is Origin.HARDWARE
        await check(backend)

    SimWorld(1).run(main)


@pytest.mark.requirement("QRM-7")
@pytest.mark.parametrize("check", STAGED_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_braket_says_how_far_a_task_is(check):
    pytest.importorskip("braket.devices", reason="the extra of this vendor is not installed")
    SimWorld(1).run(lambda world: check(machine(world, Account())))


@pytest.mark.requirement("QRM-8")
@CHECKS
def test_the_local_simulator(check):
    pytest.importorskip("braket.devices", reason="the extra of this vendor is not installed")
    backends = braket_provider(ProviderContext(InlineOffload(), SimWorld(1).clock)).backends()
    asyncio.run(check(next(one for one in backends if one.device.name == "braket.local")))


def test_a_task_is_sent_once_under_its_key_and_the_machine_looked_at():
    pytest.importorskip("braket.devices", reason="the extra of this vendor is not installed")

    async def main(world):
        account = Account()
        first = machine(world, account)
        handle = await first.submit(BELL, shots=50, seed=1, key="ours")
        assert await machine(world, account).submit(BELL, shots=50, seed=1, key="ours") == handle
        assert sum((await first.collect(handle, BELL, shots=50, seed=1)).counts.values()) == 50
        assert len(account.tasks) == 1
        seen = await first.look()
        assert (seen.status, seen.queue.depth, seen.n_qubits) == (Status.ONLINE, 4_007, 3)
        await first.recall(handle)
        with pytest.raises(Unavailable, match="ended as cancelled"):
            await first.collect(handle, BELL, shots=50, seed=1)

    SimWorld(1).run(main)


def test_without_an_account_it_says_so():
    def none():
        raise Unavailable("Amazon Braket", "no credentials")

    with pytest.raises(Unavailable, match="credentials"):
        braket_provider(ProviderContext(InlineOffload(), SimWorld(1).clock, frozenset({"braket"})), account=none)
