"""Observables: read from text, put into groups, and their means against matrices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import InvalidInput
from phalanx.quantum import Observable, simulate
from phalanx.quantum._circuits import Gates

LETTERS = {
    "X": np.array([[0, 1], [1, 0]]), "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1]), "I": np.eye(2),
}  # fmt: skip


def by_kron(observable, n):
    whole = np.zeros((1 << n, 1 << n), dtype=complex)
    for weight, pauli in observable.terms:
        letters = dict(pauli)
        product = np.eye(1)
        for qubit in range(n):
            product = np.kron(product, LETTERS[letters.get(qubit, "I")])
        whole += weight * product
    return whole


terms = st.lists(
    st.tuples(
        st.floats(-9, 9, allow_nan=False).filter(lambda w: abs(w) > 1e-3),
        st.dictionaries(st.integers(0, 3), st.sampled_from("XYZ")).map(lambda d: tuple(sorted(d.items()))),
    ),
    min_size=1,
    max_size=6,
)


@given(terms)
def test_what_is_written_is_read_again_and_its_matrix_is_that_of_products(made):
    observable = Observable(tuple(made))
    assert Observable.read(str(observable)) == observable
    assert np.allclose(observable.matrix(4), by_kron(observable, 4))


@given(terms)
def test_terms_of_a_group_ask_for_one_letter_on_each_qubit(made):
    observable = Observable(tuple(made))
    groups = observable.groups()
    assert sorted(place for places in groups for place in places) == [
        place for place, (_, pauli) in enumerate(observable.terms) if pauli
    ]
    for places in groups:
        letters = observable.letters(places)
        assert all(letters[qubit] == letter for place in places for qubit, letter in observable.terms[place][1])


def test_a_mean_is_that_of_the_matrix():
    state = simulate.statevector(Gates(3).h(0).cx(0, 1).ry(0.7, 2).rz(0.3, 1).rx(0.2, 0))
    observable = Observable.read("0.5*X0 X1 - Y0 Z2 + 2 + .25 Y1")
    assert observable.exact(state) == pytest.approx(np.real(np.vdot(state, by_kron(observable, 3) @ state)))
    assert observable.constant == 2
    assert observable.norm == 3.75


@pytest.mark.parametrize("text", ["", "Z0 +", "Q1", "Z0 Z0", "Z0 X1 Y1 Z0", "0.5 0.5", "Z0 Z1 2"])
def test_what_is_no_observable_is_refused_by_its_place(text):
    with pytest.raises(InvalidInput, match="observable"):
        Observable.read(text)
