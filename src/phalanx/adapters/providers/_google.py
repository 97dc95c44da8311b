"""Google's processors, emulated from the noise properties that the vendor publishes, or the real ones of a project.

Real ones go through ``cirq-google`` under the credentials that it finds. The names of programs and jobs are ours to
choose, and the service keeps them unique: a job that was sent under our key is found by its name, whatever became of
the answer.
"""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from phalanx.adapters._limits import MAX_VENDOR_ASKS, VENDOR_PAUSE_MOST_S
from phalanx.adapters.providers._google_documents import KEY, GooglePlan, google_circuit, google_counts, google_plan
from phalanx.adapters.providers._google_engine import google_engine, google_said
from phalanx.adapters.providers._http import Refused
from phalanx.adapters.providers._machines import account_machines
from phalanx.adapters.providers._sent import NOT_SEEN, SentMachine, stage_by
from phalanx.adapters.providers._snapshots import provider_snapshots, snapshot_device
from phalanx.core import NS_PER_S, Circuit, InvalidInput, Origin, Overloaded, PhalanxError, Unavailable
from phalanx.devices import (
    DeviceModel,
    Emulated,
    Modality,
    Provided,
    ProviderContext,
    SessionLimits,
    Stage,
    Status,
    VendorAway,
    listed_price,
)

GOOGLE = "google"
_MAX_SHOTS = 100_000
_FIRST_PAUSE_S = 0.5
_WAITING, _RUNNING = frozenset({"READY", "STATE_UNSPECIFIED"}), frozenset({"RUNNING", "CANCELLING"})
_DONE = frozenset({"SUCCESS"})
P = ParamSpec("P")
T = TypeVar("T")


def google_provider(context: ProviderContext, *, engine: "Callable[[str, str], Any]" = google_engine) -> Provided:
    """The entry point ``google``. Options ``google.project``, ``google.processors`` (ids, between commas; else all
    that the project sees), ``google.url`` and ``google.snapshots``. ``engine`` opens the service; the default is the
    SDK's."""
    if GOOGLE not in context.hardware:
        models = [snapshot_device(GOOGLE, one, Modality.SUPERCONDUCTING) for one in provider_snapshots(context, GOOGLE)]
        return Provided(GOOGLE, [Emulated(one, context.offload) for one in models])
    project = context.options.get("google.project", "")
    if not project:
        raise InvalidInput("devices.options.google.project", "names no project of Google Cloud")
    opened = engine(project, context.options.get("google.url", ""))

    def listed() -> dict[str, str]:
        with google_said("the processors of Google"):
            return {name: name for name in (str(one.processor_id) for one in opened.list_processors())}

    machines = account_machines(
        context.options, "google.processors", listed, lambda one, _: GoogleMachine(one, opened, context)
    )
    return Provided(GOOGLE, machines)


