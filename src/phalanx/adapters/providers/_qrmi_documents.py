"""What travels through QRMI: a machine's target, a sampler's input and its result, in JSON as IBM's resources have it.

The target holds ``configuration`` and ``properties``; the input is that of the sampler primitive, version 2, with one
circuit in OpenQASM 3 on the machine's own qubits; the result lists the samples of each register in hexadecimal.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from phalanx.core import NS_PER_S, InvalidInput
from phalanx.devices import Calibration, DeviceModel, ErrorKind, Numbers, Quality, calibration, fit

SAMPLER = "sampler"
_UNITS_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "ns": 1.0, "": 1.0}
_KINDS = Quality(readout=ErrorKind.ASSIGNMENT, one_qubit=ErrorKind.RB, two_qubit=ErrorKind.RB)
_ONE_QUBIT = ("sx", "x")


def read_target(text: str) -> tuple[str, int, Calibration, tuple[tuple[str, int], ...]]:
    """Name, the most shots, calibration and operations. Raises ``InvalidInput`` for what is no such target."""
    try:
        given = json.loads(text)
        configuration, properties = given["configuration"], given.get("properties") or {}
        n_qubits = int(configuration["n_qubits"])
        gates = [(str(one["gate"]), tuple(one["qubits"]), _parameters(one["parameters"])) for one in
                 properties.get("gates", [])]  # fmt: skip
        known = _calibration(configuration, properties, n_qubits, gates)
        widths = {name: len(qubits) for name, qubits, _ in gates}
        operations = tuple((name, widths.get(name, 0)) for name in configuration.get("basis_gates", []))
        return str(configuration["backend_name"]), int(configuration.get("max_shots", 100_000)), known, operations
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("target", f"is not understood: {error!r}") from error


def write_target(device: DeviceModel) -> str:
    """The same of one of our devices. What is not known is left out, a masked coupler has an error of 1."""
    known = device.calibration
    two = device.two_qubit_basis
    qubits_of = range(known.n_qubits)
    gates = [_gate("sx", [at], known.one_qubit_error[at], known.one_qubit_ns[at]) for at in qubits_of]
    for at, (a, b) in enumerate(known.pair.tolist()):
        error = 1.0 if known.faulty_coupler[at] else known.two_qubit_error[at]
        gates.append(_gate(two, [a, b], error, known.two_qubit_ns[at]))
    numbers = (("T1", known.t1_ns, "ns"), ("T2", known.t2_ns, "ns"), ("readout_error", known.readout_error, ""),
               ("readout_length", known.readout_ns, "ns"))  # fmt: skip
    qubits = [
        [{"name": name, "value": float(values[at]), "unit": unit} for name, values, unit in numbers
         if not math.isnan(values[at])]
        + [{"name": "operational", "value": 0 if known.faulty_qubit[at] else 1, "unit": ""}]
        for at in range(known.n_qubits)
    ]  # fmt: skip
    dated = datetime.fromtimestamp(known.calibrated_at_ns / NS_PER_S, tz=UTC).isoformat()
    coupling = [pair for a, b in known.pair.tolist() for pair in ([a, b], [b, a])]
    return json.dumps(
        {
            "configuration": {
                "backend_name": device.name, "n_qubits": device.n_qubits, "basis_gates": ["rz", "sx", "x", two],
                "coupling_map": coupling, "max_shots": device.max_shots, "simulator": device.origin.value != "hardware",
            },
            "properties": {"backend_name": device.name, "last_update_date": dated, "qubits": qubits, "gates": gates},
        }
    )  # fmt: skip


def sampler_input(device: DeviceModel, circuit: Any, shots: int) -> str:
    """The circuit laid on the machine's own qubits."""
    mapped, _ = fit(device, circuit)
    return json.dumps(
        {"pubs": [[mapped.circuit.qasm3, None, shots]], "version": 2, "support_qiskit": False, "options": {}}
    )


