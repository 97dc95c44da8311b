"""Circuits to devices: the pool ``devices`` of the node's balancing.

The node's policy says which devices can run a circuit and which it prefers; of those that are as good (same provider,
same score), the pool chooses the one where it will be done first. A kind of operation is a width of circuit: what a
device takes for one is learned, since no provider says so beforehand. No device is given more circuits at once than it
runs at once; the others wait here. A device that fails is left, the circuit goes on elsewhere, and a breaker keeps
others away for a while; where none is left the step's classical fallback answers.
"""

import asyncio
from collections.abc import Callable

import msgspec

from phalanx.allocation import Breakers, DeviceFailed, run_somewhere
from phalanx.balancing import NoEligibleResource, Operation, OperationKind, Pool, Resource
from phalanx.core import NS_PER_S, Circuit, Clock, Origin, TenantId, Unavailable
from phalanx.devices import Chooser, Fleet, FleetChooser, Wish
from phalanx.quantum import ShotResult
from phalanx.workflows._limits import (
    CIRCUIT_WIDTHS,
    CIRCUITS_AT_ONCE,
    DECLARED_CIRCUIT_S,
    MAX_WAITING_CIRCUITS,
    MAX_WINDOWS,
)

POOL = "devices"


class CircuitWindow(msgspec.Struct, frozen=True, kw_only=True):
    """Circuits of a step that ran on one device, one after the other, and why there. Times are wall times."""

    device: str
    reason: str
    begun_ns: int
    ended_ns: int
    circuits: int


class StepCircuits:
    """A ``ShotRunner`` for one step, which remembers where its circuits were."""

    def __init__(self, circuits: "Circuits", name: str, tenant: TenantId) -> None:
        self._circuits, self._name, self._tenant = circuits, name, tenant
        self._count = 0
        self.windows: list[CircuitWindow] = []

    async def __call__(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        self._count += 1
        name = f"{self._name}/{self._count}"
        return await self._circuits.run(
            name, self._tenant, circuit, shots=shots, seed=seed, windows=self.windows
        )  # fmt: skip


def _note(windows: list[CircuitWindow], new: CircuitWindow) -> None:
    """What goes on at the same device for the same reason is one window; past the bound the last one grows."""
    last = windows[-1] if windows else None
    if last is not None and ((last.device, last.reason) == (new.device, new.reason) or len(windows) >= MAX_WINDOWS):
        windows[-1] = msgspec.structs.replace(last, ended_ns=new.ended_ns, circuits=last.circuits + 1)
    else:
        windows.append(new)


class Circuits:
    """Runs circuits on the fleet, wherever they are done first."""

    def __init__(
        self, fleet: Fleet, clock: Clock, chooser: Chooser | None = None, breakers: Breakers | None = None
    ) -> None:
        self._fleet = fleet
        self._chooser: Chooser = chooser or FleetChooser(fleet)
        self._clock = clock
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

    def runner(self, name: str, tenant: TenantId) -> "StepCircuits":
        """What runs the circuits of one step; ``name`` tells its circuits from those of others."""
        return StepCircuits(self, name, tenant)

    async def run(
        self, name: str, tenant: TenantId, circuit: Circuit, *, shots: int, seed: int, windows: list["CircuitWindow"]
    ) -> ShotResult:  # fmt: skip
        """Run one circuit wherever the policy says, and note in ``windows`` where it was, when and why."""
        chosen = await self._chooser.choose(Wish(circuit=circuit, shots=shots, tenant=tenant))
        # Elsewhere means where answers are of the same kind: an ideal result does not become a noisy one unasked.
        fitting = {device: self._fleet.backend(device).device.provider for device in chosen.order}

        async def attempt(left: frozenset[str], began: Callable[[str], None]) -> tuple[str, ShotResult]:
            eligible = (left & chosen.alike) or left
            operation = Operation(id=name, kind=_kind(_width(circuit.n_qubits)), tenant=tenant, eligible=eligible)
            try:
                ticket = self.pool.place(operation, self._now_s())
            except NoEligibleResource:
                # Every device that fits is out of the pool's sight; the policy's own choice is still right.
                device = next(one for one in chosen.order if one in eligible)
                began(device)
                return device, await self._on(device, circuit, shots=shots, seed=seed)
            device = self.pool.seats[ticket.resource].resource.name
            began(device)
            ok = False
            try:
                async with self._slots[device]:
                    self.pool.start(name, self._now_s())
                    result = await self._on(device, circuit, shots=shots, seed=seed)
                ok = True
            finally:
                self.pool.finish(name, self._now_s(), ok=ok)
            return device, result

        begun_ns = self._clock.wall_ns()
        ran = await run_somewhere(fitting, attempt, self.breakers, self._clock)
        reason = chosen.reason if ran.device == chosen.device else f"as good as {chosen.device}, and done there first"
        if ran.failed:
            reason = f"{', '.join(name for name, _ in ran.failed)} failed"
        _note(windows, CircuitWindow(
            device=ran.device, reason=reason, begun_ns=begun_ns, ended_ns=self._clock.wall_ns(), circuits=1
        ))  # fmt: skip
        return ran.value

    async def _on(self, device: str, circuit: Circuit, *, shots: int, seed: int) -> ShotResult:
        self._chooser.sent(device)
        try:
            return await self._fleet.backend(device).run(circuit, shots=shots, seed=seed)
        except Unavailable as error:
            raise DeviceFailed(device, error.reason) from error
        finally:
            self._chooser.back(device)

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / NS_PER_S


def _width(n_qubits: int) -> int:
    return next((width for width in CIRCUIT_WIDTHS if n_qubits <= width), CIRCUIT_WIDTHS[-1])


def _kind(width: int) -> str:
    return f"circuit up to {width} qubits"
