"""IQM: its machines emulated from the error profiles of the maker's SDK, or the real ones through its server's API, v1.

Wire format: the description of the IQM Server API (``https://resonance.iqm.tech/docs/api-reference``), and what
``iqm-client`` sends. A job carries our key as its tag, for people to find: the API lists no jobs, so that what was on
its way when a node died is not sent again, and ends.
"""

from collections.abc import Generator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from phalanx.adapters.providers._http import VendorHttp, created
from phalanx.adapters.providers._iqm_documents import KEY, IqmLayout, IqmSeen, iqm_circuit, iqm_layout, iqm_seen
from phalanx.adapters.providers._machines import account_machines, named_in
from phalanx.adapters.providers._secrets import AskedAs
from phalanx.adapters.providers._sent import NOT_SEEN, SentMachine, stage_by
from phalanx.adapters.providers._snapshots import provider_snapshots, snapshot_device
from phalanx.core import Circuit, InvalidInput, NotFound, Origin, Unavailable
from phalanx.devices import (
    DeviceModel,
    Emulated,
    Modality,
    Operation,
    Provided,
    ProviderContext,
    QueueState,
    SessionLimits,
    Stage,
    Status,
    fit,
    listed_price,
)

IQM = "iqm"
_COMPUTERS = "iqm.computers"
_URL = "https://resonance.iqm.tech"
_OPERATIONS = (Operation("prx", 1), Operation("cz", 2), Operation("measure", 0))
_MAX_SHOTS = 20_000
_MAX_TAG_CHARS = 50
_MOCK = ":mock"
_WAITING, _RUNNING, _DONE = frozenset({"waiting"}), frozenset({"processing"}), frozenset({"completed"})

# Yields what to ask, is sent the answers (``None`` where there is no such thing), and returns the machine.
Looking = Generator[str, Any, DeviceModel]


def iqm_provider(context: ProviderContext) -> Provided:
    """The entry point ``iqm``. Options ``iqm.url``, ``iqm.computers`` (aliases, between commas; else all that there
    are) and ``iqm.snapshots``; secret ``iqm.token``, else the variable ``IQM_TOKEN``."""
    if IQM not in context.hardware:
        models = [snapshot_device(IQM, one, Modality.SUPERCONDUCTING) for one in provider_snapshots(context, IQM)]
        return Provided(IQM, [Emulated(one, context.offload) for one in models])
    url = context.options.get("iqm.url", _URL).rstrip("/")
    http = VendorHttp("IQM", f"{url}/api/v1", context.clock, context.io)
    server = _Server(AskedAs(http, lambda: context.secret("iqm.token", "IQM_TOKEN")))
    machines = account_machines(
        context.options, _COMPUTERS, server.machines, lambda alias, title: IqmMachine(alias, title, server, context)
    )
    lone = [one for one in machines if one.lone]
    if lone and named_in(context.options, _COMPUTERS):
        why = f"no two qubits of {lone[0].device.title} are joined, only each with a resonator: it is not spoken to"
        raise InvalidInput(f"devices.options.{_COMPUTERS}", why)
    return Provided(IQM, [one for one in machines if not one.lone])


class _Made(msgspec.Struct):
    """A job that it took."""

    id: str


class _Server:
    """Questions to IQM under our token."""

    def __init__(self, asked: AskedAs) -> None:
        self.ask, self.ask_now = asked.ask, asked.ask_now

    def machines(self) -> dict[str, str]:
        """Titles by alias. A mock is none: it takes jobs for trying things out, and its answers are made up."""
        listed = self.ask_now("/quantum-computers").get("quantum_computers", [])
        found = {str(one["alias"]): str(one.get("display_name") or one["alias"]) for one in listed}
        return {alias: title for alias, title in found.items() if not alias.endswith(_MOCK)}


