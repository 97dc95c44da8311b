"""Vendors of quantum machines as their APIs behave on the wire, for ``PeerServer``. They compute what they are sent.

``IonqApi`` speaks versions 0.4 and 0.3, ``QuantinuumApi`` the machine API version 1. A job is queued when it is first
asked about, and has ended by the third time.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from phalanx.core import Circuit, Rng
from phalanx.quantum import Gates, Op, simulate
from phalanx.quantum.circuits import read
from phalanx.quantum.simulators import run as simulated
from phalanx.testing.delivery import Asked, Given
from phalanx.testing.vendors._job import VendorJob, Words

_IONQ_GATES = {"h": "h", "x": "x", "y": "y", "z": "z", "s": "s", "si": "sdg", "t": "t", "ti": "tdg", "v": "sx",
               "vi": "sxdg", "rx": "rx", "ry": "ry", "rz": "rz", "cnot": "cx", "swap": "swap"}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class _IonqJob(VendorJob):
    words = Words("ready", "running", "completed", "failed", "canceled")
    body: dict[str, Any]


@dataclass
class IonqApi:
    """``https://api.ionq.co`` in small. ``key`` is the only one that it takes."""

    key: str
    old: bool = False
    kept: list[str] = field(default_factory=list)
    fail_next: bool = False
    jobs: dict[str, _IonqJob] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Given:
        path = asked.path.removeprefix("/v0.3" if self.old else "/v0.4")
        if path == "/backends":
            row = {"backend": "qpu.aria-1", "status": "available", "qubits": 25, "average_queue_time": 60_000,
                   "last_updated": "2026-01-01T00:00:00Z", "degraded": True}  # fmt: skip
            return _json([row])
        if path.startswith(("/characterizations", "/backends/")):
            return self._characterised(path)
        if asked.headers.get("authorization") != f"apiKey {self.key}":
            return _json({"statusCode": 401, "error": "Unauthorized", "message": "Invalid key."}, 401)
        if path == "/jobs" and asked.method == "POST":
            return self._create(json.loads(asked.body))
        if path == "/jobs":
            rows = [{"id": name, "name": job.body.get("name"), "status": "ready"} for name, job in self.jobs.items()]
            return _json({"jobs": rows, "next": None})
        return self._of_job(path.removeprefix("/jobs/"), asked.method)

    def _create(self, body: dict[str, Any]) -> Given:
        target = body.get("target") if self.old else body.get("backend")
        wanted = {"shots", "input"} if self.old else {"shots", "input", "type"}
        if not wanted <= set(body) or not str(target).startswith("qpu."):
            return _json({"statusCode": 400, "error": "Bad Request", "message": "invalid job"}, 400)
        name = f"00000000-0000-4000-8000-{len(self.jobs):012d}"
        self.jobs[name] = _IonqJob(body=body, fails="a laser is out" if self.fail_next else "")
        self.fail_next = False
        self.kept.append(str(body.get("name")))
        return _json({"id": name, "status": "ready"}, 201)

    def _of_job(self, path: str, method: str) -> Given:
        name, _, rest = path.partition("/")
        job = self.jobs.get(name)
        if job is None:
            return _json({"statusCode": 404, "error": "Not Found", "message": "no such job"}, 404)
        if (method, rest) == ("PUT", "status/cancel"):
            return _json({"id": name, "status": "canceled"}) if job.cancel() else _ended(job.status)
        if rest == ("results" if self.old else "results/probabilities"):
            return _json(_ionq_outcomes(job.body))
        status = job.looked_at()
        why = {"failure": {"code": "internal", "error": job.fails}} if status == "failed" else {}
        return _json({"id": name, "status": status, **why})

    def _characterised(self, path: str) -> Given:
        if "aria-1" not in path:
            return _json({"statusCode": 404, "error": "Not Found", "message": "none"}, 404)
        middle = "mean" if self.old else "median"
        one = {
            "id": "617a1f8b", "backend": "qpu.aria-1", "qubits": 25, "date": "2026-01-02T00:00:00Z",
            "fidelity": {"spam": {middle: 0.995, "stderr": None}, "1q": {middle: 0.9998}, "2q": {middle: 0.987}},
            "timing": {"t1": 100, "t2": 1, "1q": 0.000135, "2q": 0.0006, "readout": 0.0003, "reset": 0.00002},
        }  # fmt: skip
        return _json(one if self.old else {"characterizations": [one]})


