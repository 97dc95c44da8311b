"""Quandela's cloud as its API behaves on the wire, for ``PeerServer``. It computes what it is sent.

Experiments are decoded by the public schema, with protocol buffers' own reader, and not by what wrote them. A job waits
when it is first asked about, and has ended by the third time. ``old`` machines say where photons come in outright, new
ones in their architecture, and answer under another path.
"""

import base64
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from phalanx.core import Rng
from phalanx.quantum.photonic import PhotonicProgram, Source, drawn, interferometer
from phalanx.testing.delivery import Asked, Given
from phalanx.testing.vendors._job import VendorJob, Words

_INPUTS = {"qpu:ascella": (0, 2, 4, 6, 8, 10), "qpu:belenos": (0, 2, 4, 6, 8, 9, 12, 13, 16, 18, 20, 22)}
_MODES = {"qpu:ascella": 12, "qpu:belenos": 24}
_PLAIN, _ZIP = ":PCVL:", ":PCVL:zip:"


@dataclass(slots=True, kw_only=True)
class _Job(VendorJob):
    words = Words("waiting", "running", "completed", "error", "canceled")
    body: dict[str, Any]
    program: PhotonicProgram
    least: int


@dataclass
class QuandelaApi:
    """``https://api.cloud.quandela.com`` in small. ``token`` is the only one that it takes.

    ``throttled`` questions are answered with 429 and ``Retry-After``, ``broken`` ones with 503. Its photons are all
    detected, as those of ``source`` where one is given. ``perfs`` is what it tells of its machines in other figures
    than its usual ones.
    """

    token: str
    old: bool = False
    credits_left: bool = True
    fail_next: bool = False
    throttled: int = 0
    broken: int = 0
    wait_s: int = 7
    plain: bool = False
    status: str = "available"
    commands: tuple[str, ...] = ("sample_count", "samples")
    source: Source = field(default_factory=Source)
    perfs: dict[str, Any] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    jobs: dict[str, _Job] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Given:
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return _error(401, "Invalid or expired job token")
        if self.throttled:
            self.throttled -= 1
            return Given(429, b"slow down", {"Retry-After": str(self.wait_s)})
        if self.broken:
            self.broken -= 1
            return Given(503, b"<html>upstream</html>")
        parts = asked.path.replace("%3A", ":").strip("/").split("/")
        if parts[:2] == ["api", "platforms"] and parts[3:] == ["processor"] and not self.old:
            return self._machine(parts[2])
        if parts[:2] == ["api", "platform"] and self.old:
            return self._machine(parts[2])
        if (asked.method, parts) == ("POST", ["api", "jobs"]):
            return self._create(json.loads(asked.body))
        if parts[:2] == ["api", "jobs"] and len(parts) == 4:
            return self._of_job(asked.method, parts[2], parts[3])
        return _error(404, "The requested URL was not found on the server.")

    def _machine(self, name: str) -> Given:
        if name not in _MODES:
            return _error(404, "Platform not found")
        limits = {"max_mode_count": _MODES[name], "min_mode_count": 1, "min_photon_count": 1,
                  "max_photon_count": len(_INPUTS[name])}  # fmt: skip
        specs: dict[str, Any] = {
            "available_commands": list(self.commands), "constraints": limits, "detector": "threshold",
        }  # fmt: skip
        if self.old:
            specs["connected_input_modes"] = list(_INPUTS[name])
        else:
            lights = ",".join(str(int(mode in _INPUTS[name])) for mode in range(_MODES[name]))
            specs["architecture"] = _written("Experiment", _Schema().architecture(lights, _MODES[name]))
        perfs = {"Transmittance (%)": 5.0, "HOM (%)": 92.0, "g2 (%)": 1.5, "Clock (MHz)": 80} | self.perfs
        return _json({"name": name, "type": "physical", "status": self.status, "specs": specs, "perfs": perfs,
                      "waiting_jobs": 3})  # fmt: skip

    def _create(self, body: dict[str, Any]) -> Given:
        if not self.credits_left:
            return _error(401, "Not enough credits")
        if body.get("platform_name") not in _MODES:
            return _error(404, "Platform not found")
        payload = body.get("payload")
        if not isinstance(payload, dict) or not body.get("job_name"):
            return _error(400, "Invalid payload, expected a json object")
        if payload.get("command") not in self.commands:
            return _error(400, f"Command '{payload.get('command')}' is not available on platform")
        if int(payload.get("max_shots") or 0) < 1:
            return _error(400, "Invalid max_shots, should be a positive number")
        program, least = _Schema().read(payload["experiment"])
        inputs = _INPUTS[str(body["platform_name"])]
        if any(n > (mode in inputs) for mode, n in enumerate(program.photons)):
            return _error(400, "photons come in by modes that are not connected")
        name = f"00000000-0000-4000-8000-{len(self.jobs):012d}"
        self.jobs[name] = _Job(
            body=body, program=program, least=least, fails="the laser is out" if self.fail_next else ""
        )
        self.fail_next = False
        self.kept.append(str(body["job_name"]))
        return _json({"job_id": name})

    def _of_job(self, method: str, name: str, what: str) -> Given:
        job = self.jobs.get(name)
        if job is None:
            return _error(404, f"Not found job: {name}")
        if (method, what) == ("POST", "cancel"):
            return _json({"message": "ok"}) if job.cancel() else _error(400, "Can not cancel job")
        if what == "result" and job.done:
            return self._result(name, job)
        if what != "status":
            return _error(404, "Not found")
        status = job.looked_at()
        return _json({"status": status, "progress": 0.5, "msg": "ok", "status_message": job.fails or None})

    def _result(self, name: str, job: _Job) -> Given:
        shots = int(job.body["payload"]["max_shots"])
        found = drawn(job.program, shots, Rng(len(self.jobs)).child("quandela"), self.source)
        seen = {key: n for key, n in found.items() if sum(map(int, key.split(","))) >= job.least}
        text = "{" + ";".join(f"|{key}>={n}" for key, n in seen.items()) + "}"
        written = f"{_PLAIN}BSCount:{text}" if self.plain else _written("BSCount", text)
        results = json.dumps({"results": written, "physical_perf": sum(seen.values()) / shots})
        return _json({"job_id": name, "results": results, "results_type": None, "duration": 1, "shots": shots})


