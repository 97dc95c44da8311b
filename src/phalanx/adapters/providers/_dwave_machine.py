"""A real machine of D-Wave: a ``QueuedAnnealer``.

Wire format: the solver API's version 3, as ``dwave-cloud-client`` 0.14 speaks it. A problem carries our key as its
label, and problems are listed by label, so that one whose answer was lost is found and not sent again.

A problem whose couplings are not the machine's own is embedded before it is sent, and what comes back is read by the
same chains. They follow from the problem, the seed and the wiring, so that a later life of the node finds them again;
an answer that does not fit them, for the machine was wired anew in between, is refused and not misread.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import numpy as np

from phalanx.adapters.providers._dwave_chains import embed, embedded, unembedded
from phalanx.adapters.providers._dwave_documents import (
    Answer,
    Solver,
    answer_of,
    graph_of,
    is_annealer,
    problem_data,
    solver_of,
    topology,
)
from phalanx.adapters.providers._http import created
from phalanx.adapters.providers._secrets import AskedAs
from phalanx.adapters.providers._sent import NOT_SEEN, DrawnSpins, SentSpins, stage_by
from phalanx.core import InvalidInput, Origin, Overloaded, Unavailable
from phalanx.devices import (
    DeviceModel,
    Features,
    IsingProblem,
    Modality,
    Operation,
    ProviderContext,
    SessionLimits,
    Stage,
    Status,
    listed_price,
)

DWAVE = "dwave"
_VERSION = "3.0.0"
_MAX_SHOTS, _LISTED = 10_000, 100
_WAITING, _RUNNING, _DONE = frozenset({"PENDING"}), frozenset({"IN_PROGRESS"}), frozenset({"COMPLETED"})
_BUSY = 429


class _Made(msgspec.Struct):
    """A problem that it took."""

    id: str


class DWaveServer:
    """Questions to the solver API under our token; each names the kind of document that it wants."""

    def __init__(self, asked: AskedAs) -> None:
        self._asked = asked

    async def ask(self, method: str, path: str, kind: str, body: object = None, *, once: bool = False) -> Any:
        return await self._asked.ask(method, path, body, once=once, accept=_form(kind))

    def ask_now(self, path: str, kind: str) -> Any:
        return self._asked.ask_now(path, accept=_form(kind))

    def machines(self) -> dict[str, str]:
        """Titles by name."""
        told = self.ask_now("/solvers/remote/", "solver-definition-list")
        found = [one for one in told if is_annealer(one)]
        return {str(one["identity"]["name"]): str(one.get("description") or "D-Wave") for one in found}


class DWaveMachine(SentSpins):
    """Offline until it has been looked at."""

    def __init__(self, name: str, title: str, server: DWaveServer, context: ProviderContext) -> None:
        self._name, self._server, self._offload = name, server, context.offload
        self._solver: Solver | None = None
        full = f"{DWAVE}.{name.lower().replace('_', '-')}"
        device = DeviceModel(
            name=full, provider=DWAVE, kind=Modality.ANNEALER, origin=Origin.HARDWARE, title=title, n_qubits=1,
            limits=SessionLimits(max_shots=_MAX_SHOTS), features=Features(gates=False, analog=True),
            calibration=NOT_SEEN, operations=(Operation("ising", 0),), region=DWAVE, price=listed_price(full),
            status=Status.OFFLINE,
        )  # fmt: skip
        super().__init__(device, context.clock)

    def look_now(self) -> None:
        """``look`` in this thread."""
        self._device = self._described(self._server.ask_now(self._here, "solver-definition"))

    async def _seen(self) -> DeviceModel:
        return self._described(await self._server.ask("GET", self._here, "solver-definition"))

    @property
    def _here(self) -> str:
        return f"/solvers/remote/{quote(self._name, safe='')}"

    def _described(self, told: Mapping[str, Any]) -> DeviceModel:
        found = solver_of(told, self._device.name)
        if self._solver is None or self._solver.graph != found.graph or self._solver.labels != found.labels:
            known = topology(len(found.labels), np.unique(np.sort(found.couplers, axis=1), axis=0))
        else:
            known = self._device.calibration
        self._solver = found
        return replace(
            self._device, n_qubits=len(found.labels), calibration=known, status=found.status,
            limits=SessionLimits(max_shots=found.most_reads),
        )  # fmt: skip

    async def _create_program(self, program: IsingProblem, shots: int, seed: int, key: str) -> str:
        solver = self._wired()
        chains = await self._offload.run(embed, program, self._device, seed)
        placed = await self._offload.run(embedded, program, self._device, chains)
        taking_part = sorted(qubit for chain in chains for qubit in chain)
        problem = {
            "solver": dict(solver.identity), "type": "ising", "data": problem_data(placed, taking_part, solver),
            "params": {"num_reads": shots, "answer_mode": "histogram"}, "label": key or program.digest[:32],
        }  # fmt: skip
        # A list of one: a problem alone would be answered only when it has been solved.
        answer = await self._server.ask("POST", "/problems/", "problems", [problem], once=True)
        (first,) = answer if isinstance(answer, list) and len(answer) == 1 else (answer,)
        if isinstance(first, dict) and "error_code" in first:
            self._refuse(first)
        return created("D-Wave", first, _Made).id

    def _refuse(self, told: Mapping[str, Any]) -> None:
        if told["error_code"] == _BUSY:
            raise Overloaded("D-Wave", retry_after_s=1)
        raise InvalidInput("job", f"D-Wave refuses it ({told['error_code']}): {told.get('error_msg')}")

    async def _find(self, key: str) -> str:
        query = urlencode({"label": key, "max_results": _LISTED})
        told = await self._server.ask("GET", f"/problems/?{query}", "problems")
        return next((str(one["id"]) for one in told if one.get("label") == key), "")

    async def _drawn(self, handle: str, program: IsingProblem, shots: int, seed: int) -> DrawnSpins | None:
        job = await self._job(handle)
        status = str(job.get("status"))
        if status in _WAITING | _RUNNING:
            return None
        if status not in _DONE:
            raise Unavailable(self._device.name, f"the job {handle} ended as {status}: {await self._why(handle)}")
        if "answer" not in job:
            job = {**job, **await self._server.ask("GET", f"/problems/{quote(handle)}/answer", "problem-answer")}
        solver = self._wired()
        found = answer_of(job["answer"], solver, shots, self._device.name)
        chains = await self._offload.run(embed, program, self._device, seed)
        self._check_read_as_sent(handle, graph_of(job.get("solver") or {}), found, chains)
        whole = np.zeros((len(found.spins), len(solver.labels)), np.int8)
        whole[:, list(found.taking_part)] = found.spins
        return DrawnSpins(np.repeat(unembedded(whole, chains), found.counts, axis=0), found.used_s)

    def _check_read_as_sent(self, handle: str, graph: str, found: Answer, chains: list[list[int]]) -> None:
        taking_part = sorted(qubit for chain in chains for qubit in chain)
        if graph not in {"", self._wired().graph} or sorted(found.taking_part) != taking_part:
            raise Unavailable(
                self._device.name, f"the answer to {handle} is for another wiring of the machine, and cannot be read",
                hint="submit it again",
            )  # fmt: skip

    def _wired(self) -> Solver:
        assert self._solver is not None, "whoever sends or collects has looked at it"
        return self._solver

    async def _job(self, handle: str) -> dict[str, Any]:
        return dict(await self._server.ask("GET", f"/problems/{quote(handle)}", "problem"))

    async def _why(self, handle: str) -> str:
        told = await self._server.ask("GET", f"/problems/{quote(handle)}/messages", "problem-message")
        return "; ".join(str(one.get("message")) for one in told) or "it does not say why"

    async def _stage(self, handle: str) -> Stage:
        job = await self._job(handle)
        return stage_by(str(job.get("status")), waiting=_WAITING, running=_RUNNING, done=_DONE)

    async def _drop(self, handle: str) -> None:
        await self._server.ask("DELETE", f"/problems/{quote(handle)}", "problem")


def _form(kind: str) -> str:
    return f"application/vnd.dwave.sapi.{kind}+json; version={_VERSION}"
