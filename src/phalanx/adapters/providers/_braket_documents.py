"""Reads Amazon Braket's device-property documents: JSON in, a ``DeviceModel`` out. Needs no SDK.

Understands the paradigm with its connectivity, the service with its cost, windows and shots, and the standardised
properties of versions 1 and 2 (by qubit and pair) and 3 (for the whole machine). Qubits that a document numbers with
gaps are counted anew, in order.
"""

import math
from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

import numpy as np

from phalanx.core import NS_PER_S, InvalidInput, Origin
from phalanx.devices import (
    DeviceModel,
    ErrorKind,
    Features,
    Modality,
    Numbers,
    Operation,
    PriceModel,
    Quality,
    SessionLimits,
    Status,
    Window,
    all_pairs,
    calibration,
    listed_price,
    price_per_shot,
)

Document = Mapping[str, Any]
_UNITS_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "μs": 1e3, "ns": 1.0}
_DAYS = {"Monday": 0, "Tuesday": 1, "Wednesday": 2, "Thursday": 3, "Friday": 4, "Saturday": 5, "Sunday": 6}
_EVERY = {"Everyday": range(7), "Weekdays": range(5), "Weekend": range(5, 7), "Weekends": range(5, 7)}
_KINDS = {"RANDOMIZED_BENCHMARKING": ErrorKind.RB, "SIMULTANEOUS_RANDOMIZED_BENCHMARKING": ErrorKind.RB,
          "INTERLEAVED_RANDOMIZED_BENCHMARKING": ErrorKind.RB, "CROSS_ENTROPY_BENCHMARKING": ErrorKind.XEB}  # fmt: skip
_MAKERS = {"ionq": Modality.TRAPPED_ION, "aqt": Modality.TRAPPED_ION, "quera": Modality.NEUTRAL_ATOM}


def braket_model(name: str, arn: str, document: Document, *, status: Status = Status.ONLINE) -> DeviceModel:
    """The machine of a document. Raises ``InvalidInput`` when it is none of a gate-model machine."""
    try:
        paradigm, service = document["paradigm"], document["service"]
        n_given = int(paradigm["qubitCount"])
        graph = paradigm.get("connectivity") or {}
        whole = bool(graph.get("fullyConnected", False))
        edges = {tuple(sorted((int(a), int(b)))) for a, others in (graph.get("connectivityGraph") or {}).items()
                 for b in others}  # fmt: skip
        labels = sorted({q for edge in edges for q in edge} | _labels(document))[:n_given] if not whole else []
        labels = labels or list(range(n_given))
        place = {label: at for at, label in enumerate(labels)}
        pairs = all_pairs(len(labels)) if whole else _placed(edges, place)
        dated = service.get("updatedAt")
        known = calibration(
            len(labels), pairs, _numbers(document, labels, pairs), source=f"Amazon Braket, {arn}",
            calibrated_at_ns=int(datetime.fromisoformat(str(dated)).timestamp()) * NS_PER_S if dated else 0,
        )  # fmt: skip
        shots = service.get("shotsRange") or (1, 1_000)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("device properties", f"of {arn} are not understood: {error!r}") from error
    maker = arn.split("/")[-2].lower()
    return DeviceModel(
        name=name, provider=name.partition(".")[0], kind=_MAKERS.get(maker, Modality.SUPERCONDUCTING),
        origin=Origin.HARDWARE, title=arn.rpartition("/")[2], n_qubits=len(labels), all_to_all=whole,
        limits=SessionLimits(min_shots=int(shots[0]), max_shots=int(shots[1])), calibration=known,
        operations=tuple(Operation(str(gate), 0) for gate in paradigm.get("nativeGateSet") or ()),
        features=Features(), windows=_windows(service), price=_cost(name, service, known.calibrated_at_ns),
        status=status, region=arn.split(":")[3] or "aws",
    )  # fmt: skip


def _labels(document: Document) -> set[int]:
    standard = document.get("standardized") or {}
    return {int(label) for label in standard.get("oneQubitProperties") or {}}


def _placed(edges: set[tuple[int, ...]], place: dict[int, int]) -> np.ndarray:
    kept = sorted(tuple(sorted((place[a], place[b]))) for a, b in edges if a in place and b in place)
    return np.array(kept, np.int32).reshape(-1, 2)


