"""Walks against closed forms, and against a numerical solution of Schrödinger's equation."""

import math

import numpy as np
import pytest

from phalanx.core import InvalidInput
from phalanx.quantum.routines import chance_at, mean_occupation, shortest_path, walk_paths

LINE = [(f"n{j}", f"n{j + 1}") for j in range(30)]


def laplacian(n, edges):
    matrix = np.zeros((n, n))
    for one, other in edges:
        matrix[one, other] = matrix[other, one] = -1
    return matrix - np.diag(matrix.sum(axis=1))


@pytest.mark.requirement("IRS-2")
def test_two_nodes_swap_as_the_closed_form_says():
    energies, states = np.linalg.eigh(laplacian(2, [(0, 1)]))
    for time in (0.1, 0.7, math.pi / 2, 2.0):
        assert chance_at(energies, states, 0, 1, time) == pytest.approx(math.sin(time) ** 2)
    assert mean_occupation(energies, states, 0) == pytest.approx([0.5, 0.5])


def test_means_over_time_are_those_of_many_times():
    edges = [(0, 1), (1, 2), (2, 3), (3, 0), (3, 4)]
    energies, states = np.linalg.eigh(laplacian(5, edges))
    times = np.linspace(0, 4_000, 40_000)
    for there in range(5):
        amplitudes = np.exp(-1j * np.outer(times, energies)) @ (states[0] * states[there])
        assert mean_occupation(energies, states, 0)[there] == pytest.approx(np.mean(np.abs(amplitudes) ** 2), abs=5e-3)


def test_on_a_line_a_quantum_walk_is_at_the_far_end_when_a_classical_one_is_not():
    answer = walk_paths(LINE, source="n0", goal="n30")
    assert answer.found["path"] == [f"n{j}" for j in range(31)]
    assert answer.found["hit_chance"] > 1_000 * answer.found["classical_chance_then"]
    assert 10 < answer.found["hit_time"] < 25  # ballistic: speed 2
    assert answer.agrees
    assert sum(chance for _, chance in answer.found["ranked"]) < 1


def test_what_is_not_connected_is_not_reached():
    answer = walk_paths([*LINE, ("x", "y")], source="n0", goal="y")
    assert (answer.found["path"], answer.found["connected"], answer.agrees) == ([], False, True)
    assert answer.found["hit_chance"] == pytest.approx(0, abs=1e-12)


def test_a_shortest_path_is_one():
    edges = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"), ("d", "e")]
    assert shortest_path(edges, "a", "e") == ["a", "d", "e"]
    assert shortest_path(edges, "a", "a") == ["a"]


@pytest.mark.parametrize(
    ("given", "field"), [({"source": "?"}, "source"), ({"goal": "?"}, "goal"), ({"edges": []}, "edges")]
)
def test_bad_input_is_refused_by_its_field(given, field):
    whole = {"edges": LINE, "source": "n0", "goal": "n1"} | given
    with pytest.raises(InvalidInput, match=field):
        walk_paths(whole.pop("edges"), **whole)
