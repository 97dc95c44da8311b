"""Runs that a device failed, as each tenant saw them: a vendor's message about a failure may reveal what was run."""

from phalanx.core import Clock, Delete, Put, Record, Store, Table, TenantId, decode, encode
from phalanx.devices._job_records import Job
from phalanx.devices._limits import MAX_FAILURE_CHARS, MAX_KEPT_FAILURES

FAILURES = Table("device_failures", sealed=True)


class DeviceFailure(Record, frozen=True, kw_only=True, tag="device-failure"):
    """A run that ``device`` failed, through no fault of what it was given. ``attempt`` counts those of ``job``."""

    device: str
    job: str
    attempt: int
    why: str


class Failures:
    """Keeps them, bounded per tenant and device, and reads them back."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def keep(self, job: Job, device: str, why: str) -> None:
        """``job``, as it was before it was begun, failed on ``device``."""
        now_ns = self._clock.wall_ns()
        seen = DeviceFailure(
            id=f"{device}/{now_ns:020d}/{job.id}", tenant=job.tenant, trace=job.trace, at_ns=now_ns,
            device=device, job=job.id, attempt=job.attempts + 1, why=why[:MAX_FAILURE_CHARS],
        )  # fmt: skip
        kept = await self.of(job.tenant, device)
        gone = [Delete(FAILURES, job.tenant, one.id) for one in kept[: 1 - MAX_KEPT_FAILURES]]
        await self._store.commit([Put(FAILURES, job.tenant, seen.id, encode(seen)), *gone])

    async def of(self, tenant: TenantId, device: str) -> list[DeviceFailure]:
        """Those of a tenant's jobs, oldest first."""
        rows = await self._store.scan(FAILURES, tenant, prefix=f"{device}/", limit=MAX_KEPT_FAILURES)
        return [decode(row.value, DeviceFailure) for row in rows]
