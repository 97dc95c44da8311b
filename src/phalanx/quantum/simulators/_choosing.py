"""Which simulator a circuit gets, why, and what it will take; decided before any memory is."""

from dataclasses import dataclass

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum._canonical import BARRIER, Steps, is_static
from phalanx.quantum._clifford import is_clifford
from phalanx.quantum._errors import TooWide
from phalanx.quantum._gates import shape_of
from phalanx.quantum._limits import (
    MAX_BOND,
    MAX_DENSITY_QUBITS,
    MAX_SIMULATED_BYTES,
    MAX_SIMULATION_S,
    MAX_STATEVECTOR_QUBITS,
    MAX_TRAJECTORY_QUBITS,
)
from phalanx.quantum.simulators._tensors import bond_needed

METHODS = ("stabiliser", "statevector", "mps", "density", "trajectories")
# Rough, for one core: seconds for each amplitude that a gate touches, and each word of a tableau.
_AMPLITUDE_S = 2e-9
_WORD_S = 1.5e-9
_SVD_S = 4e-9


@dataclass(frozen=True, slots=True)
class Choice:
    """``n_bytes`` and ``seconds`` are estimates; the first is kept, the second is for one core and rough."""

    method: str
    reason: str
    n_bytes: int
    seconds: float


def choose(
    steps: Steps, *, shots: int, noisy: bool = False, method: str | None = None, bond: int | None = None
) -> Choice:
    """The simulator for steps on active qubits. Raises ``TooWide`` with what would fit, before memory is taken."""
    if method is not None and method not in METHODS:
        raise InvalidInput("method", f"{method!r} is none of {', '.join(METHODS)}")
    if bond is not None and not 2 <= bond <= MAX_BOND:
        raise InvalidInput("bond", f"from 2 to {MAX_BOND}")
    found = _noisy(steps, shots, method) if noisy else _ideal(steps, shots, method, bond)
    if found.n_bytes > MAX_SIMULATED_BYTES:
        raise LimitExceeded(f"the memory of a simulation ({found.method}, bytes)", maximum=MAX_SIMULATED_BYTES,
                            seen=found.n_bytes, hint="take fewer shots or qubits")  # fmt: skip
    if found.seconds > MAX_SIMULATION_S:
        raise LimitExceeded(f"the time of a simulation ({found.method}, estimated seconds)", maximum=MAX_SIMULATION_S,
                            seen=int(min(found.seconds, 1e15)), hint="take fewer shots, or a device")  # fmt: skip
    return found


def _ideal(steps: Steps, shots: int, method: str | None, bond: int | None) -> Choice:
    n, length = steps.n_qubits, len(steps.steps)
    clifford = all(
        shape_of(step.name) is None or is_clifford(*key) for step in steps.steps if (key := (step.name, step.params))
    )
    if method == "stabiliser" and not clifford:
        raise InvalidInput("method", "a stabiliser simulator knows Clifford gates only")
    if method in (None, "stabiliser") and clifford:
        return _stabiliser(steps, shots)
    static = is_static(steps.steps)
    if method in (None, "statevector") and n <= MAX_STATEVECTOR_QUBITS:
        runs = 1 if static else shots
        reason = "" if method else f"statevector: gates beyond Clifford on {n} qubits"
        extra = "" if static else ", run anew for each shot because it decides or resets"
        return Choice("statevector", (reason or f"statevector: asked for, {n} qubits") + extra,
                      (16 << n) * (2 if static else 1), _AMPLITUDE_S * (1 << n) * (length + 1) * runs)  # fmt: skip
    if method in (None, "mps") and static:
        needed = bond_needed(n, steps.steps)
        width = min(bond or MAX_BOND, 1 << min(needed, 30))
        if method == "mps" or needed <= MAX_BOND.bit_length() - 1 or bond is not None:
            cut = "exact" if 1 << min(needed, 30) <= width else "cut off there, with the error reported"
            return Choice("mps", f"mps: a cut needs a bond of at most 2^{needed}, kept to {width}: {cut}",
                          64 * n * width * width, _SVD_S * length * (2 * width) ** 3 + 1e-4 * length)  # fmt: skip
    if method == "mps":
        raise InvalidInput("method", "a matrix-product state is read out once: the circuit may not decide or reset")
    if method in ("density", "trajectories"):
        raise InvalidInput("method", f"{method} is for noise, and none is given")
    raise TooWide(
        n, maximum=MAX_STATEVECTOR_QUBITS,
        hint=f"up to {MAX_STATEVECTOR_QUBITS} qubits fit as a statevector, any number while gates are Clifford; "
        f"a bond of up to {MAX_BOND} simulates it with an error that is reported; or place it on a quantum device",
    )  # fmt: skip


def _stabiliser(steps: Steps, shots: int) -> Choice:
    n = steps.n_qubits
    words = (2 * n + 63) // 64
    shot_words = (shots + 63) // 64
    n_bytes = 8 * (2 * n * words + (2 * n + steps.n_bits) * shot_words) + shots * steps.n_bits
    seconds = _WORD_S * (len(steps.steps) * (3 * words + 2 * shot_words) + steps.n_bits * n * words * 4)
    return Choice("stabiliser", "stabiliser: only Clifford gates", n_bytes, seconds)


def _noisy(steps: Steps, shots: int, method: str | None) -> Choice:
    n, length = steps.n_qubits, 3 * len([step for step in steps.steps if step.name != BARRIER])
    static = is_static(steps.steps)
    once = 2 * _AMPLITUDE_S * (1 << (2 * n)) * (length + 1)
    each = _AMPLITUDE_S * (1 << n) * (length + 1) * shots
    if method in (None, "density") and static and n <= MAX_DENSITY_QUBITS and (method or once <= each):
        why = "asked for" if method else f"every outcome of {n} noisy qubits at once, cheaper than {shots} trajectories"
        return Choice("density", f"density: {why}", 16 << (2 * n), once)
    if method in (None, "trajectories") and n <= MAX_TRAJECTORY_QUBITS:
        why = "asked for" if method else f"{shots} runs with their own errors, on {n} qubits"
        return Choice("trajectories", f"trajectories: {why}", (16 << n) + shots * steps.n_bits, each)
    if method == "density" and not static:
        raise InvalidInput("method", "a density matrix is read out once: the circuit may not decide or reset")
    if method not in (None, "density", "trajectories"):
        raise InvalidInput("method", f"{method} knows no noise")
    most = MAX_DENSITY_QUBITS if method == "density" else MAX_TRAJECTORY_QUBITS
    raise TooWide(n, maximum=most, hint=f"up to {MAX_DENSITY_QUBITS} noisy qubits fit as a density matrix, "
                  f"up to {MAX_TRAJECTORY_QUBITS} as trajectories")  # fmt: skip
