"""Mapping circuits to devices without an SDK: layout, routing, a machine's native gates, and the chance of success."""

from phalanx.quantum.mapping._noise import FRAME_GATES, Noise, Success, estimated_success
from phalanx.quantum.mapping._pulses import Pulse, to_pulses
from phalanx.quantum.mapping._routing import Mapped, map_circuit

__all__ = ["FRAME_GATES", "Mapped", "Noise", "Pulse", "Success", "estimated_success", "map_circuit", "to_pulses"]
