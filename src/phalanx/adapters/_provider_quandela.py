"""Quandela: its machines emulated, their photons by published figures, and Ascella's gates by theirs."""

from collections.abc import Sequence

from phalanx.core import Offload, Unavailable
from phalanx.devices import Backend, DeviceModel, EmulatedPhotons, Photons, ProviderContext, published_machines

QUANDELA = "quandela"


class QuandelaProvider:
    """What ``quandela_provider`` makes."""

    name = QUANDELA

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._backends = tuple(backends)

    def backends(self) -> Sequence[Backend]:
        return self._backends


def quandela_provider(context: ProviderContext) -> QuandelaProvider:
    """The entry point ``quandela``."""
    if QUANDELA in context.hardware:
        raise Unavailable(
            "machines of Quandela", "only their emulation is here", hint="take quandela out of devices.hardware"
        )
    return QuandelaProvider([_emulated(one.device, context.offload) for one in published_machines(QUANDELA)])


def _emulated(device: DeviceModel, offload: Offload) -> Backend:
    return EmulatedPhotons(device, offload) if device.features.gates else Photons(device, offload)
