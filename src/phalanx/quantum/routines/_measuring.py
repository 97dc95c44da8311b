"""What synthetic rows are good for, and what they give away of the rows that a model was trained on.

Utility: a classifier that has seen only synthetic attacks, beside real rows of the other kind, judged on real rows that
nobody was trained on; two classifiers, the ratio of frequencies and boosted stumps. Leakage: whether the model's own
probabilities tell trained rows from held-out ones (an area of 0.5 gives nothing away), whether a drawn row lies nearer
to trained rows than to as many held-out ones (a share of 0.5 gives nothing away), and how far its nearest trained row
is, beside how far that of a real row that was held out is.
"""

from typing import Any

import numpy as np

from phalanx.core import Rng
from phalanx.quantum.routines._ansatz import Floats
from phalanx.quantum.routines._bits import Binning, Ints, area, frequencies
from phalanx.quantum.routines._classifying import boosted_stumps

# Rows of each side whose distances are looked at.
_NEAR_ROWS = 500


def leaked(chances: Floats, drawn: Ints, seen: Ints, unseen: Ints) -> dict[str, Any]:
    """By numbers: of the model's own probabilities, and of drawn rows that are trained ones."""
    known = np.isin(np.arange(chances.size), seen)
    both = np.concatenate([seen, unseen])
    members = np.arange(len(both)) < len(seen)
    return {
        "membership_area": area(np.log(np.maximum(chances[both], 1e-300)), members),
        "drawn_like_trained": float(known[drawn].mean()), "held_out_like_trained": float(known[unseen].mean()),
        "surprise_held_out_bits": float(-np.log2(np.maximum(chances[unseen], 1e-12)).mean()),
    }  # fmt: skip


def nearness(drawn: Ints, binning: Binning, trained: Floats, held: Floats, rng: Rng) -> dict[str, Any]:
    """By distances between drawn rows and real ones, in the drawn columns, each by its spread."""
    columns = binning.columns
    spread = trained[:, columns].std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    size = min(len(trained), len(held), _NEAR_ROWS)
    pick = rng.numpy()
    ours, others = (
        rows[pick.choice(len(rows), size=size, replace=False)][:, columns] / spread for rows in (trained, held)
    )
    made = binning.rows(drawn[:_NEAR_ROWS]) / spread
    to_trained, to_held = _nearest(made, ours), _nearest(made, others)
    same = np.isclose(to_trained, to_held, atol=1e-9)
    return {
        "nearer_to_trained": float(np.where(same, 0.5, to_trained < to_held).mean()),
        "distance_to_trained": float(np.median(to_trained)),
        "held_out_distance_to_trained": float(np.median(_nearest(others, ours))),
    }


def utility(attacks: Ints, binning: Binning, normal: tuple[Floats, Floats], unseen: Ints) -> dict[str, float]:
    """The areas reached on real rows by who learned from these attacks and real others; all rows as their bins."""
    others, judges = (binning.indices(rows) for rows in normal)
    smooth = 1.0 / (1 << binning.n_bits)
    ratio = np.log(frequencies(attacks, binning.n_bits) + smooth) - np.log(frequencies(others, binning.n_bits) + smooth)
    both = np.concatenate([unseen, judges])
    so = np.arange(len(both)) < len(unseen)
    learned = np.concatenate([attacks, others])
    odds = boosted_stumps(binning.rows(learned), np.arange(len(learned)) < len(attacks), binning.rows(both))
    return {"utility": area(ratio[both], so), "utility_stumps": area(odds, so)}


def _nearest(rows: Floats, others: Floats) -> Floats:
    squares = (rows**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)[None, :] - 2 * rows @ others.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)).min(axis=1))
