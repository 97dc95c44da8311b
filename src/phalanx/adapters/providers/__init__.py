"""Quantum machines and simulators of every vendor: emulated from what was published, or the real ones of an account."""

from phalanx.adapters.providers._braket import braket_provider
from phalanx.adapters.providers._braket_documents import braket_model
from phalanx.adapters.providers._dwave import dwave_provider, pegasus_snapshot
from phalanx.adapters.providers._google import google_provider
from phalanx.adapters.providers._google_snapshots import google_snapshots
from phalanx.adapters.providers._ibm import ibm_provider
from phalanx.adapters.providers._ibm_snapshots import ibm_snapshots
from phalanx.adapters.providers._ionq import ionq_provider
from phalanx.adapters.providers._iqm import iqm_provider
from phalanx.adapters.providers._iqm_snapshots import iqm_snapshots
from phalanx.adapters.providers._pasqal import pasqal_provider
from phalanx.adapters.providers._qrmi import OfferedResource, qrmi_provider, state_name
from phalanx.adapters.providers._qrmi_documents import read_target, write_target
from phalanx.adapters.providers._quandela import quandela_provider
from phalanx.adapters.providers._quantinuum import quantinuum_provider
from phalanx.adapters.providers._secrets import provider_secret
from phalanx.adapters.providers._simulators import simulators_provider

__all__ = [
    "OfferedResource",
    "braket_model",
    "braket_provider",
    "dwave_provider",
    "google_provider",
    "google_snapshots",
    "ibm_provider",
    "ibm_snapshots",
    "ionq_provider",
    "iqm_provider",
    "iqm_snapshots",
    "pasqal_provider",
    "pegasus_snapshot",
    "provider_secret",
    "qrmi_provider",
    "quandela_provider",
    "quantinuum_provider",
    "read_target",
    "simulators_provider",
    "state_name",
    "write_target",
]
