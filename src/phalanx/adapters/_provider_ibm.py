"""IBM Quantum: 68 machines emulated from their calibrations, or the real ones of an account.

Emulation needs the extra ``ibm`` only to run. Hardware goes through ``qiskit-ibm-runtime``: the account is the one that
its ``save_account`` or its environment variables name.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from phalanx.adapters._emulation import Emulated
from phalanx.adapters._ibm_snapshots import snapshot_of_target
from phalanx.core import Circuit, LimitExceeded, Offload, Origin, Provenance, Unavailable
from phalanx.devices import (
    FREE,
    Backend,
    DeviceModel,
    Features,
    Modality,
    Operation,
    ProviderContext,
    QueueState,
    SessionLimits,
    ShotResult,
    Snapshot,
    Status,
    price_per_second,
    shipped_snapshots,
)
from phalanx.quantum import InvalidCircuit, parse

IBM = "ibm"
# Pay-as-you-go, US dollars a second of the machine; November 2026 price list of the vendor.
_PAY_AS_YOU_GO = price_per_second(1.60, as_of_ns=1_793_491_200_000_000_000, source="IBM Quantum, pay-as-you-go")
_MEASURES_IN_BETWEEN = {"measure_2", "if_else", "switch_case"}
_DECIDES = {"if_else", "switch_case", "while_loop"}


class IbmProvider:
    """What ``ibm_provider`` makes."""

    name = IBM

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._backends = tuple(backends)

    def backends(self) -> Sequence[Backend]:
        return self._backends


def ibm_provider(context: ProviderContext, *, service: Callable[[], Any] | None = None) -> IbmProvider:
    """The entry point ``ibm``. ``service`` opens the account; the default is the SDK's."""
    if IBM not in context.hardware:
        shipped = shipped_snapshots(IBM)
        return IbmProvider([Emulated(emulated_device(one), context.offload) for one in shipped])
    account = (service or _account)()
    now_ns = context.clock.wall_ns()
    return IbmProvider([IbmMachine(one, context.offload, now_ns) for one in account.backends(simulator=False)])


def emulated_device(snapshot: Snapshot) -> DeviceModel:
    """The machine of a snapshot as it is emulated here."""
    return _device(snapshot, Origin.EMULATED, features=_features(snapshot, emulated=True), price=FREE)


class IbmMachine:
    """A real machine. ``run`` waits in the vendor's queue; a job that has been sent is billed."""

    def __init__(self, backend: Any, offload: Offload, now_ns: int) -> None:
        self._backend = backend
        self._offload = offload
        self._device = _machine(backend, now_ns)

    @property
    def device(self) -> DeviceModel:
        return self._device

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        device = self._device
        if circuit.n_qubits > device.reach:
            raise LimitExceeded(f"qubits of {device.name}", maximum=device.reach, seen=circuit.n_qubits)
        if not 1 <= shots <= device.max_shots:
            raise LimitExceeded(f"shots of one run on {device.name}", maximum=device.max_shots, seen=shots)
        counts = await self._offload.run(self._sample, circuit, shots, seed)
        origin, dated = device.origin, device.calibration.calibrated_at_ns
        return ShotResult(
            counts,
            Provenance(
                origin=origin, device=device.name, circuits=(circuit.digest,), shots=shots, seed=seed,
                calibrated_at_ns=dated if origin is Origin.EMULATED else None,
            ),
        )  # fmt: skip

    def _sample(self, circuit: Circuit, shots: int, seed: int) -> dict[str, int]:
        from qiskit import qasm3, transpile

        if not parse(circuit).measured:
            raise InvalidCircuit("measures nothing: there is no outcome to count")
        fitted = transpile(
            qasm3.loads(circuit.qasm3), backend=self._backend, optimization_level=2, seed_transpiler=seed % (1 << 31)
        )
        sampler = _sampler()(mode=self._backend)
        if self._local:
            sampler.options.simulator.seed_simulator = seed % (1 << 32)
        try:
            (result,) = sampler.run([fitted], shots=shots).result()
        except Exception as error:
            raise Unavailable(self._device.name, f"{type(error).__name__}: {error}") from error
        return {key[::-1]: int(n) for key, n in result.join_data().get_counts().items()}

    @property
    def _local(self) -> bool:
        return str(self._backend.name).startswith("fake_")


def _machine(backend: Any, now_ns: int) -> DeviceModel:
    status, properties, name = backend.status(), backend.properties(), str(backend.name)
    dated = properties.last_update_date if properties is not None else datetime.fromtimestamp(now_ns / 1e9, tz=UTC)
    faulty = frozenset(properties.faulty_qubits()) if properties is not None else frozenset()
    snapshot = snapshot_of_target(name, name, backend.target, dated, source="IBM Quantum", faulty=faulty)
    local = name.startswith("fake_")
    return _device(
        snapshot, Origin.EMULATED if local else Origin.HARDWARE, features=_features(snapshot, emulated=False),
        price=FREE if local else _PAY_AS_YOU_GO, region="local" if local else "ibm",
        queue=QueueState(depth=int(status.pending_jobs), as_of_ns=now_ns),
        status=Status.ONLINE if status.operational else Status.OFFLINE,
    )  # fmt: skip


def _features(snapshot: Snapshot, *, emulated: bool) -> Features:
    """Emulation runs circuits that measure at the end; the machine does what its target says."""
    names = {name for name, _ in snapshot.head.operations}
    if emulated:
        return Features(reset="reset" in names, fractional="rzz" in names)
    return Features(
        mid_circuit=bool(names & _MEASURES_IN_BETWEEN), feed_forward=bool(names & _DECIDES),
        reset="reset" in names, fractional="rzz" in names,
    )  # fmt: skip


def _device(snapshot: Snapshot, origin: Origin, **others: Any) -> DeviceModel:
    head = snapshot.head
    return DeviceModel(
        name=f"{IBM}.{head.name}", provider=IBM, kind=Modality.SUPERCONDUCTING, origin=origin, title=head.title,
        n_qubits=head.n_qubits, limits=SessionLimits(max_shots=head.max_shots), calibration=snapshot.calibration,
        operations=tuple(Operation(name, width) for name, width in head.operations), **others,
    )  # fmt: skip


def _sampler() -> Any:
    try:
        from qiskit_ibm_runtime.executor_sampler import Sampler
    except ImportError:
        # Before 0.50 of the SDK there is only the other one, which later warns that it will go.
        from qiskit_ibm_runtime import SamplerV2 as Sampler
    return Sampler


def _account() -> Any:
    try:
        from qiskit_ibm_runtime import QiskitRuntimeService
    except ImportError as error:
        raise Unavailable("IBM Quantum", str(error), hint="pip install 'phalanx[ibm]'") from error
    try:
        return QiskitRuntimeService()
    except Exception as error:
        raise Unavailable("the account at IBM Quantum", f"{type(error).__name__}: {error}") from error
