"""D-Wave's solver API as it behaves on the wire, for ``PeerServer``. It anneals classically what it is sent.

It has a machine of forty qubits, all joined but two, listed in no order; a hybrid solver, which is none; and keeps
problems by label. What it is asked for has to say in which form it wants it: the API has several.
"""

import base64
import json
import zlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import numpy as np

from phalanx.core import Rng
from phalanx.quantum.simulators import annealed
from phalanx.testing.delivery import Asked, Given
from phalanx.testing.vendors._job import VendorJob, Words

_NAME, _GRAPH = "Advantage_system9.9", "01a2b3c4"
_DATED = "2026-09-28T15:16:40.483662Z"
_TROUBLE = "the refrigerator is warm"


@dataclass(slots=True, kw_only=True)
class _Problem(VendorJob):
    words = Words("PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED")
    name: str
    label: str
    reads: int
    graph: str
    data: dict[str, Any]


@dataclass
class DWaveApi:
    """``https://na-west-1.cloud.dwavesys.com/sapi/v2`` in small. ``token`` is the only one that it takes.

    ``throttled`` questions are answered with 429; ``graph`` names how the machine is wired now.
    """

    token: str
    graph: str = _GRAPH
    status: str = "ONLINE"
    time_left: bool = True
    fail_next: bool = False
    throttled: int = 0
    wait_s: int = 7
    answers_at_once: bool = True
    kept: list[str] = field(default_factory=list)
    problems: dict[str, _Problem] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Given:
        if asked.headers.get("x-auth-token") != self.token:
            return _error(401, "Invalid token")
        if self.throttled:
            self.throttled -= 1
            return Given(429, b'{"error_code": 429, "error_msg": "slow"}', {"Retry-After": str(self.wait_s)})
        form = asked.headers.get("accept", "")
        if not form.startswith("application/vnd.dwave.sapi."):
            return _error(406, f"no such form: {form}")
        parts = [unquote(one) for one in asked.path.strip("/").split("/")]
        assert parts[:2] == ["sapi", "v2"], asked.path
        match (asked.method, *parts[2:]):
            case ("GET", "solvers", "remote"):
                return _json([self._machine(), _hybrid()], form)
            case ("GET", "solvers", "remote", name):
                return _json(self._machine(), form) if name == _NAME else _error(404, "Solver does not exist")
            case ("GET", "problems"):
                return _json([self._told(one) for one in self._listed(asked)], form)
            case ("POST", "problems"):
                packed = asked.headers.get("content-encoding") == "deflate"
                body = json.loads(zlib.decompress(asked.body) if packed else asked.body)
                taken = [self._taken(one) for one in (body if isinstance(body, list) else [body])]
                return _json(taken if isinstance(body, list) else taken[0], form)
            case (method, "problems", name, *what):
                return self._of_problem(method, name, "/".join(what), form)
        return _error(404, "Not found")

    def _machine(self) -> dict[str, Any]:
        return {
            "identity": self._identity(), "status": self.status, "avg_load": 0.25,
            "description": "Advantage performance-updated solver",
            "properties": {
                "category": "qpu", "supported_problem_types": ["ising", "qubo"], "chip_id": _NAME,
                "num_qubits": 200, "qubits": _qubits(), "couplers": _couplers(), "num_reads_range": [1, 10_000],
                "h_range": [-4.0, 4.0], "j_range": [-1.0, 1.0], "topology": {"type": "pegasus", "shape": [16]},
                "parameters": {"num_reads": "", "answer_mode": "", "auto_scale": ""},
            },
        }  # fmt: skip

    def _identity(self) -> dict[str, Any]:
        return {"name": _NAME, "version": {"graph_id": self.graph}}

    def _taken(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["solver"]["name"] != _NAME:
            return {"error_code": 404, "error_msg": "Solver does not exist or apitoken does not have access"}
        if not self.time_left:
            return {"error_code": 400, "error_msg": "You have no remaining solver access time"}
        if body["type"] != "ising" or body["data"]["format"] != "qp":
            return {"error_code": 400, "error_msg": "no such problem type or encoding"}
        name = f"00000000-0000-4000-8000-{len(self.problems):012d}"
        label = str(body.get("label") or "")
        made = self.problems[name] = _Problem(
            name=name, label=label, reads=int(body["params"].get("num_reads", 1)), graph=self.graph, data=body["data"],
            fails=_TROUBLE if self.fail_next else "",
        )  # fmt: skip
        self.fail_next = False
        self.kept.append(label)
        return self._told(made)

    def _told(self, one: _Problem) -> dict[str, Any]:
        solver = {"name": _NAME, "version": {"graph_id": one.graph}}
        told = {"id": one.name, "type": "ising", "solver": solver, "label": one.label, "status": one.status,
                "submitted_on": _DATED}  # fmt: skip
        return told | ({"solved_on": _DATED} if one.ended else {})

    def _listed(self, asked: Asked) -> list[_Problem]:
        if name := asked.query.get("id"):
            found = [self.problems[one] for one in name.split(",") if one in self.problems]
            for one in found:
                one.looked_at()
            return found
        label = asked.query.get("label", "")
        return [one for one in self.problems.values() if not label or one.label.startswith(label)]

    def _of_problem(self, method: str, name: str, what: str, form: str) -> Given:
        one = self.problems.get(name)
        if one is None:
            return _error(404, "Problem does not exist or apitoken does not have access")
        if method == "DELETE":
            return _json(self._told(one), form) if one.cancel() else _error(409, "Problem has been finished.")
        if what == "messages":
            return _json([{"timestamp": _DATED, "message": one.fails, "severity": "ERROR"}] if one.fails else [], form)
        if what == "answer":
            return _json({"answer": _solved(one)}, form) if one.done else _error(404, "no answer")
        one.looked_at()
        answer = {"answer": _solved(one)} if one.done and self.answers_at_once else {}
        return _json(self._told(one) | answer, form)


def _qubits() -> list[int]:
    """In no order, as a machine whose qubits were repaired lists them."""
    return [100 + (7 * at) % 40 for at in range(40)]


def _couplers() -> list[list[int]]:
    return [
        [a, b] if (a + b) % 2 else [b, a] for b in range(139, 99, -1) for a in range(100, b) if (a, b) != (100, 101)
    ]


def _hybrid() -> dict[str, Any]:
    properties = {"category": "hybrid", "supported_problem_types": ["bqm"], "parameters": {}}
    return {"identity": {"name": "hybrid_binary_quadratic_model_version2"}, "status": "ONLINE", "avg_load": 0.0,
            "description": "Hybrid solver", "properties": properties}  # fmt: skip


def _solved(one: _Problem) -> dict[str, Any]:
    lin = np.frombuffer(base64.b64decode(one.data["lin"]), "<f8")
    assert len(lin) == len(_qubits()), "a field for every qubit, NaN for those that take no part"
    fields = {label: float(value) for label, value in zip(_qubits(), lin, strict=True) if not np.isnan(value)}
    joined = [(a, b) for a, b in _couplers() if a in fields and b in fields]
    quad = np.frombuffer(base64.b64decode(one.data["quad"]), "<f8")
    active = sorted(fields)
    place = {label: at for at, label in enumerate(active)}
    pairs = np.array([(place[a], place[b]) for a, b in joined], np.int32).reshape(-1, 2)
    h = np.array([fields[label] for label in active])
    generator = Rng(1).child(one.name).numpy()
    spins, counts = np.unique(
        annealed(h, pairs, quad.astype(np.float64), shots=one.reads, generator=generator), axis=0, return_counts=True
    )
    energies = spins @ h + (spins[:, pairs[:, 0]] * spins[:, pairs[:, 1]]) @ quad
    order = np.argsort(energies, kind="stable")
    bits = np.packbits((spins[order] > 0).astype(np.uint8), axis=1)
    return {
        "format": "qp", "num_variables": 200, "active_variables": _text(np.array(active, "<i4")),
        "energies": _text(energies[order].astype("<f8")), "solutions": base64.b64encode(bits.tobytes()).decode(),
        "num_occurrences": _text(counts[order].astype("<i4")),
        "timing": {"qpu_access_time": 15_000 + 120 * one.reads, "qpu_anneal_time_per_sample": 20},
    }  # fmt: skip


def _text(numbers: Any) -> str:
    return base64.b64encode(numbers.tobytes()).decode()


def _json(value: object, form: str) -> Given:
    return Given(200, json.dumps(value).encode(), {"Content-Type": form})


def _error(code: int, text: str) -> Given:
    return Given(code, json.dumps({"error_code": code, "error_msg": text}).encode())
