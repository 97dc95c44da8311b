"""IonQ: its machines emulated from published figures, or the real ones through its API, version 0.4 or 0.3.

Wire format: https://docs.ionq.com (jobs in ``ionq.circuit``, gates of the set ``qis``; outcomes keyed by the number
whose bit q is qubit q). Debiasing is off, so that what comes back is what was measured.
"""

from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from phalanx.adapters._limits import MAX_VENDOR_PAGES
from phalanx.adapters.providers._http import VendorHttp, created
from phalanx.adapters.providers._secrets import AskedAs
from phalanx.adapters.providers._sent import SentMachine, real, stage_by, whole_counts
from phalanx.core import NS_PER_S, Circuit, NotFound, Unavailable
from phalanx.devices import (
    DeviceModel,
    Emulated,
    Provided,
    ProviderContext,
    PublishedDevice,
    QueueState,
    Stage,
    Status,
    all_pairs,
    listed_price,
    published_machines,
    uniform_calibration,
)
from phalanx.quantum import parse
from phalanx.quantum.mapping import map_circuit

IONQ = "ionq"
_URL = "https://api.ionq.co/v0.4"
_NAMES = {"x": "x", "sx": "v", "rz": "rz", "cx": "cnot", "id": ""}
_STATES = {"available": Status.ONLINE, "running": Status.ONLINE, "reserved": Status.ONLINE, "retired": Status.RETIRED}
_WAITING, _RUNNING = frozenset({"submitted", "ready"}), frozenset({"running", "started"})
_DONE = frozenset({"completed"})
_NS_PER_MS = 1_000_000


def ionq_provider(context: ProviderContext) -> Provided:
    """The entry point ``ionq``. Option ``ionq.url``; secret ``ionq.key``, else the variable ``IONQ_API_KEY``."""
    machines = published_machines(IONQ)
    if IONQ not in context.hardware:
        return Provided(IONQ, [Emulated(one.device, context.offload) for one in machines])
    url = context.options.get("ionq.url", _URL)
    http = VendorHttp("IonQ", url, context.clock, context.io)
    asked = AskedAs(http, lambda: context.secret("ionq.key", "IONQ_API_KEY"), scheme="apiKey")
    return Provided(IONQ, [IonqMachine(one, asked, context, old=url.rstrip("/").endswith("v0.3")) for one in machines])


class _Made(msgspec.Struct):
    """A job that it took."""

    id: str


