"""Calibrations of many devices in one file of arrays, so that listing them loads no vendor's SDK.

The file (``.npz``, no pickles) holds the qubits of all devices one after the other, their couplers likewise, and a
table of devices as JSON. Numbers are float32; NaN is unknown.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import msgspec
import numpy as np

from phalanx.core import InvalidInput
from phalanx.devices._calibration import Calibration, ErrorKind, Numbers, Quality, calibration
from phalanx.devices._limits import MAX_SNAPSHOTS

_QUBIT = ("t1_ns", "t2_ns", "readout_error", "one_qubit_error", "one_qubit_ns", "readout_ns")
_COUPLER = ("two_qubit_error", "two_qubit_ns")


class SnapshotHead(msgspec.Struct, frozen=True, kw_only=True):
    """One device of the file. ``operations`` are (name, number of qubits)."""

    name: str
    title: str
    n_qubits: int
    n_couplers: int
    calibrated_at_ns: int
    source: str
    operations: tuple[tuple[str, int], ...]
    max_shots: int
    readout_kind: str = ErrorKind.UNKNOWN.value
    one_qubit_kind: str = ErrorKind.UNKNOWN.value
    two_qubit_kind: str = ErrorKind.UNKNOWN.value


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A device as it was on the day of its calibration."""

    head: SnapshotHead
    calibration: Calibration


def read_snapshots(content: bytes) -> list[Snapshot]:
    """In the order of the file. Raises ``InvalidInput`` when it is no such file."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        heads = msgspec.json.decode(arrays["devices"].tobytes(), type=tuple[SnapshotHead, ...])
        if len(heads) > MAX_SNAPSHOTS:
            raise InvalidInput("snapshots", f"{len(heads)} devices are more than {MAX_SNAPSHOTS}")
        found, qubit, coupler = [], 0, 0
        for head in heads:
            qubits, couplers = slice(qubit, qubit + head.n_qubits), slice(coupler, coupler + head.n_couplers)
            found.append(Snapshot(head, _calibration(head, arrays, qubits, couplers)))
            qubit, coupler = qubits.stop, couplers.stop
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, msgspec.MsgspecError) as error:
        raise InvalidInput("snapshots", f"is not a file of calibrations: {error}") from error
    return found


def write_snapshots(snapshots: Sequence[Snapshot]) -> bytes:
    """The file; equal snapshots give equal arrays."""
    columns = {name: _column(snapshots, name, np.dtype(np.float32)) for name in (*_QUBIT, *_COUPLER)}
    columns |= {name: _column(snapshots, name, np.dtype(np.bool_)) for name in ("faulty_qubit", "faulty_coupler")}
    columns["pair"] = _column(snapshots, "pair", np.dtype(np.int16))
    columns["devices"] = np.frombuffer(msgspec.json.encode([one.head for one in snapshots]), np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **columns)
    return file.getvalue()


@cache
def shipped_snapshots(provider: str) -> tuple[Snapshot, ...]:
    """Those that this package brings for ``provider``."""
    return tuple(read_snapshots(resources.files("phalanx.devices").joinpath(f"_data/{provider}.npz").read_bytes()))


def _column(snapshots: Sequence[Snapshot], name: str, dtype: "np.dtype[np.generic]") -> np.ndarray:
    return np.concatenate([np.asarray(getattr(one.calibration, name), dtype) for one in snapshots])


def _calibration(head: SnapshotHead, arrays: dict[str, np.ndarray], qubits: slice, couplers: slice) -> Calibration:
    numbers = Numbers(
        **{name: arrays[name][qubits] for name in (*_QUBIT, "faulty_qubit")},
        **{name: arrays[name][couplers] for name in (*_COUPLER, "faulty_coupler")},
        kinds=Quality(
            readout=ErrorKind(head.readout_kind),
            one_qubit=ErrorKind(head.one_qubit_kind),
            two_qubit=ErrorKind(head.two_qubit_kind),
        ),
    )
    return calibration(
        head.n_qubits, arrays["pair"][couplers], numbers, calibrated_at_ns=head.calibrated_at_ns, source=head.source
    )
