"""Synthetic traffic: a Born machine that draws rows, beside a tree of dependencies and independent columns.

A Born machine (Liu and Wang 2018) is a circuit whose measured bits are the row; its angles are turned until a kernel
cannot tell its distribution from that of the rows (maximum mean discrepancy), by gradients from parameter shifts. The
classical models are the tree of Chow and Liu (1968) and independent columns, smoothed. Synthetic rows are judged by
what they are for and by what they give away. Utility: a classifier that has seen only synthetic attacks, on real rows
that nobody was trained on. Leakage: how well the model's own probabilities tell rows that it was trained on from rows
that it was not (an area of 0.5 gives nothing away), and how often a drawn row is one of the trained rows, beside how
often a real row that was held out is.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from phalanx.core import Baseline, InvalidInput, Rng
from phalanx.quantum._circuits import Gates
from phalanx.quantum.routines._ansatz import Floats, Layers, descended, shifted
from phalanx.quantum.routines._answer import Answer, simulated
from phalanx.quantum.routines._bits import Binning, Ints, area, checked_rows, frequencies
from phalanx.quantum.routines._limits import MAX_DRAWN_ROWS, MAX_STEPS

_UNIT = "numbers of the model"
_SMOOTHING = 0.5
_LEAST_ROWS = 20
_CLAIM = (
    "a small model of a few bits of each row, trained by simulation; a tree of dependencies is trained in one pass and "
    "is as good or better at these sizes"
)


class BornMachine:
    """A circuit that draws numbers of ``n_bits``."""

    def __init__(self, layers: Layers, angles: Floats) -> None:
        self._layers, self.angles = layers, angles

    @classmethod
    def fitted(cls, target: Floats, *, layers: int, steps: int, seed: int) -> "BornMachine":
        """Trained on frequencies (2^n,)."""
        n_bits = target.size.bit_length() - 1
        circuit = Layers(n_bits, layers)
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
    draws: int = 1_000, others: Floats | None = None,
) -> Answer:  # fmt: skip
    """``draws`` synthetic rows like ``rows``, which are attacks. ``others`` are rows of the other kind, for utility.

    A third of each is held out and judges. Raises ``InvalidInput``.
    """
    rows = checked_rows(rows, "rows")
    if len(rows) < _LEAST_ROWS or (others is not None and len(others) < _LEAST_ROWS):
        raise InvalidInput("rows", f"{_LEAST_ROWS} at least of each kind")
    for field, value, most in (("steps", steps, MAX_STEPS), ("draws", draws, MAX_DRAWN_ROWS)):
        if not 1 <= value <= most:
            raise InvalidInput(field, f"lies in [1, {most}], got {value}")
    rng = Rng(seed).child("generate")
    trained, held = _split(rows, rng.child("rows"))
    binning = Binning.of(trained, columns=columns, bits_each=bits_each)
    seen, unseen = binning.indices(trained), binning.indices(held)
    target = frequencies(seen, binning.n_bits)
    machine = BornMachine.fitted(target, layers=layers, steps=steps, seed=seed)
    models = {
        "born machine": machine.chances(),
        "tree of dependencies": tree_chances(seen, binning.n_bits),
        "independent columns": _independent(seen, binning),
    }
    sizes = {
        "born machine": machine.angles.size, "tree of dependencies": 2 * binning.n_bits - 1,
        "independent columns": columns * ((1 << bits_each) - 1),
    }  # fmt: skip
    normal = None if others is None else _split(checked_rows(others, "others"), rng.child("others"))
    judged: dict[str, dict[str, Any]] = {}
    drawn: dict[str, Ints] = {}
    for name, chances in models.items():
        drawn[name] = rng.child(name).numpy().choice(chances.size, size=draws, p=chances)
        judged[name] = _judged(chances, drawn[name], seen, unseen)
        if normal is not None:
            judged[name]["utility"] = _utility(drawn[name], binning, normal, unseen)
    if normal is not None:
        judged["real rows"] = {"utility": _utility(seen, binning, normal, unseen)}
    distance = {name: 0.5 * float(np.abs(chances - frequencies(unseen, binning.n_bits)).sum())
                for name, chances in models.items()}  # fmt: skip
    classical = tuple(
        Baseline(method=name, value=distance[name], error=0.0, cost=sizes[name], cost_unit=_UNIT)
        for name in ("tree of dependencies", "independent columns")
    )
    return Answer(
        routine="synthetic-traffic",
        found={
            "columns": binning.columns.tolist(), "rows": binning.rows(drawn["born machine"]).tolist(),
            "judged": judged, "bits": binning.n_bits, "distance": distance,
            "distance_of_trained": 0.5 * float(np.abs(target - frequencies(unseen, binning.n_bits)).sum()),
        },
        quantum=Baseline(
            method=f"born machine, {layers} layers", value=distance["born machine"], error=0.0,
            cost=machine.angles.size, cost_unit=_UNIT,
        ),
        classical=classical, agrees=distance["born machine"] <= min(one.value for one in classical) + 1e-12,
        claim=_CLAIM, provenance=simulated(seed, classical, shots=draws),
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


def _judged(chances: Floats, drawn: Ints, seen: Ints, unseen: Ints) -> dict[str, Any]:
    known = np.isin(np.arange(chances.size), seen)
    both = np.concatenate([seen, unseen])
    members = np.arange(len(both)) < len(seen)
    return {
        "membership_area": area(np.log(np.maximum(chances[both], 1e-300)), members),
        "drawn_like_trained": float(known[drawn].mean()), "held_out_like_trained": float(known[unseen].mean()),
        "surprise_held_out_bits": float(-np.log2(np.maximum(chances[unseen], 1e-12)).mean()),
    }  # fmt: skip


def _utility(attacks: Ints, binning: Binning, normal: tuple[Floats, Floats], unseen: Ints) -> float:
    """The area reached on real rows by the ratio of frequencies, learned from these attacks and real others."""
    others, judges = (binning.indices(rows) for rows in normal)
    smooth = 1.0 / (1 << binning.n_bits)
    ratio = np.log(frequencies(attacks, binning.n_bits) + smooth) - np.log(frequencies(others, binning.n_bits) + smooth)
    both = np.concatenate([unseen, judges])
    return area(ratio[both], np.arange(len(both)) < len(unseen))


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
