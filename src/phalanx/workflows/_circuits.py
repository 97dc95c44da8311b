"""Circuits to devices: the pool ``devices`` of the node's balancing.

The node's policy says which devices can run a circuit and which it prefers; of those that are as good (same provider,
same score), the pool chooses the one where it will be done first. A kind of operation is a width of circuit: what a
device takes for one is learned, since no provider says so beforehand. No device is given more circuits at once than it
runs at once; the others wait here. A device that fails is left, the circuit goes on elsewhere, and a breaker keeps
others away for a while; where none is left the step's classical fallback answers.
"""

import asyncio
from collections.abc import Callable

from phalanx.allocation import Breakers, DeviceFailed, run_somewhere
from phalanx.balancing import NoEligibleResource, Operation, OperationKind, Pool, Resource
from phalanx.core import NS_PER_S, Circuit, Clock, Origin, TenantId, Unavailable
from phalanx.devices import Chooser, Fleet, FleetChooser, Wish
from phalanx.quantum import ShotResult, ShotRunner
from phalanx.workflows._limits import CIRCUIT_WIDTHS, CIRCUITS_AT_ONCE, DECLARED_CIRCUIT_S, MAX_WAITING_CIRCUITS

POOL = "devices"


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

    def runner(self, name: str, tenant: TenantId) -> ShotRunner:
        """What runs the circuits of one step; ``name`` tells its circuits from those of others."""
        count = 0

        async def run(circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
            nonlocal count
            count += 1
            return await self._run(f"{name}/{count}", tenant, circuit, shots=shots, seed=seed)

        return run

    async def _run(self, name: str, tenant: TenantId, circuit: Circuit, *, shots: int, seed: int) -> ShotResult:
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

        return (await run_somewhere(fitting, attempt, self.breakers, self._clock)).value

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
