"""What Google says of a processor, as a calibration, and circuits as its device specification demands them.

Figures are calibration metrics: a name, the qubits it is of, a number. Of a gate on two qubits those count that were
taken while neighbours worked, where there are such. T2 follows from what is left of the incoherent error of one-qubit
gates after T1, as in the calibrations that are shipped.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from phalanx.core import Circuit, InvalidInput
from phalanx.devices import Calibration, DeviceModel, ErrorKind, Numbers, Operation, Quality, calibration, fit
from phalanx.quantum import Gates, parse
from phalanx.quantum.circuits import convert

_KINDS = Quality(readout=ErrorKind.ASSIGNMENT, one_qubit=ErrorKind.PAULI, two_qubit=ErrorKind.PAULI)
_NS_PER_MS, _NS_PER_US = 1_000_000, 1e3
# Cirq's target gatesets: the gate on two qubits that each is made of, and what it is called in metrics.
_TWO_QUBIT = {
    "GoogleCZTargetGateset": ("cz", "cz"), "SycamoreTargetGateset": ("syc", "sycamore"),
    "SqrtIswapTargetGateset": ("sqrt_iswap", "sqrt_iswap"), "CZTargetGateset": ("cz", "cz"),
}  # fmt: skip
# The key that the one measurement of a circuit has.
KEY = "c"


@dataclass(frozen=True, slots=True)
class GooglePlan:
    """A processor's device, its qubits in order, and the gates that circuits for it are made of."""

    device: Any
    qubits: tuple[Any, ...]
    gateset: Any
    two_qubit: str
    known: Calibration

    @property
    def operations(self) -> tuple[Operation, ...]:
        return Operation("phased_xz", 1), Operation(self.two_qubit, 2), Operation("measure", 0)


def google_plan(device: Any, metrics: Mapping[str, Any] | None, dated_ms: int, *, what: str) -> GooglePlan:
    """Raises ``InvalidInput`` where circuits can be compiled to none of the processor's gates."""
    about = device.metadata
    qubits = tuple(sorted(about.qubit_set))
    place = {qubit: at for at, qubit in enumerate(qubits)}
    pairs = sorted(tuple(sorted(place[qubit] for qubit in pair)) for pair in about.qubit_pairs)
    figures = _Metrics(metrics or {}, place)
    known = [one for one in about.compilation_target_gatesets if type(one).__name__ in _TWO_QUBIT]
    if not known:
        raise InvalidInput("device specification", f"{what} has no gates that Cirq compiles circuits to")
    gateset = next((one for one in known if figures.has(_metric(one))), known[0])
    name, _ = _TWO_QUBIT[type(gateset).__name__]
    durations = {_name(family): float(ns.total_nanos()) for family, ns in (about.gate_durations or {}).items()}
    one_ns = durations.get("PhasedXZGate") or math.nan
    t1 = figures.each(["single_qubit_idle_t1_micros"], _NS_PER_US)
    numbers = Numbers(
        t1_ns=t1,
        t2_ns=_t2(t1, figures.each(["single_qubit_rb_incoherent_error_per_gate"]), one_ns),
        readout_error=[
            (a + b) / 2
            for a, b in zip(
                figures.each(["single_qubit_p00_error", "parallel_p00_error"]),
                figures.each(["single_qubit_p11_error", "parallel_p11_error"]), strict=True,
            )
        ],
        readout_ns=durations.get("MeasurementGate") or math.nan,
        one_qubit_error=figures.each(["single_qubit_rb_pauli_error_per_gate"]),
        one_qubit_ns=one_ns,
        two_qubit_error=figures.pairs(pairs, _metric(gateset)),
        two_qubit_ns=durations.get(name) or math.nan,
        kinds=_KINDS,
    )  # fmt: skip
    made = calibration(
        len(qubits), np.array(pairs, np.int32).reshape(-1, 2), numbers, calibrated_at_ns=dated_ms * _NS_PER_MS,
        source=f"Google, calibration metrics of {what}" if metrics else f"Google, {what} without metrics",
    )  # fmt: skip
    return GooglePlan(device, qubits, gateset, name, made)


