"""Where a circuit goes and why, a window, a machine that is lost in the middle of a job, and what it all cost.

    python examples/place_and_run.py

Everything is emulated on this machine from what makers published, and says so; no server runs. With
``open_quantum_desk(folder, hardware=["ibm"])`` IBM's machines would be real ones, and billed.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import ClassVar

from phalanx.allocation import Ask
from phalanx.allocation.money import PriceTable
from phalanx.core import DEFAULT_TENANT, NS_PER_S, Circuit, Origin, Unavailable
from phalanx.devices import MICROS, Backend, DeviceModel, Program, ShotResult, Wish, energies, listed_price
from phalanx.node import QuantumDesk, open_quantum_desk
from phalanx.quantum.analog import AnalogProgram
from phalanx.quantum.circuits import read

SEED, SHOTS = 7, 1_000
GHZ = read("""
OPENQASM 2.0; include "qelib1.inc";
qreg q[5]; creg c[5];
h q[0]; cx q[0], q[1]; cx q[1], q[2]; cx q[2], q[3]; cx q[3], q[4];
measure q -> c;
""")
# Five sites in a row: a slow sweep excites every second one. Times in µs, rates in rad/µs.
CHAIN = AnalogProgram(
    atoms_um=tuple((5.5 * at, 0.0) for at in range(-2, 3)),
    amplitude=((0, 0), (0.4, 12), (3.6, 12), (4, 0)),
    detuning=((0, -30), (0.4, -30), (3.6, 25), (4, 25)),
)


class Cable:
    """An emulated machine at the end of a cable that somebody may pull."""

    pulled: ClassVar[set[str]] = set()

    def __init__(self, machine: Backend) -> None:
        self._machine = machine

    @property
    def device(self) -> DeviceModel:
        return self._machine.device

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        result = await self._machine.run(circuit, shots=shots, seed=seed)
        if self.device.name in self.pulled:
            raise Unavailable(self.device.name, "the cable was pulled while it worked")
        return result


def cabled(machine: Backend) -> Backend:
    """Real machines stay as they are: a cable only runs, and they are also sent jobs that are collected later."""
    emulated = machine.device.origin is Origin.EMULATED
    return Cable(machine) if emulated and machine.device.features.gates else machine


async def place(desk: QuantumDesk) -> str:
    """The emulated machine that the policy prefers, and why the others are not."""
    wish = Wish(circuit=GHZ, shots=SHOTS, tenant=DEFAULT_TENANT, origin=Origin.EMULATED)
    placed = await desk.placements.explain(wish)
    print(f"{placed.wanted}, by {placed.policy}: {placed.reason}")
    for one in placed.devices[1:3]:
        print(f"  {one.device}: {one.reason}")
    refused = [one for one in placed.devices if not one.fits]
    print(f"  {len(refused)} are none for it, such as {refused[0].device}: {refused[0].reason}")
    return placed.device


async def run(desk: QuantumDesk) -> None:
    """A job on the best machine, which is lost in the middle of it."""
    job = await desk.jobs.submit(DEFAULT_TENANT, GHZ, shots=SHOTS, origin=Origin.EMULATED, seed=SEED)
    Cable.pulled.add(job.device)
    job = await desk.jobs.ended(DEFAULT_TENANT, job.id)
    for move in job.moves:
        print(f"{move.kind} from {move.before} to {move.after}: {move.why}")
    alike = sum(job.counts.get(bits, 0) for bits in ("00000", "11111"))
    print(f"{job.device}, {job.provenance.origin.value}: all qubits alike in {alike} of {SHOTS:,} shots")
    cost = await desk.budgets.charge(DEFAULT_TENANT, job.id)
    currency = cost.price.currency
    print(
        f"on the machine itself that is {cost.spent[currency] / MICROS:.2f} {currency} by the list: {cost.price.source}"
    )


async def evolve(desk: QuantumDesk, device: str) -> None:
    """The chain of atoms on one machine: the outcome drawn most often, beside the best there is."""
    program = Program.of_analog(CHAIN)
    job = await desk.jobs.submit(DEFAULT_TENANT, program, shots=SHOTS, device=device, seed=SEED)
    job = await desk.jobs.ended(DEFAULT_TENANT, job.id)
    outcome, n = max(job.counts.items(), key=lambda pair: pair[1])
    (energy,) = energies(program, [outcome], desk.fleet.backend(device).device.analog.c6)
    (exact,) = job.provenance.baselines
    print(f"{device}, {job.provenance.origin.value}: {outcome} in {n} of {SHOTS:,} shots, energy {energy:.2f} rad/µs;")
    print(f"  the lowest is {exact.value:.2f} ({exact.method})")


async def main(folder: Path) -> None:
    async with open_quantum_desk(folder, policy="success_probability", wrap=cabled) as desk:
        # Emulation is free. To see what the machines would cost, it is charged by their price lists.
        for model in desk.fleet.devices():
            if model.origin is Origin.EMULATED:
                await desk.budgets.prices.put(PriceTable.of(model.name, listed_price(model.name)))
        best = await place(desk)
        ask = Ask(demands={best: 1}, duration_ns=600 * NS_PER_S, earliest_ns=desk.clock.wall_ns())
        booked, *_ = await desk.calendar.book(DEFAULT_TENANT, ask)
        print(f"ten minutes of {best} are {booked.state.value}: jobs of others wait, or go elsewhere")
        await run(desk)
        for device in ("braket.quera-aquila", "pasqal.analog"):
            await evolve(desk, device)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(main(Path(made)))
