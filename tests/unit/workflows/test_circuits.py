"""Circuits of workflows go where the node's policy says, and elsewhere only among results of the same kind."""

import pytest

from phalanx.allocation import Placements, built_in_policies
from phalanx.core import DEFAULT_TENANT, Origin, Provenance, Unavailable
from phalanx.devices import DeviceModel, Fleet, Modality, Numbers, SessionLimits, ShotResult, calibration, ideal_device
from phalanx.quantum import Gates
from phalanx.testing import SimWorld
from phalanx.workflows._circuits import Circuits

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()


def noisy(name, error):
    numbers = Numbers(two_qubit_error=error, one_qubit_error=1e-4, readout_error=0.01)
    return DeviceModel(
        name=f"x.{name}", provider="x", kind=Modality.SUPERCONDUCTING, origin=Origin.EMULATED, n_qubits=3,
        limits=SessionLimits(max_shots=100),
        calibration=calibration(3, [(0, 1), (1, 2)], numbers, calibrated_at_ns=1, source="made"),
    )  # fmt: skip


class Backend:
    def __init__(self, device, *, fails=False):
        self.device, self.fails, self.runs = device, fails, 0

    async def run(self, circuit, /, *, shots, seed):
        self.runs += 1
        if self.fails:
            raise Unavailable(self.device.name, "it is away")
        emulated = self.device.origin is Origin.EMULATED
        came_from = Provenance(
            origin=self.device.origin, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed,
            calibrated_at_ns=1 if emulated else None,
        )  # fmt: skip
        return ShotResult({"00": shots}, came_from)


def ran(*backends):
    found = []

    async def main(world):
        fleet = Fleet(backends)
        chooser = Placements(fleet, world.clock, world.offload, built_in_policies(), policy="success_probability")
        run = Circuits(fleet, world.clock, chooser).runner("step", DEFAULT_TENANT)
        found.append((await run(BELL, shots=10, seed=1)).provenance.device)

    SimWorld(1).run(main)
    return found


@pytest.mark.requirement("QRM-5", "QRM-7")
def test_a_circuit_goes_where_the_policy_says_and_on_when_that_fails():
    good, poor = noisy("good", 0.002), noisy("poor", 0.1)
    assert ran(Backend(poor), Backend(good)) == ["x.good"]
    away = Backend(good, fails=True)
    assert ran(Backend(poor), away) == ["x.poor"]
    assert away.runs == 1


def test_ideal_results_do_not_become_noisy_ones():
    ideal = ideal_device("local.ideal", 3, max_shots=100)
    assert ran(Backend(ideal), Backend(noisy("good", 0.002))) == ["local.ideal"]
    with pytest.raises(Unavailable):
        ran(Backend(ideal, fails=True), Backend(noisy("good", 0.002)))


@pytest.mark.requirement("HWF-2")
def test_where_circuits_were_and_why_is_told_in_windows():
    good, poor = noisy("good", 0.002), noisy("poor", 0.1)
    away = Backend(good)

    async def main(world):
        fleet = Fleet([Backend(poor), away])
        chooser = Placements(fleet, world.clock, world.offload, built_in_policies(), policy="success_probability")
        run = Circuits(fleet, world.clock, chooser).runner("step", DEFAULT_TENANT)
        await run(BELL, shots=10, seed=1)
        await run(BELL, shots=10, seed=2)
        away.fails = True
        await run(BELL, shots=10, seed=3)
        return run.windows

    first, second = SimWorld(1).run(main)
    assert (first.device, first.circuits) == ("x.good", 2)
    assert "likeliest to succeed" in first.reason
    assert (second.device, second.circuits, second.reason) == ("x.poor", 1, "x.good failed")
    assert first.begun_ns <= first.ended_ns <= second.begun_ns <= second.ended_ns
