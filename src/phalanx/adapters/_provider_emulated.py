"""Makers whose machines are emulated here, and are not reached: Quandela."""

from collections.abc import Sequence

from phalanx.core import Unavailable
from phalanx.devices import Backend, Emulated, ProviderContext, published_machines

QUANDELA = "quandela"


class EmulatedProvider:
    """Only emulation."""

    def __init__(self, name: str, backends: Sequence[Backend]) -> None:
        self.name = name
        self._backends = tuple(backends)

    def backends(self) -> Sequence[Backend]:
        return self._backends


def quandela_provider(context: ProviderContext) -> EmulatedProvider:
    """The entry point ``quandela``: photonic, by published gate fidelities; photons themselves are not simulated."""
    _only_emulation(context, QUANDELA, "machines of Quandela")
    return EmulatedProvider(QUANDELA, [Emulated(one.device, context.offload) for one in published_machines(QUANDELA)])


def _only_emulation(context: ProviderContext, name: str, what: str) -> None:
    if name in context.hardware:
        raise Unavailable(what, "only their emulation is here", hint=f"take {name} out of devices.hardware")
