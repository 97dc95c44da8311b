"""Quandela: its machines emulated, or the real ones through its cloud.

Emulated, photons are by figures that the cloud tells of its machines, and Ascella's gates by published fidelities. A
real machine takes photonic programs alone. Wire format: the description that the cloud publishes of its API
(``https://api.cloud.quandela.com/openapi.json``, version 2.8) for jobs, and what Perceval 1.1 sends for experiments and
asks about machines. The API lists no jobs, and keeps no name unique: a job that got no answer, or was on its way when a
node died, is not sent again, and ends.
"""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from phalanx.adapters.providers._http import VendorHttp, created, said_plainly
from phalanx.adapters.providers._quandela_documents import FORM, Wiring, counts, experiment, figures, taken, wiring_of
from phalanx.adapters.providers._secrets import AskedAs
from phalanx.adapters.providers._sent import Kept, SentPhotons, real, stage_by
from phalanx.core import NotFound, Offload, Unavailable
from phalanx.devices import (
    Backend,
    DeviceModel,
    EmulatedPhotons,
    Features,
    Photons,
    Provided,
    ProviderContext,
    PublishedDevice,
    QueueState,
    Stage,
    Status,
    listed_price,
    published_machines,
)
from phalanx.quantum.photonic import PhotonicProgram

QUANDELA = "quandela"
_URL = "https://api.cloud.quandela.com"
_WAITING, _RUNNING = frozenset({"waiting", "suspended"}), frozenset({"running", "cancel_requested"})
_DONE = frozenset({"completed"})
_STATES = {"available": Status.ONLINE, "running": Status.ONLINE, "calibrating": Status.MAINTENANCE,
           "maintenance": Status.MAINTENANCE, "retired": Status.RETIRED, "decommissioned": Status.RETIRED}  # fmt: skip
_COMMAND = "sample_count"


def quandela_provider(context: ProviderContext) -> Provided:
    """The entry point ``quandela``. Option ``quandela.url``; secret ``quandela.token``, else ``PCVL_CLOUD_TOKEN``."""
    machines = published_machines(QUANDELA)
    if QUANDELA not in context.hardware:
        return Provided(QUANDELA, [_emulated(one.device, context.offload) for one in machines])
    url = context.options.get("quandela.url", _URL)
    http = VendorHttp("Quandela", url, context.clock, context.io, explain=_explained)
    asked = AskedAs(http, lambda: context.secret("quandela.token", "PCVL_CLOUD_TOKEN"))
    return Provided(QUANDELA, [QuandelaMachine(one, asked, context) for one in machines])


def _emulated(device: DeviceModel, offload: Offload) -> Backend:
    return EmulatedPhotons(device, offload) if device.features.gates else Photons(device, offload)


class _Made(msgspec.Struct):
    """A job that it took."""

    job_id: str


class QuandelaMachine(SentPhotons):
    """A real machine of Quandela, a ``QueuedPhotonic``; offline until it has been looked at."""

    finds = False

    def __init__(self, published: PublishedDevice, asked: AskedAs, context: ProviderContext) -> None:
        device = real(
            published.device, region=QUANDELA, price=listed_price(published.device.name),
            features=Features(gates=False), status=Status.OFFLINE,
        )  # fmt: skip
        super().__init__(device, context.clock)
        self._platform, self._asked = published.vendor_id, asked
        self._wiring: Wiring | None = None

    async def _ask(self, method: str, path: str, body: object = None, *, once: bool = False) -> Any:
        return await self._asked.ask(method, path, body, once=once)

    async def _ready(self) -> None:
        if self._wiring is None:
            await self.look()

    async def _create_program(self, program: PhotonicProgram, shots: int, key: str) -> str:
        await self._ready()
        assert self._wiring is not None, "a look ends with it"
        payload = {
            "command": _COMMAND, "experiment": experiment(program, self._wiring), "max_shots": shots,
            "max_samples": shots, "job_context": None,
        }  # fmt: skip
        job = {
            "platform_name": self._platform, "job_name": key or program.digest[:32], "pcvl_version": FORM,
            "payload": payload,
        }  # fmt: skip
        answer = await self._ask("POST", "/api/jobs", job, once=True)
        return created("Quandela", answer, _Made).job_id

    async def _find(self, key: str) -> str:
        """The API lists no jobs."""
        del key
        return ""

    async def _kept(self, handle: str, program: PhotonicProgram, shots: int) -> Kept | None:
        job = await self._status(handle)
        status = str(job.get("status"))
        if status in _WAITING | _RUNNING:
            return None
        if status not in _DONE:
            told = job.get("status_message") or job.get("failure_code") or "it does not say why"
            raise Unavailable(self._device.name, f"the job {handle} ended as {status}: {told}")
        found = await self._ask("GET", f"/api/jobs/{quote(handle, safe='')}/result")
        done = taken(found.get("shots"), shots, self._device.name)
        return Kept(counts(program, str(found.get("results")), done, self._device.name), done)

    async def _status(self, handle: str) -> dict[str, Any]:
        return dict(await self._ask("GET", f"/api/jobs/{quote(handle, safe='')}/status"))

    async def _stage(self, handle: str) -> Stage:
        job = await self._status(handle)
        return stage_by(str(job.get("status")), waiting=_WAITING, running=_RUNNING, done=_DONE)

    async def _drop(self, handle: str) -> None:
        await self._ask("POST", f"/api/jobs/{quote(handle, safe='')}/cancel")

    async def _seen(self) -> DeviceModel:
        try:
            told = await self._ask("GET", f"/api/platforms/{quote(self._platform, safe='')}/processor")
        except NotFound:
            told = await self._ask("GET", f"/api/platform/{quote(self._platform, safe='')}")
        specs, known = told.get("specs") or {}, self._device.photonic
        assert known is not None, self._device.name
        if specs.get("available_commands") and _COMMAND not in specs["available_commands"]:
            raise Unavailable(self._device.name, f"it does not count outcomes ({_COMMAND}), and nothing else is asked")
        try:
            self._wiring = wiring_of(specs, known.modes)
        except ValueError as error:
            raise Unavailable(self._device.name, f"what it says of itself cannot be read: {error}") from error
        limits, now_ns = specs.get("constraints") or {}, self._clock.wall_ns()
        taken_over, odd = figures(told.get("perfs") or {})
        changes: dict[str, Any] = {**taken_over}
        if changes:
            source = "; ".join([f"Quandela's cloud on {self._platform}", *(f"{one} is not taken over" for one in odd)])
            changes |= {"as_of_ns": now_ns, "source": source}
        light = replace(
            known, modes=self._wiring.modes, photons=int(limits.get("max_photon_count") or known.photons),
            threshold=str(specs.get("detector") or "threshold") == "threshold", **changes,
        )  # fmt: skip
        waiting = told.get("waiting_jobs")
        return real(
            self._device, photonic=light, status=_STATES.get(str(told.get("status")), Status.OFFLINE),
            queue=QueueState(depth=None if waiting is None else int(waiting), as_of_ns=now_ns),
        )  # fmt: skip


def _explained(body: bytes) -> str:
    """Why it refuses, in one sentence; a body of another form as it is."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return said_plainly(body)
