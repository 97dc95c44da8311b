"""What a step is doing at this moment: known to the engine that advances its run, and stored nowhere."""

from dataclasses import dataclass

import msgspec

from phalanx.workflows._stays import Stay

LINE, WINDOW, RUNS = "waits in line", "waits for its window", "runs"


class CircuitNow(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit of a step that is under way: where and why there, ``stage`` being what it does. Times are wall times.

    ``booking`` is its window in the calendar, once it has one; ``forecast_s`` how long it was expected to wait,
    ``forecast_by`` by what.
    """

    device: str
    reason: str
    stage: str
    since_ns: int
    booking: str = ""
    booked_from_ns: int = 0
    booked_until_ns: int = 0
    forecast_s: float = 0.0
    forecast_by: str = ""
    priority: int = 0


@dataclass(slots=True, kw_only=True)
class OpenCircuit:
    """The same while it changes; ``stay`` is the step's at the machine, where it is a job."""

    device: str
    reason: str
    since_ns: int
    stay: Stay | None = None
    waits: bool = False

    def now(self) -> CircuitNow:
        stay = self.stay
        booking = None if stay is None else stay.booking
        stage = (WINDOW if booking is not None else LINE) if self.waits else RUNS
        return CircuitNow(
            device=self.device, reason=self.reason, stage=stage, since_ns=self.since_ns,
            booking="" if booking is None else booking.id, booked_from_ns=0 if booking is None else booking.start_ns,
            booked_until_ns=0 if booking is None else booking.end_ns,
            forecast_s=0.0 if stay is None else stay.forecast_s, forecast_by="" if stay is None else stay.forecast_by,
            priority=0 if stay is None else stay.priority,
        )  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Underway:
    """A step that has what it needs. ``started_ns`` is 0 while others of its kind have all the places."""

    ready_ns: int
    started_ns: int = 0
    circuits: tuple[CircuitNow, ...] = ()
