"""Training of boosted trees with LightGBM (extra ``learning``), which leaves plain arrays behind.

Seeded and on one thread, so that the same rows give the same model on every machine of a kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phalanx.core import InvalidInput, Unavailable
from phalanx.learning._trees import LEAF, Trees


@dataclass(frozen=True, slots=True)
class BoostingOptions:
    """How many trees of how many leaves, and how slowly they learn."""

    trees: int = 200
    leaves: int = 31
    rate: float = 0.05
    min_leaf_rows: int = 20
    l2: float = 1.0


def train_trees(
    rows: NDArray[np.float64],
    labels: NDArray[np.bool_],
    features: Sequence[str],
    *,
    seed: int,
    options: BoostingOptions | None = None,
) -> Trees:
    """Learn to tell the rows labelled true from the others. ``rows`` is float64[n, features]."""
    if len(rows) != len(labels) or rows.shape[1] != len(features):
        raise InvalidInput("rows", f"{rows.shape} do not fit {len(labels)} labels and {len(features)} features")
    if labels.all() or not labels.any():
        raise InvalidInput("labels", "all rows have the same label, there is nothing to tell apart")
    try:
        import lightgbm
    except ModuleNotFoundError as error:
        hint = "pip install 'phalanx[learning]'"
        raise Unavailable("training of trees", "LightGBM is not installed", hint=hint) from error
    wanted = options or BoostingOptions()
    parameters = {
        "objective": "binary", "num_leaves": wanted.leaves, "learning_rate": wanted.rate, "seed": seed,
        "min_data_in_leaf": wanted.min_leaf_rows, "lambda_l2": wanted.l2, "deterministic": True, "num_threads": 1,
        "force_col_wise": True, "use_missing": False, "verbose": -1,
    }  # fmt: skip
    data = lightgbm.Dataset(np.nan_to_num(rows, nan=0.0), label=labels.astype(np.int8), free_raw_data=True)
    booster = lightgbm.train(parameters, data, num_boost_round=wanted.trees)
    return _arrays(booster.dump_model(), features)


def _arrays(dumped: dict[str, Any], features: Sequence[str]) -> Trees:
    """The library's nested trees as runs of nodes, parents before children."""
    feature: list[int] = []
    threshold: list[float] = []
    children: list[list[int]] = []
    value: list[float] = []
    roots = []
    for tree in dumped["tree_info"]:
        roots.append(len(feature))
        todo: list[tuple[dict[str, Any], int, int]] = [(tree["tree_structure"], -1, 0)]
        while todo:
            node, parent, side = todo.pop()
            place = len(feature)
            if parent >= 0:
                children[parent][side] = place
            inner = "split_feature" in node
            feature.append(node["split_feature"] if inner else LEAF)
            threshold.append(float(node["threshold"]) if inner else 0.0)
            value.append(0.0 if inner else float(node["leaf_value"]))
            children.append([0, 0])
            if inner:
                todo += [(node["right_child"], place, 1), (node["left_child"], place, 0)]
    below = np.array(children, np.int32)
    return Trees.of(
        features, np.array(roots, np.int32), np.array(feature, np.int32), np.array(threshold), below[:, 0], below[:, 1],
        np.array(value),
    )  # fmt: skip
