"""Pasqal's cloud as it behaves on the wire, for ``PeerServer``; it evolves the sequences that it is sent.

Sign-in as Auth0 does it, the core API's ``batches``, ``jobs`` and ``devices`` in JSend, and a store of results behind
signed links, which takes no token. A job is queued when it is first asked about, and has ended by the third time.
"""

import json
import math
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from phalanx.core import PhalanxError, Rng
from phalanx.quantum.analog import AnalogProgram, drawn, probabilities, read_program
from phalanx.testing.delivery import Asked, Given
from phalanx.testing.vendors._job import VendorJob, Words

PASQAL_PROJECT = "00000000-0000-4000-8000-0000000000aa"
_GRANT = {
    "grant_type": "http://auth0.com/oauth/grant-type/password-realm", "realm": "pcs-users",
    "client_id": "PeZvo7Atx7IVv3iel59asJSb4Ig7vuSB", "audience": "https://apis.pasqal.cloud/account/api/v1",
}  # fmt: skip
_WHEN = "2026-01-01T00:00:00+00:00"
_END = "2026-01-01T00:01:30+00:00"
# rad/µs·µm⁶ of rubidium in the Rydberg levels of the machines below.
_C6 = {60: 865_723.02}
_NEAR_UM = 1e-5
# By these one specification of a machine is told from another: Pulser leaves out others where they are as usual.
_TOLD_APART = (
    "name", "rydberg_level", "min_atom_distance", "max_atom_num", "max_radial_distance", "max_runs",
    "max_sequence_duration",
)  # fmt: skip


def pasqal_specs(name: str, *, layout: "list[list[float]] | None" = None) -> dict[str, Any]:
    """A machine's specification in the form that Pulser reads; with a ``layout`` it takes atoms in no other."""
    rydberg = {
        "id": "rydberg_global", "basis": "ground-rydberg", "addressing": "Global", "max_abs_detuning": 20 * math.tau,
        "max_amp": 2 * math.tau, "min_retarget_interval": None, "fixed_retarget_t": None, "max_targets": None,
        "clock_period": 4, "min_duration": 16, "max_duration": 10_000, "mod_bandwidth": 8,
        "eom_config": None,
    }  # fmt: skip
    calibrated = [{"coordinates": layout, "slug": f"{name}'s own"}] if layout else []
    return {
        "version": "1", "name": name, "dimensions": 2, "rydberg_level": 60, "min_atom_distance": 5,
        "max_atom_num": 25, "max_radial_distance": 38, "interaction_coeff_xy": None, "supports_slm_mask": False,
        "max_layout_filling": 0.5, "reusable_channels": False, "pre_calibrated_layouts": calibrated,
        "accepts_new_layouts": not layout, "min_layout_traps": 1, "requires_layout": True, "max_runs": 1_000,
        "max_sequence_duration": 6_000, "is_virtual": False, "channels": [rydberg],
    }  # fmt: skip


@dataclass(slots=True, kw_only=True)
class _PasqalJob(VendorJob):
    words = Words("PENDING", "RUNNING", "DONE", "ERROR", "CANCELED")
    id: str
    batch: dict[str, Any]


