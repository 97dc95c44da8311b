"""Born machine, Boltzmann machine, variational classifier: against closed forms, and beside their classical peers."""

import numpy as np
import pytest

from phalanx.core import InvalidInput, LimitExceeded, Rng
from phalanx.quantum import simulate
from phalanx.quantum.routines import (
    Binning,
    BoltzmannMachine,
    BornMachine,
    VariationalClassifier,
    boosted_stumps,
    classify,
    find_novelties,
    generate,
    isolation,
    logistic,
    tree_chances,
)
from phalanx.quantum.routines._bits import frequencies
from phalanx.quantum.routines._measuring import leaked, nearness


def rows_of(seed, n=300, columns=6):
    draw = np.random.default_rng(seed)
    first = draw.normal(size=n)
    return np.stack([first + 0.3 * draw.normal(size=n), first, *draw.normal(size=(columns - 2, n))], axis=1)


def test_bins_hold_as_many_rows_each_and_give_back_what_they_mean():
    rows = rows_of(1, n=400)
    binning = Binning.of(rows, columns=3, bits_each=2)
    indices = binning.indices(rows)
    assert binning.n_bits == 6
    for place in range(3):
        bins = indices >> 2 * (2 - place) & 3
        assert np.bincount(bins, minlength=4) == pytest.approx([100] * 4, abs=2)
    back = binning.rows(indices)
    assert np.array_equal(Binning.of(back, columns=3, bits_each=2).columns, [0, 1, 2])
    assert np.abs(back - rows[:, binning.columns]).mean() < 0.5
    with pytest.raises(LimitExceeded):
        Binning.of(rows, columns=6, bits_each=4)
    with pytest.raises(InvalidInput):
        Binning.of(rows, columns=9, bits_each=1)


@pytest.mark.requirement("QML-1")
def test_a_born_machine_learns_a_distribution_that_its_circuit_draws():
    target = np.zeros(16)
    target[[0, 15]] = 0.5
    machine = BornMachine.fitted(target, layers=3, steps=150, seed=3)
    assert 0.5 * np.abs(machine.chances() - target).sum() < 0.1
    assert np.allclose(simulate.probabilities(machine.circuit()), machine.chances())


def test_a_tree_of_dependencies_is_exact_where_there_is_one():
    draw = np.random.default_rng(5)
    first = draw.random(60_000) < 0.3
    second = np.where(draw.random(60_000) < 0.9, first, ~first)
    third = np.where(draw.random(60_000) < 0.8, second, ~second)
    found = tree_chances(first * 4 + second * 2 + third, 3)
    assert found.sum() == pytest.approx(1)
    for at in range(8):
        a, b, c = at >> 2 & 1, at >> 1 & 1, at & 1
        wanted = (0.3 if a else 0.7) * (0.9 if a == b else 0.1) * (0.8 if b == c else 0.2)
        assert found[at] == pytest.approx(wanted, abs=0.01)


@pytest.mark.requirement("QML-1")
def test_synthetic_rows_are_judged_by_utility_and_by_what_they_give_away():
    attacks, others = rows_of(1) + 1.0, rows_of(2)
    answer = generate(attacks, others=others, seed=1, columns=3, layers=3, steps=80, draws=400)
    judged = answer.found["judged"]
    for name in ("born machine", "tree of dependencies", "independent columns"):
        assert 0.4 < judged[name]["membership_area"] < 0.65
        assert judged[name]["utility"] > 0.6
    assert judged["real rows"]["utility"] > 0.7
    assert np.array(answer.found["rows"]).shape == (400, 3)
    assert answer.quantum.value < 0.6
    assert answer.quantum.cost_unit == answer.classical[0].cost_unit
    # A model that only repeats is caught by its own probabilities: few rows, all of which it has seen.
    from phalanx.quantum.routines._bits import area, frequencies

    binning = Binning.of(attacks, columns=4, bits_each=3)
    seen, unseen = binning.indices(attacks[:200]), binning.indices(attacks[200:])
    repeats = frequencies(seen, 12)
    both = np.concatenate([seen, unseen])
    assert area(repeats[both], np.arange(300) < 200) > 0.85


@pytest.mark.requirement("QML-1")
def test_a_boltzmann_machine_reaches_what_its_gradient_is_about():
    draw = np.random.default_rng(7)
    # A distribution of fields and couplings alone: the classical machine reproduces it.
    spins = 1 - 2 * (np.arange(8)[:, None] >> np.arange(2, -1, -1) & 1)
    energy = spins @ draw.normal(size=3) + 0.8 * spins[:, 0] * spins[:, 2]
    target = np.exp(energy) / np.exp(energy).sum()
    classical = BoltzmannMachine.fitted(target, quantum=False, steps=400)
    assert classical.chances == pytest.approx(target, abs=0.01)
    quantum = BoltzmannMachine.fitted(target, quantum=True, steps=400)
    assert quantum.chances.sum() == pytest.approx(1)
    assert quantum.n_parameters == classical.n_parameters + 3
    # The thermal state that is nearest to a pure one has nearly its frequencies.
    assert 0.5 * np.abs(quantum.chances - target).sum() < 0.1


@pytest.mark.requirement("QML-1")
def test_novelties_are_found_by_each_method_and_judged_where_labels_are():
    usual, strange = rows_of(1), rows_of(3, n=60) * 4 + 3
    rows = np.concatenate([rows_of(2, n=100), strange])
    labels = [False] * 100 + [True] * 60
    answer = find_novelties(usual, rows, labels=labels, seed=1)
    assert set(answer.found["areas"]) == {
        "quantum boltzmann machine", "classical boltzmann machine", "isolation forest",
    }  # fmt: skip
    assert answer.found["areas"]["isolation forest"] > 0.9
    assert answer.found["areas"]["quantum boltzmann machine"] > 0.55
    assert len(answer.found["worst"]) == 20
    assert find_novelties(usual, rows, seed=1).found["areas"] == {}
    with pytest.raises(InvalidInput, match="labels"):
        find_novelties(usual, rows, labels=[True], seed=1)


