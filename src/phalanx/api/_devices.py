"""Quantum devices: which there are, how good each is, its history; and jobs on them."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.allocation import JobNow
from phalanx.allocation.money import JobCost
from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer, answer_text, asked
from phalanx.core import Circuit, InvalidInput
from phalanx.devices import (
    DeviceDetail,
    DeviceHistory,
    DeviceView,
    HistoryNumber,
    Job,
    JobWishes,
    Program,
    WorkerHistory,
    WorkerNumber,
    WorkerView,
    device_detail,
    device_view,
    due_at_ns,
    history_line,
    history_svg,
    history_view,
    origin_of,
    topology_svg,
    worker_line,
    worker_name,
)
from phalanx.quantum.circuits import read
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_SVG = "image/svg+xml"


def device_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/devices``."""
    router = APIRouter(prefix="/v1/devices", tags=["devices"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))

    @router.get("", responses=answer(DeviceView, many=True), dependencies=[viewer])
    async def list_devices() -> Response:
        """Quantum devices and simulators, how good each is, and what kind of results it gives."""
        now_ns = node.clock.wall_ns()
        away = node.placements.kept_away
        found = [device_view(device, now_ns, kept_away=away(device.name)) for device in node.fleet.devices()]
        return reply({"items": found, "next": ""})

    @router.get("/{name}", responses=answer(DeviceDetail), dependencies=[viewer])
    async def get_device(name: str) -> Response:
        """Everything known about one device, qubit by qubit."""
        device = node.fleet.backend(name).device
        return reply(device_detail(device, node.clock.wall_ns(), kept_away=node.placements.kept_away(name)))

    @router.get("/{name}/map.svg", responses=answer_text(_SVG, "the map"), dependencies=[viewer])
    async def get_map(name: str) -> Response:
        """Qubits and couplers of one device, shaded by their errors."""
        picture = await node.offload.run(topology_svg, node.fleet.backend(name).device)
        return Response(picture, media_type=_SVG)

    @router.get("/{name}/history", responses=answer(DeviceHistory))
    async def get_history(name: str, principal: Annotated[Principal, viewer]) -> Response:
        """Calibrations, queue and availability of one device as observed, what drifted, and which jobs failed."""
        device = node.fleet.backend(name).device
        seen, states = await node.device_history.calibrations(device), await node.device_history.states(name)
        failed = await node.jobs.failures.of(principal.tenant, name)
        return reply(await node.offload.run(history_view, name, seen, states, failed))

    @router.get("/{name}/history.svg", responses=answer_text(_SVG, "the line"), dependencies=[viewer])
    async def draw_history(
        name: str,
        number: Annotated[HistoryNumber, Query(description="Which number.")] = HistoryNumber.TWO_QUBIT_ERROR,
        qubit: Annotated[
            int | None, Query(ge=0, description="One qubit, or coupler by its position, instead of the median.")
        ] = None,
    ) -> Response:
        """One number of a device over time."""
        known = node.fleet.backend(name).device.calibration
        most = len(known.pair) if number is HistoryNumber.TWO_QUBIT_ERROR else known.n_qubits
        if qubit is not None and qubit >= most:
            raise InvalidInput("qubit", f"{qubit} is none of the {most} that {name} has, counted from 0")
        seen = await node.device_history.calibrations(node.fleet.backend(name).device)
        return Response(history_svg(*history_line(name, seen, number, qubit)), media_type=_SVG)

    return router


def worker_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/workers``."""
    router = APIRouter(prefix="/v1/workers", tags=["devices"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))

    @router.get("", responses=answer(WorkerView, many=True), dependencies=[viewer])
    async def list_workers() -> Response:
        """Machines that run nodes: processor, memory, load and GPUs of each, as last reported."""
        return reply({"items": await node.workers.newest(), "next": ""})

    @router.get("/{worker}/history", responses=answer(WorkerHistory), dependencies=[viewer])
    async def get_worker_history(worker: str) -> Response:
        """The history of one worker, for up to a day."""
        return reply(await node.workers.shown(worker_name(worker)))

    @router.get("/{worker}/history.svg", responses=answer_text(_SVG, "the line"), dependencies=[viewer])
    async def draw_worker_history(
        worker: str, number: Annotated[WorkerNumber, Query(description="Which number.")] = WorkerNumber.BUSY
    ) -> Response:
        """One number of a worker over time."""
        name = worker_name(worker)
        line = worker_line(name, await node.workers.history(name), number)
        return Response(history_svg(*line), media_type=_SVG)

    return router


class JobRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A circuit to run, or a program. ``circuit`` is text in ``language`` (empty: recognised from the text):
    OpenQASM 3 or 2.

    ``program`` is JSON for a machine without gates: an analog program (our own, a Pulser sequence, a Braket AHS
    program), an Ising problem, a QUBO, or a photonic program.

    ``device`` empty: the node's policy chooses, among those whose results are of ``origin`` and that meet the other
    wishes; a named device must meet them. Zeros mean no limit, ``within_s`` counts from now. ``degrade``: a
    classical simulator will do where no device is left. ``key`` makes a repeated submission find the first.
    ``mitigate`` and ``coherence`` are what is done against the noise of an emulated machine: for example
    ``readout,twirl``, and a strategy by its name; circuits only.
    """

    circuit: str = ""
    program: str = ""
    shots: int = 1_000
    language: str = ""
    device: str = ""
    origin: str = ""
    seed: int | None = None
    key: str = ""
    fidelity: float = 0.0
    within_s: float = 0.0
    budget: float = 0.0
    regions: tuple[str, ...] = ()
    emergency: bool = False
    degrade: bool = True
    mitigate: str = ""
    coherence: str = ""