def read_sampler_input(text: str) -> tuple[str, int]:
    """The program and its shots; one circuit without parameters. Raises ``InvalidInput``."""
    try:
        given = json.loads(text)
        ((program, parameters, shots),) = given["pubs"]
        if parameters or not isinstance(program, str):
            raise ValueError("parameters, or no text")
        return program, int(shots or given.get("shots") or 0)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("payload", f"is not the input of a sampler with one circuit: {error!r}") from error


def sampler_result(counts: Mapping[str, int]) -> str:
    """Samples of one register ``c``: bit 0 is the lowest of the number."""
    width = len(next(iter(counts)))
    samples = [hex(int(bits[::-1], 2)) for bits, n in counts.items() for _ in range(n)]
    return json.dumps({"results": [{"data": {"c": {"samples": samples, "num_bits": width}}, "metadata": {}}],
                       "metadata": {"version": 2}})  # fmt: skip


def read_sampler_result(text: str) -> dict[str, int]:
    """Counts by our bits in order. Raises ``InvalidInput``."""
    try:
        (result,) = json.loads(text)["results"]
        (register,) = result["data"].values()
        width = int(register["num_bits"])
        found = Counter(f"{int(sample, 16):0{width}b}"[::-1] for sample in register["samples"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("result", f"is not that of a sampler with one circuit: {error!r}") from error
    return dict(sorted(found.items()))


def _calibration(
    configuration: Mapping[str, Any], properties: Mapping[str, Any], n_qubits: int,
    gates: list[tuple[str, tuple[int, ...], dict[str, float]]],
) -> Calibration:  # fmt: skip
    rows = [_parameters(one) for one in properties.get("qubits", [])] or [{} for _ in range(n_qubits)]
    one: dict[str, dict[int, dict[str, float]]] = {name: {} for name in _ONE_QUBIT}
    couplers: dict[tuple[int, int], dict[str, float]] = {}
    for a, b in configuration.get("coupling_map") or []:
        couplers.setdefault((min(a, b), max(a, b)), {})
    for name, qubits, given in gates:
        if len(qubits) == 1 and name in one:
            one[name][qubits[0]] = given
        elif len(qubits) == 2:
            pair = (min(qubits), max(qubits))
            if given.get("gate_error", math.inf) <= couplers.get(pair, {}).get("gate_error", math.inf):
                couplers[pair] = given
    pairs = sorted(couplers)
    best = [one["sx"].get(at) or one["x"].get(at) or {} for at in range(n_qubits)]
    numbers = Numbers(
        t1_ns=[row.get("T1", math.nan) for row in rows], t2_ns=[row.get("T2", math.nan) for row in rows],
        readout_error=[row.get("readout_error", math.nan) for row in rows],
        readout_ns=[row.get("readout_length", math.nan) for row in rows],
        one_qubit_error=[row.get("gate_error", math.nan) for row in best],
        one_qubit_ns=[row.get("gate_length", math.nan) for row in best],
        two_qubit_error=[couplers[pair].get("gate_error", math.nan) for pair in pairs],
        two_qubit_ns=[couplers[pair].get("gate_length", math.nan) for pair in pairs],
        faulty_qubit=[row.get("operational", 1.0) == 0 for row in rows], kinds=_KINDS,
    )  # fmt: skip
    dated = properties.get("last_update_date")
    return calibration(
        n_qubits, np.array(pairs, np.int32).reshape(-1, 2), numbers,
        calibrated_at_ns=int(datetime.fromisoformat(str(dated)).timestamp()) * NS_PER_S if dated else 0,
        source=f"QRMI, {configuration['backend_name']}",
    )  # fmt: skip


def _parameters(given: Any) -> dict[str, float]:
    """By name, times in ns."""
    return {str(one["name"]): float(one["value"]) * _UNITS_NS.get(str(one.get("unit", "")), 1.0) for one in given}


def _gate(name: str, qubits: list[int], error: float, duration_ns: float) -> dict[str, Any]:
    given = [("gate_error", error, ""), ("gate_length", duration_ns, "ns")]
    parameters = [{"name": n, "value": float(v), "unit": unit} for n, v, unit in given if not math.isnan(v)]
    return {"gate": name, "qubits": qubits, "parameters": parameters}
