"""The bridge to QRMI: our client against resources that we offer, and both against the package's own interface."""

import asyncio
import itertools
import json
import time

import numpy as np
import pytest

from phalanx.adapters.providers import (
    OfferedResource,
    ibm_provider,
    qrmi_provider,
    read_target,
    state_name,
    write_target,
)
from phalanx.core import InvalidInput, NotFound, Origin, Overloaded, Unavailable
from phalanx.devices import JobState, ProviderContext, emulate, published_machines
from phalanx.quantum import Gates
from phalanx.testing import InlineOffload, SimWorld, wait_until
from phalanx.testing.contracts import DEVICE_CHECKS, STAGED_CHECKS, check_provider

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()


def manila():
    provider = ibm_provider(ProviderContext(InlineOffload(), SimWorld(1).clock))
    return next(one for one in provider.backends() if one.device.name == "ibm.fake_manila")


def offered(run=None):
    backend, names = manila(), itertools.count()
    return OfferedResource(
        backend, run or (lambda circuit, shots: emulate(backend.device, circuit, shots, 1)),
        lambda: f"token-{next(names)}",
    )  # fmt: skip


def machine(resource, world):
    made = ProviderContext(world.offload, world.clock, frozenset({"qrmi"}))
    provider = qrmi_provider(made, resources=lambda: [resource], payload=lambda text: text)
    check_provider(provider)
    return provider.backends()[0]


class Patient:
    """Waits a little at each question, so that a task's own thread gets on while the world's time is virtual."""

    def __init__(self, resource):
        self._resource = resource

    def __getattr__(self, name):
        return getattr(self._resource, name)

    def task_status(self, task):
        end = time.monotonic() + 20
        while not (state := self._resource.task_status(task)).final and time.monotonic() < end:
            time.sleep(0.001)
        return state


@pytest.mark.requirement("QRM-11")
@pytest.mark.parametrize("check", DEVICE_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_our_client_with_a_resource_that_we_offer(check):
    async def main(world):
        backend = machine(Patient(offered()), world)
        assert backend.device.origin is Origin.HARDWARE
        await check(backend)
        resource = backend._resource
        resource.release(resource.acquire())

    SimWorld(1).run(main)


@pytest.mark.requirement("QRM-7")
@pytest.mark.parametrize("check", STAGED_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_a_resource_says_how_far_a_task_is(check):
    SimWorld(1).run(lambda world: check(machine(Patient(offered()), world)))


@pytest.mark.requirement("QRM-4")
def test_a_target_says_the_same_there_and_back():
    for device in (manila().device, published_machines("braket")[1].device):
        name, shots, known, operations = read_target(write_target(device))
        assert (name, shots) == (device.name, device.max_shots)
        assert np.array_equal(known.pair, device.calibration.pair)
        assert np.array_equal(known.faulty_coupler, device.calibration.faulty_coupler)
        for number in ("t1_ns", "t2_ns", "readout_error", "two_qubit_error", "two_qubit_ns", "one_qubit_error"):
            np.testing.assert_allclose(getattr(known, number), getattr(device.calibration, number), rtol=1e-12)
        assert known.calibrated_at_ns == device.calibration.calibrated_at_ns // 10**9 * 10**9
        assert len(operations) == 4
    with pytest.raises(InvalidInput, match="not understood"):
        read_target("{}")


@pytest.mark.requirement("QRM-11")
def test_a_resource_has_one_holder_and_its_tasks_have_their_states():
    resource = offered()
    payload = json.dumps({"pubs": [[BELL.qasm3, None, 40]], "version": 2})
    with pytest.raises(InvalidInput, match="not acquired"):
        resource.task_start(payload)
    token = resource.acquire()
    with pytest.raises(Overloaded):
        resource.acquire()
    task = resource.task_start(payload)
    asyncio.run(wait_until(lambda: resource.task_status(task).final))
    assert state_name(resource.task_status(task)) == "Completed"
    data = json.loads(resource.task_result(task).value)["results"][0]["data"]["c"]
    assert (len(data["samples"]), data["num_bits"]) == (40, 2)
    for wrong in ("{}", "[]", json.dumps({"pubs": [[BELL.qasm3, [1.0], 4]]})):
        with pytest.raises(InvalidInput):
            resource.task_start(wrong)
    with pytest.raises(NotFound):
        resource.task_status("no such task")
    with pytest.raises(NotFound):
        resource.release("another")
    resource.release(token)
    assert resource.acquire() != token


def test_a_task_that_fails_or_is_stopped_says_so():
    def broken(circuit, shots):
        raise ValueError("no light")

    resource = offered(broken)
    resource.acquire()
    payload = json.dumps({"pubs": [[BELL.qasm3, None, 4]]})
    task = resource.task_start(payload)
    asyncio.run(wait_until(lambda: resource.task_status(task).final))
    assert resource.task_status(task) is JobState.FAILED
    with pytest.raises(InvalidInput, match="no light"):
        resource.task_result(task)
    resource.task_stop(task)
    assert resource.task_status(task) is JobState.FAILED, "what has ended is not stopped"

    async def main(world):
        backend = machine(Patient(resource), world)
        resource.release(resource._held)
        with pytest.raises(Unavailable, match="Failed"):
            await backend.run(BELL, shots=4, seed=1)
        handle = await backend.submit(BELL, shots=4, seed=1, key="")
        await backend.recall(handle)
        token = resource.acquire()
        with pytest.raises(Overloaded):
            await backend.submit(BELL, shots=4, seed=1, key="")
        resource.release(token)

    SimWorld(1).run(main)


def test_without_being_named_it_lists_nothing():
    assert qrmi_provider(ProviderContext(InlineOffload(), SimWorld(1).clock)).backends() == ()


@pytest.mark.vendor
@pytest.mark.requirement("QRM-11")
def test_the_package_has_the_interface_that_we_speak():
    qrmi = pytest.importorskip("qrmi", reason="the extra qrmi is not installed")
    theirs = {name for name in dir(qrmi.QuantumResource) if not name.startswith("_")}
    ours = {name for name in dir(OfferedResource) if not name.startswith("_")}
    assert ours <= theirs
    assert {"acquire", "release", "task_start", "task_status", "task_stop", "task_result", "target"} <= ours
    assert {state_name(getattr(qrmi.TaskStatus, state.value)) for state in JobState} == {one.value for one in JobState}
    assert qrmi.Payload.QiskitPrimitive(input="{}", program_id="sampler") is not None


@pytest.mark.vendor
def test_a_job_that_was_given_nothing_has_no_resources(monkeypatch):
    pytest.importorskip("qrmi", reason="the extra qrmi is not installed")
    for name in ("QRMI_JOB_QPU_RESOURCES", "QRMI_JOB_QPU_TYPES", "SLURM_JOB_QPU_RESOURCES", "SLURM_JOB_QPU_TYPES"):
        monkeypatch.delenv(name, raising=False)
    made = ProviderContext(InlineOffload(), SimWorld(1).clock, frozenset({"qrmi"}))
    try:
        assert qrmi_provider(made).backends() == ()
    except Unavailable:
        return
