"""Rows of numbers as rows of a few bits, which is what small quantum models are about."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum.routines._limits import MAX_LEARNED_BITS, MAX_LEARNED_ROWS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Binning:
    """``columns`` of rows, each cut at ``edges`` (columns, 2^bits - 1) into bins, ``centres`` what each means."""

    columns: Ints
    edges: Floats
    centres: Floats
    bits_each: int

    @classmethod
    def of(cls, rows: Floats, *, columns: int, bits_each: int = 2) -> "Binning":
        """Bins with as many rows each, of the columns that together spread most over them. Raises ``InvalidInput``."""
        rows = checked_rows(rows, "rows")
        if not 1 <= columns * bits_each <= MAX_LEARNED_BITS:
            raise LimitExceeded("bits of a row", maximum=MAX_LEARNED_BITS, seen=columns * bits_each)
        if columns > rows.shape[1]:
            raise InvalidInput("columns", f"there are {rows.shape[1]}, not {columns}")
        quantiles = np.quantile(rows, np.arange(1, 1 << bits_each) / (1 << bits_each), axis=0)
        bins = [np.searchsorted(quantiles[:, at], rows[:, at], side="left") for at in range(rows.shape[1])]
        chosen: list[int] = []
        joint = np.zeros(len(rows), dtype=np.int64)
        for _ in range(columns):
            left = [at for at in range(rows.shape[1]) if at not in chosen]
            chosen.append(max(left, key=lambda at: _entropy(joint << bits_each | bins[at])))
            joint = joint << bits_each | bins[chosen[-1]]
        kept = np.array(sorted(chosen))
        edges = quantiles[:, kept].T
        centres = np.empty((columns, 1 << bits_each))
        for place, column in enumerate(kept):
            whole = float(np.median(rows[:, column]))
            for one in range(1 << bits_each):
                inside = rows[bins[column] == one, column]
                centres[place, one] = np.median(inside) if inside.size else whole
        return cls(kept.astype(np.int64), np.ascontiguousarray(edges), centres, bits_each)

    @property
    def n_bits(self) -> int:
        return len(self.columns) * self.bits_each

    def indices(self, rows: Floats) -> Ints:
        """Each row as the number that its bits spell."""
        found = np.zeros(len(rows), dtype=np.int64)
        for place, column in enumerate(self.columns):
            found = found << self.bits_each | np.searchsorted(self.edges[place], rows[:, column], side="left")
        return found

    def rows(self, indices: Ints) -> Floats:
        """(n, columns): what the bins of each number mean, in the kept columns only."""
        mask = (1 << self.bits_each) - 1
        shifts = self.bits_each * np.arange(len(self.columns) - 1, -1, -1)
        bins = indices[:, None] >> shifts & mask
        return np.asarray(np.take_along_axis(self.centres[None], bins[:, :, None], axis=2)[:, :, 0])


def checked_rows(rows: Floats, field: str) -> Floats:
    """Rows as floats; raises ``InvalidInput`` for what is none, or too many."""
    made = np.asarray(rows, dtype=np.float64)
    if made.ndim != 2 or not len(made) or not np.isfinite(made).all():
        raise InvalidInput(field, "are rows of finite numbers, one at least")
    if len(made) > MAX_LEARNED_ROWS:
        raise LimitExceeded(f"{field} to learn from", maximum=MAX_LEARNED_ROWS, seen=len(made))
    return made


def frequencies(indices: Ints, n_bits: int) -> Floats:
    """How often each number is among them."""
    return np.bincount(indices, minlength=1 << n_bits) / len(indices)


def area(scores: Floats, positive: npt.NDArray[np.bool_]) -> float:
    """The area under the ROC curve, ties counted half."""
    order = np.argsort(scores, kind="stable")
    _, place, counts = np.unique(scores[order], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = np.empty(len(scores))
    ranks[order] = (ends - (counts - 1) / 2)[place]
    n_pos = int(positive.sum())
    n_neg = len(scores) - n_pos
    if not n_pos or not n_neg:
        return 0.5
    return float((ranks[positive].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))


def _entropy(bins: Ints) -> float:
    shares = np.bincount(bins) / len(bins)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
