"""Two classes told apart by a circuit whose angles are learned, beside boosted stumps and logistic regression.

Each feature turns a qubit, again in every layer, between chains of CZ; learned angles are added (Pérez-Salinas et al.
2020). The means of Z, weighted and added up, are the log-odds. Angles are learned by Adam on the
logistic loss of batches, with gradients from parameter shifts. States of a whole batch are computed at once.
"""

from collections.abc import Sequence

import numpy as np

from phalanx.core import Baseline, InvalidInput, Rng
from phalanx.quantum.routines._ansatz import Adam, Floats, Layers
from phalanx.quantum.routines._answer import Answer, simulated
from phalanx.quantum.routines._bits import area, checked_rows
from phalanx.quantum.routines._limits import MAX_STEPS

_UNIT = "numbers of the model"
_BATCH = 64
_ROUNDS, _RATE, _CUTS = 100, 0.2, 16
_CLAIM = "a small model that is trained slowly; boosted stumps are as good or better, and are trained in a moment"
Labels = Sequence[bool]


class VariationalClassifier:
    """One qubit for each of ``n_features``, which are about as large as one."""

    def __init__(self, n_features: int, *, layers: int = 2) -> None:
        self._circuit = Layers(n_features, layers)
        n = self._circuit.n_qubits
        self.weights = np.zeros(2 * self._circuit.n_angles + n + 1)
        self._signs = 1.0 - 2.0 * (np.arange(1 << n)[:, None] >> np.arange(n - 1, -1, -1) & 1)

    def fit(self, rows: Floats, labels: Labels, *, steps: int, rng: Rng) -> "VariationalClassifier":
        draw = rng.numpy()
        signs = np.where(np.asarray(labels, dtype=bool), 1.0, -1.0)
        n, qubits = self._circuit.n_angles, self._circuit.n_qubits
        angles = draw.normal(scale=0.2, size=n)
        # Turned by a quarter at first, the mean of Z grows with a feature instead of with its square.
        angles[:qubits] += np.pi / 2
        stretch = draw.normal(scale=0.2, size=n)
        stretch[:qubits] += 0.7
        self.weights = np.concatenate([angles, stretch, draw.normal(scale=0.5, size=qubits), [0.0]])
        adam = Adam(self.weights.size, rate=0.05)
        for _ in range(steps):
            batch = draw.choice(len(rows), size=min(_BATCH, len(rows)), replace=False)
            self.weights = self.weights - adam.step(self._gradient(rows[batch], signs[batch]))
        return self

    def log_odds(self, rows: Floats) -> Floats:
        """Above zero for the first class."""
        return np.asarray(self._means(self._angles(rows)) @ self._read + self.weights[-1])

    @property
    def _read(self) -> Floats:
        return self.weights[2 * self._circuit.n_angles : -1]

    def _angles(self, rows: Floats) -> Floats:
        n = self._circuit.n_angles
        return self.weights[:n] + self.weights[n : 2 * n] * np.tile(rows, (1, self._circuit.layers + 1))

    def _means(self, angles: Floats) -> Floats:
        return np.asarray(self._circuit.states(angles) ** 2 @ self._signs)

    def _gradient(self, rows: Floats, signs: Floats) -> Floats:
        n, size = self._circuit.n_angles, len(rows)
        angles = self._angles(rows)
        mean = self._means(angles)
        odds = mean @ self._read + self.weights[-1]
        slope = -signs / (1 + np.exp(signs * odds)) / size
        step = np.pi / 2 * np.repeat(np.eye(n), size, axis=0)
        many = np.tile(angles, (n, 1))
        turned = ((self._means(many + step) - self._means(many - step)) @ self._read).reshape(n, size) / 2
        by_angle = turned * slope
        repeated = np.tile(rows, (1, self._circuit.layers + 1)).T
        return np.concatenate([by_angle.sum(axis=1), (by_angle * repeated).sum(axis=1), slope @ mean, [slope.sum()]])


