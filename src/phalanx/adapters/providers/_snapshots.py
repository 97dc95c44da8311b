"""Which calibrations a provider emulates from: those of a file that the settings name, else those that are shipped."""

from collections.abc import Sequence

from phalanx.adapters._limits import MAX_SNAPSHOT_FILE_BYTES
from phalanx.core import InvalidInput, Origin
from phalanx.devices import (
    DeviceModel,
    Modality,
    Operation,
    ProviderContext,
    SessionLimits,
    Snapshot,
    read_snapshots,
    shipped_snapshots,
)


def provider_snapshots(context: ProviderContext, provider: str) -> Sequence[Snapshot]:
    """Raises ``InvalidInput`` where option ``PROVIDER.snapshots`` names no file of calibrations."""
    option = f"{provider}.snapshots"
    named = context.options.get(option, "")
    if not named:
        return shipped_snapshots(provider)
    path, setting = context.folder / named, f"devices.options.{option}"
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SNAPSHOT_FILE_BYTES + 1)
    except OSError as error:
        raise InvalidInput(setting, f"{path} cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_SNAPSHOT_FILE_BYTES:
        raise InvalidInput(setting, f"{path} has more than {MAX_SNAPSHOT_FILE_BYTES:,} bytes")
    try:
        found = read_snapshots(content)
    except InvalidInput as error:
        raise InvalidInput(
            setting, f"{path}: {error}", hint=f"phalanx devices refresh {provider} --to FILE makes one"
        ) from error
    known = {one.head.name for one in shipped_snapshots(provider)}
    if not any(one.head.name in known for one in found):
        raise InvalidInput(setting, f"{path} is of no machine of {provider}")
    return found


def snapshot_device(provider: str, snapshot: Snapshot, kind: Modality, *, name: str = "") -> DeviceModel:
    """The machine of a snapshot as it is emulated here."""
    head = snapshot.head
    return DeviceModel(
        name=f"{provider}.{name or head.name}", provider=provider, kind=kind, origin=Origin.EMULATED,
        title=head.title, n_qubits=head.n_qubits, limits=SessionLimits(max_shots=head.max_shots),
        calibration=snapshot.calibration, operations=tuple(Operation(op, width) for op, width in head.operations),
    )  # fmt: skip
