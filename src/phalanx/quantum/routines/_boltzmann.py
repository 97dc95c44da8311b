"""What is unlike the usual: a quantum Boltzmann machine beside a classical one, and an isolation forest.

The machine is the thermal state of spins with fields, couplings and a transverse field (Amin et al. 2018), all of them
visible. It is trained by relative entropy with the pure state of the rows' frequencies (Kappen 2020), which is convex
and has the plain gradient: means under the rows less means under the machine. The state is diagonalised, so bits are
few. A row is as unusual as it is improbable. Without the transverse field it is the classical machine, trained alike.
The forest (Liu, Ting, Zhou 2008) sees the rows' numbers themselves.
"""

from collections.abc import Sequence

import numpy as np

from phalanx.core import Baseline, InvalidInput, LimitExceeded, Rng
from phalanx.quantum.routines._ansatz import Adam, Floats
from phalanx.quantum.routines._answer import Answer, simulated
from phalanx.quantum.routines._bits import Binning, area, checked_rows, frequencies
from phalanx.quantum.routines._limits import MAX_BOLTZMANN_BITS, MAX_STEPS
from phalanx.quantum.routines._transforms import bits_of

_UNIT = "numbers of the model"
_TREES, _SAMPLE = 100, 256
_SMOOTHING = 1e-3
_EULER = 0.5772156649
_CLAIM = (
    "a thermal state of a few spins, simulated by diagonalising it; what the transverse field adds to a classical "
    "machine is small, and an isolation forest sees numbers where these see bits"
)


class BoltzmannMachine:
    """``chances`` (2^n,) is how probable each number of n bits is."""

    def __init__(self, chances: Floats, n_parameters: int) -> None:
        self.chances, self.n_parameters = chances, n_parameters

    @classmethod
    def fitted(cls, target: Floats, *, quantum: bool, steps: int = 100) -> "BoltzmannMachine":
        """Trained on frequencies (2^n,), from fields and couplings of zero: nothing is drawn."""
        n = target.size.bit_length() - 1
        if n > MAX_BOLTZMANN_BITS:
            raise LimitExceeded("bits of a Boltzmann machine", maximum=MAX_BOLTZMANN_BITS, seen=n)
        target = (1 - _SMOOTHING) * target + _SMOOTHING / target.size
        spins = 1.0 - 2.0 * bits_of(n).astype(np.float64)
        pairs = [(j, k) for j in range(n) for k in range(j + 1, n)]
        features = np.concatenate([spins, np.stack([spins[:, j] * spins[:, k] for j, k in pairs], axis=1)], axis=1) \
            if pairs else spins  # fmt: skip
        flips = np.arange(target.size)[:, None] ^ (1 << np.arange(n - 1, -1, -1))
        state = np.sqrt(target)
        wanted = np.concatenate([target @ features, (state[:, None] * state[flips]).sum(axis=0) if quantum else []])
        weights = np.zeros(wanted.size)
        adam = Adam(weights.size, rate=0.1)
        for _ in range(steps):
            chances, transverse = _thermal(weights, features, flips, quantum=quantum)
            means = np.concatenate([chances @ features, transverse])
            weights = weights - adam.step(means - wanted)
        return cls(_thermal(weights, features, flips, quantum=quantum)[0], weights.size)