@dataclass
class PasqalApi:
    """``https://apis.pasqal.cloud`` and its sign-in in small. Its tokens last for ``lasts`` questions.

    ``user`` is a person or a service account, whose id and secret it then has. A job takes as long as ``after``
    questions about it; the next one ends with ``fail_next``.
    """

    user: str
    password: str
    lasts: int = 1_000
    machines: dict[str, dict[str, Any]] = field(default_factory=lambda: {"FRESNEL": pasqal_specs("FRESNEL")})
    emulators: frozenset[str] = frozenset()
    states: dict[str, str] = field(default_factory=dict)
    after: int = 2
    fail_next: str = ""
    kept: list[str] = field(default_factory=list)
    jobs: dict[str, _PasqalJob] = field(default_factory=dict)
    signed_in: int = 0
    _left: int = 0

    def answer(self, asked: Asked) -> Given:
        if asked.path == "/oauth/token":
            return self._sign_in({key: one[0] for key, one in parse_qs(asked.body.decode()).items()})
        if asked.path.startswith("/results/"):
            return self._result(asked)
        path = asked.path.removeprefix("/core-fast/api")
        if path == "/v1/devices/public-specs":
            return _data([{"device_type": name, "specs": json.dumps(one)} for name, one in self.machines.items()])
        if asked.headers.get("authorization") != f"Bearer token-{self.signed_in}" or self._left <= 0:
            return _fail(401, "Authentication failed: the token is not valid")
        self._left -= 1
        query = {key: unquote(one) for key, one in asked.query.items()}
        if path.startswith(("/v1/devices", "/v2/devices")):
            return self._devices(path, query)
        if path.startswith(("/v1/batches", "/v2/batches")):
            return self._batches(asked, path, query)
        if path == "/v2/jobs":
            rows = [_told(job) for job in self.jobs.values() if job.batch["id"] == query.get("batch_id")]
            return _page(rows, query)
        return self._of_job(path, asked)

    def _sign_in(self, form: dict[str, str]) -> Given:
        if form.get("grant_type") == "client_credentials":
            form = {
                **_GRANT,
                "audience": form["audience"],
                "username": form["client_id"],
                "password": form["client_secret"],
            }
        if {key: form.get(key) for key in _GRANT} != _GRANT:
            return _json({"error": "unauthorized_client", "error_description": "Grant type not allowed"}, 403)
        if (form.get("username"), form.get("password")) != (self.user, self.password):
            return _json({"error": "invalid_grant", "error_description": "Wrong email or password."}, 403)
        self.signed_in, self._left = self.signed_in + 1, self.lasts
        return _json({"access_token": f"token-{self.signed_in}", "expires_in": 86_400, "token_type": "Bearer"})

    def _devices(self, path: str, query: dict[str, str]) -> Given:
        if path == "/v1/devices/specs":
            return _data({name: json.dumps(one) for name, one in self.machines.items()})
        rows = [
            {"id": f"00000000-0000-4000-8000-{at:012d}", "name": name, "device_type": name,
             "status": self.states.get(name, "UP"), "availability": "ACTIVE", "average_queue_time": 1_800,
             "max_atom_num": one["max_atom_num"], "is_emulator": name in self.emulators, "channels": ["rydberg_global"],
             "active": True, "bill_usage": True}
            for at, (name, one) in enumerate(self.machines.items()) if query.get("device_type", name) == name
        ]  # fmt: skip
        return _page(rows, query)

    def _batches(self, asked: Asked, path: str, query: dict[str, str]) -> Given:
        if (asked.method, path) == ("POST", "/v1/batches"):
            return self._create(json.loads(asked.body))
        if path == "/v1/batches":
            batches = {job.batch["id"]: self._batch(job) for job in reversed(self.jobs.values())}
            rows = [one for one in batches.values() if query.get("tag") in (None, *one["tags"])]
            return _page([{**one, "sequence_builder": None} for one in rows], query)
        name, _, rest = path.rpartition("batches/")[2].partition("/")
        job = next((one for one in self.jobs.values() if one.batch["id"] == name), None)
        if job is None:
            return _fail(404, "Batch not found")
        if (asked.method, rest) == ("PATCH", "cancel"):
            return self._cancel(job)
        if rest == "status":
            job.looked_at()
        return _data(self._batch(job))

    def _create(self, body: dict[str, Any]) -> Given:
        if body.get("project_id") != PASQAL_PROJECT:
            return _fail(403, "User is not a member of the project")
        wrong = self._wrong(body)
        if wrong:
            return _fail(422, wrong)
        at = len(self.jobs)
        batch = {**body, "id": f"00000000-0000-4000-8000-{at:012d}", "tags": body.get("tags") or []}
        job = _PasqalJob(id=f"00000000-0000-4000-9000-{at:012d}", batch=batch, after=self.after, fails=self.fail_next)
        self.fail_next = ""
        self.jobs[job.id] = job
        self.kept.extend(batch["tags"])
        return _data(self._batch(job) | {"jobs": [_told(job)]})

    def _wrong(self, body: dict[str, Any]) -> str:
        """What the machine does not take; empty where it takes it."""
        try:
            sequence = json.loads(body["sequence_builder"])
            name = body.get("device_type") or sequence["device"]["name"]
            specs, layout = self.machines[name], sequence.get("layout")
            (runs,) = (int(job["runs"]) for job in body["jobs"])
            program = read_program(body["sequence_builder"])
        except (KeyError, TypeError, ValueError, PhalanxError) as error:
            return f"The sequence or its jobs are not understood: {error!r}"
        if any(sequence["device"].get(key) != specs[key] for key in _TOLD_APART):
            return f"The sequence was built for other specifications than those of {name}"
        if sequence.get("measurement") != "ground-rydberg":
            return "The sequence measures nothing"
        if not layout:
            return f"{name} requires a register layout"
        known = [sorted(one["coordinates"]) for one in specs["pre_calibrated_layouts"]]
        if known and sorted(layout["coordinates"]) not in known:
            return f"{name} has not calibrated this layout"
        if not all(
            min(math.dist(atom, trap) for trap in layout["coordinates"]) < _NEAR_UM for atom in program.atoms_um
        ):
            return "An atom is in no trap"
        if program.n_atoms > specs["max_layout_filling"] * len(layout["coordinates"]):
            return "Too many traps are filled"
        return "" if 1 <= runs <= specs["max_runs"] else f"{name} takes at most {specs['max_runs']} runs"

    def _batch(self, job: _PasqalJob) -> dict[str, Any]:
        given = job.batch
        name = given.get("device_type") or json.loads(given["sequence_builder"])["device"]["name"]
        return {
            "id": given["id"], "project_id": given["project_id"], "user_id": "auth0|1", "device_type": name,
            "status": job.status, "open": given["open"], "complete": not given["open"], "tags": given["tags"],
            "created_at": _WHEN, "updated_at": _WHEN, "jobs_count": 1, "jobs_count_per_status": {job.status: 1},
            "sequence_builder": given["sequence_builder"], "queue_priority": "MEDIUM",
        }  # fmt: skip

    def _of_job(self, path: str, asked: Asked) -> Given:
        name, _, rest = path.rpartition("jobs/")[2].partition("/")
        job = self.jobs.get(name)
        if job is None:
            return _fail(404, "Job not found")
        if (asked.method, rest) == ("PATCH", "cancel"):
            return self._cancel(job)
        if rest == "results_link":
            link = f"http://{asked.headers['host']}/results/{name}?X-Amz-Signature=5e1f"
            return _data({"results_link": link if job.done else None})
        if rest == "status":
            return _data({"id": name, "status": job.looked_at()})
        return _data(_told(job) | {"sequence": None})

    def _cancel(self, job: _PasqalJob) -> Given:
        return _data(_told(job)) if job.cancel() else _fail(400, f"Cannot cancel what is {job.status}")

    def _result(self, asked: Asked) -> Given:
        if "authorization" in asked.headers or "X-Amz-Signature" not in asked.query:
            return Given(400, b"<Error><Code>InvalidArgument</Code></Error>")
        job = self.jobs[asked.path.removeprefix("/results/")]
        program = read_program(job.batch["sequence_builder"])
        specs = json.loads(job.batch["sequence_builder"])["device"]
        runs = int(job.batch["jobs"][0]["runs"])
        return _json({"counter": _evolved(program, _C6[specs["rydberg_level"]], runs), "raw": None})


