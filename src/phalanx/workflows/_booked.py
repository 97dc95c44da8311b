"""Circuits of steps as jobs: in a booked window, paid for, and found again after a crash.

Invariant: a circuit of a step has one key, derived from run, step, position in the step and content. A resumed run
finds the job of that key and takes its result; nothing is submitted or charged twice. Only if that job came to
nothing is the circuit submitted again, under the next key.
"""

import asyncio
import math
from typing import TYPE_CHECKING

from phalanx.allocation.money import OverBudget, run_seconds
from phalanx.core import NS_PER_S, Circuit, Clock, Origin, PhalanxError, Unavailable, derive_id, id_time_ns
from phalanx.devices import (
    Chosen,
    DeviceModel,
    Fleet,
    Job,
    JobState,
    JobWishes,
    QueuedBackend,
    TreatedResult,
    check_fits,
    check_runs,
    emulated_machine,
)
from phalanx.quantum import features
from phalanx.workflows._desk import Desk
from phalanx.workflows._limits import MAX_JOBS_OF_CIRCUIT
from phalanx.workflows._placing import BEST, Criticality, OverSpent
from phalanx.workflows._stays import Circumstances, Stay, Stays
from phalanx.workflows._step_circuits import StepCircuits
from phalanx.workflows._underway import OpenCircuit
from phalanx.workflows._urgency import priority_of
from phalanx.workflows._windows import CircuitWindow

if TYPE_CHECKING:
    from phalanx.quantum.mitigation import Mean