def _numbers(document: Document, labels: list[int], pairs: np.ndarray) -> Numbers:
    standard = document.get("standardized") or {}
    by_qubit, by_pair = standard.get("oneQubitProperties") or {}, standard.get("twoQubitProperties") or {}
    rows = [by_qubit.get(str(label)) or {} for label in labels]
    rates = [_rates(row.get("oneQubitFidelity") or (), readout=False) for row in rows]
    reads = [_rates(row.get("oneQubitFidelity") or (), readout=True) for row in rows]
    general = _rates(standard.get("ReadoutFidelity") or (), readout=None)
    two_general = _rates(standard.get("TwoQubitGateFidelity") or (), readout=None)
    twos = [
        _rates(
            (by_pair.get(f"{labels[a]}-{labels[b]}") or by_pair.get(f"{labels[b]}-{labels[a]}") or {}).get(
                "twoQubitGateFidelity"
            ) or (), readout=None,
        )
        for a, b in pairs.tolist()
    ]  # fmt: skip
    either = [one if not math.isnan(one[0]) else two_general for one in twos]
    kinds = Quality(
        readout=ErrorKind.ASSIGNMENT,
        one_qubit=_kind(one[2] for one in rates),
        two_qubit=_kind(two[2] for two in either),
    )
    return Numbers(
        t1_ns=[_ns(row.get("T1") or standard.get("T1")) for row in rows],
        t2_ns=[_ns(row.get("T2") or standard.get("T2")) for row in rows],
        one_qubit_error=[one[0] for one in rates], one_qubit_error_se=[one[1] for one in rates],
        readout_error=[one[0] if not math.isnan(one[0]) else general[0] for one in reads],
        readout_error_se=[one[1] if not math.isnan(one[0]) else general[1] for one in reads],
        two_qubit_error=[two[0] for two in either], two_qubit_error_se=[two[1] for two in either],
        one_qubit_ns=_ns(standard.get("SingleQubitGateDuration")),
        two_qubit_ns=_ns(standard.get("TwoQubitGateDuration")),
        readout_ns=_ns(standard.get("ReadoutDuration")), kinds=kinds,
    )  # fmt: skip


def _rates(given: Any, *, readout: bool | None) -> tuple[float, float, str]:
    """Error, standard error and kind of the best that is given; only of readout, only of gates, or of any."""
    found = []
    for one in given:
        kind = str((one.get("fidelityType") or {}).get("name", ""))
        if readout is None or readout == ("READOUT" in kind.upper()):
            error = one.get("standardError")
            found.append((1.0 - float(one["fidelity"]), math.nan if error is None else float(error), kind))
    return min(found, key=lambda one: one[0], default=(math.nan, math.nan, ""))


def _kind(names: Any) -> ErrorKind:
    return next((_KINDS[name] for name in names if name in _KINDS), ErrorKind.UNKNOWN)


def _ns(duration: Any) -> float:
    if not duration or duration.get("value") is None:
        return math.nan
    return float(duration["value"]) * _UNITS_NS[str(duration.get("unit", "S")).lower()]


def _windows(service: Document) -> tuple[Window, ...]:
    found = []
    for one in service.get("executionWindows") or ():
        day = str(one["executionDay"])
        days = [_DAYS[day]] if day in _DAYS else list(_EVERY[day])
        start, end = (_second(one[name]) for name in ("windowStartHour", "windowEndHour"))
        end = 86_400 if end in {0, 86_399} else end
        for weekday in days:
            if start < end:
                found.append(Window(weekday, start, end))
            else:
                found += [Window(weekday, start, 86_400), Window((weekday + 1) % 7, 0, end)]
    return () if len(found) == 7 and all((w.start_s, w.end_s) == (0, 86_400) for w in found) else tuple(found)


def _second(value: Any) -> int:
    at = value if isinstance(value, time) else time.fromisoformat(str(value))
    return at.hour * 3_600 + at.minute * 60 + at.second


def _cost(name: str, service: Document, as_of_ns: int) -> PriceModel:
    """The shot's price is in the document, the task's is not: that is Amazon's same one for all machines."""
    cost, listed = service.get("deviceCost"), listed_price(name)
    if not cost or cost.get("unit") != "shot":
        return listed
    return price_per_shot(
        listed.fixed or 0.30, float(cost["price"]), as_of_ns=as_of_ns or listed.as_of_ns, source="Amazon Braket"
    )
