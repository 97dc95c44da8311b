"""Machines known by the figures that their makers publish for the whole machine, and price lists; with source and
date.

They are in two files beside this module, which people read and correct. What a maker does not say stays unknown.
"""

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from phalanx.core import NS_PER_S, InvalidInput, Origin
from phalanx.devices._analog import AnalogLimits
from phalanx.devices._calibration import Calibration, ErrorKind, Numbers, Quality, calibration
from phalanx.devices._model import DeviceModel, Features, Modality, Operation, SessionLimits, all_pairs
from phalanx.devices._photonic import PhotonicLimits
from phalanx.devices._prices import PriceModel, PriceShape, subscription

_S, _US = 1e9, 1e3
_SCALED = {
    "t1_s": ("t1_ns", _S), "t2_s": ("t2_ns", _S), "one_qubit_us": ("one_qubit_ns", _US),
    "two_qubit_us": ("two_qubit_ns", _US), "readout_us": ("readout_ns", _US),
}  # fmt: skip
_UNLISTED = subscription(0.0, as_of_ns=0, source="no price list is known here, so nothing is charged")
NOT_CHECKED = "as published, not re-verified"
_ERRORS = ("one_qubit_error", "two_qubit_error", "readout_error")
_KINDS = Quality(readout=ErrorKind.ASSIGNMENT, one_qubit=ErrorKind.AVERAGE, two_qubit=ErrorKind.AVERAGE)


@dataclass(frozen=True, slots=True)
class PublishedDevice:
    """A machine as it is emulated here, and what its vendor calls it."""

    vendor_id: str
    device: DeviceModel


@cache
def published_machines(provider: str) -> tuple[PublishedDevice, ...]:
    """Those of one provider, in the order of the file."""
    return tuple(_published(entry) for entry in _read("published")["device"] if entry["provider"] == provider)


@cache
def price_lists() -> dict[str, PriceModel]:
    """By device, or by provider where all of its devices cost the same."""
    return {name: _price(entry) for entry in _read("prices")["price"] for name in entry["of"]}


def listed_price(device: str) -> PriceModel:
    """What a real machine costs by the list of the device, else of its provider; nothing where there is no list."""
    lists = price_lists()
    return lists.get(device) or lists.get(device.partition(".")[0]) or _UNLISTED


def uniform_calibration(
    n_qubits: int, pairs: np.ndarray, numbers: dict[str, float], *, calibrated_at_ns: int, source: str
) -> Calibration:
    """The same numbers for every qubit and coupler; they are average infidelities."""
    return calibration(
        n_qubits, pairs, Numbers(**numbers, kinds=_KINDS), calibrated_at_ns=calibrated_at_ns, source=source
    )


def lattice_pairs(rows: int, columns: int) -> np.ndarray:
    """Couplers of a square lattice, numbered row by row."""
    at = np.arange(rows * columns).reshape(rows, columns)
    across = np.stack([at[:, :-1].reshape(-1), at[:, 1:].reshape(-1)], axis=1)
    down = np.stack([at[:-1].reshape(-1), at[1:].reshape(-1)], axis=1)
    return np.unique(np.concatenate([across, down]).astype(np.int32), axis=0)


def _published(entry: dict[str, Any]) -> PublishedDevice:
    n_qubits, topology = entry["n_qubits"], entry["topology"]
    numbers = {known: entry[name] * scale for name, (known, scale) in _SCALED.items() if name in entry}
    for name in _ERRORS:
        numbers |= {one: entry[one] for one in (name, f"{name}_se") if one in entry}
    known = uniform_calibration(
        n_qubits, _pairs(topology, n_qubits), numbers, calibrated_at_ns=_ns(entry["as_of"]), source=_sourced(entry)
    )
    able = entry.get("features", [])
    features = Features(gates=topology != "none", **dict.fromkeys(able, True))
    return PublishedDevice(
        entry["vendor_id"],
        DeviceModel(
            name=f"{entry['provider']}.{entry['name']}", provider=entry["provider"], kind=Modality(entry["kind"]),
            origin=Origin.EMULATED, title=entry["title"], n_qubits=n_qubits, all_to_all=topology == "all",
            limits=SessionLimits(max_shots=entry["max_shots"]), calibration=known, features=features,
            operations=tuple(Operation(name, width) for name, width in entry["operations"]),
            analog=AnalogLimits(**entry["analog"]) if "analog" in entry else None,
            photonic=_photonic(entry["photonic"]) if "photonic" in entry else None,
        ),
    )  # fmt: skip


def _photonic(entry: dict[str, Any]) -> PhotonicLimits:
    figures = {name: value for name, value in entry.items() if name not in {"as_of", "source", "checked"}}
    return PhotonicLimits(**figures, as_of_ns=_ns(entry["as_of"]), source=_sourced(entry))


def _pairs(topology: str, n_qubits: int) -> np.ndarray:
    if topology == "all":
        return all_pairs(n_qubits)
    if topology == "none":
        return np.empty((0, 2), np.int32)
    rows, _, columns = topology.partition("x")
    pairs = lattice_pairs(int(rows), int(columns))
    if int(rows) * int(columns) != n_qubits:
        raise InvalidInput("topology", f"{topology} is no lattice of {n_qubits} qubits")
    return pairs


def _price(entry: dict[str, Any]) -> PriceModel:
    numbers = {name: value for name, value in entry.items() if isinstance(value, float)}
    source = _sourced(entry)
    return PriceModel(
        shape=PriceShape(entry["shape"]), currency=entry["currency"], as_of_ns=_ns(entry["as_of"]), source=source,
        **numbers,
    )  # fmt: skip


def _sourced(entry: dict[str, Any]) -> str:
    """Where a figure is from, and whether it was read again since."""
    checked = entry.get("checked")
    return f"{entry['source']} ({f'checked: {checked}' if checked else NOT_CHECKED})"


def _ns(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * NS_PER_S


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("phalanx.devices").joinpath(f"_data/{name}.toml").read_text("utf-8"))
