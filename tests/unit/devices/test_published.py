"""Figures and prices that vendors publish: where they are from, and of what shape."""

import pytest

from phalanx.core import Origin
from phalanx.devices import (
    Emulated,
    PriceShape,
    lattice_pairs,
    listed_price,
    noise_of,
    price_lists,
    published_machines,
    shipped_snapshots,
)

PROVIDERS = ("ionq", "quantinuum", "quandela", "braket", "pasqal")


@pytest.mark.requirement("QRM-4")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_machine_says_where_its_figures_are_from_and_of_when(provider):
    machines = published_machines(provider)
    assert machines
    for one in machines:
        known = one.device.calibration
        assert one.device.origin is Origin.EMULATED
        assert known.calibrated_at_ns > 1_600_000_000 * 10**9
        assert len(known.source) > 20
        assert "(checked: " in known.source or "(as published, not re-verified)" in known.source
        if one.device.features.gates:
            assert 0 < known.median("two_qubit_error") < 0.1
            assert one.device.reach == one.device.n_qubits


@pytest.mark.requirement("QRM-8")
def test_prices_come_in_all_five_shapes_each_with_its_date():
    lists = price_lists()
    assert {one.shape for one in lists.values()} == set(PriceShape)
    assert all(one.as_of_ns > 0 for one in lists.values())
    assert all("(checked: " in one.source or "not re-verified" in one.source for one in lists.values())


def test_what_tasks_cost_by_the_lists():
    # The documented formula: HQC = 5 + C·(N1 + 10·N2 + 5·Nm) / 5000.
    assert listed_price("quantinuum.h2-1").cost(1_000, 10, 20, 4, 0).amount == pytest.approx(5 + (10 + 200 + 20) / 5)
    assert listed_price("ionq.forte-1").cost(100, 10, 20, 4, 0).amount == 25.79, "the minimum"
    assert listed_price("braket.quera-aquila").cost(100, 0, 0, 0, 0).amount == pytest.approx(1.30)
    assert listed_price("pasqal.anything").cost(1, 0, 0, 0, 3_600).amount == pytest.approx(3_000)
    assert listed_price("ibm.any").cost(1, 0, 0, 0, 60).amount == pytest.approx(96)
    unlisted = listed_price("nobody.knows")
    assert unlisted.cost(1_000, 10, 20, 4, 60).amount == 0
    assert "no price list" in unlisted.source, "a real machine is not said to be this one"


def test_unknown_figures_add_no_noise():
    ascella = published_machines("quandela")[0].device
    noise = noise_of(ascella.calibration)
    assert noise.readout_error.tolist() == [0.0] * 6
    assert not (noise.t1_ns < float("inf")).any()
    assert Emulated(ascella, None).device is ascella


def test_a_lattice_couples_neighbours():
    pairs = {tuple(pair) for pair in lattice_pairs(2, 3).tolist()}
    assert pairs == {(0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)}


def test_the_profiles_of_iqm_have_their_couplers():
    found = {one.head.name: one for one in shipped_snapshots("iqm")}
    assert {name: (one.head.n_qubits, one.head.n_couplers) for name, one in found.items()} == {
        "adonis": (5, 4), "aphrodite": (54, 90), "apollo": (20, 30), "garnet": (20, 30),
    }  # fmt: skip


@pytest.mark.requirement("QRM-8")
def test_photons_have_figures_with_a_source_of_their_own():
    ascella, belenos = (one.device for one in published_machines("quandela"))
    assert (ascella.photonic.modes, ascella.photonic.photons) == (12, 6)
    assert (belenos.photonic.modes, belenos.photonic.photons) == (24, 12)
    assert ascella.features.gates
    assert not belenos.features.gates, "no fidelities of its gates are published"
    for device in (ascella, belenos):
        assert "qpu:" in device.photonic.source
        assert "not re-verified" in device.photonic.source
        assert device.photonic.threshold
    assert ascella.photonic.as_of_ns > ascella.calibration.calibrated_at_ns
