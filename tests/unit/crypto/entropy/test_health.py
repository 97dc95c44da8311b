"""The health tests of SP 800-90B: cutoffs that others published, sources that must fail, and those that must not."""

from fractions import Fraction
from math import comb

import pytest

from phalanx.core import Rng
from phalanx.crypto.entropy import (
    HealthTest,
    SimulatedQrng,
    SourceFailed,
    critbinom,
    estimate_min_entropy,
    proportion_cutoff,
    repetition_cutoff,
)

pytestmark = pytest.mark.requirement("CRY-3")

# SP 800-90B (2018), Table 2: example cutoffs of the adaptive proportion test at α = 2^-20.
NIST_BINARY = {0.2: 941, 0.4: 840, 0.6: 748, 0.8: 664, 1: 589}
NIST_WIDER = {0.5: 410, 1: 311, 2: 177, 4: 62, 8: 13}
# jitterentropy's tables for H = 1/osr, osr from 1, at α = 2^-30 and 2^-60. They count the first
# sample as seen, C = 2 + critbinom(511, …), and bound the cutoff by the window.
JITTERENTROPY = {
    30: (325, 422, 459, 477, 488, 494, 499, 502, 505, 507, 508, 509, 510, 511, 512),
    60: (355, 447, 479, 494, 502, 507, 510, 512),
}


@pytest.mark.parametrize(("min_entropy", "cutoff"), NIST_BINARY.items())
def test_cutoffs_for_bits_are_those_of_the_standard(min_entropy, cutoff):
    assert proportion_cutoff(min_entropy, 1024, 20) == cutoff


@pytest.mark.parametrize(("min_entropy", "cutoff"), NIST_WIDER.items())
def test_cutoffs_for_wider_samples_are_those_of_the_standard(min_entropy, cutoff):
    assert proportion_cutoff(min_entropy, 512, 20) == cutoff


@pytest.mark.parametrize("alpha_bits", JITTERENTROPY)
def test_critical_values_are_those_that_jitterentropy_has(alpha_bits):
    for osr, cutoff in enumerate(JITTERENTROPY[alpha_bits], 1):
        assert min(2 + critbinom(511, 2 ** (-1 / osr), alpha_bits), 512) == cutoff, osr


def test_the_repetition_cutoff_is_the_standards_example():
    # §4.4.1: with α = 2^-20 and H = 2 bits the cutoff is 11.
    assert repetition_cutoff(2.0, 20) == 11
    assert repetition_cutoff(1.0, 20) == 21
    assert repetition_cutoff(8.0, 40) == 6


@pytest.mark.parametrize(("n", "p", "alpha_bits"), [(10, 0.5, 5), (64, 0.25, 20), (512, 0.5, 30), (60, 0.9, 40)])
def test_critical_values_are_exact(n, p, alpha_bits):
    p_exact, alpha = Fraction(p), Fraction(1, 2**alpha_bits)
    terms = [comb(n, c) * p_exact**c * (1 - p_exact) ** (n - c) for c in range(n + 1)]
    smallest = next(c for c in range(n + 1) if sum(terms[c + 1 :]) <= alpha)
    assert critbinom(n, p, alpha_bits) == smallest


def test_a_cutoff_never_makes_the_test_unable_to_fail():
    assert proportion_cutoff(0.01, 512, 30) == 512
    stuck = HealthTest("stuck", 0.01, 8)
    with pytest.raises(SourceFailed):
        stuck.feed(bytes(512))


def test_a_stuck_source_fails_at_the_cutoff_and_not_before():
    test = HealthTest("stuck", 2.0, 8, alpha_bits=20)
    test.feed([7] * 10)
    test.feed([8])
    test.feed([7] * 10)
    with pytest.raises(SourceFailed, match="the value 7 came 11 times in a row") as caught:
        test.feed([7])
    assert (caught.value.source, caught.value.test) == ("stuck", "repetition count")


def test_a_biased_source_fails_by_proportion_though_nothing_repeats():
    test = HealthTest("biased", 4.0, 8, alpha_bits=20)
    samples = [value for i in range(256) for value in (1, 2 + i % 200)]
    with pytest.raises(SourceFailed, match="the value 1 came 62 times in a window of 512") as caught:
        test.feed(samples)
    assert caught.value.test == "adaptive proportion"
    # The same samples are no surprise from a source that claims less.
    HealthTest("modest", 0.5, 8, alpha_bits=20).feed(samples)


def test_the_window_begins_anew_and_spans_pieces():
    test = HealthTest("pieces", 4.0, 8, alpha_bits=20)
    calm = [value % 251 for value in range(2, 514)]
    for _ in range(4):
        for at in range(0, 512, 37):
            test.feed(calm[at : at + 37])
    # Sixty-one are one too few, in however many pieces they come.
    for value in [value for i in range(61) for value in (1, 2 + i % 200)]:
        test.feed([value])
    with pytest.raises(SourceFailed):
        test.feed([1])


@pytest.mark.parametrize(("bits", "min_entropy"), [(8, 8.0), (8, 4.0), (1, 1.0), (3, 3.0)])
def test_a_source_that_is_what_it_claims_passes(bits, min_entropy):
    rng = Rng(bits)
    HealthTest("honest", min_entropy, bits).feed(rng.bits(bits) for _ in range(100_000))


def test_the_simulated_generator_has_what_it_claims_and_not_more():
    source = SimulatedQrng(Rng(1))
    samples = source.read(200_000)
    HealthTest(source.name, source.min_entropy, source.sample_bits).feed(samples)
    assert set(samples) == {0, 1}
    assert source.min_entropy < estimate_min_entropy(samples) < 1.0
    assert source.simulated
    assert SimulatedQrng(Rng(1)).read(100) == samples[:100]
    broken = SimulatedQrng(Rng(1), reflected=0.02)
    with pytest.raises(SourceFailed):
        HealthTest(broken.name, broken.min_entropy, broken.sample_bits).feed(broken.read(2_000))


def test_the_estimate_is_the_standards_example():
    # SP 800-90B §6.3.1: in (0, 1, 1, 2, 0, 1, 2, 2, 0, 1, 0, 1, 1, 0, 2, 2, 1, 0, 2, 1) the value 1 comes
    # 8 times; p = 0.4, its upper bound 0.6895, and the estimate 0.5363.
    samples = bytes((0, 1, 1, 2, 0, 1, 2, 2, 0, 1, 0, 1, 1, 0, 2, 2, 1, 0, 2, 1))
    assert estimate_min_entropy(samples) == pytest.approx(0.5363, abs=5e-5)
