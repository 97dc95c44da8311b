"""Google's processors, emulated from the noise properties that the vendor publishes. Real ones need an arrangement
with the vendor and are not reached from here."""

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
)

GOOGLE = "google"


class GoogleProvider:
    """What ``google_provider`` makes."""

    name = GOOGLE

    def __init__(self, context: ProviderContext) -> None:
        if GOOGLE in context.hardware:
            raise Unavailable(
                "processors of Google", "only their emulation is here", hint="take google out of devices.hardware"
            )
        self._backends = tuple(Emulated(_device(one), context.offload) for one in provider_snapshots(context, GOOGLE))

    def backends(self) -> Sequence[Backend]:
        return self._backends


def google_provider(context: ProviderContext) -> GoogleProvider:
    """The entry point ``google`` of the group ``phalanx.devices``."""
    return GoogleProvider(context)


def _device(snapshot: Snapshot) -> DeviceModel:
    head = snapshot.head
    return DeviceModel(
        name=f"{GOOGLE}.{head.name}", provider=GOOGLE, kind=Modality.SUPERCONDUCTING, origin=Origin.EMULATED,
        title=head.title, n_qubits=head.n_qubits, limits=SessionLimits(max_shots=head.max_shots),
        calibration=snapshot.calibration, operations=tuple(Operation(name, width) for name, width in head.operations),
    )  # fmt: skip