def _ended(status: str) -> Given:
    return _json({"statusCode": 400, "error": "Bad Request", "message": f"the job is {status}"}, 400)


def _ionq_outcomes(body: dict[str, Any]) -> dict[str, float]:
    given = body["input"]
    gates = Gates(int(given["qubits"]))
    for gate in given["circuit"]:
        at = gate.get("targets") or [gate["target"]]
        qubits = tuple([gate["control"], *at] if "control" in gate else at)
        angles = (float(gate["rotation"]),) if "rotation" in gate else ()
        gates.add(Op(_IONQ_GATES[gate["gate"]], qubits, angles))
    n, shots = gates.n_qubits, int(body["shots"])
    weights = simulate.probabilities(gates.measure(*range(n)))
    drawn = Rng(len(given["circuit"])).child("ionq").numpy().multinomial(shots, weights / weights.sum())
    # Qubit 0 is the lowest bit of what names an outcome.
    return {str(int(f"{at:0{n}b}"[::-1], 2)): count / shots for at, count in enumerate(drawn.tolist()) if count}


@dataclass(slots=True, kw_only=True)
class _QuantinuumJob(VendorJob):
    words = Words("queued", "running", "completed", "failed", "canceled")
    body: dict[str, Any]


@dataclass
class QuantinuumApi:
    """``https://qapi.quantinuum.com`` in small. Its tokens last for ``lasts`` questions."""

    user: str
    password: str
    lasts: int = 1_000
    refresh_works: bool = True
    kept: list[str] = field(default_factory=list)
    jobs: dict[str, _QuantinuumJob] = field(default_factory=dict)
    signed_in: list[str] = field(default_factory=list)
    _left: int = 0

    def answer(self, asked: Asked) -> Given:
        path = asked.path.removeprefix("/v1")
        body = json.loads(asked.body) if asked.body else {}
        if path == "/login":
            return self._login(body)
        if asked.headers.get("authorization") != f"token-{len(self.signed_in)}" or self._left <= 0:
            return _json({"error": {"code": 3, "text": "Unauthorized"}}, 401)
        self._left -= 1
        if path == "/job":
            return self._create(body)
        if path.startswith("/machine/"):
            return _json({"name": path.rpartition("/")[2], "state": "online"})
        name, _, rest = path.removeprefix("/job/").partition("/")
        job = self.jobs.get(name)
        if job is None:
            return _json({"error": {"code": 18, "text": "no such job"}}, 404)
        if rest == "cancel":
            return _json({"job": name, "status": "canceling" if job.cancel() else job.status})
        status = job.looked_at()
        results = {"results": _quantinuum_results(job.body)} if job.done else {}
        return _json({"job": name, "status": status, **results})

    def _login(self, body: dict[str, Any]) -> Given:
        if "refresh-token" in body:
            if not self.refresh_works:
                return _json({"error": {"code": 4, "text": "Invalid Refresh Token"}}, 400)
            self.signed_in.append("refresh")
        elif (body.get("email"), body.get("password")) == (self.user, self.password):
            self.signed_in.append("password")
        else:
            return _json({"error": {"code": 1, "text": "Unauthorized"}}, 401)
        self._left = self.lasts
        return _json({"id-token": f"token-{len(self.signed_in)}", "refresh-token": "again"})

    def _create(self, body: dict[str, Any]) -> Given:
        if not {"machine", "language", "program", "count"} <= set(body) or body["language"] != "OPENQASM 2.0":
            return _json({"error": {"code": 9, "text": "invalid job"}}, 400)
        name = f"{len(self.jobs):032x}"
        self.jobs[name] = _QuantinuumJob(body=body)
        self.kept.append(str(body.get("name")))
        return _json({"job": name, "submit-date": "2026-01-01T00:00:00", "status": "queued"})


def _quantinuum_results(body: dict[str, Any]) -> dict[str, list[str]]:
    text, shots = str(body["program"]), int(body["count"])
    circuit: Circuit = read(text)
    counts = simulated(circuit, shots=shots, rng=Rng(len(text)).child("quantinuum")).counts
    rows = [bits for bits, n in counts.items() for _ in range(n)]
    found, at = {}, 0
    for name, width in re.findall(r"creg (\w+)\[(\d+)\]", text):
        found[name] = [row[at : at + int(width)][::-1] for row in rows]
        at += int(width)
    return found


def _json(value: object, status: int = 200) -> Given:
    return Given(status, json.dumps(value).encode())
