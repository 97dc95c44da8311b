"""A calibration as the noise that mapping and simulators read."""

import numpy as np

from phalanx.devices._calibration import Calibration, ErrorKind
from phalanx.devices._model import DeviceModel
from phalanx.quantum.mapping import Noise


def noise_of(calibration: Calibration) -> Noise:
    """Working couplers only, faulty qubits with none. What nobody knows of one is the median of those that are known,
    and what nobody knows at all adds nothing. Error rates become average infidelities."""
    good = ~calibration.faulty_coupler

    def known(name: str, otherwise: float) -> np.ndarray:
        values = getattr(calibration, name)
        median = calibration.median(name)
        return np.where(np.isnan(values), otherwise if np.isnan(median) else median, values)

    return Noise(
        t1_ns=known("t1_ns", np.inf),
        t2_ns=known("t2_ns", np.inf),
        readout_error=known("readout_error", 0.0),
        one_qubit_error=known("one_qubit_error", 0.0) * _average(calibration.one_qubit_kind, 2),
        one_qubit_ns=known("one_qubit_ns", 0.0),
        readout_ns=known("readout_ns", 0.0),
        pairs=calibration.pair[good],
        two_qubit_error=known("two_qubit_error", 0.0)[good] * _average(calibration.two_qubit_kind, 4),
        two_qubit_ns=known("two_qubit_ns", 0.0)[good],
    )


def working_noise(device: DeviceModel) -> Noise:
    """Of the qubits that work and are connected, renumbered in order."""
    known = device.calibration
    return noise_of(known if device.all_to_all else known.part(known.component))


def _average(kind: ErrorKind, dim: int) -> float:
    """What turns an error rate of ``kind`` into an average infidelity."""
    return dim / (dim + 1) if kind in {ErrorKind.PAULI, ErrorKind.PROCESS} else 1.0
