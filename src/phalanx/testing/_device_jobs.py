"""Jobs on devices in tests: a machine to send them to, and a node's loop beside the scenario."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from phalanx.core import Origin, Store
from phalanx.devices import DeviceModel, Job, Jobs, Modality, Numbers, SessionLimits, calibration
from phalanx.testing._world import SimWorld

_LOOK_EVERY_S = 0.1


def line_of_three(
    name: str, two_qubit_error: float, *, calibrated_at_ns: int = 1, max_shots: int = 1_000,
    origin: Origin = Origin.HARDWARE, **more: Any,
) -> DeviceModel:  # fmt: skip
    """Three superconducting qubits in a line; ``more`` are fields of the model."""
    numbers = Numbers(two_qubit_error=two_qubit_error, one_qubit_error=1e-4, readout_error=0.01)
    return DeviceModel(
        name=name, provider=name.partition(".")[0], kind=Modality.SUPERCONDUCTING, origin=origin, n_qubits=3,
        limits=SessionLimits(max_shots=max_shots),
        calibration=calibration(3, [(0, 1), (1, 2)], numbers, calibrated_at_ns=calibrated_at_ns, source="made"),
        **more,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def running_jobs(jobs: Jobs) -> AsyncIterator[None]:
    """The node's loop over its jobs, until the block ends."""
    task = asyncio.create_task(jobs.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def job_ended(world: SimWorld, jobs: Jobs, job: Job) -> Job:
    """The job as it ended; a simulation in which it never does ends as a livelock."""
    while not (found := await jobs.get(job.tenant, job.id)).state.final:
        await world.clock.sleep(_LOOK_EVERY_S)
    return found


def run_with_store(main: Callable[[SimWorld, Store], Awaitable[None]], seed: int = 1) -> None:
    """The scenario ``main`` in a world of its own, on the store of one node."""

    async def begin(world: SimWorld) -> None:
        await main(world, world.store("node"))

    SimWorld(seed).run(begin)
