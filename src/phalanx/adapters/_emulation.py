"""Emulates a machine from its calibration: the circuit is fitted to the topology and run under the machine's noise.

Only the qubits that the fitted circuit touches are simulated. Noise per gate is thermal relaxation over the gate's
duration, and depolarisation for what remains of its error rate; each measured bit flips with the readout error. Idle
qubits do not decay, and there is no crosstalk: a real machine is worse than its emulation.
"""

import math
from dataclasses import dataclass
from typing import Any

from phalanx.adapters._limits import MAX_EMULATED_QUBITS
from phalanx.core import Circuit, LimitExceeded, Offload, Origin, Provenance, Unavailable
from phalanx.devices import Calibration, DeviceModel, ErrorKind, ShotResult
from phalanx.quantum import InvalidCircuit, parse

# One seed for fitting: the same circuit and calibration give the same fitted circuit in every run.
_FIT_SEED = 20_240_229
_TWO_QUBIT = "cz"
_ONE_QUBIT = ("sx", "x")


class Emulated:
    """A backend that stands in for the machine of ``device``. Needs the extra ``ibm`` to run, not to be listed."""

    def __init__(self, device: DeviceModel, offload: Offload) -> None:
        assert device.origin is Origin.EMULATED, device.name
        self._device = device
        self._offload = offload

    @property
    def device(self) -> DeviceModel:
        return self._device

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        device = self._device
        if circuit.n_qubits > device.reach:
            what = f"connected qubits of {device.name} that work"
            raise LimitExceeded(what, maximum=device.reach, seen=circuit.n_qubits)
        if not 1 <= shots <= device.max_shots:
            raise LimitExceeded(f"shots of one run on {device.name}", maximum=device.max_shots, seen=shots)
        counts = await self._offload.run(emulate, device.name, device.calibration, circuit, shots, seed)
        provenance = Provenance(
            origin=Origin.EMULATED, device=device.name, circuits=(circuit.digest,), shots=shots, seed=seed,
            calibrated_at_ns=device.calibration.calibrated_at_ns,
        )  # fmt: skip
        return ShotResult(counts, provenance)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A circuit on the qubits of a machine that it touches, and what is known of them."""

    circuit: Any
    calibration: Calibration


def emulate(name: str, known: Calibration, circuit: Circuit, shots: int, seed: int) -> dict[str, int]:
    """Counts of ``circuit`` under the noise of ``known``. Seconds of work: not for the event loop."""
    if not parse(circuit).measured:
        raise InvalidCircuit("measures nothing: there is no outcome to count")
    if circuit.n_qubits > MAX_EMULATED_QUBITS:
        raise LimitExceeded("qubits of one emulated circuit", maximum=MAX_EMULATED_QUBITS, seen=circuit.n_qubits)
    try:
        from qiskit_aer import AerSimulator
    except ImportError as error:
        raise Unavailable(f"emulation of {name}", str(error), hint="pip install 'phalanx[ibm]'") from error
    fitted = fit(known, circuit)
    simulator = AerSimulator(noise_model=noise_of(fitted.calibration), max_parallel_threads=1)
    found = simulator.run(fitted.circuit, shots=shots, seed_simulator=seed % (1 << 32)).result().get_counts()
    counts: dict[str, int] = {}
    for key, n in found.items():
        # Qiskit writes the last bit first.
        bits = key.replace(" ", "")[::-1]
        counts[bits] = counts.get(bits, 0) + int(n)
    return counts


def fit(known: Calibration, circuit: Circuit) -> Fitted:
    """Choose qubits and route ``circuit`` over the couplers that work, preferring those with small errors."""
    from qiskit import QuantumCircuit, qasm3, transpile

    working = known.part(known.component)
    fitted = transpile(
        qasm3.loads(circuit.qasm3), target=target_of(working), optimization_level=1, seed_transpiler=_FIT_SEED
    )
    touched = {q for one in fitted.data if one.operation.name != "barrier" for q in map(_index(fitted), one.qubits)}
    if len(touched) > MAX_EMULATED_QUBITS:
        raise LimitExceeded("qubits of one emulated circuit", maximum=MAX_EMULATED_QUBITS, seen=len(touched))
    order = sorted(touched)
    place = {qubit: at for at, qubit in enumerate(order)}
    small = QuantumCircuit(len(order), fitted.num_clbits)
    for one in fitted.data:
        if one.operation.name == "barrier":
            continue
        qubits = [place[q] for q in map(_index(fitted), one.qubits)]
        small.append(one.operation, qubits, [fitted.find_bit(bit).index for bit in one.clbits])
    return Fitted(small, working.part(order))


def target_of(known: Calibration) -> Any:
    """A Qiskit ``Target`` of what works in ``known``."""
    from qiskit.circuit import Measure, Parameter
    from qiskit.circuit.library import CZGate, RZGate, SXGate, XGate
    from qiskit.transpiler import InstructionProperties, Target

    target = Target(num_qubits=known.n_qubits)
    qubits = range(known.n_qubits)
    ones = {(q,): InstructionProperties(error=_or_zero(known.one_qubit_error[q])) for q in qubits}
    target.add_instruction(SXGate(), ones)
    target.add_instruction(XGate(), dict(ones))
    target.add_instruction(RZGate(Parameter("angle")), {(q,): InstructionProperties(error=0.0) for q in qubits})
    target.add_instruction(
        Measure(), {(q,): InstructionProperties(error=_or_zero(known.readout_error[q])) for q in qubits}
    )
    twos = {}
    for at, (a, b) in enumerate(known.pair.tolist()):
        if not known.faulty_coupler[at]:
            error = InstructionProperties(error=_or_zero(known.two_qubit_error[at]))
            twos[a, b] = twos[b, a] = error
    target.add_instruction(CZGate(), twos)
    return target


def noise_of(known: Calibration) -> Any:
    """Aer's noise model of a machine; qubits are numbered as in ``known``."""
    from qiskit_aer.noise import NoiseModel, ReadoutError

    model = NoiseModel(basis_gates=["cz", "rz", "sx", "x"])
    for q in range(known.n_qubits):
        error = _gate_error(
            known, [q], _average(known.one_qubit_error[q], known.one_qubit_kind, 2), known.one_qubit_ns[q]
        )
        if error is not None:
            model.add_quantum_error(error, list(_ONE_QUBIT), [q])
        flip = _or_zero(known.readout_error[q])
        if flip > 0:
            model.add_readout_error(ReadoutError([[1 - flip, flip], [flip, 1 - flip]]), [q])
    for at, (a, b) in enumerate(known.pair.tolist()):
        if known.faulty_coupler[at]:
            continue
        wanted = _average(known.two_qubit_error[at], known.two_qubit_kind, 4)
        error = _gate_error(known, [a, b], wanted, known.two_qubit_ns[at])
        if error is not None:
            for ends in ([a, b], [b, a]):
                model.add_quantum_error(error, _TWO_QUBIT, ends)
    return model


