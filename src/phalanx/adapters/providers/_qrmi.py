"""A bridge to QRMI, the interface by which schedulers of computing centres hand out quantum resources; both ways.

As a client: resources that a job was given (``QRMI_JOB_QPU_RESOURCES``, ``QRMI_JOB_QPU_TYPES``, or Slurm's names of
them) are devices here, through the ``qrmi`` package (the extra ``qrmi``). A resource is acquired when a task starts and
none is open, and released when the last has ended. As a resource: ``OfferedResource`` gives any of our devices the
methods of ``qrmi.QuantumResource``, for programs that know only those.
"""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from phalanx.adapters._limits import MAX_OFFERED_TASKS
from phalanx.adapters.providers._qrmi_documents import (
    SAMPLER,
    read_sampler_input,
    read_sampler_result,
    read_target,
    sampler_input,
    sampler_result,
    write_target,
)
from phalanx.adapters.providers._sent import SentMachine, in_our_words, stage_by
from phalanx.core import Circuit, Clock, InvalidInput, NotFound, Offload, Origin, Overloaded, Unavailable
from phalanx.devices import (
    Backend,
    DeviceModel,
    Features,
    JobState,
    Modality,
    Operation,
    Provided,
    ProviderContext,
    SessionLimits,
    Stage,
    Status,
    VendorAway,
)
from phalanx.quantum.circuits import read

QRMI = "qrmi"
_WAITING = frozenset({"Queued", "Running"})
_QUEUED, _RUNNING, _DONE = frozenset({"Queued"}), frozenset({"Running"}), frozenset({"Completed"})


def qrmi_provider(
    context: ProviderContext, *, resources: "Callable[[], Sequence[Any]] | None" = None,
    payload: "Callable[[str], Any] | None" = None,
) -> Provided:  # fmt: skip
    """The entry point ``qrmi``: nothing, unless ``devices.hardware`` names it. The defaults are the package's."""
    if QRMI not in context.hardware:
        return Provided(QRMI, ())
    given = (resources or _given)()
    made = payload or _sampler_payload
    return Provided(QRMI, [QrmiMachine(one, made, context.io, context.clock) for one in given])


class QrmiMachine(SentMachine):
    """A resource that a scheduler has given this job. It lists no tasks, and keeps no name unique."""

    finds = False

    def __init__(self, resource: Any, payload: Callable[[str], Any], offload: Offload, clock: Clock) -> None:
        self._resource, self._payload, self._offload = resource, payload, offload
        self._lock, self._token, self._open = threading.Lock(), "", set[str]()
        super().__init__(_device(resource), clock)

    async def _create(self, circuit: Circuit, shots: int, key: str) -> str:
        del key
        return str(await self._offload.run(self._said, lambda: self._started(circuit, shots)))

    def _started(self, circuit: Circuit, shots: int) -> str:
        given = self._payload(sampler_input(self._device, circuit, shots))
        with self._lock:
            if not self._token:
                if not in_our_words(self._device.name, self._resource.is_accessible, VendorAway):
                    raise VendorAway(self._device.name, "the resource is not accessible")
                self._token = str(self._resource.acquire())
            try:
                name = str(self._resource.task_start(given))
            except BaseException:
                self._release()
                raise
            self._open.add(name)
        return name

    def _ended(self, name: str) -> None:
        with self._lock:
            self._open.discard(name)
            self._release()

    def _release(self) -> None:
        """Give it back, when no task is open. The lock is held."""
        if self._token and not self._open:
            token, self._token = self._token, ""
            self._resource.release(token)

    async def _find(self, key: str) -> str:
        del key
        return ""

    async def _counts(self, handle: str, circuit: Circuit, shots: int) -> dict[str, int] | None:
        del circuit, shots
        found: dict[str, int] | None = await self._offload.run(self._said, lambda: self._result(handle))
        return found

    def _result(self, handle: str) -> dict[str, int] | None:
        # Of errors the package has one kind: what it does not say now of a task, it may say later.
        status = in_our_words(self._device.name, lambda: self._resource.task_status(handle), VendorAway)
        state = state_name(status)
        if state in _WAITING:
            return None
        self._ended(handle)
        if state != JobState.COMPLETED.value:
            raise Unavailable(self._device.name, f"the task {handle} ended as {state}")
        return read_sampler_result(str(self._resource.task_result(handle).value))

    async def _stage(self, handle: str) -> Stage:
        state: str = await self._offload.run(self._said, lambda: state_name(self._resource.task_status(handle)))
        return stage_by(state, waiting=_QUEUED, running=_RUNNING, done=_DONE)

    async def _drop(self, handle: str) -> None:
        await self._offload.run(self._said, lambda: self._stopped(handle))

    def _stopped(self, handle: str) -> None:
        self._resource.task_stop(handle)
        self._ended(handle)

    async def _seen(self) -> DeviceModel:
        seen: DeviceModel = await self._offload.run(self._said, lambda: _device(self._resource))
        return seen

    def _said(self, work: Callable[[], Any]) -> Any:
        return in_our_words(self._device.name, work)


def state_name(status: Any) -> str:
    """``Queued``, ``Running``, ``Completed``, ``Failed`` or ``Cancelled``, whatever kind of enumeration it is of."""
    return str(status).rpartition(".")[2]