def _evolved(program: AnalogProgram, c6: float, runs: int) -> dict[str, int]:
    rng = Rng(program.n_atoms).child("pasqal")
    return drawn(probabilities(program, c6), program.n_atoms, runs, rng, false_one=0.0, false_zero=0.0)


def _told(job: _PasqalJob) -> dict[str, Any]:
    ran = job.status in {"DONE", "ERROR"}
    return {
        "id": job.id, "batch_id": job.batch["id"], "project_id": job.batch["project_id"], "status": job.status,
        "runs": job.batch["jobs"][0]["runs"], "errors": [job.fails] if job.status == "ERROR" else [],
        "created_at": _WHEN, "updated_at": _WHEN, "start_timestamp": _WHEN if ran else None,
        "end_timestamp": _END if ran else None, "variables": job.batch["jobs"][0].get("variables"),
    }  # fmt: skip


def _page(rows: list[dict[str, Any]], query: dict[str, str]) -> Given:
    start = int(query.get("offset", 0))
    part = rows[start : start + int(query.get("limit", 100))]
    return _data(part, pagination={"total": len(rows), "start": start, "end": start + len(part)})


def _data(value: object, **beside: object) -> Given:
    return _json({"status": "success", "message": "OK.", "code": "200", "data": value, **beside})


def _fail(status: int, told: str) -> Given:
    return _json({"status": "fail", "message": told, "code": str(status), "data": {"description": told}}, status)


def _json(value: object, status: int = 200) -> Given:
    return Given(status, json.dumps(value).encode())
