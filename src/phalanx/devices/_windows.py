"""Other tenants' bookings are theirs: when a job may begin on a device, and when it must have left.

No other job begins there unless it is expected to end before the window, and what runs there when the window opens
has to leave. Bookings made in the meantime count: waiting and running jobs look every ``LOOK_AT_JOBS_S``.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from phalanx.core import NS_PER_S, Clock, TenantId
from phalanx.devices._choosing import Chooser
from phalanx.devices._fleet import Fleet
from phalanx.devices._job_records import Job, Loss
from phalanx.devices._limits import BOOKED_PATIENCE_S, LOOK_AT_JOBS_S
from phalanx.devices._sending import LiveJob
from phalanx.quantum import ShotResult

Result = tuple[str, ShotResult]


class DeviceBooked(Exception):
    """Others have ``device`` now, or will soon."""

    def __init__(self, device: str, told: str) -> None:
        super().__init__(told)
        self.device = device
        # Of what was on its way there when it had to leave.
        self.left: tuple[Loss, ...] = ()


def booked_devices(
    fleet: Fleet, chooser: Chooser, tenant: TenantId, *, patience_s: float = BOOKED_PATIENCE_S
) -> dict[str, str]:
    """Devices that others have booked for longer than it is worth to wait, and that in words."""
    waits = {name: chooser.opens_s(name, tenant) for name in fleet.names()}
    return {name: f"others have booked it for {wait:,.0f} s" for name, wait in waits.items() if wait > patience_s}


async def admitted(job: Job, chooser: Chooser, clock: Clock, *, stays: bool) -> None:
    """Until its own window opens, and others have not booked its device. Raises ``DeviceBooked`` where that takes long.

    ``stays``: there is no other device for it.
    """
    early_ns = job.wishes.not_before_ns - clock.wall_ns()
    if early_ns > 0:
        await clock.sleep(early_ns / NS_PER_S)
    # What its vendor has already is not let in, but taken back.
    while not job.handle and (left_s := chooser.opens_s(job.device, job.tenant)) > 0.0:
        if left_s > BOOKED_PATIENCE_S and not stays and not job.pinned:
            raise DeviceBooked(job.device, f"others have booked {job.device} for the next {left_s:,.0f} s")
        await clock.sleep(min(left_s, LOOK_AT_JOBS_S))


async def until_booked(live: LiveJob, chooser: Chooser, clock: Clock) -> str:
    """Until a window of others opens where it is; on which device."""
    while True:
        job = live.job
        left_s = {name: chooser.leaves_s(name, job.tenant) for name in (job.device, job.second) if name}
        device = min(left_s, key=lambda name: left_s[name])
        if left_s[device] <= 0.0:
            return device
        await clock.sleep(min(left_s[device], LOOK_AT_JOBS_S))


async def undisturbed(live: LiveJob, work: Coroutine[Any, Any, Result], leave: Coroutine[Any, Any, str]) -> Result:
    """What the work at ``live`` gives. Raises ``DeviceBooked`` when it has to leave before."""
    running, leaving = asyncio.ensure_future(work), asyncio.ensure_future(leave)
    try:
        await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            return running.result()
        booked = DeviceBooked(leaving.result(), f"others have booked {leaving.result()} from now on")
    finally:
        for task in (running, leaving):
            task.cancel()
        await asyncio.wait({running, leaving})
    booked.left = live.left
    raise booked
