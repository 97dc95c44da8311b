"""The estimates against the figures of the papers that they are from."""

import itertools

import pytest

from phalanx.quantum import resources


@pytest.mark.requirement("CRY-5")
def test_the_model_meets_the_published_total_for_rsa_2048():
    # Gidney and Ekerå, Quantum 5, 433: 20 million qubits, 8 hours, 2.7 billion Toffoli gates, 3n + 0.002 n lg n qubits.
    made = resources.to_break("RSA", 2048)
    assert made.physical_qubits == pytest.approx(20e6, rel=0.1)
    assert made.hours == pytest.approx(8, rel=0.15)
    assert made.toffolis == pytest.approx(2.7e9, rel=0.05)
    assert made.distance == 27
    assert "2505.15917" in made.published


def test_the_counts_for_curves_are_those_of_the_table():
    # Roetteler et al., arXiv 1706.06752, table 2: n, qubits, Toffoli gates.
    for bits, qubits, toffolis in (
        (160, 1466, 2.97e10),
        (256, 2330, 1.26e11),
        (384, 3484, 4.52e11),
        (521, 4719, 1.14e12),
    ):
        made = resources.to_break("EC", bits)
        assert made.logical_qubits == qubits
        assert made.toffolis == pytest.approx(toffolis, rel=0.05)


def test_more_bits_take_more_of_everything_and_a_published_total_is_of_its_size_only():
    for family in ("RSA", "DH", "EC"):
        made = [resources.to_break(family, bits) for bits in (256, 512, 1024, 2048, 4096)]
        for less, more in itertools.pairwise(made):
            assert less.logical_qubits < more.logical_qubits
            assert less.toffolis < more.toffolis
            assert less.distance <= more.distance
            assert less.hours < more.hours
    assert resources.to_break("RSA", 3072).published == ""
    assert resources.to_break("DH", 2048).published == ""
    for bits in (0, 7, 1 << 21):
        with pytest.raises(ValueError, match="outside"):
            resources.to_break("RSA", bits)
