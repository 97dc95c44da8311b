"""Makers whose machines are emulated here, and are not reached: IQM and Quandela."""

from collections.abc import Sequence

from phalanx.adapters._provider_snapshots import provider_snapshots
from phalanx.core import Origin, Unavailable
from phalanx.devices import (
    Backend,
    DeviceModel,
    Emulated,
    Modality,
    Operation,
    ProviderContext,
    SessionLimits,
    Snapshot,
    published_machines,
)

IQM, QUANDELA = "iqm", "quandela"


class EmulatedProvider:
    """Only emulation."""

    def __init__(self, name: str, backends: Sequence[Backend]) -> None:
        self.name = name
        self._backends = tuple(backends)

    def backends(self) -> Sequence[Backend]:
        return self._backends


def iqm_provider(context: ProviderContext) -> EmulatedProvider:
    """The entry point ``iqm``: machines from the error profiles that the maker's SDK brings."""
    _only_emulation(context, IQM, "machines of IQM")
    models = [snapshot_device(IQM, one, Modality.SUPERCONDUCTING) for one in provider_snapshots(context, IQM)]
    return EmulatedProvider(IQM, [Emulated(one, context.offload) for one in models])


def quandela_provider(context: ProviderContext) -> EmulatedProvider:
    """The entry point ``quandela``: photonic, by published gate fidelities; photons themselves are not simulated."""
    _only_emulation(context, QUANDELA, "machines of Quandela")
    return EmulatedProvider(QUANDELA, [Emulated(one.device, context.offload) for one in published_machines(QUANDELA)])


def snapshot_device(provider: str, snapshot: Snapshot, kind: Modality, *, name: str = "") -> DeviceModel:
    """The machine of a snapshot as it is emulated here."""
    head = snapshot.head
    return DeviceModel(
        name=f"{provider}.{name or head.name}", provider=provider, kind=kind, origin=Origin.EMULATED,
        title=head.title, n_qubits=head.n_qubits, limits=SessionLimits(max_shots=head.max_shots),
        calibration=snapshot.calibration, operations=tuple(Operation(op, width) for op, width in head.operations),
    )  # fmt: skip


def _only_emulation(context: ProviderContext, name: str, what: str) -> None:
    if name in context.hardware:
        raise Unavailable(what, "only their emulation is here", hint=f"take {name} out of devices.hardware")
