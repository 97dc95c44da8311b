"""IQM's server as its API behaves on the wire, for ``PeerServer``. It computes what it is sent.

It has a machine whose figures are those of the Garnet that is shipped, with a qubit and a coupler that are not
calibrated; a mock of it, and a machine whose qubits are joined with a resonator only. A job waits when it is first
asked about, and has ended by the third time.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from phalanx.core import Rng
from phalanx.devices import Snapshot, shipped_snapshots
from phalanx.quantum import Gates, simulate
from phalanx.testing.delivery import Asked, Given
from phalanx.testing.vendors._job import VendorJob, Words

_CALIBRATION = "0f0a1f0e-2e0b-4d6e-9d3e-8a5c3f1b7c11"
_TROUBLE = "the cryostat is warm"


@dataclass(slots=True, kw_only=True)
class _Job(VendorJob):
    words = Words("waiting", "processing", "completed", "failed", "cancelled")
    name: str
    body: dict[str, Any]
    tag: str


@dataclass
class IqmApi:
    """``https://resonance.iqm.tech`` in small. ``token`` is the only one that it takes.

    ``throttled`` questions are answered with 429, and ``wait_s`` says for how long to stay away.
    """

    token: str
    kept: list[str] = field(default_factory=list)
    jobs: dict[str, _Job] = field(default_factory=dict)
    healthy: bool = True
    credits_left: bool = True
    metrics: bool = True
    fail_next: bool = False
    throttled: int = 0
    wait_s: int = 7

    def answer(self, asked: Asked) -> Given:
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return _error(401, "unauthorized", "Missing or invalid authentication credentials")
        if self.throttled:
            self.throttled -= 1
            return _error(429, "rate_limit_exceeded", "too many requests", {"Retry-After": str(self.wait_s)})
        _, api, version, what, *rest = asked.path.split("/")
        if (api, version) != ("api", "v1"):
            return _error(404, "not_found", "no such version")
        if what == "quantum-computers":
            return self._of_computers(rest)
        if what == "calibration-sets":
            return self._of_calibrations(rest)
        if asked.method == "POST" and rest[1:] == ["circuit"]:
            return self._create(rest[0], asked)
        return self._of_job(asked.method, *rest)

    def _of_computers(self, rest: list[str]) -> Given:
        if not rest:
            names = {"garnet": "IQM Garnet", "garnet%3Amock": "Garnet mock", "sirius": "IQM Sirius"}
            rows = [
                {"id": f"00000000-0000-4000-8000-{at:012d}", "alias": alias.replace("%3A", ":"), "display_name": title,
                 "station_control_version": "14.0"}
                for at, (alias, title) in enumerate(names.items())
            ]  # fmt: skip
            return _json({"quantum_computers": rows})
        alias, what = rest[0], "/".join(rest[1:])
        if what == "artifacts/static-quantum-architectures":
            return _json([_architecture() if alias == "garnet" else _star()])
        if what == "health":
            return _json({"healthy": self.healthy, "updated_at": "2026-09-28T15:16:40.483662Z"})
        if what == "queue-availability":
            return _json({"queue_length": 3, "available": []})
        if what == "limits":
            most = {"max_shots_per_circuit": 20_000, "max_executions_per_job": 1_000_000}
            return _json({**most, "max_circuits_per_job": 500, "max_instructions_per_circuit": 100_000})
        return _error(404, "qc_artifact_not_found", what)

    def _of_calibrations(self, rest: list[str]) -> Given:
        what = "/".join(rest[2:])
        if rest[0] != "garnet" or rest[1] not in {"default", _CALIBRATION}:
            return _error(404, "calibration_set_not_found", rest[1])
        if what == "dynamic-quantum-architecture":
            return _json(_dynamic())
        if what == "metrics" and not self.metrics:
            return _error(404, "quality_metrics_not_found", rest[1])
        found = _metrics(_garnet()) if what == "metrics" else _parameters()
        rows = [
            {"observation_id": at, "dut_field": name, "value": value, "unit": "", "uncertainty": spread,
             "invalid": False}
            for at, (name, value, spread) in enumerate(found)
        ]  # fmt: skip
        dated = {"created_timestamp": "2026-09-28T03:00:00Z", "end_timestamp": "2026-09-28T03:10:00Z"}
        return _json({"observation_set_id": _CALIBRATION, "observations": rows, "invalid": False, **dated})

    def _create(self, alias: str, asked: Asked) -> Given:
        body = json.loads(asked.body)
        if alias != "garnet":
            return _error(404, "qc_not_found", alias)
        if not self.credits_left:
            return _error(403, "not_enough_credits", "the workspace has no credits left")
        if wrong := _wrong_with(body):
            return _error(400, "invalid_job_payload", wrong)
        job = _Job(
            name=f"10000000-0000-4000-8000-{len(self.jobs):012d}", body=body, tag=asked.query.get("tag", ""),
            fails=_TROUBLE if self.fail_next else "",
        )  # fmt: skip
        self.fail_next = False
        self.jobs[job.name] = job
        self.kept.append(job.tag)
        return _json(_job(job), 201)

    def _of_job(self, method: str, name: str = "", *rest: str) -> Given:
        job = self.jobs.get(name)
        if job is None:
            return _error(404, "job_not_found", name)
        if (method, rest) == ("POST", ("cancel",)):
            return _json(_job(job)) if job.cancel() else _error(403, "illegal_job_status", f"the job is {job.status}")
        if rest == ("artifacts", "measurement_counts") and job.done:
            return _json([{"measurement_keys": [_measured(job.body)[0]], "counts": _counts(job.body)}])
        if rest:
            return _error(404, "job_artifact_not_found", "/".join(rest))
        job.looked_at()
        return _json(_job(job))


def _garnet() -> Snapshot:
    return next(one for one in shipped_snapshots("iqm") if one.head.name == "garnet")


def _qubits() -> list[str]:
    return [f"QB{at + 1}" for at in range(_garnet().head.n_qubits)]


def _couplers() -> list[tuple[str, str]]:
    return [(f"QB{b + 1}", f"QB{a + 1}") for a, b in _garnet().calibration.pair.tolist()]


def _architecture() -> dict[str, Any]:
    """Qubits in the order of letters, as no machine numbers them."""
    return {"dut_label": "M1", "qubits": sorted(_qubits()), "computational_resonators": [], "connectivity": _couplers()}


def _star() -> dict[str, Any]:
    names = ["QB1", "QB2"]
    joined = [[name, "COMP_R"] for name in names]
    return {"dut_label": "M2", "qubits": names, "computational_resonators": ["COMP_R"], "connectivity": joined}


def _dynamic() -> dict[str, Any]:
    """The last qubit is not calibrated, nor is the first coupler."""
    lone = [[name] for name in _qubits()[:-1]]
    pairs = [list(pair) for pair in _couplers()[1:] if _qubits()[-1] not in pair]

    def gate(implementation: str, loci: list[list[str]]) -> dict[str, Any]:
        made = {implementation: {"loci": loci}, "older": {"loci": []}}
        return {
            "implementations": made, "default_implementation": implementation, "override_default_implementation": {},
        }  # fmt: skip

    gates = {"prx": gate("drag_crf", lone), "cz": gate("tgss", pairs), "measure": gate("constant", lone)}
    return {
        "calibration_set_id": _CALIBRATION, "qubits": _qubits()[:-1], "computational_resonators": [], "gates": gates,
    }  # fmt: skip


def _metrics(snapshot: Snapshot) -> Iterator[tuple[str, float, float | None]]:
    """The shipped figures under the names that IQM gives them; others beside them, which are not of single gates."""
    known = snapshot.calibration
    for at, name in enumerate(_qubits()[:-1]):
        yield f"characterization.model.{name}.t1_time", known.t1_ns[at] / 1e9, 1e-6
        yield f"characterization.model.{name}.t2_echo_time", known.t2_ns[at] / 1e9, None
        yield f"metrics.rb.prx.drag_crf.{name}.fidelity:par=d2", 0.5, None
        yield f"metrics.rb.prx.drag_crf.{name}.fidelity", 1 - known.one_qubit_error[at], 1e-4
        yield f"metrics.rb.prx.older.{name}.fidelity", 0.6, None
        yield f"metrics.ssro.measure.constant.{name}.fidelity", 1 - known.readout_error[at], None
    for at, pair in enumerate(_couplers()):
        yield f"metrics.irb.cz.tgss.{'__'.join(pair)}.fidelity", 1 - known.two_qubit_error[at], 2e-3


def _parameters() -> Iterator[tuple[str, float, float | None]]:
    for name in _qubits()[:-1]:
        yield f"gates.prx.drag_crf.{name}.duration", 20e-9, None
        yield f"gates.prx.drag_crf.{name}.amplitude_i", 0.3, None
    for pair in _couplers()[1:]:
        yield f"gates.cz.tgss.{'__'.join(pair)}.duration", 40e-9, None


def _wrong_with(body: dict[str, Any]) -> str:
    """In words; nothing where it is a job of circuits on calibrated gates, and nothing besides."""
    if set(body) != {"circuits", "shots"} or len(body["circuits"]) != 1 or not 1 <= body["shots"] <= 20_000:
        return "not a job of one circuit"
    (circuit,) = body["circuits"]
    if set(circuit) != {"name", "instructions"} or not circuit["name"]:
        return "a circuit has a name and instructions"
    gates, closed = _dynamic()["gates"], set[str]()
    for one in circuit["instructions"]:
        locus, args = one["locus"], set(one["args"])
        if closed & set(locus):
            return f"{one} follows a measurement"
        if one["name"] == "barrier":
            continue
        wanted = {"prx": {"angle", "phase"}, "cz": set(), "measure": {"key"}}.get(one["name"])
        if wanted is None or args != wanted:
            return f"{one} is no operation"
        loci = next(iter(gates[one["name"]]["implementations"].values()))["loci"]
        if one["name"] == "measure":
            closed |= set(locus)
        if any(part not in loci for part in ([[name] for name in locus] if one["name"] == "measure" else [locus])):
            return f"{one['name']} is not calibrated on {locus}"
    return "" if closed else "nothing is measured"


def _measured(body: dict[str, Any]) -> tuple[str, list[str]]:
    (one,) = [one for one in body["circuits"][0]["instructions"] if one["name"] == "measure"]
    return str(one["args"]["key"]), list(one["locus"])


def _counts(body: dict[str, Any]) -> dict[str, int]:
    """PRX(θ, φ) is RZ(φ)·RX(θ)·RZ(−φ)."""
    steps = body["circuits"][0]["instructions"]
    at = {name: place for place, name in enumerate(sorted({name for one in steps for name in one["locus"]}))}
    gates = Gates(len(at))
    for one in steps:
        qubits = [at[name] for name in one["locus"]]
        if one["name"] == "prx":
            angle, phase = float(one["args"]["angle"]), float(one["args"]["phase"])
            gates.rz(-phase, qubits[0]).rx(angle, qubits[0]).rz(phase, qubits[0])
        elif one["name"] == "cz":
            gates.cz(*qubits)
    read = [at[name] for name in _measured(body)[1]]
    weights = simulate.probabilities(gates.measure(*read))
    drawn = Rng(len(steps)).child("iqm").numpy().multinomial(int(body["shots"]), weights / weights.sum())
    return {f"{outcome:0{len(read)}b}": n for outcome, n in enumerate(drawn.tolist()) if n}


def _job(job: _Job) -> dict[str, Any]:
    errors = [{"source": "iqm-server", "error_code": "internal", "message": job.fails}]
    return {
        "id": job.name, "type": "circuit", "status": job.status, "tag": job.tag or None, "qc": {"alias": "garnet"},
        "messages": [], "timeline": [], "artifacts": [], "errors": errors if job.status == "failed" else [],
        "queue_position": 2 if job.status == "waiting" else None,
    }  # fmt: skip


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Given:
    body = {"error_code": code, "message": message, "request_id": "5c9f1f57-6a0b-4d5c-8f43-21b0f0a6c0aa"}
    return Given(status, json.dumps(body).encode(), headers or {})


def _json(value: object, status: int = 200) -> Given:
    return Given(status, json.dumps(value).encode())
