"""Synthetic attack traffic: a circuit that draws rows, beside a tree of dependencies and independent columns.

A Born machine (Liu and Wang 2018) is a circuit whose measured bits are the row; its angles are turned until a kernel
cannot tell its distribution from that of the rows (maximum mean discrepancy), by gradients from parameter shifts, or,
as a quantum generative adversarial network, until a judge that learns cannot. The classical models are the tree of Chow
and Liu (1968) and independent columns, smoothed. What rows are good for and what they give away is measured for all.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from phalanx.core import Baseline, InvalidInput, Rng
from phalanx.quantum._circuits import Gates
from phalanx.quantum.routines._adversarial import adversarial_angles
from phalanx.quantum.routines._ansatz import Floats, Layers, descended, shifted
from phalanx.quantum.routines._answer import Answer, simulated
from phalanx.quantum.routines._bits import Binning, Ints, checked_rows, frequencies
from phalanx.quantum.routines._limits import MAX_DRAWN_ROWS, MAX_STEPS
from phalanx.quantum.routines._measuring import leaked, nearness, utility

_UNIT = "numbers of the model"
_SMOOTHING = 0.5
_LEAST_ROWS = 20
_TREE, _INDEPENDENT = "tree of dependencies", "independent columns"
METHODS = {"born": "born machine", "adversarial": "quantum adversarial network"}
_CLAIM = (
    "a small model of a few bits of each row, trained by simulation; a tree of dependencies is trained in one pass and "
    "is as good or better at these sizes"
)


class BornMachine:
    """A circuit that draws numbers of ``n_bits``."""

    def __init__(self, layers: Layers, angles: Floats) -> None:
        self._layers, self.angles = layers, angles

    @classmethod
    def fitted(cls, target: Floats, *, layers: int, steps: int, seed: int, method: str = "born") -> "BornMachine":
        """Trained on frequencies (2^n,), by a kernel (``born``) or against a judge (``adversarial``)."""
        n_bits = target.size.bit_length() - 1
        circuit = Layers(n_bits, layers)
        if method == "adversarial":
            return cls(circuit, adversarial_angles(circuit, target, steps=steps, rng=Rng(seed).child("adversarial")))
        kernel = _kernel(n_bits)

        def loss(angles: Floats) -> tuple[float, Floats]:
            off = circuit.states(angles[None])[0] ** 2 - target
            pulled = kernel(off)
            moved = circuit.states(np.concatenate(shifted(angles))) ** 2
            half = angles.size
            # The derivative of each probability is half the difference; the loss is quadratic in them.
            return float(off @ pulled), np.asarray((moved[:half] - moved[half:]) @ pulled)

        start = Rng(seed).child("born").numpy().normal(scale=0.4, size=circuit.n_angles)
        start[-n_bits:] += np.pi / 2
        angles, _ = descended(loss, start, steps)
        return cls(circuit, angles)

    def chances(self) -> Floats:
        weights = self._layers.states(self.angles[None])[0] ** 2
        return np.asarray(weights / weights.sum())

    def circuit(self) -> Gates:
        """What a device would run, all bits measured."""
        return self._layers.gates(self.angles).measure(*range(self._layers.n_qubits))


def generate(
    rows: Floats, *, seed: int, columns: int = 4, bits_each: int = 2, layers: int = 4, steps: int = 150,
    draws: int = 1_000, others: Floats | None = None, method: str = "born",
) -> Answer:  # fmt: skip
    """``draws`` synthetic rows like ``rows``, which are attacks. ``others`` are rows of the other kind, for utility.

    ``method`` is ``born`` or ``adversarial``. A third of each kind is held out and judges. Raises ``InvalidInput``.
    """
    if method not in METHODS:
        raise InvalidInput("method", f"is one of {', '.join(METHODS)}, got {method!r}")
    if not 1 <= steps <= MAX_STEPS:
        raise InvalidInput("steps", f"lies in [1, {MAX_STEPS}], got {steps}")
    held = _Held(rows, others, columns=columns, bits_each=bits_each, draws=draws, seed=seed)
    machine = BornMachine.fitted(held.target, layers=layers, steps=steps, seed=seed, method=method)
    return held.answer(
        METHODS[method], machine.chances(), machine.angles.size, f"{METHODS[method]}, {layers} layers", _CLAIM
    )


def generate_classically(
    rows: Floats, *, seed: int, columns: int = 4, bits_each: int = 2, draws: int = 1_000, others: Floats | None = None
) -> Answer:
    """The same by the tree of dependencies alone, for where there is nothing quantum."""
    held = _Held(rows, others, columns=columns, bits_each=bits_each, draws=draws, seed=seed)
    return held.answer(_TREE, held.models[_TREE], held.sizes[_TREE], _TREE, "nothing quantum was used")


class _Held:
    """Rows of which a third judges, and what classical models make of the rest."""

    def __init__(
        self, rows: Floats, others: Floats | None, *, columns: int, bits_each: int, draws: int, seed: int
    ) -> None:
        rows = checked_rows(rows, "rows")
        if len(rows) < _LEAST_ROWS or (others is not None and len(others) < _LEAST_ROWS):
            raise InvalidInput("rows", f"{_LEAST_ROWS} at least of each kind")
        if not 1 <= draws <= MAX_DRAWN_ROWS:
            raise InvalidInput("draws", f"lies in [1, {MAX_DRAWN_ROWS}], got {draws}")
        self._seed, self._draws = seed, draws
        self._rng = Rng(seed).child("generate")
        self._trained, self._left = _split(rows, self._rng.child("rows"))
        self._binning = Binning.of(self._trained, columns=columns, bits_each=bits_each)
        self._seen, self._unseen = self._binning.indices(self._trained), self._binning.indices(self._left)
        n_bits = self._binning.n_bits
        self.target = frequencies(self._seen, n_bits)
        self.models = {_TREE: tree_chances(self._seen, n_bits), _INDEPENDENT: _independent(self._seen, self._binning)}
        self.sizes = {_TREE: 2 * n_bits - 1, _INDEPENDENT: columns * ((1 << bits_each) - 1)}
        self._normal = None if others is None else _split(checked_rows(others, "others"), self._rng.child("others"))

    def answer(self, name: str, chances: Floats, size: int, told: str, claim: str) -> Answer:
        """Everything measured of the model ``name`` and of the classical ones."""
        models = {name: chances} | self.models
        left = frequencies(self._unseen, self._binning.n_bits)
        judged: dict[str, dict[str, Any]] = {}
        drawn: dict[str, Ints] = {}
        for each, made in models.items():
            drawn[each] = self._rng.child(each).numpy().choice(made.size, size=self._draws, p=made)
            judged[each] = leaked(made, drawn[each], self._seen, self._unseen) | nearness(
                drawn[each], self._binning, self._trained, self._left, self._rng.child("near")
            )
            if self._normal is not None:
                judged[each] |= utility(drawn[each], self._binning, self._normal, self._unseen)
        if self._normal is not None:
            judged["real rows"] = utility(self._seen, self._binning, self._normal, self._unseen)
        distance = {each: 0.5 * float(np.abs(made - left).sum()) for each, made in models.items()}
        classical = tuple(
            Baseline(method=each, value=distance[each], error=0.0, cost=self.sizes[each], cost_unit=_UNIT)
            for each in self.models
        )
        return Answer(
            routine="synthetic-traffic",
            found={
                "columns": self._binning.columns.tolist(), "rows": self._binning.rows(drawn[name]).tolist(),
                "judged": judged, "bits": self._binning.n_bits, "distance": distance,
                "distance_of_trained": 0.5 * float(np.abs(self.target - left).sum()),
            },
            quantum=Baseline(method=told, value=distance[name], error=0.0, cost=size, cost_unit=_UNIT),
            classical=classical, agrees=distance[name] <= min(one.value for one in classical) + 1e-12, claim=claim,
            provenance=simulated(self._seed, classical, shots=self._draws),
        )  # fmt: skip


def tree_chances(indices: Ints, n_bits: int) -> Floats:
    """The distribution of the best tree of dependencies among bits, smoothed."""
    bits = indices[:, None] >> np.arange(n_bits - 1, -1, -1) & 1
    n = len(bits)
    joint = np.empty((n_bits, n_bits, 2, 2))
    for a in (0, 1):
        for b in (0, 1):
            joint[:, :, a, b] = ((bits == a).T.astype(float) @ (bits == b) + _SMOOTHING / 2) / (n + 2 * _SMOOTHING)
    single = np.stack([((bits == a).sum(axis=0) + _SMOOTHING) / (n + 2 * _SMOOTHING) for a in (0, 1)], axis=1)
    information = (joint * np.log(joint / (single[:, None, :, None] * single[None, :, None, :]))).sum(axis=(2, 3))
    index = np.arange(1 << n_bits)
    value = index[:, None] >> np.arange(n_bits - 1, -1, -1) & 1
    chances = single[0][value[:, 0]]
    inside = [0]
    while len(inside) < n_bits:
        outside = [one for one in range(n_bits) if one not in inside]
        parent, child = max(((a, b) for a in inside for b in outside), key=lambda pair: information[pair])
        given = joint[parent, child] / joint[parent, child].sum(axis=1, keepdims=True)
        chances = chances * given[value[:, parent], value[:, child]]
        inside.append(child)
    return np.asarray(chances / chances.sum())


def _independent(indices: Ints, binning: Binning) -> Floats:
    chances = np.ones(1)
    mask = (1 << binning.bits_each) - 1
    for place in range(len(binning.columns)):
        shift = binning.bits_each * (len(binning.columns) - 1 - place)
        counts = np.bincount(indices >> shift & mask, minlength=mask + 1) + _SMOOTHING
        chances = np.multiply.outer(chances, counts / counts.sum()).reshape(-1)
    return chances


def _split(rows: Floats, rng: Rng) -> tuple[Floats, Floats]:
    order = rng.numpy().permutation(len(rows))
    cut = 2 * len(rows) // 3
    return rows[order[:cut]], rows[order[cut:]]


def _kernel(n_bits: int) -> Callable[[Floats], Floats]:
    """What applies the mean of three kernels over numbers, each a product over bits that differ."""

    def applied(values: Floats) -> Floats:
        total = np.zeros_like(values)
        for unlike in (0.1, 0.4, 0.8):
            each = np.array([[1.0, unlike], [unlike, 1.0]])
            moved = values.reshape((2,) * n_bits)
            for axis in range(n_bits):
                moved = np.moveaxis(np.tensordot(each, moved, axes=(1, axis)), 0, axis)
            total += moved.reshape(-1)
        return total / 3

    return applied