class _Schema:
    """The messages that are needed, as the public schema has them, for protocol buffers' own reader."""

    def __init__(self) -> None:
        from google.protobuf import (  # type: ignore[import-untyped]
            descriptor_pb2,
            descriptor_pool,
            message_factory,
        )

        file = descriptor_pb2.FileDescriptorProto(name="perceval.proto", package="perceval", syntax="proto3")
        kinds = descriptor_pb2.FieldDescriptorProto
        for name, of in {
            "ComplexDouble": [("real_value", 1, kinds.TYPE_DOUBLE), ("imaginary_value", 2, kinds.TYPE_DOUBLE)],
            "MatrixDouble": [("data", 1, "ComplexDouble*")],
            "Matrix": [("rows", 1, kinds.TYPE_INT32), ("cols", 2, kinds.TYPE_INT32), ("numeric", 3, "MatrixDouble")],
            "Unitary": [("mat", 1, "Matrix"), ("name", 2, kinds.TYPE_STRING), ("use_polarization", 3, kinds.TYPE_BOOL)],
            "Component": [("starting_mode", 1, kinds.TYPE_INT32), ("n_mode", 2, kinds.TYPE_INT32),
                          ("unitary", 15, "Unitary")],
            "Experiment": [("input_state", 1, kinds.TYPE_STRING), ("name", 2, kinds.TYPE_STRING),
                           ("n_mode", 8, kinds.TYPE_INT32), ("components", 9, "Component*"),
                           ("min_photons_filter", 10, kinds.TYPE_INT32)],
        }.items():  # fmt: skip
            message = file.message_type.add(name=name)
            for called, number, kind in of:
                many = isinstance(kind, str) and kind.endswith("*")
                one = message.field.add(
                    name=called, number=number, label=kinds.LABEL_REPEATED if many else kinds.LABEL_OPTIONAL
                )
                if isinstance(kind, str):
                    one.type, one.type_name = kinds.TYPE_MESSAGE, f".perceval.{kind.rstrip('*')}"
                else:
                    one.type = kind
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        self._experiment = message_factory.GetMessageClass(pool.FindMessageTypeByName("perceval.Experiment"))

    def read(self, text: str) -> tuple[PhotonicProgram, int]:
        """The program that was sent, and how many photons its shots show at least."""
        experiment = self._experiment()
        experiment.ParseFromString(base64.b64decode(_inside(text, "Experiment")))
        photons = tuple(
            int(n) for n in experiment.input_state.removeprefix(":PCVL:BasicState:|").rstrip(">").split(",")
        )
        (component,) = experiment.components
        found = component.unitary.mat
        matrix = np.array([complex(one.real_value, one.imaginary_value) for one in found.numeric.data])
        modes = tuple(range(component.starting_mode, component.starting_mode + component.n_mode))
        program = PhotonicProgram(
            modes=experiment.n_mode, photons=photons, detectors="threshold",
            circuit=(interferometer(modes, matrix.reshape(found.rows, found.cols)),),
        )  # fmt: skip
        return program, experiment.min_photons_filter

    def architecture(self, photons: str, modes: int) -> str:
        made = self._experiment(input_state=f":PCVL:BasicState:|{photons}>", n_mode=modes)
        return base64.b64encode(made.SerializeToString()).decode()


def _written(tag: str, text: str) -> str:
    return _ZIP + base64.b64encode(zlib.compress(f"{_PLAIN}{tag}:{text}".encode())).decode()


def _inside(text: str, tag: str) -> str:
    plain = zlib.decompress(base64.b64decode(text.removeprefix(_ZIP))).decode() if text.startswith(_ZIP) else text
    assert plain.startswith(f"{_PLAIN}{tag}:"), plain[:40]
    return plain.removeprefix(f"{_PLAIN}{tag}:")


def _json(value: object, status: int = 200) -> Given:
    return Given(status, json.dumps(value).encode())


def _error(status: int, text: str) -> Given:
    return _json({"detail": {}, "error": text}, status)