def _device(resource: Any) -> DeviceModel:
    name = str(resource.resource_id())
    _, max_shots, known, operations = read_target(str(resource.target().value))
    return DeviceModel(
        name=f"{QRMI}.{name}", provider=QRMI, kind=Modality.SUPERCONDUCTING, origin=Origin.HARDWARE, title=name,
        n_qubits=known.n_qubits, limits=SessionLimits(max_shots=max_shots), calibration=known, features=Features(),
        operations=tuple(Operation(op, width) for op, width in operations), region=QRMI,
        status=Status.ONLINE if resource.is_accessible() else Status.OFFLINE,
    )  # fmt: skip


def _given() -> Sequence[Any]:
    try:
        from qrmi import QRMIService
    except ImportError as error:
        raise Unavailable("QRMI", str(error), hint="pip install 'phalanx[qrmi]'") from error
    try:
        return list(QRMIService().resources())
    except Exception as error:
        raise Unavailable("the resources of this job", f"{type(error).__name__}: {error}") from error


def _sampler_payload(text: str) -> Any:
    from qrmi import Payload

    return Payload.QiskitPrimitive(input=text, program_id=SAMPLER)


@dataclass(frozen=True, slots=True)
class OfferedText:
    """``Target`` and ``TaskResult`` of QRMI: text under ``value``."""

    value: str


@dataclass(slots=True)
class _Task:
    state: JobState = JobState.QUEUED
    result: str = ""
    error: str = ""
    wanted: threading.Event = field(default_factory=threading.Event)


class OfferedResource:
    """One of our devices with the methods of ``qrmi.QuantumResource``.

    ``run`` runs a circuit on it and blocks: (circuit, shots) to counts. Each task has a thread; one holder at a time,
    told by its token. The payload is a sampler's input with one circuit, as an attribute ``input``, or as text.
    """

    def __init__(
        self, backend: Backend, run: Callable[[Circuit, int], dict[str, int]], token: Callable[[], str]
    ) -> None:
        self._backend, self._run, self._make_token = backend, run, token
        self._lock = threading.Lock()
        self._held = ""
        self._tasks: dict[str, _Task] = {}

    def resource_id(self) -> str:
        return self._backend.device.name

    def resource_type(self) -> str:
        return "phalanx"

    def is_accessible(self) -> bool:
        return self._backend.device.status.takes_work

    def metadata(self) -> dict[str, str]:
        device = self._backend.device
        return {"backend_name": device.name, "kind": device.kind.value, "results": device.origin.value}

    def target(self) -> OfferedText:
        return OfferedText(write_target(self._backend.device))

    def acquire(self) -> str:
        """Raises ``Overloaded`` while another holds it."""
        with self._lock:
            if self._held:
                raise Overloaded(self.resource_id(), retry_after_s=1)
            self._held = self._make_token()
            return self._held

    def release(self, token: str) -> None:
        """Raises ``NotFound`` for a token that holds nothing."""
        with self._lock:
            if not token or token != self._held:
                raise NotFound("acquisition", token)
            self._held = ""

    def task_start(self, payload: Any) -> str:
        """Raises ``InvalidInput`` for a payload that is none, and while nobody has acquired the resource."""
        program, shots = read_sampler_input(str(getattr(payload, "input", payload)))
        circuit = read(program)
        with self._lock:
            if not self._held:
                raise InvalidInput("task", f"{self.resource_id()} was not acquired")
            if len(self._tasks) >= MAX_OFFERED_TASKS:
                ended = [name for name, task in self._tasks.items() if task.state.final]
                if not ended:
                    raise Overloaded(f"tasks of {self.resource_id()}", retry_after_s=1)
                del self._tasks[ended[0]]
            name = self._make_token()
            task = self._tasks[name] = _Task()
        threading.Thread(target=self._carry_out, args=(task, circuit, shots), daemon=True).start()
        return name

    def task_status(self, name: str) -> JobState:
        return self._task(name).state

    def task_stop(self, name: str) -> None:
        with self._lock:
            task = self._task(name)
            if not task.state.final:
                task.state = JobState.CANCELLED

    def task_result(self, name: str) -> OfferedText:
        """Raises ``InvalidInput`` when the task has not completed, saying what it is instead."""
        task = self._task(name)
        if task.state is not JobState.COMPLETED:
            raise InvalidInput("task", f"{name} is {task.state.value}" + (f": {task.error}" if task.error else ""))
        return OfferedText(task.result)

    def task_logs(self, name: str) -> str:
        return json.dumps({"state": self._task(name).state.value, "error": self._task(name).error})

    def _task(self, name: str) -> _Task:
        if name not in self._tasks:
            raise NotFound("task", name)
        return self._tasks[name]

    def _carry_out(self, task: _Task, circuit: Circuit, shots: int) -> None:
        with self._lock:
            if task.state.final:
                return
            task.state = JobState.RUNNING
        state, text, error = JobState.COMPLETED, "", ""
        try:
            text = sampler_result(self._run(circuit, shots))
        except Exception as raised:  # noqa: BLE001 - whatever the device raises, the task says it
            state, error = JobState.FAILED, f"{type(raised).__name__}: {raised}"
        with self._lock:
            if not task.state.final:
                task.state, task.result, task.error = state, text, error
