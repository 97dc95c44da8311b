"""IBM Quantum: 68 machines emulated from their calibrations, or the real ones of an account.

Emulation needs no extra. Hardware goes through ``qiskit-ibm-runtime``: the account is the one that
its ``save_account`` or its environment variables name.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from phalanx.adapters._limits import MAX_REMEMBERED_JOBS
from phalanx.adapters.providers._ibm_snapshots import snapshot_of_target
from phalanx.adapters.providers._sdk import sdk_said
from phalanx.adapters.providers._sent import Sent, stage_by
from phalanx.adapters.providers._snapshots import provider_snapshots
from phalanx.core import Circuit, Clock, LimitExceeded, Offload, Origin, Provenance, Unavailable
from phalanx.devices import (
    FREE,
    DeviceModel,
    Emulated,
    Features,
    Modality,
    Operation,
    Provided,
    ProviderContext,
    QueueState,
    SessionLimits,
    ShotResult,
    Snapshot,
    Stage,
    Status,
    listed_price,
)
from phalanx.quantum import InvalidCircuit, parse

IBM = "ibm"
_WAITING, _RUNNING = frozenset({"QUEUED", "INITIALIZING", "VALIDATING"}), frozenset({"RUNNING"})
_DONE = frozenset({"DONE"})
_MEASURES_IN_BETWEEN = {"measure_2", "if_else", "switch_case"}
_DECIDES = {"if_else", "switch_case", "while_loop"}


def ibm_provider(context: ProviderContext, *, service: Callable[[], Any] | None = None) -> Provided:
    """The entry point ``ibm``. ``service`` opens the account; the default is the SDK's."""
    if IBM not in context.hardware:
        shipped = provider_snapshots(context, IBM)
        return Provided(IBM, [Emulated(emulated_device(one), context.offload) for one in shipped])
    account = (service or _account)()
    machines = account.backends(simulator=False)
    return Provided(IBM, [IbmMachine(one, account, context.io, context.clock) for one in machines])


def emulated_device(snapshot: Snapshot) -> DeviceModel:
    """The machine of a snapshot as it is emulated here."""
    return _device(snapshot, Origin.EMULATED, features=_features(snapshot), price=FREE)


class IbmMachine(Sent):
    """A real machine. Its jobs wait at the vendor, each tagged with our key; one that has been sent is billed."""

    def __init__(self, backend: Any, account: Any, offload: Offload, clock: Clock) -> None:
        super().__init__(_machine(backend, clock.wall_ns()), clock)
        self._backend, self._account, self._offload = backend, account, offload
        self._sent: OrderedDict[str, Any] = OrderedDict()

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        handle = await self.submit(circuit, shots=shots, seed=seed, key="")
        return await self.collect(handle, circuit, shots=shots, seed=seed)

    async def submit(self, circuit: Circuit, /, *, shots: int, seed: int, key: str) -> str:
        self._check(circuit, shots)
        return await self._sent_once(key, lambda: self._offload.run(self._send, circuit, shots, seed, key))

    async def collect(self, handle: str, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        counts = await self._waited(lambda: self._offload.run(self._counts, handle))
        origin, dated = self._device.origin, self._device.calibration.calibrated_at_ns
        provenance = Provenance(
            origin=origin, device=self._device.name, circuits=(circuit.digest,), shots=shots, seed=seed,
            calibrated_at_ns=dated if origin is Origin.EMULATED else None,
        )  # fmt: skip
        return ShotResult(counts, provenance)

    async def _find(self, key: str) -> str:
        return await self._offload.run(self._found, key)

    def _found(self, key: str) -> str:
        with sdk_said(self._device.name):
            sent = self._account.jobs(job_tags=[key], limit=1)
        return str(sent[0].job_id()) if sent else ""

    async def _stage(self, handle: str) -> Stage:
        return await self._offload.run(self._stands, handle)

    def _stands(self, handle: str) -> Stage:
        with sdk_said(self._device.name):
            status = self._job(handle).status()
        return stage_by(str(getattr(status, "name", status)), waiting=_WAITING, running=_RUNNING, done=_DONE)

    async def _drop(self, handle: str) -> None:
        await self._offload.run(self._cancel, handle)

    def _cancel(self, handle: str) -> None:
        with sdk_said(self._device.name):
            self._job(handle).cancel()

    def _check(self, circuit: Circuit, shots: int) -> None:
        device = self._device
        if circuit.n_qubits > device.reach:
            raise LimitExceeded(f"qubits of {device.name}", maximum=device.reach, seen=circuit.n_qubits)
        if not 1 <= shots <= device.max_shots:
            raise LimitExceeded(f"shots of one run on {device.name}", maximum=device.max_shots, seen=shots)

    def _send(self, circuit: Circuit, shots: int, seed: int, key: str) -> str:
        from qiskit import qasm3, transpile

        if not parse(circuit).measured:
            raise InvalidCircuit("measures nothing: there is no outcome to count")
        fitted = transpile(
            qasm3.loads(circuit.qasm3), backend=self._backend, optimization_level=2, seed_transpiler=seed % (1 << 31)
        )
        sampler = _sampler()(mode=self._backend)
        if key:
            sampler.options.environment.job_tags = [key]
        if self._local:
            sampler.options.simulator.seed_simulator = seed % (1 << 32)
        with sdk_said(self._device.name, once=True):
            job = sampler.run([fitted], shots=shots)
        if self._local:
            # The local mode of the SDK computes in this process: there is no queue to wait in.
            job.result()
        handle = str(job.job_id())
        self._sent[handle] = job
        while len(self._sent) > MAX_REMEMBERED_JOBS:
            self._sent.popitem(last=False)
        return handle

    def _counts(self, handle: str) -> dict[str, int] | None:
        """``None`` while it has not ended."""
        with sdk_said(self._device.name):
            job = self._job(handle)
            status = job.status()
            state = str(getattr(status, "name", status))
            if state in _WAITING | _RUNNING:
                return None
            if state not in _DONE:
                raise Unavailable(self._device.name, f"the job {handle} ended as {state.lower()}")
            (result,) = job.result()
        return {key[::-1]: int(n) for key, n in result.join_data().get_counts().items()}

    def _job(self, handle: str) -> Any:
        known = self._sent.get(handle)
        return self._account.job(handle) if known is None else known

    async def _seen(self) -> DeviceModel:
        """With the vendor's newest calibration, queue and status."""
        return await self._offload.run(self._looked)

    def _looked(self) -> DeviceModel:
        refresh = getattr(self._backend, "refresh", None)
        with sdk_said(self._device.name):
            if refresh is not None and not self._local:
                refresh()
            return _machine(self._backend, self._clock.wall_ns())

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
        snapshot, Origin.EMULATED if local else Origin.HARDWARE, features=_features(snapshot),
        price=FREE if local else listed_price(IBM), region="local" if local else "ibm",
        queue=QueueState(depth=int(status.pending_jobs), as_of_ns=now_ns),
        status=Status.ONLINE if status.operational else Status.OFFLINE,
    )  # fmt: skip


def _features(snapshot: Snapshot) -> Features:
    """What the machine's target says."""
    names = {name for name, _ in snapshot.head.operations}
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
