"""Circuits that do the same with more noise: gates done, undone and done again (Giurgica-Tiron et al. 2020).

Barriers keep whoever compiles the circuit from seeing that most of it is undone.
"""

import math

from phalanx.core import InvalidInput, Rng
from phalanx.quantum._canonical import BARRIER, MEASURE, RESET, Step, Steps, is_static
from phalanx.quantum.circuits._aliases import inverse

FOLDINGS = ("local", "whole")


def folded(steps: Steps, scale: float, *, how: str = "local", rng: Rng) -> Steps:
    """About ``scale`` times as many two-qubit gates, by folding each (``local``) or the whole circuit.

    Between odd scales, as many gates as make up the rest are folded once more: drawn, or the last ones of the whole.
    Measurements stay last. Raises ``InvalidInput`` where the circuit decides or resets.
    """
    if how not in FOLDINGS:
        raise InvalidInput("folding", f"{how!r} is none of {', '.join(FOLDINGS)}")
    if not 1 <= scale <= 25:
        raise InvalidInput("scale", f"lies in [1, 25], got {scale}")
    if not is_static(steps.steps):
        raise InvalidInput("circuit", "what measures in between, resets or decides cannot be folded")
    gates = [step for step in steps.steps if step.name not in (MEASURE, RESET)]
    last = [step for step in steps.steps if step.name == MEASURE]
    made = _local(gates, scale, rng) if how == "local" else _whole(gates, scale)
    return Steps(steps.n_qubits, steps.n_bits, [*made, *last])


def _local(gates: list[Step], scale: float, rng: Rng) -> list[Step]:
    twos = [at for at, step in enumerate(gates) if _folds(step)]
    times, rest = divmod((scale - 1) / 2, 1)
    once_more = set(rng.sample(twos, round(rest * len(twos)))) if twos else set()
    made: list[Step] = []
    for at, step in enumerate(gates):
        made.append(step)
        if _folds(step):
            for _ in range(int(times) + (at in once_more)):
                made += [_fence(step.qubits), *_undone([step]), _fence(step.qubits), step]
    return made


def _whole(gates: list[Step], scale: float) -> list[Step]:
    qubits = tuple(sorted({qubit for step in gates for qubit in step.qubits}))
    times, rest = divmod((scale - 1) / 2, 1)
    made = list(gates)
    for _ in range(int(times)):
        made += [_fence(qubits), *_undone(gates), _fence(qubits), *gates]
    twos = [at for at, step in enumerate(gates) if _folds(step)]
    n_rest = round(rest * len(twos))
    if n_rest:
        tail = gates[twos[-n_rest] :]
        made += [_fence(qubits), *_undone(tail), _fence(qubits), *tail]
    return made


def _folds(step: Step) -> bool:
    return step.name != BARRIER and len(step.qubits) > 1


def _fence(qubits: tuple[int, ...]) -> Step:
    return Step(BARRIER, tuple(sorted(qubits)))


def _undone(gates: list[Step]) -> list[Step]:
    made: list[Step] = []
    for step in reversed(gates):
        if step.name == BARRIER:
            made.append(step)
        elif step.name == "sx":
            # In the gates that machines have: Z commutes it into its inverse, up to a phase.
            made += [Step("rz", step.qubits, (math.pi,)), step, Step("rz", step.qubits, (-math.pi,))]
        else:
            made += [
                Step(name, tuple(step.qubits[at] for at in places), params)
                for name, places, params in inverse(step.name, step.params)
            ]
    return made
