import msgspec
import numpy as np
import pytest

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.learning import BoostingOptions, Trees, train_trees

FEATURES = ("a", "b", "c")


def labelled_rows(n=600, seed=3):
    """Rows whose label is true inside a ring, which no straight line tells apart, with some labels wrong."""
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(n, 3))
    distance = rows[:, 0] ** 2 + rows[:, 1] ** 2
    return rows, (distance < 1.2) ^ (draw.random(n) < 0.02)


def by_hand(trees, row):
    """The log-odds of one row, node by node."""
    total = 0.0
    for place in trees.roots:
        while trees.feature[place] >= 0:
            goes_left = row[trees.feature[place]] <= trees.threshold[place]
            place = trees.left[place] if goes_left else trees.right[place]
        total += trees.value[place]
    return total


def test_trees_score_as_the_library_that_trained_them():
    import lightgbm

    rows, labels = labelled_rows()
    trees = train_trees(rows, labels, FEATURES, seed=1, options=BoostingOptions(trees=20, leaves=7))
    parameters = {
        "objective": "binary", "num_leaves": 7, "learning_rate": 0.05, "seed": 1, "min_data_in_leaf": 20,
        "lambda_l2": 1.0, "deterministic": True, "num_threads": 1, "force_col_wise": True, "use_missing": False,
        "verbose": -1,
    }  # fmt: skip
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, label=labels.astype(int)), num_boost_round=20)
    fresh, _ = labelled_rows(seed=4)
    assert np.allclose(trees.log_odds(fresh), booster.predict(fresh, raw_score=True), atol=1e-12)
    assert np.allclose(trees.log_odds(fresh[:50]), [by_hand(trees, row) for row in fresh[:50]])


def test_what_was_learned_holds_on_rows_not_seen():
    rows, labels = labelled_rows(2_000)
    trees = train_trees(rows, labels, FEATURES, seed=1)
    fresh, truth = labelled_rows(2_000, seed=9)
    assert ((trees.probability(fresh) > 0.5) == truth).mean() > 0.9
    assert max(truth.mean(), 1 - truth.mean()) < 0.6, "always guessing one side must not pass"


def test_the_same_rows_and_seed_give_the_same_model():
    rows, labels = labelled_rows()
    options = BoostingOptions(trees=5)
    first = train_trees(rows, labels, FEATURES, seed=1, options=options).to_bytes()
    assert train_trees(rows, labels, FEATURES, seed=1, options=options).to_bytes() == first


def test_a_stored_model_scores_as_before():
    rows, labels = labelled_rows()
    trees = train_trees(rows, labels, FEATURES, seed=1, options=BoostingOptions(trees=5))
    again = Trees.from_bytes(trees.to_bytes())
    assert again.features == FEATURES
    assert np.array_equal(again.log_odds(rows), trees.log_odds(rows))


def stump(**changes):
    arrays = {
        "features": FEATURES,
        "roots": np.array([0], np.int32),
        "feature": np.array([1, -1, -1], np.int32),
        "threshold": np.array([0.5, 0.0, 0.0]),
        "left": np.array([1, 0, 0], np.int32),
        "right": np.array([2, 0, 0], np.int32),
        "value": np.array([0.0, -1.0, 2.0]),
    }
    return Trees.of(**(arrays | changes))


def test_an_absent_value_counts_as_zero():
    rows = np.array([[9.0, 0.4, 9.0], [9.0, 0.6, 9.0], [9.0, np.nan, 9.0]])
    assert stump().log_odds(rows).tolist() == [-1.0, 2.0, -1.0]


@pytest.mark.parametrize(
    "changes",
    [
        {"left": np.array([0, 0, 0], np.int32)},
        {"right": np.array([9, 0, 0], np.int32)},
        {"right": np.array([-1, 0, 0], np.int32)},
        {"feature": np.array([3, -1, -1], np.int32)},
        {"roots": np.array([3], np.int32)},
        {"roots": np.array([], np.int32)},
        {"value": np.array([0.0, 1.0])},
        {"value": np.array([0.0, np.inf, 1.0])},
        {"threshold": np.array([np.nan, 0.0, 0.0])},
        {"left": np.array([1], np.int32)},
    ],
)
def test_a_model_that_leads_nowhere_is_refused(changes):
    with pytest.raises(InvalidInput):
        stump(**changes)


def test_a_model_beyond_the_bound_is_refused():
    with pytest.raises(LimitExceeded):
        stump(roots=np.zeros(5_001, np.int32))


@pytest.mark.parametrize("data", [b"", b"\xc1", msgspec.msgpack.encode({"type": "trees"}), b"\x00" * 40])
def test_bytes_that_are_no_model_are_refused(data):
    with pytest.raises(InvalidInput):
        Trees.from_bytes(data)


def test_rows_of_another_shape_are_refused():
    with pytest.raises(InvalidInput, match="3 columns"):
        stump().log_odds(np.zeros((2, 4)))
    with pytest.raises(InvalidInput):
        train_trees(np.zeros((3, 2)), np.array([True, False, True]), FEATURES, seed=1)
    with pytest.raises(InvalidInput, match="same label"):
        train_trees(np.zeros((2, 3)), np.array([True, True]), FEATURES, seed=1)
