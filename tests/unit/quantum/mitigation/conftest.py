"""Machines small enough to know what they do."""

import numpy as np
import pytest

from phalanx.quantum.emulation import Machine
from phalanx.quantum.mapping import Noise


def noise_of(n=3, *, two=0.0, one=0.0, reading=0.0, t1=np.inf, t2=np.inf):
    pairs = np.array([(q, q + 1) for q in range(n - 1)], dtype=np.int32)

    def each(value, size=n):
        return np.full(size, float(value))

    return Noise(
        t1_ns=each(t1), t2_ns=each(t2), readout_error=each(reading), one_qubit_error=each(one), one_qubit_ns=each(40),
        readout_ns=each(700), pairs=pairs, two_qubit_error=each(two, n - 1), two_qubit_ns=each(400, n - 1),
    )  # fmt: skip


@pytest.fixture
def machine_with():
    def made(*, n=3, basis="cx", disturbance=None, **noise):
        others = {} if disturbance is None else {"disturbance": disturbance}
        return Machine(name="small", noise=noise_of(n, **noise), basis=basis, calibrated_at_ns=1, **others)

    return made
