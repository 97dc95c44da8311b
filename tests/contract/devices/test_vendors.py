"""Emulated machines of vendors, and the vendors' submission path, against the suite for devices."""

import asyncio

import pytest

from phalanx.adapters.providers import google_provider, ibm_provider, simulators_provider
from phalanx.core import LimitExceeded, Origin, Unavailable
from phalanx.devices import LiveBackend, ProviderContext, QueuedBackend, Stage, shipped_snapshots
from phalanx.quantum import Gates, InvalidCircuit
from phalanx.quantum.circuits import read
from phalanx.testing import InlineOffload, SimWorld
from phalanx.testing.contracts import DEVICE_CHECKS, STAGED_CHECKS, check_provider

pytestmark = pytest.mark.vendor


def context(*hardware):
    return ProviderContext(InlineOffload(), SimWorld(1).clock, frozenset(hardware))


def backend_of(provider, name):
    return next(one for one in provider.backends() if one.device.name == name)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("make", [ibm_provider, google_provider])
def test_providers_list_what_was_shipped(make):
    provider = make(context())
    check_provider(provider)
    assert len(provider.backends()) == len(shipped_snapshots(provider.name))
    assert {one.device.origin for one in provider.backends()} == {Origin.EMULATED}


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("check", DEVICE_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize(
    ("make", "name"),
    [(ibm_provider, "ibm.fake_fez"), (ibm_provider, "ibm.fake_manila"), (google_provider, "google.willow_pink")],
)
def test_emulated_machines(make, name, check):
    asyncio.run(check(backend_of(make(context()), name)))


@pytest.mark.requirement("QRM-8")
def test_a_noisier_machine_gives_noisier_answers_and_says_which_calibration():
    provider = ibm_provider(context())
    ghz = Gates(5).h(0).cx(0, 1).cx(1, 2).cx(2, 3).cx(3, 4).measure(0, 1, 2, 3, 4).circuit()

    def good(name):
        backend = backend_of(provider, name)
        result = asyncio.run(backend.run(ghz, shots=4_000, seed=3))
        assert result.provenance.calibrated_at_ns == backend.device.calibration.calibrated_at_ns
        return (result.counts.get("00000", 0) + result.counts.get("11111", 0)) / 4_000

    # Their median two-qubit errors differ tenfold.
    assert 1 > good("ibm.fake_pittsburgh") > good("ibm.fake_yorktown") + 0.05


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("check", DEVICE_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("name", ["aer", "lightning", "stim"])
def test_simulators_of_others(name, check):
    module = {"aer": "qiskit_aer", "lightning": "pennylane_lightning", "stim": "stim"}[name]
    pytest.importorskip(module, reason="the extra of this simulator is not installed")
    provider = simulators_provider(context())
    check_provider(provider)
    asyncio.run(check(backend_of(provider, f"simulators.{name}")))


@pytest.mark.requirement("QRM-8")
def test_an_emulated_machine_decides_while_it_runs():
    text = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; h q[0]; c[0] = measure q[0];'
    circuit = read(text + "if (c[0]) { x q[1]; } c[1] = measure q[1];")
    fez = backend_of(ibm_provider(context()), "ibm.fake_fez")
    result = asyncio.run(fez.run(circuit, shots=1_000, seed=2))
    assert result.counts["00"] + result.counts["11"] > 900
    with pytest.raises(InvalidCircuit, match="decides nothing"):
        asyncio.run(backend_of(ibm_provider(context()), "ibm.fake_yorktown").run(circuit, shots=10, seed=2))


def test_dead_couplers_are_not_used():
    kyoto = backend_of(ibm_provider(context()), "ibm.fake_kyoto")
    assert kyoto.device.n_qubits == 127
    assert kyoto.device.reach == 1, "every coupler of this snapshot is dead"
    with pytest.raises(LimitExceeded, match="connected qubits"):
        asyncio.run(kyoto.run(Gates(2).h(0).cx(0, 1).measure(0, 1).circuit(), shots=10, seed=1))


class Account:
    """What the SDK's service is to us: it lists machines. These are the SDK's own local ones."""

    def backends(self, *, simulator):
        from qiskit_ibm_runtime.fake_provider import FakeManilaV2

        assert simulator is False
        return [FakeManilaV2()]

    def __init__(self):
        self.tagged = {}

    def jobs(self, *, job_tags, limit):
        return [self.tagged[tag] for tag in job_tags if tag in self.tagged][:limit]

    def job(self, handle):
        return next(job for job in self.tagged.values() if job.job_id() == handle)


@pytest.mark.requirement("QRM-8")
def test_a_job_of_ibm_is_sent_once_under_its_key_and_collected_in_another_life():
    pytest.importorskip("qiskit_ibm_runtime", reason="the extra of this vendor is not installed")
    account, bell = Account(), Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()

    async def main(world):
        made = ProviderContext(world.offload, world.clock, frozenset({"ibm"}))
        (first,) = ibm_provider(made, service=lambda: account).backends()
        assert isinstance(first, QueuedBackend)
        assert isinstance(first, LiveBackend)
        handle = await first.submit(bell, shots=300, seed=4, key="ours")
        account.tagged["ours"] = first._job(handle)
        (second,) = ibm_provider(made, service=lambda: account).backends()
        assert await second.submit(bell, shots=300, seed=4, key="ours") == handle
        result = await second.collect(handle, bell, shots=300, seed=4)
        assert sum(result.counts.values()) == 300
        assert (await second.look()).calibration.id == first.device.calibration.id

    SimWorld(1).run(main)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("check", DEVICE_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_the_submission_path_of_ibm_in_the_local_mode_of_its_sdk(check):
    pytest.importorskip("qiskit_ibm_runtime", reason="the extra of this vendor is not installed")
    (machine,) = ibm_provider(context("ibm"), service=Account).backends()
    assert machine.device.origin is Origin.EMULATED, "the SDK's local mode is no hardware"
    assert machine.device.queue.depth == 0
    asyncio.run(check(machine))


@pytest.mark.requirement("QRM-7")
@pytest.mark.parametrize("check", STAGED_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_ibm_says_how_far_a_job_is(check):
    pytest.importorskip("qiskit_ibm_runtime", reason="the extra of this vendor is not installed")
    (machine,) = ibm_provider(context("ibm"), service=Account).backends()
    asyncio.run(check(machine))


@pytest.mark.requirement("QRM-7")
def test_what_the_sdk_of_ibm_raises_is_said_in_our_words():
    pytest.importorskip("qiskit_ibm_runtime", reason="the extra of this vendor is not installed")

    class Job:
        """As a job is at the vendor: it waits, is cancelled once, and says no to anything after."""

        state = "QUEUED"

        def status(self):
            return self.state

        def cancel(self):
            if self.state == "CANCELLED":
                raise RuntimeError("it is in a final state")
            self.state = "CANCELLED"

    async def main():
        account = Account()
        (machine,) = ibm_provider(context("ibm"), service=lambda: account).backends()
        machine._sent["one"] = Job()
        assert await machine.stage("one") is Stage.WAITING
        await machine.recall("one")
        assert await machine.stage("one") is Stage.NOTHING
        with pytest.raises(Unavailable, match="final state"):
            await machine.recall("one")
        with pytest.raises(Unavailable, match="StopIteration"):
            await machine.stage("nobody knows it")

    asyncio.run(main())


@pytest.mark.requirement("QRM-4")
@pytest.mark.slow
def test_the_shipped_calibrations_are_those_of_the_sdk():
    pytest.importorskip("cirq_google", reason="the extra of this vendor is not installed")
    import numpy as np

    from phalanx.adapters.providers import google_snapshots

    for fresh, shipped in zip(google_snapshots(), shipped_snapshots("google"), strict=True):
        assert fresh.head.name == shipped.head.name
        assert fresh.head.calibrated_at_ns == shipped.head.calibrated_at_ns
        for name in ("t1_ns", "t2_ns", "two_qubit_error", "readout_error"):
            np.testing.assert_allclose(
                getattr(shipped.calibration, name), getattr(fresh.calibration, name), rtol=1e-6, err_msg=name
            )
