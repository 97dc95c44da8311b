"""Where the circuits of a step were: the record of each stay at a device, and what it was for."""

import msgspec

from phalanx.workflows._limits import MAX_WINDOWS


class CircuitWindow(msgspec.Struct, frozen=True, kw_only=True):
    """Circuits of a step that ran on one device, one after the other, and why there. Times are wall times.

    ``decision`` is the id under which the placement can be found: that of the first job, where circuits became
    ``jobs``; ``calibration`` the id of the calibration that the device had, and ``calibration_age_s`` how old it was.
    ``booking`` is the window in the calendar from ``booked_from_ns`` to ``booked_until_ns``, ``forecast_s`` how long it
    was expected to wait and ``forecast_by`` by what, ``waited_s`` how long it did, and ``priority`` how urgent it was.

    ``coherence`` is the strategy; ``survival`` the expected success of the circuit that has the least of it, and
    ``bound`` what its gates and readings alone would leave. ``mitigation`` is what was done to outcomes, and
    ``benefit`` how much nearer to the ideal ones it brought them, the mean over circuits. ``cost`` is in ``currency``.
    """

    device: str
    reason: str
    begun_ns: int
    ended_ns: int
    circuits: int
    decision: str = ""
    jobs: tuple[str, ...] = ()
    calibration: str = ""
    calibration_age_s: float | None = None
    booking: str = ""
    booked_from_ns: int = 0
    booked_until_ns: int = 0
    forecast_s: float = 0.0
    forecast_by: str = ""
    waited_s: float = 0.0
    priority: int = 0
    coherence: str = ""
    survival: float | None = None
    bound: float | None = None
    mitigation: str = ""
    benefit: float | None = None
    cost: float = 0.0
    currency: str = ""

    @property
    def kept(self) -> float | None:
        """The share of what is attainable that is expected to survive."""
        return None if self.survival is None or not self.bound else min(1.0, self.survival / self.bound)


def note(windows: list[CircuitWindow], new: CircuitWindow) -> None:
    """What goes on at the same device for the same reason is one window; past the bound the last one grows."""
    last = windows[-1] if windows else None
    if last is not None and (_place(last) == _place(new) or len(windows) >= MAX_WINDOWS):
        windows[-1] = _joined(last, new)
    else:
        windows.append(new)


def _place(one: CircuitWindow) -> tuple[str, str, str, str]:
    return one.device, one.reason, one.calibration, one.coherence


def _joined(last: CircuitWindow, new: CircuitWindow) -> CircuitWindow:
    n = last.circuits + new.circuits
    benefits = [(one.benefit, one.circuits) for one in (last, new) if one.benefit is not None]
    least = last if new.survival is None or (last.survival is not None and last.survival <= new.survival) else new
    return msgspec.structs.replace(
        last, ended_ns=new.ended_ns, circuits=n, jobs=(*last.jobs, *new.jobs)[:MAX_WINDOWS],
        booking=new.booking or last.booking, booked_from_ns=last.booked_from_ns or new.booked_from_ns,
        booked_until_ns=max(last.booked_until_ns, new.booked_until_ns), waited_s=last.waited_s + new.waited_s,
        forecast_s=max(last.forecast_s, new.forecast_s), priority=max(last.priority, new.priority),
        forecast_by=new.forecast_by if new.forecast_s > last.forecast_s else last.forecast_by,
        survival=least.survival, bound=least.bound, cost=last.cost + new.cost, currency=new.currency or last.currency,
        benefit=sum(b * c for b, c in benefits) / sum(c for _, c in benefits) if benefits else None,
    )  # fmt: skip