class IqmMachine(SentMachine):
    """A real machine of IQM; offline until it has been looked at."""

    finds = False

    def __init__(self, alias: str, title: str, server: _Server, context: ProviderContext) -> None:
        self._alias, self._title, self._name = quote(alias), title, f"{IQM}.{alias}"
        self._server, self._offload = server, context.offload
        self._layout, self._machine = IqmLayout((), ()), IqmSeen(NOT_SEEN, {})
        self._sets: dict[str, Any] = {}
        device = DeviceModel(
            name=self._name, provider=IQM, kind=Modality.SUPERCONDUCTING, origin=Origin.HARDWARE, title=title,
            n_qubits=1, limits=SessionLimits(max_shots=_MAX_SHOTS), calibration=NOT_SEEN, operations=_OPERATIONS,
            region=IQM, price=listed_price(self._name), status=Status.OFFLINE,
        )  # fmt: skip
        super().__init__(device, context.clock)

    async def _create(self, circuit: Circuit, shots: int, key: str) -> str:
        device, seen = self._device, self._machine
        mapped, _ = await self._offload.run(fit, device, circuit)
        qubits = device.calibration.component
        written = iqm_circuit(mapped.circuit, qubits, self._layout, seen, key or circuit.digest[:32])
        tag = f"?tag={quote(key[:_MAX_TAG_CHARS])}" if key else ""
        body = {"circuits": [written], "shots": shots}
        job = await self._server.ask("POST", f"/jobs/{self._alias}/circuit{tag}", body, once=True)
        return created("IQM", job, _Made).id

    async def _find(self, key: str) -> str:
        del key
        return ""

    async def _counts(self, handle: str, circuit: Circuit, shots: int) -> dict[str, int] | None:
        del circuit
        job = await self._server.ask("GET", f"/jobs/{handle}")
        status = str(job.get("status"))
        if status in _WAITING | _RUNNING:
            return None
        if status not in _DONE:
            told = "; ".join(str(one.get("message") or one.get("error_code")) for one in job.get("errors") or [])
            raise Unavailable(self._device.name, f"the job {handle} ended as {status}: {told or 'it does not say why'}")
        (found,) = await self._server.ask("GET", f"/jobs/{handle}/artifacts/measurement_counts")
        counts = {str(bits): int(n) for bits, n in sorted(found["counts"].items()) if n}
        if found["measurement_keys"] != [KEY] or sum(counts.values()) != shots:
            raise Unavailable(self._device.name, f"the outcomes of the job {handle} are not those of {shots} shots")
        return counts

    async def _stage(self, handle: str) -> Stage:
        job = await self._server.ask("GET", f"/jobs/{handle}")
        return stage_by(str(job.get("status")), waiting=_WAITING, running=_RUNNING, done=_DONE)

    async def _drop(self, handle: str) -> None:
        await self._server.ask("POST", f"/jobs/{handle}/cancel")

    @property
    def lone(self) -> bool:
        """Whether no two of its qubits are joined: then there is a resonator between them."""
        return len(self._layout.qubits) > 1 and not self._layout.pairs

    def look_now(self) -> None:
        """``look`` in this thread, asking everything once."""
        looking = self._looking()
        found = _after(looking, None)
        while isinstance(found, str):
            try:
                answer: Any = self._server.ask_now(found)
            except NotFound:
                answer = None
            found = _after(looking, answer)
        self._device = found

    async def _seen(self) -> DeviceModel:
        looking = self._looking()
        found = _after(looking, None)
        while isinstance(found, str):
            try:
                answer: Any = await self._server.ask("GET", found)
            except NotFound:
                answer = None
            found = _after(looking, answer)
        return found

    def _looking(self) -> Looking:
        """The machine as it is now."""
        here, sets = f"/quantum-computers/{self._alias}", f"/calibration-sets/{self._alias}"
        if not self._layout.qubits:
            self._layout = iqm_layout((yield f"{here}/artifacts/static-quantum-architectures"))
        health = (yield f"{here}/health") or {}
        queue = (yield f"{here}/queue-availability") or {}
        limits = (yield f"{here}/limits") or {}
        dynamic = yield f"{sets}/default/dynamic-quantum-architecture"
        if dynamic is None:
            raise NotFound("default calibration set of", self._name)
        name = quote(str(dynamic.get("calibration_set_id")))
        metrics = (yield f"{sets}/{name}/metrics") or {}
        if name not in self._sets:
            self._sets = {name: (yield f"{sets}/{name}") or {}}
        self._machine = iqm_seen(self._layout, dynamic, metrics, self._sets[name], what=self._title)
        most = [limits.get("max_shots_per_circuit"), limits.get("max_executions_per_job")]
        return replace(
            self._device, n_qubits=len(self._layout.qubits), calibration=self._machine.calibration,
            limits=SessionLimits(
                max_shots=min((int(one) for one in most if one), default=_MAX_SHOTS),
                max_gates=limits.get("max_instructions_per_circuit"),
            ),
            queue=QueueState(depth=queue.get("queue_length"), as_of_ns=self._clock.wall_ns()),
            status=Status.ONLINE if health.get("healthy", True) else Status.OFFLINE,
        )  # fmt: skip


def _after(looking: Looking, answer: Any) -> str | DeviceModel:
    """What is asked next, or the machine."""
    try:
        return looking.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