def find_novelties(
    usual: Floats, rows: Floats, *, seed: int, columns: int = 3, bits_each: int = 2, steps: int = 100,
    labels: Sequence[bool] | None = None, worst: int = 20,
) -> Answer:  # fmt: skip
    """How unlike ``usual`` rows each of ``rows`` is; the ``worst`` are named. With ``labels`` each method is judged."""
    usual, rows = checked_rows(usual, "usual"), checked_rows(rows, "rows")
    if usual.shape[1] != rows.shape[1]:
        raise InvalidInput("rows", f"have {usual.shape[1]} columns as the usual ones, got {rows.shape[1]}")
    if labels is not None and len(labels) != len(rows):
        raise InvalidInput("labels", f"{len(rows)} of them, got {len(labels)}")
    if not 1 <= steps <= MAX_STEPS:
        raise InvalidInput("steps", f"lie in [1, {MAX_STEPS}], got {steps}")
    binning = Binning.of(usual, columns=columns, bits_each=bits_each)
    target = frequencies(binning.indices(usual), binning.n_bits)
    asked = binning.indices(rows)
    scores: dict[str, Floats] = {}
    sizes: dict[str, int] = {}
    for name, quantum in (("quantum boltzmann machine", True), ("classical boltzmann machine", False)):
        machine = BoltzmannMachine.fitted(target, quantum=quantum, steps=steps)
        scores[name], sizes[name] = -np.log2(machine.chances[asked]), machine.n_parameters
    scores["isolation forest"] = isolation(usual, rows, Rng(seed).child("forest"))
    sizes["isolation forest"] = _TREES * min(_SAMPLE, len(usual))
    truth = None if labels is None else np.asarray(labels, dtype=bool)
    areas = {name: area(one, truth) if truth is not None else 0.0 for name, one in scores.items()}
    ours = scores["quantum boltzmann machine"]
    order = np.argsort(-ours, kind="stable")[:worst]
    forest = set(np.argsort(-scores["isolation forest"], kind="stable")[:worst].tolist())
    classical = tuple(
        Baseline(method=name, value=areas[name], error=0.0, cost=sizes[name], cost_unit=_UNIT)
        for name in ("classical boltzmann machine", "isolation forest")
    )
    return Answer(
        routine="novelty",
        found={
            "worst": order.tolist(), "surprise_bits": ours.tolist(), "areas": areas if truth is not None else {},
            "scores_by": {name: one.tolist() for name, one in scores.items()},
            "columns": binning.columns.tolist(), "bits": binning.n_bits,
            "worst_shared_with_forest": len(forest & set(order.tolist())) / max(1, len(order)),
        },
        quantum=Baseline(
            method="quantum boltzmann machine", value=areas["quantum boltzmann machine"], error=0.0,
            cost=sizes["quantum boltzmann machine"], cost_unit=_UNIT,
        ),
        classical=classical,
        agrees=areas["quantum boltzmann machine"] >= max(one.value for one in classical) - 1e-12,
        claim=_CLAIM, provenance=simulated(seed, classical),
    )  # fmt: skip


def isolation(usual: Floats, rows: Floats, rng: Rng) -> Floats:
    """(rows,): how early each is alone in random trees grown on ``usual``; nearer one is more unusual."""
    draw = rng.numpy()
    size = min(_SAMPLE, len(usual))
    most = max(1, int(np.ceil(np.log2(max(size, 2)))))
    depth = np.zeros(len(rows))
    for _ in range(_TREES):
        sample = usual[draw.choice(len(usual), size=size, replace=False)]
        todo = [(sample, np.arange(len(rows)), 0)]
        while todo:
            inside, asked, level = todo.pop()
            if not len(asked):
                continue
            low, high = (inside.min(axis=0), inside.max(axis=0)) if len(inside) else (np.zeros(0), np.zeros(0))
            wide = np.flatnonzero(high > low)
            if level >= most or len(inside) <= 1 or not wide.size:
                depth[asked] += level + _path(len(inside))
                continue
            column = int(draw.choice(wide))
            at = draw.uniform(low[column], high[column])
            left, under = inside[:, column] < at, rows[asked, column] < at
            todo += [(inside[left], asked[under], level + 1), (inside[~left], asked[~under], level + 1)]
    return np.asarray(2.0 ** (-depth / _TREES / _path(size)))


def _path(size: int) -> float:
    """The mean depth of a search that fails in a tree of so many."""
    if size <= 1:
        return 0.0
    return 1.0 if size == 2 else 2 * (np.log(size - 1) + _EULER) - 2 * (size - 1) / size


def _thermal(
    weights: Floats, features: Floats, flips: "np.typing.NDArray[np.int64]", *, quantum: bool
) -> tuple[Floats, Floats]:
    """Chances of all numbers, and the means of the transverse fields; the weights are of −H."""
    n_diagonal = features.shape[1]
    energy = features @ weights[:n_diagonal]
    if not quantum:
        found = np.exp(energy - energy.max())
        return found / found.sum(), np.zeros(0)
    whole = np.diag(energy)
    rows = np.arange(len(energy))
    for at in range(flips.shape[1]):
        whole[rows, flips[:, at]] += weights[n_diagonal + at]
    levels, states = np.linalg.eigh(whole)
    heat = np.exp(levels - levels.max())
    heat /= heat.sum()
    rho = (states * heat) @ states.T
    transverse = rho[rows[:, None], flips].sum(axis=0)
    return np.maximum(np.diag(rho), 1e-300), transverse
