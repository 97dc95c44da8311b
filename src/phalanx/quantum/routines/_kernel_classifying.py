"""Two classes told apart by a machine on a quantum kernel, beside the same machine on a Gaussian kernel, and stumps.

Both kernels see the same components and have grids of the same size, chosen by the same cross-validation; scores become
probabilities by a logistic curve fitted on the scores held out in it.
"""

import numpy as np

from phalanx.core import Baseline, InvalidInput, LimitExceeded
from phalanx.quantum.routines._ansatz import Floats
from phalanx.quantum.routines._answer import Answer, simulated
from phalanx.quantum.routines._bits import area
from phalanx.quantum.routines._classifying import Labels, boosted_stumps, checked, components, logistic
from phalanx.quantum.routines._kernels import PhaseKernel, RidgeMachine, gaussian_kernel
from phalanx.quantum.routines._limits import MAX_FEATURES, MAX_KERNEL_FIT_ROWS

_FOLDS, _STUMPS = 5, 300
_WIDTHS, _RIDGES = 5, (1e-2, 1e-1, 1.0)
_UNIT = "kernel entries"
_CLAIM = (
    "the kernel is simulated; once the width of a Gaussian kernel is chosen as carefully it tells classes apart as "
    "well, and on a device every entry would cost shots"
)


def classify_by_kernel(
    rows: Floats, labels: Labels, asked: Floats, *, seed: int, truth: Labels | None = None, qubits: int = 6
) -> Answer:
    """The probability of the first class for each row that is asked about. With ``truth`` each method is judged."""
    rows, asked, known, so = checked(rows, labels, asked, truth)
    if len(rows) > MAX_KERNEL_FIT_ROWS:
        raise LimitExceeded("rows that a kernel machine learns from", maximum=MAX_KERNEL_FIT_ROWS, seen=len(rows))
    if not 1 <= qubits <= MAX_FEATURES:
        raise InvalidInput("qubits", f"lie in [1, {MAX_FEATURES}], got {qubits}")
    ours, theirs = components(rows, asked, min(qubits, rows.shape[1]))
    folds = np.random.default_rng(seed).permutation(len(rows)) % _FOLDS
    odds: dict[str, Floats] = {}
    for name, widths in (("quantum kernel", np.geomspace(0.05, 1.0, _WIDTHS)),
                         ("gaussian kernel", np.geomspace(0.5, 8.0, _WIDTHS))):  # fmt: skip
        odds[name] = _by_kernel(name, widths, ours, known, theirs, folds)
    odds["boosted stumps"] = boosted_stumps(rows, known, asked)
    chances = {name: (1 / (1 + np.exp(-np.clip(one, -60, 60)))).tolist() for name, one in odds.items()}
    right = {name: 0.0 if so is None else float(((one > 0) == so).mean()) for name, one in odds.items()}
    entries = len(rows) * (len(rows) * _WIDTHS + len(asked))
    classical = tuple(
        Baseline(method=name, value=right[name], error=0.0, cost=cost, cost_unit=_UNIT)
        for name, cost in (("gaussian kernel", entries), ("boosted stumps", 0))
    )
    return Answer(
        routine="kernel-classification",
        found={
            "probability": chances["quantum kernel"], "probability_by": chances,
            "accuracy": right if so is not None else {}, "qubits": ours.shape[1],
            "areas": {} if so is None else {name: area(one, so) for name, one in odds.items()},
        },
        quantum=Baseline(
            method=f"quantum kernel, {ours.shape[1]} qubits", value=right["quantum kernel"], error=0.0, cost=entries,
            cost_unit=_UNIT,
        ),
        classical=classical, agrees=right["quantum kernel"] >= max(one.value for one in classical) - 1e-12,
        claim=_CLAIM, provenance=simulated(seed, classical),
    )  # fmt: skip


def _by_kernel(
    name: str, widths: Floats, rows: Floats, known: "np.typing.NDArray[np.bool_]", asked: Floats,
    folds: "np.typing.NDArray[np.int64]",
) -> Floats:  # fmt: skip
    """Log-odds by the width and ridge that are best on rows held out."""

    def kernel(width: float, ours: Floats, others: Floats) -> Floats:
        if name == "quantum kernel":
            return PhaseKernel(ours.shape[1], bandwidth=width, pairs="chain").matrix(ours, others)
        return gaussian_kernel(ours, others, width=width)

    best: tuple[float, float, float, Floats] | None = None
    for width in widths.tolist():
        matrix = kernel(width, rows, rows)
        for ridge in _RIDGES:
            scores = np.zeros(len(rows))
            for fold in range(_FOLDS):
                out = folds == fold
                machine = RidgeMachine(matrix[np.ix_(~out, ~out)], known[~out], ridge=ridge)
                scores[out] = machine.scores(matrix[np.ix_(out, ~out)])
            worth = area(scores, known)
            if best is None or worth > best[0]:
                best = worth, width, ridge, scores
    assert best is not None
    _, width, ridge, held = best
    machine = RidgeMachine(kernel(width, rows, rows), known, ridge=ridge)
    return logistic(held[:, None], known, machine.scores(kernel(width, asked, rows))[:, None])