class IonqMachine(SentMachine):
    """A real machine of IonQ. ``old`` is version 0.3 of the API."""

    def __init__(self, published: PublishedDevice, asked: AskedAs, context: ProviderContext, *, old: bool) -> None:
        device = real(published.device, region=IONQ, price=listed_price(published.device.name))
        super().__init__(device, context.clock)
        self._target, self._asked, self._old = published.vendor_id, asked, old

    async def _ask(self, method: str, path: str, body: object = None, *, once: bool = False) -> Any:
        return await self._asked.ask(method, path, body, once=once)

    async def _create(self, circuit: Circuit, shots: int, key: str) -> str:
        gates, _ = ionq_gates(circuit)
        given: dict[str, Any] = {"qubits": circuit.n_qubits, "gateset": "qis", "circuit": gates}
        settings = {"error_mitigation": {"debiasing": False}}
        job: dict[str, Any] = {"shots": shots, "name": key or circuit.digest[:32]}
        if self._old:
            job |= {"target": self._target, "error_mitigation": {"debias": False}}
            job["input"] = {"format": "ionq.circuit.v0", **given}
        else:
            job |= {"type": "ionq.circuit.v1", "backend": self._target, "settings": settings, "input": given}
        answer = await self._ask("POST", "/jobs", job, once=True)
        return created("IonQ", answer, _Made).id

    async def _find(self, key: str) -> str:
        after = ""
        for _ in range(MAX_VENDOR_PAGES):
            page = await self._ask("GET", "/jobs?limit=100" + (f"&next={after}" if after else ""))
            for job in page.get("jobs", []):
                if job.get("name") == key:
                    return str(job["id"])
            after = str(page.get("next") or "")
            if not after:
                break
        return ""

    async def _counts(self, handle: str, circuit: Circuit, shots: int) -> dict[str, int] | None:
        job = await self._ask("GET", f"/jobs/{handle}")
        status = str(job.get("status"))
        if status in {"failed", "canceled"}:
            failure = job.get("failure") or {}
            reason = failure.get("error") or failure.get("message") or status
            raise Unavailable(self._device.name, f"the job {handle} ended as {status}: {reason}")
        if status != "completed":
            return None
        place = "results" if self._old else "results/probabilities"
        found = await self._ask("GET", f"/jobs/{handle}/{place}")
        _, measured = ionq_gates(circuit)
        weights: dict[str, float] = {}
        for value, weight in found.items():
            number = int(value)
            bits = "".join("01"[number >> qubit & 1] for qubit in measured)
            weights[bits] = weights.get(bits, 0.0) + float(weight)
        if not weights:
            raise Unavailable(self._device.name, f"the job {handle} has no outcomes")
        return whole_counts(weights, shots)

    async def _stage(self, handle: str) -> Stage:
        job = await self._ask("GET", f"/jobs/{handle}")
        return stage_by(str(job.get("status")), waiting=_WAITING, running=_RUNNING, done=_DONE)

    async def _drop(self, handle: str) -> None:
        await self._ask("PUT", f"/jobs/{handle}/status/cancel")

    async def _seen(self) -> DeviceModel:
        listed = await self._ask("GET", "/backends")
        rows = listed if isinstance(listed, list) else listed.get("backends", [])
        row = next((one for one in rows if one.get("backend") == self._target), None)
        if row is None:
            raise NotFound("backend of IonQ", self._target)
        now_ns = self._clock.wall_ns()
        status = _STATES.get(str(row.get("status")), Status.OFFLINE)
        if status is Status.ONLINE and row.get("degraded"):
            status = Status.DEGRADED
        wait_ns = int(float(row["average_queue_time"]) * _NS_PER_MS) if row.get("average_queue_time") else None
        changes: dict[str, Any] = {"status": status, "queue": QueueState(wait_ns_p50=wait_ns, as_of_ns=now_ns)}
        n_qubits = int(row.get("qubits") or self._device.n_qubits)
        known = await self._characterised()
        if known is not None:
            changes |= {"n_qubits": n_qubits, "calibration": ionq_calibration(known, n_qubits)}
        return real(self._device, **changes)

    async def _characterised(self) -> dict[str, Any] | None:
        """The newest characterisation; ``None`` where the vendor has none."""
        try:
            if self._old:
                found = await self._ask("GET", f"/characterizations/backends/{self._target}/current")
                return dict(found)
            page = await self._ask("GET", f"/backends/{self._target}/characterizations?limit=1")
        except NotFound:
            return None
        rows = page.get("characterizations", [])
        return dict(rows[0]) if rows else None


def ionq_gates(circuit: Circuit) -> tuple[list[dict[str, Any]], list[int]]:
    """Gates as IonQ writes them, and the qubit that each bit is measured from."""
    n = circuit.n_qubits
    mapped = parse(map_circuit(circuit, all_pairs(n), n, trials=1).circuit)
    found: list[dict[str, Any]] = []
    for op in mapped.ops:
        name = _NAMES[op.name]
        if not name:
            continue
        gate: dict[str, Any] = {"gate": name, "target": op.qubits[-1]}
        if op.name == "cx":
            gate["control"] = op.qubits[0]
        if op.params:
            gate["rotation"] = op.params[0]
        found.append(gate)
    return found, list(mapped.measured)


def ionq_calibration(known: dict[str, Any], n_qubits: int) -> Any:
    """A characterisation: medians (or means, in the old version) over the machine; times are in seconds."""
    numbers: dict[str, float] = {}
    for name, ours in (("1q", "one_qubit_error"), ("2q", "two_qubit_error"), ("spam", "readout_error")):
        given = (known.get("fidelity") or {}).get(name) or {}
        value = given.get("median", given.get("mean"))
        if value is not None:
            numbers[ours] = 1.0 - float(value)
        if given.get("stderr") is not None:
            numbers[f"{ours}_se"] = float(given["stderr"])
    times = {"t1": "t1_ns", "t2": "t2_ns", "1q": "one_qubit_ns", "2q": "two_qubit_ns", "readout": "readout_ns"}
    for name, ours in times.items():
        value = (known.get("timing") or {}).get(name)
        if value is not None:
            numbers[ours] = float(value) * NS_PER_S
    dated = datetime.fromisoformat(str(known["date"]))
    return uniform_calibration(
        n_qubits, np.asarray(all_pairs(n_qubits)), numbers,
        calibrated_at_ns=int(dated.timestamp()) * NS_PER_S, source=f"IonQ, characterisation {known.get('id', '')}",
    )  # fmt: skip
