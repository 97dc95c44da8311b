"""A boosted ensemble of decision trees as arrays, scored without the library that trained it.

A tree is a run of nodes. An inner node sends a row left when ``x[feature] <= threshold``; a leaf adds its
value. The sum over all trees is a log-odds. Absent values count as zero, as they did in training. Loading
checks that every path ends: a model from elsewhere is data, never code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.learning._limits import MAX_FEATURES, MAX_NODES, MAX_TREES, SCORE_ROWS

LEAF: Final = -1


class _Form(msgspec.Struct, frozen=True, tag="trees"):
    """As it is stored: the arrays as plain lists of little-endian bytes."""

    version: int
    features: tuple[str, ...]
    roots: bytes
    feature: bytes
    threshold: bytes
    left: bytes
    right: bytes
    value: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """``roots`` int32[trees], and per node: ``feature`` int32 (``LEAF`` in leaves), ``threshold`` float64, ``left``
    and ``right`` int32 node numbers, ``value`` float64 (zero in inner nodes). ``depth`` is the longest path.
    """

    features: tuple[str, ...]
    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]
    depth: int

    @classmethod
    def of(
        cls,
        features: Sequence[str],
        roots: NDArray[np.int32],
        feature: NDArray[np.int32],
        threshold: NDArray[np.float64],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        value: NDArray[np.float64],
    ) -> Self:
        """Raises ``InvalidInput`` and ``LimitExceeded`` unless every path from a root ends in a leaf."""
        for what, maximum, seen in (
            ("trees", MAX_TREES, len(roots)),
            ("nodes of a model", MAX_NODES, len(feature)),
            ("features", MAX_FEATURES, len(features)),
        ):
            if seen > maximum:
                raise LimitExceeded(what, maximum=maximum, seen=seen)
        depth = _checked_depth(len(features), roots, feature, left, right)
        if not (len(threshold) == len(value) == len(feature)):
            raise InvalidInput("model", "its arrays are not equally long")
        if not (np.isfinite(threshold).all() and np.isfinite(value).all()):
            raise InvalidInput("model", "a threshold or value is not a number")
        return cls(tuple(features), roots, feature, threshold, left, right, value, depth)

    def log_odds(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of the leaves that each row of ``rows`` float64[n, features] ends in."""
        if rows.ndim != 2 or rows.shape[1] != len(self.features):
            raise InvalidInput("rows", f"{len(self.features)} columns are wanted, {rows.shape} came")
        rows = np.nan_to_num(rows, nan=0.0)
        total = np.zeros(len(rows))
        for start in range(0, len(rows), SCORE_ROWS):
            part = rows[start : start + SCORE_ROWS]
            place = np.broadcast_to(self.roots, (len(part), len(self.roots))).copy()
            line = np.arange(len(part))[:, None]
            for _ in range(self.depth):
                feature = self.feature[place]
                inner = feature != LEAF
                goes_left = part[line, np.where(inner, feature, 0)] <= self.threshold[place]
                place = np.where(inner, np.where(goes_left, self.left[place], self.right[place]), place)
            total[start : start + SCORE_ROWS] = self.value[place].sum(axis=1)
        return total

    def probability(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The log-odds as a probability, not calibrated."""
        odds: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.clip(self.log_odds(rows), -40.0, 40.0)))
        return odds

    def to_bytes(self) -> bytes:
        form = _Form(
            1, self.features, _bytes(self.roots, "<i4"), _bytes(self.feature, "<i4"), _bytes(self.threshold, "<f8"),
            _bytes(self.left, "<i4"), _bytes(self.right, "<i4"), _bytes(self.value, "<f8"),
        )  # fmt: skip
        return msgspec.msgpack.encode(form)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises ``InvalidInput`` when ``data`` is no model, or one whose paths do not end."""
        try:
            form = msgspec.msgpack.decode(data, type=_Form)
            if form.version != 1:
                raise InvalidInput("model", f"version {form.version} is not known here")
            integers = [np.frombuffer(part, "<i4") for part in (form.roots, form.feature, form.left, form.right)]
            numbers = [np.frombuffer(part, "<f8") for part in (form.threshold, form.value)]
        except (msgspec.DecodeError, ValueError) as error:
            raise InvalidInput("model", f"not a stored model: {error}") from None
        roots, feature, left, right = integers
        return cls.of(form.features, roots, feature, numbers[0], left, right, numbers[1])


def _bytes(array: NDArray[Any], form: str) -> bytes:
    return array.astype(form).tobytes()


def _checked_depth(
    features: int,
    roots: NDArray[np.int32],
    feature: NDArray[np.int32],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
) -> int:
    """The longest path. Children lie behind their parents, so no path can go round."""
    nodes = len(feature)
    if not nodes or not len(roots) or len(left) != nodes or len(right) != nodes:
        raise InvalidInput("model", "it has no trees, or arrays that are not equally long")
    own = np.arange(nodes)
    inner = feature != LEAF
    in_range = (feature >= LEAF) & (feature < features)
    ahead = ~inner | ((left > own) & (right > own) & (left < nodes) & (right < nodes))
    if not (in_range.all() and ahead.all() and (roots >= 0).all() and (roots < nodes).all()):
        raise InvalidInput("model", "a node points outside of the model, or backwards")
    depth, place = 0, np.unique(roots)
    while inner[place].any():
        place = place[inner[place]]
        place = np.unique(np.concatenate((left[place], right[place])))
        depth += 1
    return depth