def test_the_forest_is_as_good_as_the_library_s():
    ensemble = pytest.importorskip("sklearn.ensemble", reason="the extra `learning` is not installed")
    from phalanx.quantum.routines._bits import area

    usual, rows = rows_of(1), np.concatenate([rows_of(2), rows_of(3) + 2.0])
    labels = np.arange(600) >= 300
    theirs = -ensemble.IsolationForest(random_state=1).fit(usual).score_samples(rows)
    assert area(isolation(usual, rows, Rng(1)), labels) == pytest.approx(area(theirs, labels), abs=0.03)


@pytest.mark.requirement("QML-1")
def test_the_classifier_s_gradient_is_that_of_differences_and_it_learns():
    draw = np.random.default_rng(9)
    rows = draw.normal(size=(12, 3))
    signs = np.where(rows[:, 0] > 0, 1.0, -1.0)
    machine = VariationalClassifier(3, layers=1)
    machine.weights = draw.normal(size=machine.weights.size)
    gradient = machine._gradient(rows, signs)

    def loss():
        return np.log1p(np.exp(-signs * machine.log_odds(rows))).mean()

    for at in range(machine.weights.size):
        before = machine.weights[at]
        sides = []
        for step in (1e-5, -1e-5):
            machine.weights[at] = before + step
            sides.append(loss())
        machine.weights[at] = before
        assert gradient[at] == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-6)
    many = draw.normal(size=(300, 4))
    labels = (many[:, 0] + 0.5 * many[:, 1] > 0).tolist()
    answer = classify(many[:200], labels[:200], many[200:], truth=labels[200:], seed=1, steps=150)
    assert answer.found["accuracy"]["variational classifier"] > 0.85
    assert answer.found["accuracy"]["logistic regression"] > 0.9
    assert len(answer.found["probability"]) == 100


def test_classical_peers_are_as_good_as_the_libraries():
    linear = pytest.importorskip("sklearn.linear_model", reason="the extra `learning` is not installed")
    rows = rows_of(4)
    labels = rows[:, 0] + np.random.default_rng(1).normal(size=300) > 0
    theirs = linear.LogisticRegression(C=1e6).fit(rows, labels).decision_function(rows)
    assert logistic(rows, labels, rows, ridge=1e-9) == pytest.approx(theirs, abs=0.05)
    ensemble = pytest.importorskip("sklearn.ensemble", reason="the extra `learning` is not installed")
    grown = ensemble.GradientBoostingClassifier(n_estimators=100, learning_rate=0.2, max_depth=1).fit(rows, labels)
    ours = boosted_stumps(rows, labels, rows) > 0
    assert (ours == labels).mean() == pytest.approx(grown.score(rows, labels), abs=0.05)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"steps": 0}, "steps"), ({"labels": [True] * 20}, "labels"), ({"truth": [True]}, "truth"),
     ({"asked": np.ones((2, 9))}, "asked"), ({"rows": np.full((20, 3), np.nan)}, "rows")],
)  # fmt: skip
def test_bad_input_is_refused_by_its_field(change, field):
    rows = np.random.default_rng(1).normal(size=(20, 3))
    given = {"rows": rows, "labels": [at % 2 == 0 for at in range(20)], "asked": rows, "seed": 1} | change
    with pytest.raises(InvalidInput, match=field):
        classify(given.pop("rows"), given.pop("labels"), given.pop("asked"), **given)


@pytest.mark.requirement("QML-1")
def test_rows_that_were_copied_are_seen_to_give_away_what_was_trained_on():
    rng = np.random.default_rng(7)
    rows, held = rng.normal(size=(80, 3)), rng.normal(size=(80, 3))
    binning = Binning.of(rows, columns=3, bits_each=4)
    seen, unseen = binning.indices(rows), binning.indices(held)
    copied = frequencies(seen, binning.n_bits)
    flat = np.full(copied.size, 1 / copied.size)
    drawn = np.random.default_rng(1).choice(copied.size, size=300, p=copied)
    told, fair = (leaked(chances, drawn, seen, unseen) for chances in (copied, flat))
    assert told["membership_area"] > 0.9
    assert fair["membership_area"] == 0.5
    near = nearness(drawn, binning, rows, held, Rng(1))
    independent = nearness(rng.integers(0, copied.size, size=300), binning, rows, held, Rng(1))
    assert near["nearer_to_trained"] > 0.8 > 0.65 > independent["nearer_to_trained"] > 0.35
    assert near["distance_to_trained"] < near["held_out_distance_to_trained"]


@pytest.mark.requirement("QML-1")
def test_an_adversarial_network_comes_near_to_what_it_is_trained_on():
    target = np.exp(-0.5 * ((np.arange(32) - 15) / 5) ** 2)
    target /= target.sum()
    machine = BornMachine.fitted(target, layers=4, steps=150, seed=3, method="adversarial")
    untrained = BornMachine.fitted(target, layers=4, steps=1, seed=3, method="adversarial")
    off, before = (0.5 * np.abs(one.chances() - target).sum() for one in (machine, untrained))
    assert off < 0.25 < before
    assert machine.angles == pytest.approx(
        BornMachine.fitted(target, layers=4, steps=150, seed=3, method="adversarial").angles
    )
