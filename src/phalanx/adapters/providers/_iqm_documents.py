"""What IQM's servers say of a machine, as a calibration, and circuits as they take them.

A machine's static architecture names its qubits and who is joined to whom. The dynamic one says for which of them gates
are calibrated now; observations have names of the form ``metrics.METHOD.GATE.IMPLEMENTATION.LOCUS.METRIC``,
``characterization.model.QUBIT.PROPERTY`` and ``gates.GATE.IMPLEMENTATION.LOCUS.duration``, some with suffixes after a
colon. Times are in seconds.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from phalanx.core import NS_PER_S, Circuit, InvalidInput
from phalanx.devices import Calibration, ErrorKind, Numbers, Quality, calibration
from phalanx.quantum.mapping import to_pulses

_KINDS = Quality(readout=ErrorKind.ASSIGNMENT, one_qubit=ErrorKind.RB, two_qubit=ErrorKind.RB)
_METHODS = {"prx": "rb", "cz": "irb", "measure": "ssro"}
# The key that the one measurement of a circuit has.
KEY = "c"


@dataclass(frozen=True, slots=True)
class IqmLayout:
    """Qubits in order, and pairs of their places that are joined."""

    qubits: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class IqmSeen:
    """A calibration, and the order in which each pair's gate is calibrated."""

    calibration: Calibration
    cz: Mapping[tuple[int, int], tuple[int, int]]


def iqm_layout(given: Any) -> IqmLayout:
    """Of a list of one static architecture. Raises ``InvalidInput`` for what is none."""
    try:
        (static,) = given
        qubits = sorted((str(one) for one in static["qubits"]), key=_place)
        at = {name: place for place, name in enumerate(qubits)}
        joined = [sorted(at[str(one)] for one in locus) for locus in static["connectivity"] if set(locus) <= set(at)]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("static architecture", f"is not understood: {type(error).__name__} {error}") from error
    pairs = sorted({(a, b) for a, b in (one for one in joined if len(one) == 2)})
    return IqmLayout(tuple(qubits), tuple(pairs))


def iqm_seen(
    layout: IqmLayout, dynamic: Any, metrics: Mapping[str, Any], calibrated: Mapping[str, Any], *, what: str
) -> IqmSeen:
    """What is known of a machine now. Raises ``InvalidInput`` for what is not understood.

    ``metrics`` and ``calibrated`` are sets of observations; an empty one knows nothing. What has no gate calibrated is
    faulty.
    """
    try:
        gates = dynamic["gates"]
        known = _Observations([*metrics.get("observations", []), *calibrated.get("observations", [])], gates)
        dated = _when(metrics) or _when(calibrated)
        if not dated:
            raise InvalidInput("calibration", f"neither the calibration of {what} nor its metrics have a date")
        at = {name: place for place, name in enumerate(layout.qubits)}
        loci = {name: _loci(gates.get(name, {})) for name in _METHODS}
        pulsed, read = ({one[0] for one in loci[name] if len(one) == 1} for name in ("prx", "measure"))
        orders = {}
        for first, second in (one for one in loci["cz"] if len(one) == 2 and set(one) <= set(at)):
            orders[min(at[first], at[second]), max(at[first], at[second])] = at[first], at[second]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput("calibration", f"is not understood: {type(error).__name__} {error}") from error
    names = [(name,) for name in layout.qubits]
    couplers = [tuple(layout.qubits[one] for one in pair) for pair in layout.pairs]
    prx, cz, measured = (known.errors(*one) for one in (("prx", names), ("cz", couplers), ("measure", names)))
    numbers = Numbers(
        t1_ns=known.times("t1_time", layout.qubits),
        t2_ns=known.times("t2_time", layout.qubits, "t2_echo_time"),
        one_qubit_error=prx[0], one_qubit_error_se=prx[1], one_qubit_ns=known.durations("prx", names),
        two_qubit_error=cz[0], two_qubit_error_se=cz[1], two_qubit_ns=known.durations("cz", couplers),
        readout_error=measured[0], readout_error_se=measured[1], readout_ns=known.durations("measure", names),
        faulty_qubit=[name not in pulsed or name not in read for name in layout.qubits],
        faulty_coupler=[pair not in orders for pair in layout.pairs],
        kinds=_KINDS,
    )  # fmt: skip
    source = f"{what}, calibration set {dynamic.get('calibration_set_id', '')}"
    pairs = np.array(layout.pairs, np.int32).reshape(-1, 2)
    return IqmSeen(calibration(len(layout.qubits), pairs, numbers, calibrated_at_ns=dated, source=source), orders)


