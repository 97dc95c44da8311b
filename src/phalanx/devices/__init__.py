"""Quantum devices and simulators behind one interface, and the choice among them.

A provider is a plug-in of the group ``phalanx.devices``: a callable that takes the node's ``Offload`` and
returns a ``Provider``. ``phalanx.testing.contracts`` holds the suite that every backend must pass.

Limits: the built-in ``local.statevector`` is an ideal simulator of up to 22 qubits (64 MiB of amplitudes).

Errors::

    PhalanxError (core)
    └── Unavailable (core)
        └── NoDeviceFits    no device can run the circuit; says why for each
"""

from phalanx.devices._errors import NoDeviceFits
from phalanx.devices._fleet import Candidate, Fleet, Placement
from phalanx.devices._local import LOCAL_STATEVECTOR, LocalProvider, LocalStatevector, local_provider
from phalanx.devices._model import Backend, Device, Provider
from phalanx.quantum import ShotResult

__all__ = [
    "LOCAL_STATEVECTOR",
    "Backend",
    "Candidate",
    "Device",
    "Fleet",
    "LocalProvider",
    "LocalStatevector",
    "NoDeviceFits",
    "Placement",
    "Provider",
    "ShotResult",
    "local_provider",
]