class GoogleMachine(SentMachine):
    """A real processor of Google; offline until it has been looked at."""

    unique = True

    def __init__(self, processor: str, engine: Any, context: ProviderContext) -> None:
        self._processor, self._engine, self._offload = processor, engine, context.offload
        # The machine and its plan as they were seen together; another thread may be looking.
        self._known: tuple[DeviceModel, GooglePlan, Mapping[str, str]] | None = None
        name = f"{GOOGLE}.{processor}"
        device = DeviceModel(
            name=name, provider=GOOGLE, kind=Modality.SUPERCONDUCTING, origin=Origin.HARDWARE,
            title=f"Google {processor}", n_qubits=1, limits=SessionLimits(max_shots=_MAX_SHOTS), calibration=NOT_SEEN,
            region=GOOGLE, price=listed_price(name), status=Status.OFFLINE,
        )  # fmt: skip
        super().__init__(device, context.clock)

    async def _find(self, key: str) -> str:
        """Not asked beforehand: the service takes a name once, and says that it has it."""
        del key
        return ""

    async def _create(self, circuit: Circuit, shots: int, key: str) -> str:
        if self._known is None:
            raise Unavailable(self._device.name, "it has not said how it is yet")
        try:
            return await self._offload.run(self._send, circuit, shots, key, *self._known)
        except Unavailable as error:
            # Perhaps only the answer was lost, or it was sent under this name before.
            if key and not isinstance(error, Refused):
                with contextlib.suppress(PhalanxError):
                    await self._asked(self._status, _handle(key))
                    return _handle(key)
            raise

    def _send(
        self, circuit: Circuit, shots: int, key: str, device: DeviceModel, plan: GooglePlan, config: Mapping[str, str]
    ) -> str:
        compiled = google_circuit(circuit, device, plan)
        name = _name(key) or None
        with google_said(device.name):
            job = self._engine.get_processor(self._processor).run_sweep(
                compiled, program_id=name, job_id=name, repetitions=shots, job_description=key, **config
            )
            return f"{getattr(job, 'program_id', '') or job.program().id()}/{job.id()}"

    async def _counts(self, handle: str, circuit: Circuit, shots: int) -> dict[str, int] | None:
        del circuit
        return await self._asked(self._result, handle, shots)

    def _result(self, handle: str, shots: int) -> dict[str, int] | None:
        with google_said(self._device.name):
            job = self._job(handle)
            status = str(job.execution_status().name)
            if status in _WAITING | _RUNNING:
                return None
            if status not in _DONE:
                told = ": ".join(str(one) for one in job.failure() or () if one)
                raise Unavailable(
                    self._device.name, f"the job {handle} ended as {status.lower()}: {told or 'it does not say why'}"
                )
            (result,) = job.results()
            counts = google_counts(result.measurements[KEY])
        if sum(counts.values()) != shots:
            raise Unavailable(self._device.name, f"the outcomes of the job {handle} are not those of {shots} shots")
        return counts

    async def _stage(self, handle: str) -> Stage:
        status = await self._asked(self._status, handle)
        return stage_by(status, waiting=_WAITING, running=_RUNNING, done=_DONE)

    def _status(self, handle: str) -> str:
        with google_said(self._device.name):
            return str(self._job(handle).execution_status().name)

    async def _drop(self, handle: str) -> None:
        await self._asked(self._cancel, handle)

    def _cancel(self, handle: str) -> None:
        with google_said(self._device.name):
            self._job(handle).cancel()

    def _job(self, handle: str) -> Any:
        program, _, job = handle.partition("/")
        return self._engine.get_program(program).get_job(job)

    def look_now(self) -> None:
        """``look`` in this thread, asking once."""
        self._device = self._looked()

    async def _seen(self) -> DeviceModel:
        return await self._asked(self._looked)

    def _looked(self) -> DeviceModel:
        with google_said(self._device.name):
            processor = self._engine.get_processor(self._processor)
            status = self._state(processor)
            device, metrics = processor.get_device(), processor.get_current_calibration()
            dated_ms = int(metrics.timestamp) if metrics is not None else 0
            plan = google_plan(device, metrics, dated_ms, what=self._processor)
            config = _config(processor)
        seen = replace(
            self._device, n_qubits=len(plan.qubits), calibration=plan.known, operations=plan.operations, status=status
        )
        self._known = seen, plan, config
        return seen

    def _state(self, processor: Any) -> Status:
        """By its health, and by when it is to be down; one that is down and says when it will be back is maintained."""
        # The service is asked for its health; the times are from the same answer.
        well, now_s = processor.health() == "OK", self._clock.wall_ns() / NS_PER_S
        down_s, back_s = _seconds(processor.expected_down_time()), _seconds(processor.expected_recovery_time())
        if back_s > now_s and (not well or 0 < down_s <= now_s):
            return Status.MAINTENANCE
        return Status.ONLINE if well else Status.OFFLINE

    async def _asked(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What changes nothing is asked again while the service is busy or down, a bounded number of times; what else
        goes wrong goes wrong again."""
        pause_s = _FIRST_PAUSE_S
        for attempt in range(1, MAX_VENDOR_ASKS + 1):
            wanted_s = 0.0
            try:
                return await self._offload.run(work, *args, **kwargs)
            except Overloaded as busy:
                if attempt == MAX_VENDOR_ASKS:
                    raise
                wanted_s = busy.retry_after_s
            except VendorAway:
                if attempt == MAX_VENDOR_ASKS:
                    raise
            await self._clock.sleep(min(max(pause_s, wanted_s), VENDOR_PAUSE_MOST_S))
            pause_s *= 2
        raise AssertionError("the last attempt returns or raises")


def _seconds(at: datetime | None) -> float:
    """Since 1970; 0 where nobody says."""
    return at.timestamp() if at else 0.0


def _config(processor: Any) -> dict[str, str]:
    """The configuration that the processor names as its usual one; else the service takes its own."""
    try:
        sampler = processor.get_sampler()
    except ValueError:
        return {"run_name": "", "device_config_name": ""}
    return {"run_name": sampler.run_name, "device_config_name": sampler.device_config_name}


def _name(key: str) -> str:
    """Of a program and of its job: ours to choose, and the same for a key."""
    return f"phalanx-{hashlib.sha256(key.encode()).hexdigest()[:32]}" if key else ""


def _handle(key: str) -> str:
    return f"{_name(key)}/{_name(key)}"
