"""What a job waits for: a window, and whose it is; or a device or its vendor that comes back. And until when."""

import msgspec

from phalanx.core import DEFAULT_TENANT, NS_PER_S, TenantId
from phalanx.devices import Job, Window

SOMEBODY = "another tenant"


class JobWait(msgspec.Struct, frozen=True, kw_only=True):
    """Until when at least; for a vendor that is away, at most. ``by`` are those whose windows it waits for; ``own``:
    its own, in which it begins.

    Who books is for the owners of the node, so others are told ``another tenant``.
    """

    until_ns: int
    by: tuple[str, ...]
    own: bool
    why: str


class JobNow(Job, frozen=True, kw_only=True, tag="device-job"):
    """A job, and what it waits for as calendar and device are now."""

    waits: JobWait | None = None


def own_window(job: Job) -> JobWait:
    """It begins when the window opens that was booked for it."""
    why = f"the window booked for it on {job.device} has not opened"
    return JobWait(until_ns=job.wishes.not_before_ns, by=(job.tenant,), own=True, why=why)


def others_windows(job: Job, until_ns: int, by: tuple[str, ...], seen_by: TenantId) -> JobWait:
    """Others have booked its device, now or before it could end."""
    named = by if seen_by == DEFAULT_TENANT else (SOMEBODY,)
    why = f"{job.device} is booked by {' and '.join(named)}"
    return JobWait(until_ns=until_ns, by=named, own=False, why=why)


def for_a_device(until_ns: int, why: str) -> JobWait:
    """No device that it may go to works, and it is tried again then; or its vendor is away, and is asked until then."""
    return JobWait(until_ns=until_ns, by=(), own=False, why=why)


def opens_in_s(windows: tuple[Window, ...], now_ns: int) -> float:
    """Seconds until one of the stretches of the week (UTC) holds ``now_ns``; 0 within one."""
    day, second = divmod(now_ns // NS_PER_S, 86_400)
    weekday = (day + 3) % 7  # the first day of the epoch was a Thursday
    if any(one.holds(weekday, second) for one in windows):
        return 0.0
    now = weekday * 86_400 + second
    return float(min((one.weekday * 86_400 + one.start_s - now) % (7 * 86_400) for one in windows))
