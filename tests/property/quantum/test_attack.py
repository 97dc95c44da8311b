"""Attack models: the exact answer against plain enumeration, and the circuits against the exact answer."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import Rng
from phalanx.quantum import Amplifier, AttackModel, Stage, parse, simulate

RISKS = st.lists(st.floats(0, 1), min_size=1, max_size=3).map(tuple)


@st.composite
def models(draw):
    names = [f"stage-{i}" for i in range(draw(st.integers(1, 6)))]
    stages = tuple(Stage(name, draw(RISKS)) for name in names)
    path = st.lists(st.sampled_from(names), min_size=1, unique=True).map(tuple)
    return AttackModel(stages, tuple(draw(st.lists(path, min_size=1, max_size=5))))


def by_enumeration(model):
    """Every finding true or false, in plain Python: no noisy-or, no masks."""
    total = 0.0
    findings = [(stage.name, risk) for stage in model.stages for risk in stage.risks]
    for truth in itertools.product((False, True), repeat=len(findings)):
        reached = {name for (name, _), true in zip(findings, truth, strict=True) if true}
        if any(set(path) <= reached for path in model.paths):
            total += math.prod(r if true else 1 - r for (_, r), true in zip(findings, truth, strict=True))
    return total


@settings(max_examples=40, deadline=None)
@given(models().filter(lambda model: sum(len(stage.risks) for stage in model.stages) <= 10))
def test_exact_is_the_sum_over_all_findings(model):
    assert model.exact() == pytest.approx(by_enumeration(model), abs=1e-12)


@settings(deadline=None)
@given(models(), st.integers(0, 3))
def test_an_amplified_circuit_shows_the_amplified_angle(model, k):
    amplifier = Amplifier(model)
    gates = parse(amplifier.circuit(k))
    theta = math.asin(math.sqrt(model.exact()))
    weights = simulate.probabilities(gates)
    width = len(model.stages)
    goal = sum(p for i, p in enumerate(weights) if amplifier.goals({f"{i:0{width}b}": 1}))
    assert goal == pytest.approx(math.sin((2 * k + 1) * theta) ** 2, abs=1e-9)


@settings(deadline=None)
@given(models(), st.integers(0, 3))
def test_ancillas_end_clean(model, k):
    amplifier = Amplifier(model)
    state = simulate.statevector(parse(amplifier.circuit(k)))
    by_ancilla = np.abs(state.reshape(1 << len(model.stages), -1)) ** 2
    assert by_ancilla[:, 1:].sum() < 1e-18


@settings(deadline=None)
@given(st.lists(st.lists(RISKS, min_size=1, max_size=3), min_size=1, max_size=3))
def test_through_phases_is_a_product_of_noisy_ors(phases):
    if sum(map(len, phases)) > 7:
        phases = phases[:2]
    named = [[Stage(f"{i}.{j}", risks) for j, risks in enumerate(phase)] for i, phase in enumerate(phases)]
    expected = math.prod(1 - math.prod(1 - r for risks in phase for r in risks) for phase in phases)
    assert AttackModel.through(named).exact() == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(models(), st.integers(0, 1 << 32))
def test_sampling_comes_near_the_exact_answer(model, seed):
    p, n = model.exact(), 4_000
    # Six standard deviations, and one hit for what is all but certain.
    assert abs(model.sample(n, Rng(seed)) - n * p) <= 6 * math.sqrt(n * p * (1 - p)) + 1
