"""A real machine of Pasqal: a ``QueuedAnalog``.

Each program is a batch of its own that is closed from the start and holds one job, which is what a handle names: the
machine never waits for more of ours. The batch carries our key as a tag, and is looked for by it before it is sent
again. Counts spell the atoms in the order of the register, 1 for the Rydberg state, as Pulser measures in the basis
``ground-rydberg``.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
import numpy as np

from phalanx.adapters._limits import MAX_VENDOR_ASKS, MAX_VENDOR_PAGES
from phalanx.adapters.providers._http import Unanswered, created
from phalanx.adapters.providers._pasqal_cloud import CLOUD, PASQAL, PasqalCloud, answered
from phalanx.adapters.providers._pasqal_sequences import pasqal_figures, pasqal_text
from phalanx.adapters.providers._sent import ASK_EVERY_S, Drawn, SentAtoms, real, stage_by
from phalanx.core import NS_PER_S, Unavailable
from phalanx.devices import (
    DeviceModel,
    ProviderContext,
    QueueState,
    SessionLimits,
    Stage,
    Status,
    listed_price,
    published_machines,
    uniform_calibration,
)
from phalanx.quantum.analog import AnalogProgram

_PAGE = 100
_NO_PAIRS = np.empty((0, 2), np.int32)
_QUEUED, _BUSY = frozenset({"PENDING", "PAUSED"}), frozenset({"RUNNING", "CANCELING"})
_DONE = frozenset({"DONE"})
_AVAILABLE = {"INACTIVE": Status.OFFLINE, "RETIRED": Status.RETIRED}


class _Status(msgspec.Struct):
    status: str


class _Job(msgspec.Struct):
    id: str
    status: str
    errors: list[Any] | None = None
    start_timestamp: str | float | None = None
    end_timestamp: str | float | None = None


class _Batch(msgspec.Struct):
    id: str
    tags: list[str] | None = None
    jobs: list[_Job] | None = None


class _Link(msgspec.Struct):
    results_link: str | None


class _Result(msgspec.Struct):
    counter: dict[str, int] | None = None
    raw: list[str] | None = None


class Shown(msgspec.Struct):
    """A machine that the cloud shows to anybody."""

    device_type: str


class _Listed(msgspec.Struct):
    """``average_queue_time`` is in seconds, over the last hour."""

    device_type: str
    status: str
    availability: str = "ACTIVE"
    is_emulator: bool = False
    average_queue_time: float | None = None


class PasqalAtoms(SentAtoms):
    """One machine of the cloud, which calls it ``vendor_id``."""

    ask_most_s = 30.0

    def __init__(self, vendor_id: str, cloud: PasqalCloud, context: ProviderContext) -> None:
        self._id, self._cloud, self._offload = vendor_id, cloud, context.offload
        name = f"{PASQAL}.{vendor_id.lower().replace('_', '-')}"
        common = published_machines(PASQAL)[0].device
        # How it is and what it takes is not known before it is looked at.
        unseen = uniform_calibration(common.n_qubits, _NO_PAIRS, {}, calibrated_at_ns=0, source="not seen yet")
        device = replace(common, name=name, title=vendor_id, status=Status.OFFLINE, calibration=unseen)
        super().__init__(real(device, region=PASQAL, price=listed_price(name)), context.clock)
        self._specs = ""

    async def submit_program(self, program: AnalogProgram, /, *, shots: int, seed: int, key: str) -> str:
        if not self._specs:
            # A job that a node finds when it starts is judged by what the machine takes, too.
            await self.look()
        return await super().submit_program(program, shots=shots, seed=seed, key=key)

    async def _create_program(self, program: AnalogProgram, shots: int, key: str) -> str:
        # Specifications change with each calibration, and a sequence is for one of them.
        specs = (await self._all_specs())[self._id]
        text = await self._offload.run(pasqal_text, program, specs)
        batch = {
            "sequence_builder": text, "jobs": [{"runs": shots}], "open": False, "device_type": self._id,
            "project_id": self._cloud.project,
        } | ({"tags": [_tag(key)]} if key else {})  # fmt: skip
        made = created(CLOUD, await self._cloud.ask("POST", "/v1/batches", batch, once=True), _Batch)
        if made.jobs:
            return made.jobs[0].id
        try:
            return await self._job_of(made.id)
        except Unavailable as error:
            raise Unanswered(
                CLOUD, f"it took the batch {made.id}, and does not name its job: {error.reason}"
            ) from error

    async def _find(self, key: str) -> str:
        tag = _tag(key)
        for page in range(MAX_VENDOR_PAGES):
            asked = {"tag": tag, "project_id": self._cloud.project, "limit": _PAGE, "offset": page * _PAGE}
            rows = answered(await self._cloud.ask("GET", f"/v1/batches?{urlencode(asked)}"), list[_Batch])
            for one in rows:
                if tag in (one.tags or ()):
                    return await self._job_of(one.id)
            if len(rows) < _PAGE:
                break
        return ""

    async def _job_of(self, batch: str) -> str:
        rows = answered(await self._cloud.ask("GET", f"/v2/jobs?{urlencode({'batch_id': batch})}"), list[_Job])
        if not rows:
            raise Unavailable(self._device.name, f"the batch {batch} has no job")
        return rows[0].id

    async def _stage(self, handle: str) -> Stage:
        return stage_by(await self._status(handle), waiting=_QUEUED, running=_BUSY, done=_DONE)

    async def _status(self, handle: str) -> str:
        return answered(await self._cloud.ask("GET", f"/v1/jobs/{handle}/status"), _Status).status

    async def _drop(self, handle: str) -> None:
        await self._cloud.ask("PATCH", f"/v2/jobs/{handle}/cancel")

    async def _drawn(self, handle: str, program: AnalogProgram, shots: int) -> Drawn | None:
        status = await self._status(handle)
        if status in _QUEUED | _BUSY:
            return None
        job = answered(await self._cloud.ask("GET", f"/v2/jobs/{handle}"), _Job)
        if status not in _DONE:
            why = f": {'; '.join(map(str, job.errors))}" if job.errors else ""
            raise Unavailable(self._device.name, f"the job {handle} ended as {status.lower()}{why}")
        found = answered(await self._cloud.fetch(await self._link(handle)), _Result)
        counts = found.counter if found.counter is not None else dict(Counter(found.raw or ()))
        wrong = [key for key, n in counts.items() if len(key) != program.n_atoms or set(key) - {"0", "1"} or n < 0]
        if wrong or sum(counts.values()) > shots:
            told = f"its outcomes are not {shots} shots of {program.n_atoms} atoms: {str(counts)[:100]}"
            raise Unavailable(self._device.name, told)
        return Drawn({key: n for key, n in sorted(counts.items()) if n}, _lasted_s(job))

    async def _link(self, handle: str) -> str:
        """Results are put down a little after a job has ended."""
        for _ in range(MAX_VENDOR_ASKS):
            found = answered(await self._cloud.ask("GET", f"/v1/jobs/{handle}/results_link"), _Link)
            if found.results_link:
                return found.results_link
            await self._clock.sleep(ASK_EVERY_S)
        raise Unavailable(self._device.name, f"the job {handle} is done, and its result is nowhere")

    async def _all_specs(self) -> dict[str, str]:
        found = answered(await self._cloud.ask("GET", "/v1/devices/specs"), dict[str, str])
        if self._id not in found:
            self._device = replace(self._device, status=Status.OFFLINE)
            raise Unavailable(
                CLOUD, f"it lists no {self._id} for these credentials: {', '.join(sorted(found)) or 'nothing'}"
            )
        return found

    async def _seen(self) -> DeviceModel:
        specs, now_ns = (await self._all_specs())[self._id], self._clock.wall_ns()
        asked = urlencode({"device_type": self._id})
        rows = answered(await self._cloud.ask("GET", f"/v2/devices?{asked}"), list[_Listed])
        row = next((one for one in rows if one.device_type == self._id), None)
        if row is not None and row.is_emulator:
            raise Unavailable(self._device.name, "it is an emulator, and would pass for a machine")
        if specs != self._specs:
            self._device = await self._offload.run(pasqal_model, self._device, specs, now_ns)
            self._specs = specs
        if row is None:
            return replace(self._device, status=Status.OFFLINE)
        waits = row.average_queue_time
        wait_ns = None if waits is None else int(waits * NS_PER_S)
        return replace(self._device, status=_status(row), queue=QueueState(wait_ns_p50=wait_ns, as_of_ns=now_ns))


def pasqal_model(device: DeviceModel, specs: str, now_ns: int) -> DeviceModel:
    """The machine as its specification says. That has no date: it is as new as it was first seen here."""
    figures = pasqal_figures(specs)
    limits = figures.limits
    misread = (limits.false_one + limits.false_zero) / 2
    numbers = {"readout_error": misread} if misread else {}
    known = uniform_calibration(
        figures.n_atoms, _NO_PAIRS, numbers, calibrated_at_ns=now_ns,
        source=f"{CLOUD}, its specification of {figures.name}",
    )  # fmt: skip
    return replace(
        device, title=figures.name, n_qubits=figures.n_atoms, calibration=known, analog=limits,
        limits=SessionLimits(max_shots=figures.max_runs or device.max_shots),
    )  # fmt: skip


def _status(row: _Listed) -> Status:
    """A machine that is down still queues what it is sent, and runs none of it now."""
    if row.availability != "ACTIVE":
        return _AVAILABLE.get(row.availability, Status.OFFLINE)
    return Status.ONLINE if row.status == "UP" else Status.MAINTENANCE


def _tag(key: str) -> str:
    return f"phalanx-{key}"


def _lasted_s(job: _Job) -> float | None:
    """How long the machine had it; ``None`` where it does not say, or says it in another way."""
    start, end = (_moment_s(one) for one in (job.start_timestamp, job.end_timestamp))
    return end - start if start is not None and end is not None and end >= start else None


def _moment_s(value: Any) -> float | None:
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else value
    except ValueError:
        return None
