"""Google's quantum service as it behaves on the wire: a gRPC server on loopback that computes what it is sent.

It speaks the messages of ``google.cloud.quantum.v1alpha1`` that ``cirq-google`` brings, and needs it. It has a
processor, ``willow_pink``, with the device specification and the calibration that the package brings for it; programs
are read and run by Cirq. A job is ready when it is first asked about, and has ended by the third time.
"""

import importlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from phalanx.testing.vendors._job import VendorJob, Words

PROCESSOR = "willow_pink"
_SERVICE = "google.cloud.quantum.v1alpha1.QuantumEngineService"
_WORKERS = 4
# Status codes of gRPC, and the words for them here.
_TROUBLE = {"busy": 8, "denied": 7, "who": 16, "down": 14, "late": 4, "lost": 14}
_NOT_FOUND, _EXISTS, _WRONG, _UNFIT = 5, 6, 3, 9
_DATED_MS = 1_790_565_000_000


@dataclass(slots=True, kw_only=True)
class _Job(VendorJob):
    words = Words("READY", "RUNNING", "SUCCESS", "FAILURE", "CANCELLED")
    message: Any


class _Said(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class GoogleService:
    """Serves one project; a context manager.

    ``trouble`` is what happens to the next questions, one each: ``busy`` (RESOURCE_EXHAUSTED, to be left alone for
    ``wait_s``), ``denied``, ``who`` (UNAUTHENTICATED), ``down`` (UNAVAILABLE), ``late`` (DEADLINE_EXCEEDED), ``lost``
    (it does what it is asked, and the answer does not arrive). ``asked`` are the names of what it was asked; ``down_s``
    and ``back_s`` when the processor is to be down, and back.
    """

    def __init__(self, project: str, port: int = 0) -> None:
        grpc = importlib.import_module("grpc")
        self._types = importlib.import_module("cirq_google.cloud.quantum_v1alpha1.types")
        self._google = importlib.import_module("cirq_google")
        self._project, self._lock = f"projects/{project}", threading.Lock()
        self.trouble: deque[str] = deque()
        self.asked: list[str] = []
        self.programs: dict[str, Any] = {}
        self.jobs: dict[str, _Job] = {}
        self.healthy = self.calibrated = True
        self.down_s = self.back_s = 0
        self.wait_s = 7
        handlers = grpc.method_handlers_generic_handler(
            _SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    self._handler(name, answer),
                    request_deserializer=getattr(self._types, f"{name}Request").deserialize,
                    response_serializer=_serialized,
                )
                for name, answer in self._answers().items()
            },
        )
        self._codes = {code.value[0]: code for code in grpc.StatusCode}
        self._server = grpc.server(ThreadPoolExecutor(_WORKERS), handlers=[handlers])
        self._port = self._server.add_insecure_port(f"127.0.0.1:{port}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(None).wait()

    def _answers(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "CreateQuantumProgram": self._create_program,
            "CreateQuantumJob": self._create_job,
            "GetQuantumJob": self._get_job,
            "GetQuantumResult": self._get_result,
            "CancelQuantumJob": self._cancel_job,
            "ListQuantumProcessors": self._list_processors,
            "GetQuantumProcessor": self._get_processor,
            "GetQuantumCalibration": self._get_calibration,
        }

    def _handler(self, name: str, answer: Callable[[Any], Any]) -> Any:
        def handle(request: Any, context: Any) -> Any:
            with self._lock:
                self.asked.append(name)
                trouble = self.trouble.popleft() if self.trouble else ""
                try:
                    given = answer(request) if trouble in {"", "lost"} else None
                except _Said as said:
                    context.abort(self._codes[said.code], str(said))
            if trouble == "busy":
                self._too_many(context)
            if trouble:
                context.abort(self._codes[_TROUBLE[trouble]], f"trouble: {trouble}")
            return given

        return handle

    def _too_many(self, context: Any) -> None:
        """With the detail that says for how long to stay away."""
        details = importlib.import_module("google.rpc.error_details_pb2")
        status = importlib.import_module("google.rpc.status_pb2").Status(
            code=_TROUBLE["busy"], message="quota exceeded"
        )
        retry = details.RetryInfo()
        retry.retry_delay.seconds = self.wait_s
        status.details.add().Pack(retry)
        context.abort_with_status(importlib.import_module("grpc_status.rpc_status").to_status(status))

    def _create_program(self, request: Any) -> Any:
        program = request.quantum_program
        if request.parent != self._project:
            raise _Said(_NOT_FOUND, f"{request.parent} is no project")
        if program.name in self.programs:
            raise _Said(_EXISTS, f"{program.name} exists")
        self.programs[program.name] = program
        return program

    def _create_job(self, request: Any) -> Any:
        job = request.quantum_job
        if request.parent not in self.programs:
            raise _Said(_NOT_FOUND, f"{request.parent} is no program")
        if job.name in self.jobs:
            raise _Said(_EXISTS, f"{job.name} exists")
        self._known(job.scheduling_config.processor_selector.processor)
        kept = self.jobs[job.name] = _Job(message=job, fails=self._problem(request.parent))
        return self._stated(kept)

    def _get_job(self, request: Any) -> Any:
        job = self._job(request.name)
        job.looked_at()
        return self._stated(job)

    def _get_result(self, request: Any) -> Any:
        job = self._job(request.parent)
        if not job.done:
            raise _Said(_UNFIT, "the job has no result")
        return self._types.QuantumResult(parent=request.parent, result=self._outcomes(job))

    def _cancel_job(self, request: Any) -> Any:
        job = self._job(request.name)
        if job.ended:
            raise _Said(_UNFIT, f"the job is {job.status}")
        job.cancel()
        return importlib.import_module("google.protobuf.empty_pb2").Empty()

    def _list_processors(self, request: Any) -> Any:
        if request.parent != self._project:
            raise _Said(_NOT_FOUND, f"{request.parent} is no project")
        return self._types.ListQuantumProcessorsResponse(processors=[self._processor()])

    def _get_processor(self, request: Any) -> Any:
        self._known(request.name)
        return self._processor()

    def _get_calibration(self, request: Any) -> Any:
        name, _, which = request.name.partition("/calibrations/")
        self._known(name)
        if which != "current" or not self.calibrated:
            raise _Said(_NOT_FOUND, f"{request.name} is no calibration")
        metrics = self._google.engine.load_median_device_calibration(PROCESSOR).to_proto()
        metrics.timestamp_ms = _DATED_MS
        return self._types.QuantumCalibration(name=request.name, data=_packed(metrics))

    def _processor(self) -> Any:
        device = self._google.engine.create_device_from_processor_id(PROCESSOR)
        health = self._types.QuantumProcessor.Health
        return self._types.QuantumProcessor(
            name=f"{self._project}/processors/{PROCESSOR}", health=health.OK if self.healthy else health.DOWN,
            expected_down_time=_at(self.down_s), expected_recovery_time=_at(self.back_s),
            device_spec=_packed(device.to_proto()), default_device_config_key={"run": "default", "config_alias": "all"},
        )  # fmt: skip

    def _known(self, name: str) -> None:
        if name != f"{self._project}/processors/{PROCESSOR}":
            raise _Said(_NOT_FOUND, f"{name} is no processor")

    def _job(self, name: str) -> _Job:
        if name not in self.jobs:
            raise _Said(_NOT_FOUND, f"{name} is no job")
        return self.jobs[name]

    def _stated(self, job: _Job) -> Any:
        status, state = self._types.ExecutionStatus, job.status
        job.message.execution_status = status(state=status.State[state])
        if state == "FAILURE":
            job.message.execution_status.failure = status.Failure(
                error_code=status.Failure.Code.INVALID_PROGRAM, error_message=job.fails
            )
        return job.message

    def _circuit(self, program: str) -> Any:
        v2 = self._google.api.v2
        read = v2.program_pb2.Program()
        self.programs[program].code.Unpack(read)
        return self._google.CIRCUIT_SERIALIZER.deserialize(read)

    def _problem(self, program: str) -> str:
        """Why a program is none for the processor."""
        try:
            self._google.engine.create_device_from_processor_id(PROCESSOR).validate_circuit(self._circuit(program))
        except ValueError as error:
            return str(error)
        return ""

    def _outcomes(self, job: _Job) -> Any:
        v2, cirq = self._google.api.v2, importlib.import_module("cirq")
        wanted = v2.run_context_pb2.RunContext()
        job.message.run_context.Unpack(wanted)
        circuit = self._circuit(job.message.name.partition("/jobs/")[0])
        shots = wanted.parameter_sweeps[0].repetitions
        result = cirq.Simulator(seed=len(circuit)).run(circuit, repetitions=shots)
        return _packed(v2.results_to_proto([[result]], v2.find_measurements(circuit)))


def _serialized(message: Any) -> bytes:
    """Of messages of both kinds that there are in Google's packages."""
    made: bytes = (
        type(message).serialize(message) if hasattr(type(message), "serialize") else message.SerializeToString()
    )
    return made


def _at(seconds: int) -> Any:
    """A time; none for 0."""
    stamp = importlib.import_module("google.protobuf.timestamp_pb2").Timestamp
    return stamp(seconds=seconds) if seconds else None


def _packed(message: Any) -> Any:
    packed = importlib.import_module("google.protobuf.any_pb2").Any()
    packed.Pack(message)
    return packed