def _gate_error(known: Calibration, qubits: list[int], error: float, duration_ns: float) -> Any:
    """Relaxation during the gate, and depolarisation that brings its average infidelity up to ``error``."""
    from qiskit.quantum_info import average_gate_fidelity
    from qiskit_aer.noise import depolarizing_error, thermal_relaxation_error

    relaxation = None
    for q in qubits:
        t1, t2 = known.t1_ns[q], known.t2_ns[q]
        if math.isnan(t1) or math.isnan(duration_ns) or duration_ns == 0 or t1 == 0:
            one = depolarizing_error(0, 1)
        else:
            t2 = t1 if math.isnan(t2) or t2 == 0 else t2
            one = thermal_relaxation_error(t1, min(t2, 2 * t1), duration_ns)
        relaxation = one if relaxation is None else one.tensor(relaxation)
    wanted, dim = _or_zero(error), 2 ** len(qubits)
    fidelity = average_gate_fidelity(relaxation)
    if wanted <= 1 - fidelity:
        return relaxation if fidelity < 1 else None
    # The same as Aer does for a backend: what relaxation does not explain is depolarisation.
    strength = dim * (fidelity - (1 - wanted)) / (dim * fidelity - 1)
    strongest = 4 ** len(qubits) / (4 ** len(qubits) - 1)
    return depolarizing_error(min(strength, strongest), len(qubits)).compose(relaxation)


def _average(error: float, kind: ErrorKind, dim: int) -> float:
    """The average infidelity that an error rate of ``kind`` stands for."""
    return error * dim / (dim + 1) if kind in {ErrorKind.PAULI, ErrorKind.PROCESS} else error


def _index(circuit: Any) -> Any:
    return lambda qubit: circuit.find_bit(qubit).index


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else float(value)
