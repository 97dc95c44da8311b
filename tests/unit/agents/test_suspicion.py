"""How suspicious a silence is, against its closed form and the normal tail of the standard library."""

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.agents._intensity import Intensity
from phalanx.agents._suspicion import Suspicion, phi
from phalanx.core import NS_PER_S


@pytest.mark.requirement("AGT-5")
@given(mean=st.floats(0.1, 60.0), deviation=st.floats(0.01, 10.0), z=st.floats(-4.0, 5.0))
def test_phi_is_the_tail_of_the_normal_distribution(mean, deviation, z):
    silence = mean + z * deviation
    late = NormalDist().cdf(-(silence - mean) / deviation)
    assert phi(silence, mean, deviation) == pytest.approx(-math.log10(late), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("z", "log10_tail"), [(8.0, -15.206142), (10.0, -23.118050), (20.0, -88.560149), (37.0, -299.24)]
)
def test_far_out_it_keeps_its_digits_where_the_tail_itself_has_none(z, log10_tail):
    """Values of log10 Q(z) by erfc where that is exact, and by mpmath beyond."""
    assert phi(5.0 + z * 0.5, 5.0, 0.5) == pytest.approx(-log10_tail, rel=2e-4)


@given(st.floats(0.0, 30.0), st.floats(0.0, 30.0))
def test_a_longer_silence_is_never_less_suspicious(one, other):
    low, high = sorted((one, other))
    assert phi(low, 5.0, 0.5) <= phi(high, 5.0, 0.5) + 1e-9


def at(seconds):
    return int(seconds * NS_PER_S)


def test_an_even_beat_is_suspect_after_about_eight_seconds_of_silence():
    one = Suspicion(5.0, 0)
    for beat in range(1, 100):
        one.heard(at(5.0 * beat))
    assert one.phi(at(5.0 * 99 + 5.0)) < 1
    assert one.phi(at(5.0 * 99 + 7.7)) < 8 < one.phi(at(5.0 * 99 + 7.9))
    assert one.phi(at(5.0 * 99 + 9.2)) > 16


def test_an_uneven_beat_is_waited_for_longer():
    even, uneven = Suspicion(5.0, 0), Suspicion(5.0, 0)
    for beat in range(1, 200):
        even.heard(at(5.0 * beat))
        uneven.heard(at(5.0 * beat + (1.5 if beat % 2 else 0.0)))
    heard_s = 5.0 * 199 + 1.5
    assert even.phi(at(5.0 * 199 + 9.0)) > uneven.phi(at(heard_s + 9.0))


def test_the_observers_own_absence_counts_against_nobody():
    one = Suspicion(5.0, 0)
    assert one.phi(at(20.0)) > 16
    one.excuse(at(17.0))
    assert one.phi(at(20.0)) < 1


def test_a_role_is_degraded_when_its_agents_fall_too_often_and_recovers():
    role = Intensity(most=3, within_s=60.0)
    assert [role.fell(at(n), "boom") for n in range(5)] == [False, False, False, True, False]
    assert role.degraded(at(10))
    assert (role.recent, role.degraded_by) == (4, "boom")
    assert role.degraded(at(62.5))
    assert not role.degraded(at(63.5))
    assert not role.fell(at(64), "again")


def test_slow_falls_never_degrade():
    role = Intensity(most=3, within_s=60.0)
    assert not any(role.fell(at(21 * n), "now and then") for n in range(100))
