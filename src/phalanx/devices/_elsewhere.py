"""Where else a job may go: to the best of the remaining devices, to a second device, or to a classical simulator."""

from collections.abc import Mapping

import msgspec

from phalanx.core import Clock, Origin, Unavailable
from phalanx.devices._choosing import Chooser, Chosen, wish_of
from phalanx.devices._fleet import Fleet
from phalanx.devices._job_records import Job
from phalanx.devices._windows import booked_devices

SLOW = "the first takes longer than it should"


class Elsewhere:
    """Asks the chooser for a job that has a device already."""

    def __init__(self, fleet: Fleet, chooser: Chooser, clock: Clock) -> None:
        self._fleet, self._chooser, self._clock = fleet, chooser, clock

    async def second(self, job: Job) -> Chosen | None:
        """A second device. One that costs money is used only for what is urgent."""
        others = booked_devices(self._fleet, self._chooser, job.tenant, patience_s=0.0)
        others |= {job.device: f"it is there, and {SLOW}"}
        try:
            chosen = await self._chooser.choose(wish_of(job, self._clock.wall_ns(), self._kind(job), others))
        except Unavailable:
            return None
        urgent = job.wishes.emergency or job.wishes.deadline_at_ns > 0
        return chosen if urgent or self._fleet.backend(chosen.device).device.is_free else None

    async def best(self, job: Job, without: Mapping[str, str]) -> tuple[str, Chosen] | None:
        """Of what is left, and whether it is ``moved`` there or ``degraded``; nothing where nothing is."""
        kind, now_ns = self._kind(job), self._clock.wall_ns()
        try:
            return "moved", await self._chooser.choose(wish_of(job, now_ns, kind, without))
        except Unavailable:
            if not job.wishes.degrade or kind is Origin.SIMULATED:
                return None
        # Done late it is worth more than not at all: nothing is left that would do it sooner.
        asked = msgspec.structs.replace(job.wishes, fidelity=0.0, regions=(), deadline_at_ns=0)
        plain = msgspec.structs.replace(job, wishes=asked)
        try:
            return "degraded", await self._chooser.choose(wish_of(plain, now_ns, Origin.SIMULATED, without))
        except Unavailable:
            return None

    def _kind(self, job: Job) -> Origin:
        """What its results are to be: asked for, or those of where it is."""
        return Origin(job.wishes.origin) if job.wishes.origin else self._fleet.backend(job.device).device.origin
