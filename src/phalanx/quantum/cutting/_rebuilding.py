"""The mean of an observable from the pieces of a circuit: every piece under every setting of its cuts, contracted."""

from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_letters

import numpy as np

from phalanx.core import Circuit, InvalidInput, LimitExceeded, Provenance, Rng
from phalanx.quantum import simulate
from phalanx.quantum._canonical import write
from phalanx.quantum._circuits import Gates
from phalanx.quantum._gates import Op
from phalanx.quantum._observables import Observable
from phalanx.quantum._shots import ShotRunner
from phalanx.quantum.cutting._decomposing import Floats
from phalanx.quantum.cutting._finding import CutPlan
from phalanx.quantum.cutting._limits import BOOTSTRAP_DRAWS, MAX_CUT_CIRCUITS
from phalanx.quantum.cutting._pieces import NAMES, Piece, Setting, TakingApart, settings_of

_BITS = 63
Means = Callable[[Setting], tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutMean:
    """``error`` is the standard error of drawing shots; ``circuits`` and ``shots`` are what was run."""

    value: float
    error: float
    plan: CutPlan
    circuits: int
    shots: int
    provenance: tuple[Provenance, ...]


class Pieces:
    """A plan's pieces with what is asked of them."""

    def __init__(self, plan: CutPlan, observable: Observable) -> None:
        if observable.n_qubits > plan.n_qubits:
            raise InvalidInput("observable", f"names qubit {observable.n_qubits - 1} of {plan.n_qubits}")
        self.plan, self.observable = plan, observable
        self._pieces = TakingApart(plan).pieces()
        self.circuits = sum(
            len({self._letters(piece, term) for term in range(len(observable.terms))})
            * int(np.prod([len(NAMES[slot.kind]) for slot in piece.slots]))
            for piece in self._pieces
        )

    def mean(self, ask: Means) -> tuple[Floats, list[tuple[list[str], list[Floats], list[Floats]]]]:
        """The mean of each term by means of settings, and all that it was made of: indices, means, errors."""
        known: dict[tuple[int, tuple[tuple[int, str], ...]], tuple[Floats, Floats]] = {}
        made = []
        for term in range(len(self.observable.terms)):
            tensors, errors, names = [], [], []
            for at, piece in enumerate(self._pieces):
                key = (at, self._letters(piece, term))
                if key not in known:
                    known[key] = self._tensor(piece, dict(key[1]), ask)
                tensors.append(known[key][0])
                errors.append(known[key][1])
                names.append("".join(ascii_letters[2 * slot.cut + slot.right] for slot in piece.slots))
            made.append((names, tensors, errors))
        return np.array([self.contracted(names, tensors) for names, tensors, _ in made]), made

    def contracted(self, names: list[str], tensors: list[Floats]) -> float:
        pairs = [ascii_letters[2 * at : 2 * at + 2] for at in range(len(self.plan.cuts))]
        weights = [cut.weights for cut in self.plan.cuts]
        return float(np.einsum(",".join([*names, *pairs]) + "->", *tensors, *weights, optimize=bool(pairs)))

    def _letters(self, piece: Piece, term: int) -> tuple[tuple[int, str], ...]:
        return tuple(
            (piece.holds[qubit], letter)
            for qubit, letter in self.observable.terms[term][1]
            if qubit in piece.holds
        )  # fmt: skip

    def _tensor(self, piece: Piece, letters: dict[int, str], ask: Means) -> tuple[Floats, Floats]:
        shape = tuple(len(NAMES[slot.kind]) for slot in piece.slots)
        values, errors = np.empty(shape), np.empty(shape)
        for setting, at in settings_of(piece, letters):
            values[at], errors[at] = ask(setting)
        return values, errors


def exact_mean(plan: CutPlan, observable: Observable) -> float:
    """The mean from the pieces, each on an ideal machine without drawing: what cutting is checked by."""
    pieces = _checked(plan, observable)
    means, _ = pieces.mean(lambda setting: (_exact(setting), 0.0))
    return float(means @ [weight for weight, _ in observable.terms])


async def cut_mean(plan: CutPlan, observable: Observable, *, run: ShotRunner, shots: int, seed: int) -> CutMean:
    """The mean from the pieces on devices, ``shots`` for each circuit."""
    pieces = _checked(plan, observable)
    rng = Rng(seed).child("cut")
    answers: list[tuple[float, float]] = []
    told: list[Provenance] = []
    asked: list[Setting] = []

    def collect(setting: Setting) -> tuple[float, float]:
        asked.append(setting)
        return 0.0, 0.0

    pieces.mean(collect)
    for at, setting in enumerate(asked):
        if not setting.bits:
            answers.append((1.0, 0.0))
            continue
        found = await run(write(setting.steps), shots=shots, seed=rng.child(str(at)).bits(_BITS))
        total = sum(found.counts.values())
        mean = sum((-1) ** sum(int(key[bit]) for bit in setting.bits) * n for key, n in found.counts.items()) / total
        answers.append((mean, float(np.sqrt(max(0.0, 1 - mean**2) / total))))
        told.append(found.provenance)
    given = iter(answers)
    means, made = pieces.mean(lambda _: next(given))
    weights = np.array([weight for weight, _ in observable.terms])
    return CutMean(
        value=float(means @ weights), error=_spread(pieces, made, weights, rng), plan=plan, circuits=len(told),
        shots=shots * len(told), provenance=_by_device(told, seed),
    )  # fmt: skip


def _spread(
    pieces: Pieces, made: list[tuple[list[str], list[Floats], list[Floats]]], weights: Floats, rng: Rng
) -> float:
    """The standard error of the sum, by drawing every mean anew. A tensor that terms share is drawn once for all."""
    draw = rng.child("errors").numpy()
    again = []
    for _ in range(BOOTSTRAP_DRAWS):
        moved: dict[int, Floats] = {}
        for _, tensors, errors in made:
            for tensor, error in zip(tensors, errors, strict=True):
                if id(tensor) not in moved:
                    moved[id(tensor)] = tensor + error * draw.normal(size=tensor.shape)
        terms = [pieces.contracted(names, [moved[id(one)] for one in tensors]) for names, tensors, _ in made]
        again.append(float(np.array(terms) @ weights))
    return float(np.std(again))


def _by_device(told: list[Provenance], seed: int) -> tuple[Provenance, ...]:
    groups: dict[tuple[object, ...], list[Provenance]] = {}
    for one in told:
        groups.setdefault((one.origin, one.device, one.mitigation, one.calibrated_at_ns), []).append(one)
    return tuple(
        Provenance(
            origin=group[0].origin, device=group[0].device, shots=sum(one.shots for one in group), seed=seed,
            circuits=tuple(dict.fromkeys(digest for one in group for digest in one.circuits)),
            mitigation=", ".join(filter(None, [group[0].mitigation, "circuit cut"])),
            calibrated_at_ns=group[0].calibrated_at_ns,
        )
        for group in groups.values()
    )  # fmt: skip


def _checked(plan: CutPlan, observable: Observable) -> Pieces:
    pieces = Pieces(plan, observable)
    if pieces.circuits > MAX_CUT_CIRCUITS:
        raise LimitExceeded("circuits of pieces", maximum=MAX_CUT_CIRCUITS, seen=pieces.circuits)
    return pieces


def _exact(setting: Setting) -> float:
    """The mean of a setting; signs that are measured on the way are put onto qubits of their own."""
    if not setting.bits:
        return 1.0
    steps = setting.steps
    measured = [step for step in steps.steps if step.name == "measure"]
    gates = Gates(steps.n_qubits + len(measured))
    for step in steps.steps:
        if step.name == "measure":
            gates.add(Op("cx", (step.qubits[0], steps.n_qubits + step.bit)))
        else:
            gates.add(Op(step.name, step.qubits, step.params))
    weights = simulate.probabilities(gates.measure(*(steps.n_qubits + bit for bit in setting.bits)))
    signs = np.array([(-1) ** int(at).bit_count() for at in range(weights.size)])
    return float(signs @ weights)


def circuits_of(plan: CutPlan, observable: Observable) -> list[Circuit]:
    """Every circuit that ``cut_mean`` runs."""
    found: list[Circuit] = []

    def collect(setting: Setting) -> tuple[float, float]:
        if setting.bits:
            found.append(write(setting.steps))
        return 0.0, 0.0

    _checked(plan, observable).mean(collect)
    return found
