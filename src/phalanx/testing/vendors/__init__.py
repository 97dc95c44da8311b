"""Quantum vendors' APIs as they behave on the wire. They compute what they are sent."""

from phalanx.testing.vendors._dwave import DWaveApi
from phalanx.testing.vendors._gates import IonqApi, QuantinuumApi
from phalanx.testing.vendors._google import GoogleService
from phalanx.testing.vendors._iqm import IqmApi
from phalanx.testing.vendors._pasqal import PASQAL_PROJECT, PasqalApi, pasqal_specs
from phalanx.testing.vendors._quandela import QuandelaApi

__all__ = [
    "DWaveApi",
    "GoogleService",
    "IonqApi",
    "IqmApi",
    "PASQAL_PROJECT",
    "PasqalApi",
    "QuandelaApi",
    "QuantinuumApi",
    "pasqal_specs",
]
