"""The mean of an observable from the circuits of whoever runs circuits: no machine has to be known."""

import asyncio
from dataclasses import dataclass

import numpy as np

from phalanx.core import Circuit, InvalidInput, Provenance, Rng
from phalanx.quantum import simulate
from phalanx.quantum._arrays import steps_of
from phalanx.quantum._canonical import MEASURE, is_static
from phalanx.quantum._circuits import Gates
from phalanx.quantum._gates import Op, shape_of
from phalanx.quantum._observables import Observable, into_z
from phalanx.quantum._shots import ShotRunner
from phalanx.quantum.mitigation._readout import parities

_BITS = 63
_EXACT_QUBITS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean, and what it is without mitigation; errors are standard errors of drawing shots.

    ``shots`` is all that was drawn for ``value``, in ``circuits`` circuits. ``exact`` is the mean on an ideal machine,
    where it was computed.
    """

    value: float
    error: float
    plain: float
    plain_error: float
    exact: float | None
    circuits: int
    shots: int
    mitigation: str
    provenance: tuple[Provenance, ...]

    @property
    def benefit(self) -> float | None:
        """How much nearer mitigation came to the exact mean: below zero, it harmed. None where there was none."""
        if self.exact is None or not self.mitigation:
            return None
        return abs(self.plain - self.exact) - abs(self.value - self.exact)


@dataclass(frozen=True, slots=True)
class Asked:
    """One circuit, and the terms it answers, each by the bits whose parity it is."""

    circuit: Circuit
    bits: tuple[tuple[int, ...], ...]
    places: tuple[int, ...]


def asked_circuits(circuit: Circuit, observable: Observable) -> list[Asked]:
    """A circuit for each group of terms that can be read together. Raises ``InvalidInput``, which names the field."""
    steps = steps_of(circuit)
    if not is_static(steps.steps):
        raise InvalidInput("circuit", "what measures in between, resets or decides has no mean to mitigate")
    if observable.n_qubits > steps.n_qubits:
        raise InvalidInput("observable", f"names qubit {observable.n_qubits - 1} of {steps.n_qubits}")
    gates = [Op(step.name, step.qubits, step.params) for step in steps.steps if shape_of(step.name) is not None]
    found = []
    for places in observable.groups():
        letters = observable.letters(places)
        qubits = list(letters)
        whole = Gates(steps.n_qubits).extend([*gates, *into_z(letters)]).measure(*qubits)
        bits = tuple(tuple(qubits.index(q) for q, _ in observable.terms[place][1]) for place in places)
        found.append(Asked(whole.circuit(), bits, tuple(places)))
    if not found:
        raise InvalidInput("observable", "it is a number: there is nothing to measure")
    return found


async def mean_by(run: ShotRunner, circuit: Circuit, observable: Observable, *, shots: int, seed: int) -> Mean:
    """The mean from circuits that ``run`` runs, begun together; ``shots`` for each. ``exact`` is left to the caller."""
    asked, rng = asked_circuits(circuit, observable), Rng(seed).child("mean")
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(run(one.circuit, shots=shots, seed=rng.child(str(at)).bits(_BITS)))
                for at, one in enumerate(asked)
            ]
    except ExceptionGroup as failures:  # What is wrong with one is told as it is: a step acts on what it is.
        raise failures.exceptions[0] from failures.exceptions[0].__cause__
    means = np.zeros((len(observable.terms), 2))
    for one, task in zip(asked, tasks, strict=True):
        means[list(one.places)] = [parities(task.result().counts, bits, None) for bits in one.bits]
    weights = np.array([weight for weight, _ in observable.terms])
    value, error = float(observable.constant + means[:, 0] @ weights), float(np.sqrt(means[:, 1] ** 2 @ weights**2))
    sources = tuple(dict.fromkeys(task.result().provenance for task in tasks))
    return Mean(
        value=value, error=error, plain=value, plain_error=error, exact=None, circuits=len(asked),
        shots=shots * len(asked), mitigation="", provenance=sources,
    )  # fmt: skip


def exact_value(circuit: Circuit, observable: Observable) -> float | None:
    """The mean on an ideal machine; none where the circuit is too wide to be computed."""
    steps = steps_of(circuit)
    if steps.n_qubits > _EXACT_QUBITS:
        return None
    gates = Gates(steps.n_qubits)
    gates.ops = [
        Op(step.name, step.qubits, step.params)
        for step in steps.steps
        if step.name != MEASURE and shape_of(step.name) is not None
    ]
    return observable.exact(simulate.statevector(gates))
