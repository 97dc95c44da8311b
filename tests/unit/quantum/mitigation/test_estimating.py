"""Means on noisy machines: each method undoes the noise it is for, and costs what was told."""

import asyncio

import numpy as np
import pytest

from phalanx.core import InvalidInput, Origin, Rng
from phalanx.quantum import Gates, Observable
from phalanx.quantum.emulation import Disturbance
from phalanx.quantum.mitigation import Mitigating, Mitigation, estimate, mitigated_counts, plan

SPINS = Gates(3)
for _ in range(3):
    for q in range(3):
        SPINS.rx(0.4, q)
    for q in range(2):
        SPINS.cx(q, q + 1).rz(0.5, q + 1).cx(q, q + 1)
CIRCUIT = SPINS.circuit()
ASKED = Observable.read("Z0 + 0.5*Z1 Z2 - 0.25*X1 + 2")


def mean(machine, methods, *, shots=40_000, seed=5):
    return estimate(CIRCUIT, ASKED, machine, Mitigation.read(methods), shots=shots, seed=seed)


def off(found):
    return abs(found.value - found.exact)


@pytest.mark.requirement("HWF-6")
def test_on_a_silent_machine_every_method_gives_the_exact_mean(machine_with):
    for methods in ("", "zne,readout", "pec:32", "dd", "twirl:4"):
        found = mean(machine_with(), methods)
        assert off(found) < 5 * found.error + 0.01, methods
        assert found.provenance.origin is Origin.EMULATED
        assert found.provenance.mitigation == str(Mitigation.read(methods))


@pytest.mark.requirement("HWF-6")
@pytest.mark.parametrize(
    ("noise", "methods"),
    [
        ({"reading": 0.06}, "readout"), ({"reading": 0.06}, "readout:observed"), ({"two": 0.02}, "zne:exponential"),
        ({"two": 0.02}, "zne"), ({"two": 0.02}, "pec:96"), ({"two": 0.02, "reading": 0.05}, "zne:exponential,readout"),
        ({"t1": 30_000, "t2": 20_000}, "pec:256"),
    ],
)  # fmt: skip
def test_each_method_undoes_the_noise_it_is_for(machine_with, noise, methods):
    found = mean(machine_with(**noise), methods)
    assert abs(found.plain - found.exact) > 0.05
    assert off(found) < 0.5 * abs(found.plain - found.exact)
    assert found.benefit > 0
    assert found.cost == plan(
        CIRCUIT, ASKED, machine_with(**noise), Mitigation.read(methods), shots=40_000
    )  # fmt: skip


@pytest.mark.requirement("HWF-2")
def test_decoupling_undoes_slow_drift_and_costs_pulses_where_there_is_none(machine_with):
    waiting = Gates(3).h(0).cx(0, 1).cx(0, 1)
    for _ in range(8):
        waiting.cx(1, 2)
    waiting = waiting.circuit()
    asked = Observable.read("X0")
    slow = machine_with(t2=20_000, t1=1e9, disturbance=Disturbance(slow_t2=0.1))
    found = estimate(waiting, asked, slow, Mitigation.read("dd:xx"), shots=40_000, seed=1)
    assert found.benefit > 0.1
    plain = machine_with(one=0.01)
    harmed = estimate(waiting, asked, plain, Mitigation.read("dd"), shots=40_000, seed=1)
    assert harmed.benefit < 0


@pytest.mark.requirement("HWF-6")
def test_frames_make_errors_that_add_up_random(machine_with):
    again = Gates(2).h(0).h(1)
    for _ in range(8):
        again.cx(0, 1)
    asked = Observable.read("X0")
    shifted = machine_with(n=2, disturbance=Disturbance(shift_rad=0.1))
    found = estimate(again.circuit(), asked, shifted, Mitigation.read("twirl:64"), shots=40_000, seed=1)
    assert found.benefit > 0.03


def test_outcomes_are_mitigated_for_whoever_runs_circuits(machine_with):
    ghz = Gates(3).h(0).cx(0, 1).cx(1, 2).measure(0, 1, 2).circuit()
    machine = machine_with(reading=0.05)
    plain = asyncio.run(machine.run(ghz, shots=4_000, seed=1))
    helped = asyncio.run(Mitigating(machine, Mitigation.read("readout,twirl:4"))(ghz, shots=4_000, seed=1))
    both = [sum(one.counts.get(key, 0) for key in ("000", "111")) / 4_000 for one in (plain, helped)]
    assert both[0] < 0.9 < 0.97 < both[1]
    assert sum(helped.counts.values()) == 4_000
    assert helped.provenance.mitigation == "readout tensored, 4 Pauli frames"
    assert not plain.provenance.mitigation
    with pytest.raises(InvalidInput, match="outcomes"):
        mitigated_counts(machine, ghz, Mitigation.read("zne"), shots=10, seed=1)


def test_what_has_no_mean_is_refused(machine_with):
    with pytest.raises(InvalidInput, match="observable"):
        estimate(CIRCUIT, Observable.read("Z7"), machine_with(), Mitigation(), shots=10, seed=1)
    with pytest.raises(InvalidInput, match="nothing to measure"):
        estimate(CIRCUIT, Observable.read("3"), machine_with(), Mitigation(), shots=10, seed=1)


def test_the_same_seed_gives_the_same_mean(machine_with):
    machine = machine_with(two=0.02, disturbance=Disturbance(slow_t2=1.0, shift_rad=0.02), t1=5e4, t2=5e4)
    found = [mean(machine, "zne,readout,twirl:3,dd", shots=500) for _ in range(2)]
    assert found[0] == found[1]
    assert mean(machine, "zne,readout,twirl:3,dd", shots=500, seed=6).value != found[0].value


def test_a_circuit_on_the_machine_already_stays_where_it_is_and_is_scheduled(machine_with):
    machine = machine_with(basis="ecr", t1=5e4, t2=3e4, two=0.01)
    fitted = machine.fitted(Gates(3).h(0).cx(0, 2).measure(0, 2).circuit())
    assert machine.fitted(fitted) is fitted
    assert machine.chances(fitted, seed=1).sum() == pytest.approx(1)
    # Waiting that is written out is the waiting that was worked out.
    from phalanx.quantum._arrays import steps_of
    from phalanx.quantum.emulation import timed
    from phalanx.quantum.simulators import probabilities

    schedule = timed(steps_of(fitted), machine.noise)
    again = probabilities(schedule.circuit, machine.noise, waits=schedule.waits)
    assert np.allclose(again, machine.chances(fitted, seed=Rng(1).bits(20)))
