"""Toy factoring: it ends with factors, phases are what the order says, and hopeless numbers are refused."""

from collections import Counter

import pytest

from phalanx.core import InvalidInput, Rng
from phalanx.quantum.routines import factor, measured_phase


@pytest.mark.requirement("IRS-2")
@pytest.mark.parametrize(("number", "factors"), [(15, [3, 5]), (21, [3, 7]), (899, [29, 31]), (3_233, [53, 61])])
def test_numbers_are_factored(number, factors):
    answer = factor(number, seed=1)
    assert answer.found["factors"] == factors
    assert answer.agrees
    assert "no threat" in answer.claim


def test_phases_are_multiples_of_one_over_the_order():
    # 7 has order 4 modulo 15: each quarter comes up a quarter of the time.
    rng = Rng(4).child("phases")
    seen = Counter(measured_phase(7, 15, rng) for _ in range(400))
    assert set(seen) == {0.0, 0.25, 0.5, 0.75}
    assert all(70 < times < 130 for times in seen.values())


@pytest.mark.parametrize(
    ("number", "why"), [(13, "15 at least"), (16, "odd"), (1 << 21, "below"), (17, "prime"), (27, "power of 3")]
)
def test_what_needs_no_quantum_computer_is_refused_with_the_reason(number, why):
    with pytest.raises(InvalidInput, match=why):
        factor(number, seed=1)