def google_circuit(circuit: Circuit, model: DeviceModel, plan: GooglePlan) -> Any:
    """On the processor's qubits and in its gates, with one measurement of all bits, in their order, at the end.

    Raises ``InvalidInput`` for what the processor's own specification does not allow.
    """
    import cirq

    mapped = parse(fit(model, circuit)[0].circuit)
    places = [plan.qubits[at] for at in model.calibration.component]
    bare = Gates(mapped.n_qubits).extend(mapped.ops)
    where = {cirq.LineQubit(at): qubit for at, qubit in enumerate(places)}
    written = convert(bare, "cirq").transform_qubits(where)
    # The conversion names every qubit of the machine by an identity.
    gates = cirq.Circuit(one for one in written.all_operations() if one.gate != cirq.I)
    compiled = cirq.optimize_for_target_gateset(gates, gateset=plan.gateset)
    compiled.append(
        cirq.measure(*(places[qubit] for qubit in mapped.measured), key=KEY), strategy=cirq.InsertStrategy.NEW
    )
    try:
        plan.device.validate_circuit(compiled)
    except ValueError as error:
        raise InvalidInput("circuit", f"{model.name} does not take it as it was compiled: {error}") from error
    return compiled


def google_counts(rows: Any) -> dict[str, int]:
    """Outcomes by the bits of each row, one shot a row."""
    found, times = np.unique(np.asarray(rows, np.uint8), axis=0, return_counts=True)
    return {"".join(map(str, row)): int(n) for row, n in zip(found.tolist(), times.tolist(), strict=True)}


class _Metrics:
    """Calibration metrics by name; a coupler's are the same in both orders. What a fit puts below 0 counts as 0."""

    def __init__(self, given: Mapping[str, Any], place: Mapping[Any, int]) -> None:
        self._of: dict[str, dict[tuple[int, ...], float]] = {}
        for name, values in given.items():
            kept = self._of.setdefault(name, {})
            for targets, value in values.items():
                if value and all(one in place for one in targets):
                    kept[tuple(sorted(place[one] for one in targets))] = max(0.0, float(value[0]))
        self._n = len(place)

    def has(self, names: Sequence[str]) -> bool:
        return any(self._of.get(name) for name in names)

    def each(self, names: Sequence[str], scale: float = 1.0) -> list[float]:
        return [self._first(names, (at,)) * scale for at in range(self._n)]

    def pairs(self, pairs: Sequence[tuple[int, ...]], names: Sequence[str]) -> list[float]:
        return [self._first(names, pair) for pair in pairs]

    def _first(self, names: Sequence[str], targets: tuple[int, ...]) -> float:
        return next((self._of[name][targets] for name in names if targets in self._of.get(name, {})), math.nan)


def _metric(gateset: Any) -> list[str]:
    """Of its gate on two qubits, the best first."""
    _, name = _TWO_QUBIT[type(gateset).__name__]
    return [f"two_qubit_{way}{name}_gate_xeb_pauli_error_per_cycle" for way in ("parallel_", "")]


def _t2(t1: Sequence[float], incoherent: Sequence[float], one_ns: float) -> list[float]:
    """Of an error e per gate of τ, the part τ/(3·T1) is relaxation, and τ/(3·Tφ) the rest."""
    found = []
    for relaxes, error in zip(t1, incoherent, strict=True):
        if not relaxes > 0:
            found.append(math.nan)
            continue
        rate = 3 * (error - one_ns / (3 * relaxes)) / one_ns
        found.append(1 / (1 / (2 * relaxes) + (0.0 if rate < 0 else rate)))
    return found


def _name(family: Any) -> str:
    """What a family of gates is of: a kind of gate, or one gate."""
    gate = getattr(family, "gate", None)
    if isinstance(gate, type):
        return gate.__name__
    return {"CZ": "cz", "SYC": "syc", "ISWAP**0.5": "sqrt_iswap"}.get(str(gate), str(gate))