def classify(
    rows: Floats, labels: Labels, asked: Floats, *, seed: int, truth: Labels | None = None, qubits: int = 6,
    layers: int = 2, steps: int = 200,
) -> Answer:  # fmt: skip
    """The probability of the first class for each row that is asked about. With ``truth`` each method is judged."""
    rows, asked, known, so = checked(rows, labels, asked, truth)
    if not 1 <= steps <= MAX_STEPS:
        raise InvalidInput("steps", f"lie in [1, {MAX_STEPS}], got {steps}")
    ours, theirs = components(rows, asked, min(qubits, rows.shape[1]))
    rng = Rng(seed).child("classify")
    machine = VariationalClassifier(ours.shape[1], layers=layers).fit(ours, known.tolist(), steps=steps, rng=rng)
    odds = {
        "variational classifier": machine.log_odds(theirs), "boosted stumps": boosted_stumps(rows, known, asked),
        "logistic regression": logistic(ours, known, theirs),
    }  # fmt: skip
    sizes = {"variational classifier": machine.weights.size, "boosted stumps": 3 * _ROUNDS,
             "logistic regression": ours.shape[1] + 1}  # fmt: skip
    chances = {name: (1 / (1 + np.exp(-np.clip(one, -60, 60)))).tolist() for name, one in odds.items()}
    right = {name: 0.0 if so is None else float(((one > 0) == so).mean()) for name, one in odds.items()}
    areas = {} if so is None else {name: area(one, so) for name, one in odds.items()}
    classical = tuple(
        Baseline(method=name, value=right[name], error=0.0, cost=sizes[name], cost_unit=_UNIT)
        for name in ("boosted stumps", "logistic regression")
    )
    return Answer(
        routine="classification",
        found={
            "probability": chances["variational classifier"], "probability_by": chances,
            "accuracy": right if so is not None else {}, "areas": areas, "qubits": ours.shape[1],
        },
        quantum=Baseline(
            method=f"variational classifier, {layers} layers", value=right["variational classifier"], error=0.0,
            cost=machine.weights.size, cost_unit=_UNIT,
        ),
        classical=classical, agrees=right["variational classifier"] >= max(one.value for one in classical) - 1e-12,
        claim=_CLAIM, provenance=simulated(seed, classical),
    )  # fmt: skip


def checked(
    rows: Floats, labels: Labels, asked: Floats, truth: Labels | None
) -> "tuple[Floats, Floats, np.typing.NDArray[np.bool_], np.typing.NDArray[np.bool_] | None]":
    """What a classifier is given, as arrays. Raises ``InvalidInput`` for what does not fit."""
    rows, asked = checked_rows(rows, "rows"), checked_rows(asked, "asked")
    known = np.asarray(labels, dtype=bool)
    if rows.shape[1] != asked.shape[1]:
        raise InvalidInput("asked", f"have {rows.shape[1]} columns as those learned from, got {asked.shape[1]}")
    if len(known) != len(rows):
        raise InvalidInput("labels", f"{len(rows)} of them, got {len(known)}")
    if known.all() or not known.any():
        raise InvalidInput("labels", "all rows are of one class")
    if truth is not None and len(truth) != len(asked):
        raise InvalidInput("truth", f"{len(asked)} of them, got {len(truth)}")
    return rows, asked, known, None if truth is None else np.asarray(truth, dtype=bool)


def components(rows: Floats, others: Floats, n: int) -> tuple[Floats, Floats]:
    """Principal components of ``rows``, each with variance one, and the same of ``others``."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    ours, theirs = (rows - mean) / spread, (others - mean) / spread
    _, singular, axes = np.linalg.svd(ours, full_matrices=False)
    turn = axes[:n].T / np.maximum(singular[:n] / np.sqrt(len(rows)), 1e-9)
    return np.clip(ours @ turn, -4, 4), np.clip(theirs @ turn, -4, 4)


def logistic(rows: Floats, labels: "np.typing.NDArray[np.bool_]", asked: Floats, *, ridge: float = 1e-3) -> Floats:
    """Log-odds by Newton's method."""
    x, y = np.column_stack([rows, np.ones(len(rows))]), labels.astype(np.float64)
    weights = np.zeros(x.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        curve = (x * (p * (1 - p) + 1e-9)[:, None]).T @ x / len(x) + ridge * np.eye(x.shape[1])
        weights -= np.linalg.solve(curve, x.T @ (p - y) / len(x) + ridge * weights)
    return np.column_stack([asked, np.ones(len(asked))]) @ weights


def boosted_stumps(rows: Floats, labels: "np.typing.NDArray[np.bool_]", asked: Floats) -> Floats:
    """Log-odds by gradient boosting of trees with one split each (Friedman 2001)."""
    y = labels.astype(np.float64)
    base = float(np.log((y.mean() + 1e-9) / (1 - y.mean() + 1e-9)))
    odds, told = np.full(len(rows), base), np.full(len(asked), base)
    edges = np.quantile(rows, np.arange(1, _CUTS + 1) / (_CUTS + 1), axis=0)
    under = rows[None] <= edges[:, None]  # (cuts, rows, columns)
    counts = under.sum(axis=1).astype(np.float64)
    for _ in range(_ROUNDS):
        p = 1 / (1 + np.exp(-odds))
        rest, curve = y - p, p * (1 - p)
        left, left_curve = np.einsum("crk,r->ck", under, rest), np.einsum("crk,r->ck", under, curve) + 1e-9
        right, right_curve = rest.sum() - left, curve.sum() - left_curve + 2e-9
        gain = np.where((counts > 0) & (counts < len(rows)), left**2 / left_curve + right**2 / right_curve, -1.0)
        cut, column = np.unravel_index(int(np.argmax(gain)), gain.shape)
        steps = (left[cut, column] / left_curve[cut, column], right[cut, column] / right_curve[cut, column])
        low, high = (float(np.clip(_RATE * step, -1, 1)) for step in steps)
        odds = odds + np.where(under[cut, :, column], low, high)
        told = told + np.where(asked[:, column] <= edges[cut, column], low, high)
    return told
