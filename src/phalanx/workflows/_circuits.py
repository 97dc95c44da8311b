"""Circuits to devices: as jobs of the node where something is at stake, else the pool ``devices`` of its balancing.

What runs on a simulator of this machine and costs nothing that a budget counts is run at once: a window and a
durable job would cost more than the circuit. Everything else is a job (``_booked``). For the former the node's
policy says which devices can run a circuit and which it prefers; of those that are as good (same provider, same
score), the pool chooses the one where it will be done first. A kind of operation is a width of circuit: how long a
device takes for one is learned, since no provider says so beforehand. No device is given more circuits at once than
it runs in parallel; the others wait here and, where every queue is full, for room in one (``_queueing``). If a
device fails, the circuit goes elsewhere, and a breaker keeps others away from it for a while; if no device is left,
or none has room for too long, the step's classical fallback answers.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from phalanx.allocation import Breakers, DeviceFailed, run_somewhere
from phalanx.balancing import NoEligibleResource, Operation, OperationKind, Pool, Resource
from phalanx.core import (
    NO_TRACE,
    NS_PER_S,
    Circuit,
    Clock,
    InvalidInput,
    NotFound,
    Origin,
    TenantId,
    Unavailable,
    derive_id,
    id_time_ns,
)
from phalanx.devices import Chooser, Chosen, Fleet, FleetChooser, Wish
from phalanx.quantum import ShotResult, features
from phalanx.workflows._booked import BookedCircuits, mean_of
from phalanx.workflows._desk import Desk
from phalanx.workflows._limits import (
    CIRCUIT_WIDTHS,
    CIRCUITS_AT_ONCE,
    DECLARED_CIRCUIT_S,
    MAX_WAITING_CIRCUITS,
)
from phalanx.workflows._placing import Mode, OverSpent
from phalanx.workflows._queueing import Queueing
from phalanx.workflows._stays import Circumstances
from phalanx.workflows._step_circuits import StepCircuits
from phalanx.workflows._underway import OpenCircuit
from phalanx.workflows._windows import CircuitWindow, note

if TYPE_CHECKING:
    from phalanx.quantum.mitigation import Mean

POOL = "devices"


class Circuits:
    """Runs circuits on the fleet, wherever they are done first."""

    def __init__(
        self, fleet: Fleet, clock: Clock, chooser: Chooser | None = None, breakers: Breakers | None = None
    ) -> None:
        self._fleet = fleet
        self._chooser: Chooser = chooser or FleetChooser(fleet)
        self._clock = clock
        self._booked: BookedCircuits | None = None
        self.breakers = breakers or Breakers()
        # The pool spreads over devices that give the same kind of answer: ideal simulators where there are any.
        # A circuit that wants another kind goes where the policy says.
        ideal = [device for device in fleet.devices() if device.origin is Origin.SIMULATED]
        devices = sorted(ideal or fleet.devices(), key=lambda device: (device.n_qubits, device.name))
        self._slots = {device.name: asyncio.Semaphore(CIRCUITS_AT_ONCE) for device in devices}
        self.pool = Pool(
            POOL,
            [
                OperationKind(name=_kind(width), work={device.kind: DECLARED_CIRCUIT_S for device in devices})
                for width in CIRCUIT_WIDTHS
            ],
            [Resource(name=device.name, kind=device.kind) for device in devices],
            title="Circuits over devices",
            capacities={device.name: MAX_WAITING_CIRCUITS for device in devices},
            slots={device.name: CIRCUITS_AT_ONCE for device in devices},
        )
        self._queueing = Queueing(self.pool, clock)

    def use(self, desk: Desk) -> None:
        """From now on circuits become jobs where something is at stake."""
        self._booked = BookedCircuits(desk, self._fleet, self._clock)

    @property
    def desk(self) -> Desk | None:
        return None if self._booked is None else self._booked.desk

    def runner(self, name: str, tenant: TenantId, of: Circumstances | None = None) -> StepCircuits:
        """What runs the circuits of one step; ``name`` tells its circuits from those of others."""
        return StepCircuits(
            self, name, of or Circumstances(tenant=tenant, trace=NO_TRACE, template="", run="", step="")
        )  # fmt: skip

    async def run(self, step: StepCircuits, n: int, circuit: Circuit, *, shots: int, seed: int) -> ShotResult:
        """Run one circuit wherever the router or the policy says, and note where it was, when and why."""
        chosen = await self._chosen(step, circuit, shots)
        opened = OpenCircuit(device=chosen.device, reason=chosen.reason, since_ns=self._clock.wall_ns())
        step.open[n] = opened
        try:
            return await self._ran(step, n, circuit, chosen, opened, shots=shots, seed=seed)
        finally:
            del step.open[n]

    async def mitigated(
        self, step: StepCircuits, n: int, circuit: Circuit, observable: str, *, shots: int, seed: int
    ) -> "Mean | None":
        """A mean that is worked out where the circuit runs; none where no noise is to be mitigated."""
        chosen = await self._chosen(step, circuit, shots)
        device = self._fleet.backend(chosen.device).device
        if device.origin is Origin.SIMULATED:
            return None
        if self._booked is None or not step.of.run:
            raise Unavailable("mitigation", "circuits are treated as jobs of a node, and this engine has none")
        opened = OpenCircuit(
            device=chosen.device, reason=chosen.reason, since_ns=self._clock.wall_ns(), waits=True
        )  # fmt: skip
        step.open[n] = opened
        try:
            async with step.turn:
                result, window = await self._booked.run(
                    step, n, circuit, chosen, opened, shots=shots, seed=seed, observable=observable
                )
        finally:
            del step.open[n]
        note(step.windows, window)
        return mean_of(result)

    async def _ran(
        self, step: StepCircuits, n: int, circuit: Circuit, chosen: Chosen, opened: OpenCircuit, *, shots: int,
        seed: int,
    ) -> ShotResult:  # fmt: skip
        device = self._fleet.backend(chosen.device).device
        if self._booked is not None and step.of.run:
            free = device.origin is Origin.SIMULATED and await self._booked.desk.is_free(device, step.of.tenant)
            if not free:
                opened.waits = True
                async with step.turn:
                    result, window = await self._booked.run(step, n, circuit, chosen, opened, shots=shots, seed=seed)
                note(step.windows, window)
                return result
        elif device.origin is not Origin.SIMULATED and (step.of.asked.mitigate or step.of.asked.coherence):
            raise Unavailable("mitigation", "circuits are treated as jobs of a node, and this engine has none")
        return await self._at_once(step, n, circuit, chosen, opened, shots=shots, seed=seed)

    async def close(self, step: StepCircuits, *, give_back: bool) -> None:
        if self._booked is not None:
            await self._booked.leave(step, give_back=give_back)

    async def abandon(self, step: StepCircuits) -> None:
        if self._booked is not None:
            await self._booked.abandon(step)

    async def _chosen(self, step: StepCircuits, circuit: Circuit, shots: int) -> Chosen:
        """Raises ``Unavailable`` where nothing fits; ``InvalidInput`` where money is what is missing, if so asked."""
        asked, wanted = step.of.asked, await self._routed(step, circuit, shots)
        if wanted:
            try:
                self._fleet.backend(wanted)
            except NotFound as error:
                raise Unavailable(f"device {wanted!r}", "this node has none of that name") from error
            return Chosen(wanted, step.route or "the step names it", (wanted,), frozenset({wanted}))
        wish = Wish(
            circuit=circuit, shots=shots, tenant=step.of.tenant, fidelity=asked.fidelity, budget=max(0.0, step.left()),
            origin=Origin(asked.results) if asked.results else None,
            without=self._stale(asked.fresh_s) | ({} if self._booked is None else self._booked.unsure(step.of)),
        )  # fmt: skip
        try:
            return await self._chooser.choose(wish)
        except Unavailable:
            if asked.over_budget is not OverSpent.REFUSE or not asked.budget:
                raise
        await self._chooser.choose(replace(wish, budget=math.inf))  # raises where money is not what is missing
        text = f"{asked.budget:g} are for this step, {step.spent:g} of it are spent, and no device does it for the rest"
        raise InvalidInput("budget", text)

    async def _routed(self, step: StepCircuits, circuit: Circuit, shots: int) -> str:
        """The device that the step names, or for ``auto`` the one that the router does. Empty: the policy chooses.

        A circuit that is much more complex than those that were judged is judged anew.
        """
        asked, desk = step.of.asked, self.desk
        if asked.mode is not Mode.AUTO or desk is None:
            return asked.device
        n_two = features(circuit).n_two
        if step.judged < 0 or n_two > 2 * step.judged:
            name = f"{step.of.template}/{step.of.step}"
            within_s = max(0.0, (step.of.deadline_ns - self._clock.wall_ns()) / NS_PER_S) if step.of.deadline_ns else 0
            budget = 0.0 if math.isinf(step.left()) else max(1e-9, step.left())
            found = await desk.routed(step.of.tenant, name, circuit, shots, asked, within_s=within_s, budget=budget)
            step.device, step.route, step.judged = found.name, found.reason, n_two
        return step.device

    def _stale(self, fresh_s: float) -> dict[str, str]:
        """Machines whose calibration is older than a step wants it."""
        if not fresh_s:
            return {}
        found = {}
        for device in self._fleet.devices():
            age_s = (self._clock.wall_ns() - device.calibration.calibrated_at_ns) / NS_PER_S
            if device.origin is not Origin.SIMULATED and age_s > fresh_s:
                found[device.name] = f"was calibrated {age_s:,.0f} s ago, and {fresh_s:g} s are asked for"
        return found

    async def _at_once(
        self, step: StepCircuits, n: int, circuit: Circuit, chosen: Chosen, opened: OpenCircuit, *, shots: int,
        seed: int,
    ) -> ShotResult:  # fmt: skip
        name = f"{step.name}/{n}"
        # Elsewhere means where answers are of the same kind: an ideal result does not become a noisy one unasked.
        fitting = {device: self._fleet.backend(device).device.provider for device in chosen.order}

        async def attempt(left: frozenset[str], began: Callable[[str], None]) -> tuple[str, tuple[ShotResult, float]]:
            eligible = (left & chosen.alike) or left
            kind = _kind(_width(circuit.n_qubits))
            operation = Operation(id=name, kind=kind, tenant=step.of.tenant, eligible=eligible)
            try:
                ticket, waited_s = await self._queueing.placed(operation, step.patience_s(self._clock.wall_ns()))
            except NoEligibleResource:
                # Every device that fits is out of the pool's sight; the policy's own choice is still right.
                device = next(one for one in chosen.order if one in eligible)
                began(device)
                return device, (await self._on(device, circuit, shots=shots, seed=seed), 0.0)
            step.waited_s += waited_s
            opened.device = device = self.pool.seats[ticket.resource].resource.name
            began(device)
            return device, (await self._held(name, device, circuit, shots=shots, seed=seed), waited_s)

        begun_ns = self._clock.wall_ns()
        ran = await run_somewhere(fitting, attempt, self.breakers, self._clock)
        reason = chosen.reason if ran.device == chosen.device else f"as good as {chosen.device}, and done there first"
        if ran.failed:
            reason = f"{', '.join(name for name, _ in ran.failed)} failed"
        of, (result, waited_s) = step.of, ran.value
        decision = derive_id(id_time_ns(of.run), "placement", of.run, of.step) if of.run else ""
        note(step.windows, CircuitWindow(
            device=ran.device, reason=reason, begun_ns=begun_ns, ended_ns=self._clock.wall_ns(), circuits=1,
            decision=decision, waited_s=waited_s,
        ))  # fmt: skip
        return result

    async def _held(self, operation: str, device: str, circuit: Circuit, *, shots: int, seed: int) -> ShotResult:
        """Run what has a place there, when it is its turn. Only the device's own failures count against it."""
        ok: bool | None = None
        try:
            async with self._slots[device]:
                self._queueing.start(operation)
                result = await self._on(device, circuit, shots=shots, seed=seed)
            ok = True
        except DeviceFailed:
            ok = False
            raise
        finally:
            if ok is None:
                self._queueing.withdraw(operation)
            else:
                self._queueing.finish(operation, ok=ok)
        return result

    async def _on(self, device: str, circuit: Circuit, *, shots: int, seed: int) -> ShotResult:
        self._chooser.sent(device)
        try:
            return await self._fleet.backend(device).run(circuit, shots=shots, seed=seed)
        except Unavailable as error:
            raise DeviceFailed(device, error.reason) from error
        finally:
            self._chooser.back(device)


def _width(n_qubits: int) -> int:
    return next((width for width in CIRCUIT_WIDTHS if n_qubits <= width), CIRCUIT_WIDTHS[-1])


def _kind(width: int) -> str:
    return f"circuit up to {width} qubits"