def iqm_circuit(circuit: Circuit, qubits: Sequence[int], layout: IqmLayout, seen: IqmSeen, name: str) -> dict[str, Any]:
    """A circuit on a machine's own qubits as IQM writes it. ``qubits`` are the places of those that it is written on.

    All bits are read by one measurement, in their order, after everything else.
    """
    pulses, measured = to_pulses(circuit)
    written: list[dict[str, Any]] = []
    for pulse in pulses:
        places = tuple(qubits[one] for one in pulse.qubits)
        if len(places) == 1:
            args = {"angle": pulse.angle, "phase": pulse.phase}
            written.append({"name": "prx", "locus": [layout.qubits[places[0]]], "args": args})
        else:
            order = seen.cz[min(places), max(places)]
            written.append({"name": "cz", "locus": [layout.qubits[one] for one in order], "args": {}})
    read = [layout.qubits[qubits[one]] for one in measured]
    used = sorted({one for each in written for one in each["locus"]} | set(read), key=_place)
    written.append({"name": "barrier", "locus": used, "args": {}})
    written.append({"name": "measure", "locus": read, "args": {"key": KEY}})
    return {"name": name, "instructions": written}


class _Observations:
    """Observations by their names; of several of one gate those of its usual implementation, without suffixes first."""

    def __init__(self, given: Iterable[Mapping[str, Any]], gates: Mapping[str, Any]) -> None:
        self._gates = gates
        self._of: dict[str, tuple[float, float]] = {}
        valid = (one for one in given if not one.get("invalid"))
        for one in sorted(valid, key=lambda one: (":" in str(one["dut_field"]), str(one["dut_field"]))):
            value, uncertain = one.get("value"), one.get("uncertainty")
            if isinstance(value, int | float) and math.isfinite(value):
                spread = float(uncertain) if isinstance(uncertain, int | float) else math.nan
                name = str(one["dut_field"]).partition(":")[0]
                self._of.setdefault(name, (float(value), spread if spread >= 0 else math.nan))

    def errors(self, gate: str, loci: Sequence[tuple[str, ...]]) -> tuple[list[float], list[float]]:
        """Error rates and their standard errors. A fidelity that an experiment puts above 1 is no error."""
        found = [self._gate("metrics." + _METHODS[gate], gate, locus, "fidelity") for locus in loci]
        return [min(1.0, max(0.0, 1.0 - one)) if one == one else one for one, _ in found], [one for _, one in found]

    def durations(self, gate: str, loci: Sequence[tuple[str, ...]]) -> list[float]:
        return [self._gate("gates", gate, locus, "duration")[0] * NS_PER_S for locus in loci]

    def times(self, name: str, qubits: Sequence[str], otherwise: str = "") -> list[float]:
        found = []
        for qubit in qubits:
            path = f"characterization.model.{qubit}."
            value, _ = self._of.get(path + name) or self._of.get(path + otherwise) or (math.nan, math.nan)
            found.append(value * NS_PER_S if value > 0 else math.nan)
        return found

    def _gate(self, under: str, gate: str, locus: tuple[str, ...], metric: str) -> tuple[float, float]:
        """The order within a locus is that of its calibration; a cz is the same in both."""
        about = self._gates.get(gate, {})
        for ordered in (locus, locus[::-1]):
            usual = (about.get("override_default_implementation") or {}).get(",".join(ordered))
            known = (usual, about.get("default_implementation"), *sorted(about.get("implementations", {})))
            for implementation in known:
                found = self._of.get(f"{under}.{gate}.{implementation}.{'__'.join(ordered)}.{metric}")
                if found is not None:
                    return found
        return math.nan, math.nan


def _loci(about: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [tuple(locus) for one in about.get("implementations", {}).values() for locus in one["loci"]]


def _when(observations: Mapping[str, Any]) -> int:
    """When a set of observations was finished, else begun; 0 where it does not say."""
    text = observations.get("end_timestamp") or observations.get("created_timestamp")
    if not text:
        return 0
    dated = datetime.fromisoformat(str(text))
    return int((dated if dated.tzinfo else dated.replace(tzinfo=UTC)).timestamp()) * NS_PER_S


def _place(name: str) -> tuple[str, int, str]:
    """QB2 comes before QB10."""
    number = re.search(r"\d+", name)
    return re.sub(r"\d", "", name), int(number.group()) if number else 0, name
