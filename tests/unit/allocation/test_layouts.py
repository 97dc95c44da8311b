"""The second tier: layouts are kept by circuit and calibration, and what is masked is not used."""

from dataclasses import replace

import numpy as np
import pytest

from phalanx.allocation import USUAL_NS, Layouts, noise_of, standing_of
from phalanx.core import Origin
from phalanx.devices import DeviceModel, Modality, Numbers, SessionLimits, calibration
from phalanx.quantum import Gates

CIRCUIT = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()


def device(errors, *, at_ns=1, readout=0.02):
    known = calibration(
        4, [(0, 1), (1, 2), (2, 3)], Numbers(two_qubit_error=errors, one_qubit_error=1e-3, readout_error=readout,
        t1_ns=1e5, t2_ns=1e5, one_qubit_ns=30.0, two_qubit_ns=300.0, readout_ns=1000.0), calibrated_at_ns=at_ns,
        source="test",
    )  # fmt: skip
    return DeviceModel(
        name="x.a", provider="x", kind=Modality.SUPERCONDUCTING, origin=Origin.EMULATED, n_qubits=4,
        limits=SessionLimits(max_shots=100), calibration=known,
    )  # fmt: skip


@pytest.mark.requirement("QRM-2")
def test_success_is_by_the_layout_not_by_medians():
    made = Layouts()
    good, poor = made.layout(CIRCUIT, device([0.01] * 3)), made.layout(CIRCUIT, device([0.2] * 3))
    assert good.log_success - poor.log_success == pytest.approx(np.log(0.99 / 0.8), abs=0.02)
    assert good.duration_ns > 300.0


def test_it_is_mapped_once_for_each_calibration():
    made, model = Layouts(), device([0.1, 0.01, 0.1])
    assert made.layout(CIRCUIT, model) is made.layout(CIRCUIT, model)
    assert made.layout(CIRCUIT, device([0.1, 0.05, 0.1])) is not made.layout(CIRCUIT, model)


def test_dead_couplers_are_left_out_and_unknown_numbers_are_medians():
    model = device([1.0, 0.01, 0.1], readout=[0.02, np.nan, 0.04, 0.06])
    noise = noise_of(model.calibration)
    assert noise.pairs.tolist() == [[1, 2], [2, 3]]
    assert noise.readout_error[1] == 0.04
    standing = standing_of(model, load=0.5)
    assert (standing.n_qubits, standing.degree, standing.load) == (3, 1.0, 0.5)
    assert standing.two_qubit_error == pytest.approx(0.055)


def test_a_machine_whose_times_nobody_knows_is_as_slow_as_others_of_its_kind():
    known = device([0.01] * 3)
    assert (standing_of(known).two_qubit_ns, standing_of(known).readout_ns) == (300.0, 1_000.0)
    plain = calibration(2, [(0, 1)], Numbers(two_qubit_error=0.001), calibrated_at_ns=1, source="test")
    ions = replace(known, kind=Modality.TRAPPED_ION, n_qubits=2, calibration=plain)
    one, two, readout = USUAL_NS[Modality.TRAPPED_ION]
    found = standing_of(ions)
    assert (found.one_qubit_ns, found.two_qubit_ns, found.readout_ns) == (one, two, readout)
    assert two > 1_000 * USUAL_NS[Modality.SUPERCONDUCTING][1]
    assert np.isnan(standing_of(replace(ions, kind=Modality.PHOTONIC)).two_qubit_ns)