class BookedCircuits:
    """Runs circuits of steps as jobs of a node."""

    def __init__(self, desk: Desk, fleet: Fleet, clock: Clock) -> None:
        self.desk = desk
        self._fleet, self._clock = fleet, clock
        self._stays = Stays(desk.calendar, desk.waits, clock)

    async def run(
        self, step: StepCircuits, n: int, circuit: Circuit, chosen: Chosen, opened: OpenCircuit, *, shots: int,
        seed: int, observable: str = "",
    ) -> tuple[TreatedResult, CircuitWindow]:  # fmt: skip
        """The ``n``-th circuit of ``step``, or the mean of ``observable`` after it.

        Raises ``OverBudget``, ``Unavailable``, and what is wrong with it.
        """
        key, job = await self._known(step, n, circuit, shots, seed, observable)
        if job is not None:
            return await self._ended(step, circuit, job, None, opened)
        if chosen.device in (unsure := self.unsure(step.of)):
            raise Unavailable(chosen.device, unsure[chosen.device])
        stay, reason = await self._there(step, circuit, chosen, opened, shots)
        try:
            job = await self._submitted(step, circuit, stay, reason, key, observable, shots=shots, seed=seed)
            return await self._ended(step, circuit, job, stay, opened)
        finally:
            step.there -= 1
            if not step.there:
                step.nobody_there.set()

    def unsure(self, of: Circumstances) -> dict[str, str]:
        """Machines at vendors that an earlier life of the node may have sent the circuits of this run to."""
        if not of.run or id_time_ns(of.run) >= self.desk.lives_since_ns:
            return {}
        why = "the run began before this node was restored from a backup, and may have been sent there already"
        return {
            name: why for name in self._fleet.names() if isinstance(self._fleet.backend(name), QueuedBackend)
        }  # fmt: skip

    async def _ended(
        self, step: StepCircuits, circuit: Circuit, job: Job, stay: Stay | None, opened: OpenCircuit
    ) -> tuple[TreatedResult, CircuitWindow]:
        opened.device, opened.reason, opened.waits = job.device, job.reason, False
        step.jobs.add(job.id)
        ended, expected = await asyncio.gather(
            self.desk.jobs.ended(job.tenant, job.id), self._expected(circuit, job.device, job.coherence)
        )
        step.jobs.discard(job.id)
        if ended.state is not JobState.COMPLETED or ended.provenance is None:
            raise Unavailable(
                ended.device, f"job {ended.id} {ended.state.value.lower()}: {ended.error or 'no word why'}"
            )
        if ended.device != job.device:
            expected = await self._expected(circuit, ended.device, ended.coherence)
        self._stays.learn(ended.device, max(0.0, (ended.finished_at_ns - ended.started_at_ns) / NS_PER_S))
        window = await self._window(ended, stay, expected)
        step.spent += window.cost
        return TreatedResult(ended.counts, ended.provenance, ended.used_s, ended.treated), window

    async def leave(self, step: StepCircuits, *, give_back: bool = True) -> None:
        """The step needs its machine no more."""
        stay, step.stay = step.stay, None
        if stay is not None:
            step.left_behind = None if give_back else stay
            await self._stays.ended(step.of, stay, give_back=give_back)

    async def abandon(self, step: StepCircuits) -> None:
        """Nobody wants what is under way any more: the job is cancelled, and what it holds is free again."""
        for job in sorted(step.jobs):
            await self.desk.jobs.cancel(step.of.tenant, job)
        if step.left_behind is not None and step.left_behind.booking is not None:
            await self._stays.given_back(step.of, step.left_behind.booking)
        step.jobs, step.left_behind = set(), None

    async def _known(
        self, step: StepCircuits, n: int, circuit: Circuit, shots: int, seed: int, observable: str
    ) -> tuple[str, Job | None]:
        """The key of a circuit, and its job if there is one that came to something or still may."""
        of, asked = step.of, step.of.asked
        for again in range(MAX_JOBS_OF_CIRCUIT):
            what = [str(n), circuit.digest, str(shots), str(seed), asked.mitigate, asked.coherence, str(again)]
            what += [observable] if observable else []
            key = derive_id(id_time_ns(of.run), "step-job", of.run, of.step, *what)
            job = await self.desk.jobs.known(of.tenant, key)
            if job is None or job.state not in (JobState.FAILED, JobState.CANCELLED):
                return key, job
        raise Unavailable("a device", f"{MAX_JOBS_OF_CIRCUIT} jobs of this circuit came to nothing")

    async def _there(
        self, step: StepCircuits, circuit: Circuit, chosen: Chosen, opened: OpenCircuit, shots: int
    ) -> tuple[Stay, str]:  # fmt: skip
        """The step at a machine that fits: the one where it is, else the one that was chosen. And why there.

        It counts as there until the circuit has ended: nobody takes the step elsewhere before.
        """
        async with step.moving:
            stay, reason = await self._moved(step, circuit, chosen, opened, shots)
            step.there += 1
            step.nobody_there.clear()
            return stay, reason

    async def _moved(
        self, step: StepCircuits, circuit: Circuit, chosen: Chosen, opened: OpenCircuit, shots: int
    ) -> tuple[Stay, str]:  # fmt: skip
        stays_on = step.stay is not None and step.stay.device in chosen.order
        device = step.stay.device if step.stay is not None and stays_on else chosen.device
        model = self._fleet.backend(device).device
        check_fits(model, circuit, shots)
        check_runs(model, circuit)
        seen = features(circuit)
        run_s = run_seconds(model, seen, shots)
        opened.device, opened.stay = device, step.stay
        if step.stay is not None and not stays_on:
            await step.nobody_there.wait()
            await self.leave(step)
        if step.stay is None:
            priority = priority_of(seen, model, step.of.asked.criticality)
            opened.stay = stay = Stay(model.name, priority)
            await self._stays.begun(step.of, stay, model, run_s)
            step.stay = stay
            step.stay_reason = chosen.reason
        else:
            await self._stays.longer(step.of, step.stay, model, run_s)
        return step.stay, step.stay_reason

    async def _submitted(
        self,
        step: StepCircuits,
        circuit: Circuit,
        stay: Stay,
        reason: str,
        key: str,
        observable: str,
        *,
        shots: int,
        seed: int,
    ) -> Job:
        of, asked = step.of, step.of.asked
        model = self._fleet.backend(stay.device).device
        noisy = model.origin is not Origin.SIMULATED
        mitigate, coherence = (asked.mitigate, asked.coherence) if noisy else ("", "")
        if coherence == BEST:
            step.strategy = step.strategy or await self.desk.offload.run(_best, model, circuit, mitigate)
            coherence = step.strategy
        left = step.left()
        wishes = JobWishes(
            origin=asked.results, fidelity=asked.fidelity, deadline_at_ns=of.deadline_ns,
            budget=0.0 if math.isinf(left) else left, emergency=asked.criticality is Criticality.CRITICAL,
            # Where no machine is left the step's own fallback answers, at once.
            degrade=False, patient=False,
        )  # fmt: skip
        try:
            return await self.desk.jobs.submit(
                of.tenant, circuit, shots=shots, device=stay.device, seed=seed, key=key, trace=of.trace, wishes=wishes,
                reason=reason, movable=not asked.device, mitigate=mitigate, coherence=coherence,
                observable=observable,
            )  # fmt: skip
        except OverBudget as error:
            if asked.over_budget is OverSpent.REFUSE:
                raise
            raise Unavailable("what it costs", error.message) from error

    async def _expected(self, circuit: Circuit, device: str, coherence: str) -> tuple[float, float] | None:
        """What should survive, and what could; nothing where there is no noise, or no layout of it here."""
        model = self._fleet.backend(device).device
        if model.origin is Origin.SIMULATED:
            return None
        try:
            return await self.desk.offload.run(_expected, model, circuit, coherence)
        except PhalanxError:
            return None

    async def _window(self, job: Job, stay: Stay | None, expected: tuple[float, float] | None) -> CircuitWindow:
        assert job.provenance is not None, job.id
        known = self._fleet.backend(job.device).device.calibration
        spent = await self.desk.spent(job.tenant, job.id)
        stay = stay if stay is not None and stay.device == job.device else None
        booking = None if stay is None else stay.booking
        age_s = (job.at_ns - known.calibrated_at_ns) / NS_PER_S if known.calibrated_at_ns else None
        window = CircuitWindow(
            device=job.device, reason="; ".join((*(f"{one.kind}: {one.why}" for one in job.moves), job.reason)),
            begun_ns=job.started_at_ns, ended_ns=job.finished_at_ns, circuits=1, decision=job.id, jobs=(job.id,),
            calibration=known.id if expected is not None else "", calibration_age_s=age_s,
            booking="" if booking is None else booking.id, booked_from_ns=0 if booking is None else booking.start_ns,
            booked_until_ns=0 if booking is None else booking.end_ns,
            forecast_s=0.0 if stay is None else stay.forecast_s, forecast_by="" if stay is None else stay.forecast_by,
            waited_s=0.0 if stay is None else stay.waited_s, priority=0 if stay is None else stay.priority,
            coherence=(job.coherence or "layout-by-noise") if expected is not None else "",
            survival=None if expected is None else expected[0], bound=None if expected is None else expected[1],
            mitigation=job.provenance.mitigation, benefit=None if job.treated is None else job.treated.benefit,
            cost=spent.amount, currency=spent.currency,
        )  # fmt: skip
        if stay is not None:
            stay.waited_s = 0.0  # It is told once.
        return window


def mean_of(result: TreatedResult) -> "Mean":
    """The mean that a job worked out."""
    from phalanx.quantum.mitigation import Mean

    seen = result.treated
    assert seen is not None, "a job with an observable is treated"
    assert seen.mean is not None, "a job with an observable gives its mean"
    return Mean(
        value=seen.mean, error=seen.error, plain=seen.plain_mean, plain_error=seen.plain_error, exact=seen.exact,
        circuits=seen.circuits, shots=seen.shots, mitigation=seen.mitigation, provenance=(result.provenance,),
    )  # fmt: skip


def _best(model: DeviceModel, circuit: Circuit, mitigate: str) -> str:
    """The strategy that keeps most, of those that go with the mitigation; seconds of work at most."""
    from phalanx.quantum.coherence import strategies

    found = strategies(circuit, emulated_machine(model))
    return next(one.name for one in found if "dd" not in mitigate or not one.name.startswith("decoupling"))


def _expected(model: DeviceModel, circuit: Circuit, coherence: str) -> tuple[float, float]:
    from phalanx.quantum.coherence import BY_NOISE, expected

    return expected(circuit, emulated_machine(model), name=coherence or BY_NOISE)
