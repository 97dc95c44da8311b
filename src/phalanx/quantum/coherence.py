"""What can be done so that a circuit stays coherent on a machine, each with what it keeps and what it costs.

A strategy is a name that a step can ask for (``applied`` gives the machine that does it). What each keeps is told
twice: ``survival`` is the estimated success probability of the circuit as it is laid out, and ``share`` that over the
best attainable on the machine, the same gates and readings without any waiting. Estimates know random errors only;
what decoupling is for, slow drift, shows in ``fidelity``: of the emulated outcomes with the ideal ones, where the
circuit is small enough. Cutting multiplies shots by ``overhead``.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from phalanx.core import Circuit, InvalidInput, LimitExceeded
from phalanx.quantum import simulate
from phalanx.quantum._circuits import parse
from phalanx.quantum._limits import MAX_DENSITY_QUBITS
from phalanx.quantum._observables import Observable
from phalanx.quantum.cutting import circuits_of, find_cuts
from phalanx.quantum.emulation import SEQUENCES, Machine
from phalanx.quantum.mapping import Noise, estimated_success

AS_ROUTED, BY_NOISE = "as-routed", "layout-by-noise"
NAMES = (AS_ROUTED, BY_NOISE, *(f"decoupling-{name}" for name in SEQUENCES))
_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One way, with what it keeps. ``fidelity`` is none where the circuit is too wide to emulate exactly."""

    name: str
    survival: float
    share: float
    duration_ns: float
    fidelity: float | None
    overhead: float = 1.0
    reason: str = ""


def applied(name: str, machine: Machine) -> Machine:
    """The machine that runs circuits by a strategy of ``NAMES``. Raises ``InvalidInput``."""
    if name == AS_ROUTED:
        return replace(machine, trials=1)
    if name == BY_NOISE:
        return machine
    sequence = name.removeprefix("decoupling-")
    if name not in NAMES:
        raise InvalidInput("strategy", f"{name!r} is none of {', '.join(NAMES)}")
    return replace(machine, decoupling=sequence)


def strategies(circuit: Circuit, machine: Machine, *, cut_to: int = 0) -> tuple[Strategy, ...]:
    """Every strategy for a circuit that measures at its end, the one that keeps most first.

    With ``cut_to`` also the circuit in pieces of so many qubits, where that is within the bound of its overhead.
    """
    ideal = simulate.probabilities(parse(circuit)) if circuit.n_qubits <= MAX_DENSITY_QUBITS else None
    best = _attainable(machine.fitted(circuit), machine.noise)
    found = []
    for name in NAMES:
        way = applied(name, machine)
        fitted = way.fitted(circuit)
        success = estimated_success(fitted, machine.noise)
        survival = math.exp(success.log_probability)
        fidelity = None if ideal is None else _fidelity(way.chances(fitted, seed=_SEED), ideal)
        found.append(
            Strategy(
                name=name, survival=survival, share=min(1.0, survival / best), duration_ns=success.duration_ns,
                fidelity=fidelity, reason=_reason(name, machine),
            )
        )  # fmt: skip
    if cut_to:
        found += _cut(circuit, machine, cut_to)
    return tuple(sorted(found, key=lambda one: (-(one.fidelity or one.survival), one.overhead, one.name)))


def expected(circuit: Circuit, machine: Machine, *, name: str = BY_NOISE) -> tuple[float, float]:
    """What is expected to survive by a strategy, and what gates and readings of that layout alone would leave."""
    fitted = applied(name, machine).fitted(circuit)
    return math.exp(estimated_success(fitted, machine.noise).log_probability), _attainable(fitted, machine.noise)


def _cut(circuit: Circuit, machine: Machine, cut_to: int) -> list[Strategy]:
    try:
        plan = find_cuts(circuit, cut_to)
    except LimitExceeded:
        return []
    if not plan.cuts:
        return []
    every = Observable(((1.0, tuple((qubit, "Z") for qubit in range(circuit.n_qubits))),))
    successes = [estimated_success(machine.fitted(piece), machine.noise) for piece in circuits_of(plan, every)]
    # Each piece runs by itself: what has to survive is the worst of them, and for no longer than that takes.
    worst = min(successes, key=lambda one: one.log_probability)
    survival = math.exp(worst.log_probability)
    return [
        Strategy(
            name=f"cut-to-{cut_to}", survival=survival, share=1.0, duration_ns=worst.duration_ns, fidelity=None,
            overhead=plan.overhead, reason=plan.told(),
        )
    ]  # fmt: skip


def _attainable(fitted: Circuit, noise: Noise) -> float:
    """What gates and readings alone would leave."""
    forever = np.full(noise.n_qubits, np.inf)
    return math.exp(estimated_success(fitted, replace(noise, t1_ns=forever, t2_ns=forever)).log_probability)


def _fidelity(chances: "np.typing.NDArray[np.float64]", ideal: "np.typing.NDArray[np.float64]") -> float:
    return float(np.sqrt(np.maximum(chances, 0) * ideal).sum() ** 2)


def _reason(name: str, machine: Machine) -> str:
    if name == AS_ROUTED:
        return "one layout, as it comes"
    if name == BY_NOISE:
        return f"the best of {machine.trials} layouts by errors and readings"
    slow = machine.disturbance.slow_t2
    return "pulses undo slow drift" if slow else "no slow drift is assumed: pulses only add their errors"
