import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import InvalidInput, Origin
from phalanx.devices import (
    FREE,
    DeviceModel,
    Modality,
    Money,
    Numbers,
    PriceModel,
    PriceShape,
    SessionLimits,
    calibration,
    device_detail,
    device_view,
    listed_price,
    price_in_credits,
    price_per_gate_shot,
    price_per_second,
    price_per_shot,
    read_snapshots,
    shipped_snapshots,
    subscription,
    write_snapshots,
)
from phalanx.testing import line_of_three

AS_OF = 1_700_000_000_000_000_000


def line(n_qubits=4, **numbers):
    pairs = [(i, i + 1) for i in range(n_qubits - 1)]
    return calibration(n_qubits, pairs, Numbers(**numbers), calibrated_at_ns=AS_OF, source="a test")


@pytest.mark.requirement("QRM-4")
def test_what_physics_does_not_allow_is_clamped_and_what_is_dead_is_masked():
    made = line(t1_ns=100.0, t2_ns=[50.0, 250.0, 200.0, np.nan], two_qubit_error=[0.01, 1.0, 0.03],
                one_qubit_error=0.001)  # fmt: skip
    assert made.t2_ns[:3].tolist() == [50.0, 200.0, 200.0]
    assert np.isnan(made.t2_ns[3])
    assert made.faulty_coupler.tolist() == [False, True, False]
    assert made.median("two_qubit_error") == pytest.approx(0.02), "a dead coupler does not move the median"
    assert np.isnan(line().median("two_qubit_error")), "nothing known is not zero"
    assert line().faulty_coupler.all(), "a coupler whose error nobody knows is not used"
    broken = line(two_qubit_error=0.01, faulty_qubit=[False, True, False, False])
    assert broken.faulty_coupler.tolist() == [True, True, False], "a coupler ends with its qubit"


def test_a_part_keeps_the_couplers_among_its_qubits():
    part = line(t1_ns=[1.0, 2.0, 3.0, 4.0], two_qubit_error=[0.1, 0.2, 0.3]).part([3, 2, 0])
    assert part.t1_ns.tolist() == [4.0, 3.0, 1.0]
    assert part.pair.tolist() == [[0, 1]]
    assert part.two_qubit_error.tolist() == [0.3]


@pytest.mark.parametrize("pairs", [[(1, 0)], [(0, 0)], [(0, 9)], [(0, 1), (0, 1)], [(-1, 0)]])
def test_couplers_that_are_none_are_refused(pairs):
    with pytest.raises(InvalidInput, match="pair"):
        calibration(4, pairs, Numbers(), calibrated_at_ns=0, source="a test")


@pytest.mark.parametrize("bad", [{"t1_ns": -1.0}, {"readout_error": 1.5}, {"t2_ns": [1.0, 2.0]}, {"t1_ns": np.inf}])
def test_numbers_that_are_none_are_refused(bad):
    with pytest.raises(InvalidInput, match=next(iter(bad))):
        line(**bad)


def test_the_id_of_a_calibration_follows_from_its_numbers_and_its_date():
    assert line(t1_ns=1.0).id == line(t1_ns=1.0).id
    assert line(t1_ns=1.0).id != line(t1_ns=2.0).id
    assert line().id != calibration(4, [(0, 1), (1, 2), (2, 3)], Numbers(), calibrated_at_ns=1, source="a test").id


@pytest.mark.requirement("QRM-8")
def test_the_five_shapes_of_price():
    listed = {"as_of_ns": AS_OF, "source": "a price list"}
    forte = price_per_gate_shot(0.0001645, 0.001121, 25.79, **listed)
    assert forte.cost(100, 10, 5, 4, 1.0) == Money.of(25.79, "USD"), "the minimum"
    assert forte.cost(10_000, 100, 50, 4, 1.0).amount == pytest.approx(10_000 * (100 * 0.0001645 + 50 * 0.001121))
    hqc = price_in_credits(5, (1, 10, 5), 5_000, currency="HQC", **listed)
    assert hqc.cost(1_000, 20, 10, 5, 9.0) == Money.of(5 + 1_000 * (20 + 100 + 25) / 5_000, "HQC")
    assert price_per_shot(0.30, 0.08, **listed).cost(100, 9, 9, 9, 9.0) == Money.of(8.30, "USD")
    assert price_per_second(1.6, **listed).cost(100, 9, 9, 9, 10.0) == Money.of(16.0, "USD")
    flat = subscription(1_000.0, **listed)
    assert flat.cost(10**6, 9, 9, 9, 10.0) == Money.of(0.0, "USD")
    shapes = {one.shape for one in (forte, hqc, flat, price_per_shot(1, 1, **listed), price_per_second(1, **listed))}
    assert shapes == set(PriceShape)
    with pytest.raises(InvalidInput, match="do not add up"):
        _ = Money.of(1, "USD") + Money.of(1, "HQC")


