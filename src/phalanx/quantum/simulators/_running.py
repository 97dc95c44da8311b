"""Circuits run on the simulator that was chosen for them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.core import Circuit, LimitExceeded, Rng
from phalanx.quantum._arrays import GateArray, steps_of
from phalanx.quantum._canonical import Steps
from phalanx.quantum._circuits import Gates
from phalanx.quantum._errors import InvalidCircuit
from phalanx.quantum._limits import MAX_BOND, MAX_SHOTS
from phalanx.quantum.mapping import Noise
from phalanx.quantum.simulators._choosing import Choice, choose
from phalanx.quantum.simulators._tape import Tape, clifford_tape, compact, condition_arrays, finals
from phalanx.quantum.simulators._tensors import Chain

Bits = npt.NDArray[np.uint8]
Waits = npt.NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class Simulation:
    """``counts`` by the classical bits ``c0 c1 …`` in order of keys; only an mps has a ``truncation_error``."""

    counts: dict[str, int] = field(repr=False)
    choice: Choice
    truncation_error: float = 0.0


def plan(
    circuit: "Circuit | Gates | GateArray", *, shots: int = 1, noise: Noise | None = None, method: str | None = None,
    bond: int | None = None,
) -> Choice:  # fmt: skip
    """What ``run`` would use, why, and what it would take."""
    steps, _ = compact(steps_of(circuit))
    return choose(steps, shots=shots, noisy=noise is not None, method=method, bond=bond)


def run(
    circuit: "Circuit | Gates | GateArray | Steps", *, shots: int, rng: Rng, noise: Noise | None = None,
    method: str | None = None, bond: int | None = None, waits: npt.NDArray[np.float64] | None = None,
) -> Simulation:  # fmt: skip
    """Outcomes of ``shots`` runs. With ``noise`` the circuit is one mapped onto the device's own qubits.

    ``waits`` (steps, 2) is how long each step's qubits have waited, in ns; otherwise steps run as late as possible.
    Only qubits that anything happens to are simulated. Raises ``TooWide`` or ``LimitExceeded`` before memory is taken.
    """
    whole = steps_of(circuit)
    if not whole.n_bits:
        raise InvalidCircuit("nothing is measured")
    if not 1 <= shots <= MAX_SHOTS:
        raise LimitExceeded("shots of one run", maximum=MAX_SHOTS, seen=shots)
    steps, active = compact(whole)
    choice = choose(steps, shots=shots, noisy=noise is not None, method=method, bond=bond)
    generator = rng.child("simulators").numpy()
    if choice.method == "mps":
        bits, error = _chain(steps, shots, generator, bond or MAX_BOND)
        return Simulation(_counted(bits), choice, error)
    if choice.method == "stabiliser":
        bits = _stabiliser(steps, shots, generator)
    elif noise is not None:
        reduced = noise.only(np.array(active))
        noisy = _density if choice.method == "density" else _trajectories
        bits = noisy(steps, shots, generator, reduced, waits)
    else:
        bits = _statevector(steps, shots, generator)
    return Simulation(_counted(bits), choice)


def probabilities(
    circuit: "Circuit | Gates | GateArray | Steps", noise: Noise, *, waits: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """How likely each outcome is under noise, reading errors included, in order of keys: by density matrix.

    ``waits`` as in ``run``.
    """
    steps, active = compact(steps_of(circuit))
    choose(steps, shots=1, noisy=True, method="density")
    weights, last, wrong = _density_weights(steps, noise.only(np.array(active)), waits)
    if steps.n_bits != len(last):
        raise InvalidCircuit("some of the bits are never written")
    n = steps.n_qubits
    cube = weights.reshape((2,) * n)
    kept = [qubit for qubit, _ in sorted(last, key=lambda pair: pair[1])]
    cube = cube.sum(axis=tuple(q for q in range(n) if q not in kept))
    order = sorted(kept)
    cube = cube.transpose([order.index(q) for q in kept])
    for axis, (_, p) in enumerate(sorted(zip(last, wrong, strict=True), key=lambda pair: pair[0][1])):
        confusion = np.array([[1 - p, p], [p, 1 - p]])
        cube = np.moveaxis(np.tensordot(confusion, cube, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(cube).reshape(-1)


def _counted(bits: Bits) -> dict[str, int]:
    shots, width = bits.shape
    packed = np.packbits(bits, axis=1)
    rows, counts = np.unique(packed.view([("", packed.dtype)] * packed.shape[1]).reshape(-1), return_counts=True)
    found: Counter[str] = Counter()
    for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
        found["".join(f"{byte:08b}" for byte in row)[:width]] += count
    assert sum(found.values()) == shots
    return dict(sorted(found.items()))


def _written(shots: int, n_bits: int, last: list[tuple[int, int]], values: Bits) -> Bits:
    bits = np.zeros((shots, n_bits), dtype=np.uint8)
    for qubit, bit in last:
        bits[:, bit] = values[:, qubit]
    return bits


def _drawn(weights: npt.NDArray[np.float64], n: int, shots: int, generator: np.random.Generator) -> Bits:
    """(shots, n): qubits of indices drawn by weight."""
    total = np.cumsum(weights)
    index = np.searchsorted(total, generator.random(shots) * total[-1], side="right")
    index = np.minimum(index, len(weights) - 1)
    qubits: Bits = ((index[:, None] >> np.arange(n - 1, -1, -1)) & 1).astype(np.uint8)
    return qubits


def _statevector(steps: Steps, shots: int, generator: np.random.Generator) -> Bits:
    from phalanx.quantum.simulators._kernels import evolve

    rest, last = finals(steps.steps)
    n = steps.n_qubits
    tape = Tape(n)
    tape.steps(rest)
    if not last:
        return _shot_by_shot(tape, steps.n_bits, [], [], shots, generator)
    _, target, _, controls, matrix, *_ = tape.arrays()
    state = np.zeros(1 << n, dtype=np.complex128)
    state[0] = 1
    evolve(state, target, controls, matrix)
    return _written(shots, steps.n_bits, last, _drawn(state.real**2 + state.imag**2, n, shots, generator))


def _shot_by_shot(
    tape: Tape, n_bits: int, last: list[tuple[int, int]], wrong: list[float], shots: int, generator: np.random.Generator
) -> Bits:
    from phalanx.quantum.simulators._kernels import trajectories

    final = np.array([(tape.n - 1 - qubit, bit) for qubit, bit in last], dtype=np.int64).reshape(-1, 2)
    out = np.zeros((shots, n_bits), dtype=np.uint8)
    flips = np.array(wrong, dtype=np.float64)
    inputs: list[Any] = [*tape.arrays(), *condition_arrays(tape.conditions), final, flips, out, generator]
    trajectories(tape.n, *inputs)
    return out


def _trajectories(steps: Steps, shots: int, generator: np.random.Generator, noise: Noise, waits: Waits) -> Bits:
    from phalanx.quantum.simulators._noisy import noisy_tape

    tape, last, wrong = noisy_tape(steps, noise, density=False, waits=waits)
    return _shot_by_shot(tape, steps.n_bits, last, wrong, shots, generator)


def _density_weights(
    steps: Steps, noise: Noise, waits: Waits
) -> tuple[npt.NDArray[np.float64], list[tuple[int, int]], list[float]]:
    from phalanx.quantum.simulators._kernels import evolve_density
    from phalanx.quantum.simulators._noisy import noisy_tape

    tape, last, wrong = noisy_tape(steps, noise, density=True, waits=waits)
    n = steps.n_qubits
    rho = np.zeros(1 << (2 * n), dtype=np.complex128)
    rho[0] = 1
    evolve_density(n, rho, *tape.arrays()[:6])
    diagonal: Any = np.diagonal(rho.reshape(1 << n, 1 << n)).real
    return np.clip(diagonal, 0, None), last, wrong


def _density(steps: Steps, shots: int, generator: np.random.Generator, noise: Noise, waits: Waits) -> Bits:
    weights, last, wrong = _density_weights(steps, noise, waits)
    bits = _written(shots, steps.n_bits, last, _drawn(weights, steps.n_qubits, shots, generator))
    for (_, bit), p in zip(last, wrong, strict=True):
        bits[:, bit] ^= (generator.random(shots) < p).astype(np.uint8)
    return bits


def _stabiliser(steps: Steps, shots: int, generator: np.random.Generator) -> Bits:
    from phalanx.quantum.simulators._kernels_stabiliser import frames, reference

    compiled = clifford_tape(steps.steps)
    assert compiled is not None, "the choice was for Clifford gates"
    tape: Any = compiled[0]
    paulis, length = compiled[1], len(tape[0])
    taken, outcomes = np.zeros(length, dtype=np.uint8), np.zeros(length, dtype=np.uint8)
    seen = np.zeros(steps.n_bits, dtype=np.uint8)
    if paulis:
        inputs: list[Any] = [*tape, seen, taken, outcomes, generator]
        reference(steps.n_qubits, *inputs)
        words = np.zeros((steps.n_bits, (shots + 63) // 64), dtype=np.uint64)
        inputs = [*tape, taken, outcomes, words, generator]
        frames(steps.n_qubits, *inputs)
        columns: Bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, :shots]
        return np.ascontiguousarray(columns.T)
    bits = np.zeros((shots, steps.n_bits), dtype=np.uint8)
    for shot in range(shots):
        inputs = [*tape, bits[shot], taken, outcomes, generator]
        reference(steps.n_qubits, *inputs)
    return bits


def _chain(steps: Steps, shots: int, generator: np.random.Generator, bond: int) -> tuple[Bits, float]:
    rest, last = finals(steps.steps)
    chain = Chain(steps.n_qubits, bond)
    chain.apply(rest)
    return _written(shots, steps.n_bits, last, chain.sample(shots, generator)), chain.truncation_error