def work_of(circuit: str, program: str, language: str) -> Circuit | Program:
    """What is to be run: one of both. Raises ``InvalidInput``, or what says why a circuit is unreadable."""
    if circuit and program:
        raise InvalidInput("body", "has a circuit and a program: it is about one of both")
    if program:
        if language:
            raise InvalidInput("language", "is of circuits: a program is JSON, and says itself what it is")
        return Program.read(program)
    if not circuit:
        raise InvalidInput("body", "has neither a circuit nor a program, or an empty one")
    return read(circuit, language=language or None)


class JobDetail(JobNow, frozen=True, kw_only=True, tag="device-job"):
    """A job, what it waits for, and what it costs: held while it is under way, charged when it has ended. No
    ``cost``: nobody kept accounts of it.
    """

    cost: JobCost | None = None


def job_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/jobs``."""
    router = APIRouter(prefix="/v1/jobs", tags=["devices"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    def now(job: Job, principal: Principal) -> JobNow:
        return node.placements.now(job, node.jobs, seen_by=principal.tenant)

    @router.get("", responses=answer(JobNow, many=True))
    async def list_jobs(
        request: Request, principal: Annotated[Principal, viewer], asked_page: Annotated[Page, Depends(page)]
    ) -> Response:
        """Jobs of the caller's tenant, newest first, with what each is waiting for, if anything."""
        found = await node.jobs.newest(principal.tenant, limit=asked_page.limit, before=asked_page.after)
        jobs = [now(one, principal) for one in found]
        return reply_page(request, jobs, asked=asked_page, last=jobs[-1].id if jobs else "")

    @router.get("/{job_id}", responses=answer(JobDetail))
    async def get_job(job_id: str, principal: Annotated[Principal, viewer]) -> Response:
        """One job, with its counts and their provenance once it has completed; what it waits for, and what it costs."""
        found = now(await node.jobs.get(principal.tenant, job_id), principal)
        fields = {name: getattr(found, name) for name in found.__struct_fields__}
        return reply(JobDetail(**fields, cost=await node.budgets.cost(principal.tenant, job_id)))

    @router.post("", responses=answer(JobNow), openapi_extra=asked(JobRequest))
    async def submit_job(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Submit a circuit or a program; it is durable when this answers. What does not fit is refused, unwritten."""
        try:
            wanted = msgspec.json.decode(await read_body(request, node.offload), type=JobRequest)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error
        work = await node.offload.run(work_of, wanted.circuit, wanted.program, wanted.language)
        wishes = JobWishes(
            fidelity=wanted.fidelity, deadline_at_ns=due_at_ns(node.clock.wall_ns(), wanted.within_s),
            budget=wanted.budget, regions=wanted.regions, emergency=wanted.emergency, degrade=wanted.degrade,
        )  # fmt: skip
        job = await node.jobs.submit(
            principal.tenant, work, shots=wanted.shots, device=wanted.device, origin=origin_of(wanted.origin),
            seed=wanted.seed, key=wanted.key, wishes=wishes, mitigate=wanted.mitigate, coherence=wanted.coherence,
        )  # fmt: skip
        return reply(now(job, principal))

    @router.post("/{job_id}/cancel", responses=answer(Job))
    async def cancel_job(job_id: str, principal: Annotated[Principal, operator]) -> Response:
        """The job as it ended: cancelled, unless it had ended before."""
        return reply(await node.jobs.cancel(principal.tenant, job_id))

    return router


KINDS: tuple[type, ...] = (
    WorkerView,
    WorkerHistory,
    DeviceView,
    DeviceDetail,
    DeviceHistory,
    Job,
    JobNow,
    JobDetail,
    JobRequest,
)