@given(st.lists(st.floats(0, 1_000, allow_nan=False), min_size=7, max_size=7), st.integers(1, 10_000),
       st.integers(0, 500), st.integers(0, 500))  # fmt: skip
def test_the_coefficients_say_what_the_price_says(rates, shots, n_one, n_two):
    names = ("minimum", "fixed", "per_shot", "per_one", "per_two", "per_measured", "per_second")

    price = PriceModel(
        shape=PriceShape.PER_SECOND, currency="USD", as_of_ns=0, source="", **dict(zip(names, rates, strict=True))
    )
    minimum, fixed, per_shot, one, two, measured, second = price.coefficients
    expected = max(minimum, fixed + shots * (per_shot + n_one * one + n_two * two + 3 * measured) + 2.0 * second)
    assert price.cost(shots, n_one, n_two, 3, 2.0).amount == pytest.approx(expected, rel=1e-9, abs=1e-6)


@pytest.mark.requirement("QRM-4")
@pytest.mark.requirement("QRM-8")
def test_the_shipped_snapshots_are_68_machines_with_their_dates():
    found = shipped_snapshots("ibm")
    assert len(found) == 68
    assert sum(one.head.n_qubits for one in found) == 3_648
    assert [one.head.name for one in found] == sorted({one.head.name for one in found})
    assert all(one.head.source.startswith("qiskit-ibm-runtime ") for one in found)
    years = {np.datetime64(one.head.calibrated_at_ns, "ns").astype("datetime64[Y]").astype(int) + 1970 for one in found}
    assert min(years) == 2020
    assert max(years) == 2026
    silent = [one.head.name for one in found if np.isnan(one.calibration.readout_ns).all()]
    assert len(silent) == 9, "nine say no duration of a measurement, and none is made up"
    for one in found:
        known = one.calibration
        with np.errstate(invalid="ignore"):
            assert not (known.t2_ns > 2 * known.t1_ns * (1 + 1e-6)).any(), one.head.name
            assert not (known.two_qubit_error[~known.faulty_coupler] >= 0.99).any(), one.head.name


def test_snapshots_are_read_as_they_were_written():
    found = shipped_snapshots("ibm")[:5]
    again = read_snapshots(write_snapshots(found))
    assert [one.head for one in again] == [one.head for one in found]
    assert [one.calibration.id for one in again] == [one.calibration.id for one in found]
    for nonsense in (b"", b"PK\x03\x04", b"{}"):
        with pytest.raises(InvalidInput, match="not a file of calibrations"):
            read_snapshots(nonsense)


def test_a_device_is_shown_without_numbers_that_nobody_knows():
    device = DeviceModel(
        name="test.line", provider="test", kind=Modality.SUPERCONDUCTING, origin=Origin.HARDWARE, n_qubits=4,
        limits=SessionLimits(max_shots=10), calibration=line(t1_ns=5.0, two_qubit_error=[0.1, np.nan, 0.3]),
    )  # fmt: skip
    detail = device_detail(device, AS_OF + 3 * 86_400_000_000_000)
    assert detail.device.age_days == 3.0
    assert (detail.device.t1_ns, detail.device.t2_ns) == (5.0, None)
    assert [one.two_qubit_error for one in detail.couplers] == [0.1, None, 0.3]
    assert [one.faulty for one in detail.couplers] == [False, True, False]
    assert detail.limits["max_shots"] == 10


@pytest.mark.parametrize(
    ("origin", "price", "unlisted", "free"),
    [(Origin.EMULATED, FREE, False, True), (Origin.HARDWARE, FREE, True, False),
     (Origin.HARDWARE, listed_price("nobody.knows"), True, False),
     (Origin.HARDWARE, subscription(900.0, as_of_ns=AS_OF, source="a contract"), False, True),
     (Origin.HARDWARE, subscription(900.0, as_of_ns=0, source="a contract"), False, True),
     (Origin.HARDWARE, price_per_shot(0.3, 0.01, as_of_ns=AS_OF, source="a list"), False, False)],
)  # fmt: skip
def test_a_real_machine_that_nobody_has_a_price_of_is_not_free(origin, price, unlisted, free):
    device = line_of_three("vendor.machine", 1e-3, origin=origin, price=price)
    assert (device.is_unlisted, device.is_free) == (unlisted, free)
    costs_something = any((*price.coefficients, price.per_month))
    told = "unlisted" if unlisted else price.shape.value if costs_something else "free"
    assert device_view(device, AS_OF).price.charge == told
