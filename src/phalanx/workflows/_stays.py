"""Steps at machines: one step at a time has a machine, in a window of the calendar, the most urgent first.

A step waits in the engine's own line before it books, so that steps of one engine go by urgency; the calendar
settles conflicts between nodes and with people's bookings. The unused part of a step's window is given back when it
ends. After a crash a left-over window ends by itself; the resumed step asks for it by the same name, gives it back,
and takes the next name.
"""

from dataclasses import dataclass

from phalanx.allocation import Ask, Booking, Grade, NoWindow
from phalanx.core import (
    NS_PER_S,
    Clock,
    InvalidInput,
    NotFound,
    TenantId,
    TraceId,
    Unavailable,
    counted,
    derive_id,
    id_time_ns,
)
from phalanx.devices import DeviceModel
from phalanx.workflows._desk import Calendar, Waits
from phalanx.workflows._limits import (
    FIRST_CIRCUIT_S,
    LOOK_AT_WINDOW_S,
    MAX_WINDOW_NAMES,
    MAX_WINDOW_S,
    MIN_WINDOW_S,
    WINDOW_CIRCUITS,
)
from phalanx.workflows._placing import PLAIN, Criticality, Placing
from phalanx.workflows._urgency import Lines

_GRADES = {
    Criticality.ROUTINE: Grade.BACKFILL,
    Criticality.NORMAL: Grade.FIRM,
    Criticality.CRITICAL: Grade.EMERGENCY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Whose circuits they are. ``deadline_ns`` 0: there is none."""

    tenant: TenantId
    trace: TraceId
    template: str
    run: str
    step: str
    asked: Placing = PLAIN
    deadline_ns: int = 0


@dataclass(slots=True)
class Stay:
    """A step at a machine: its window there, if the machine can be booked."""

    device: str
    priority: int
    booking: Booking | None = None
    forecast_s: float = 0.0
    forecast_by: str = ""
    waited_s: float = 0.0
    names: int = 0


class Stays:
    """Gives steps their machines."""

    def __init__(self, calendar: Calendar, waits: Waits, clock: Clock) -> None:
        self._calendar, self._waits, self._clock = calendar, waits, clock
        self._lines = Lines()
        self._took_s: dict[str, float] = {}

    def learn(self, device: str, took_s: float) -> None:
        """A circuit took so long there, waiting left out."""
        self._took_s[device] = 0.75 * self._took_s.get(device, took_s) + 0.25 * took_s

    async def begun(self, of: Circumstances, stay: Stay, model: DeviceModel, run_s: float) -> None:
        """The machine is the step's when this returns, and its window open. Raises ``NoWindow``."""
        circuit_s = max(run_s, self._took_s.get(model.name, FIRST_CIRCUIT_S))
        ahead = self._lines.waiting(model.name)
        queued = await self._waits.of(model)
        stay.forecast_s = ahead * WINDOW_CIRCUITS * circuit_s + queued.seconds
        line = [f"{counted(ahead, 'step')} of this node before it"] if ahead else []
        stay.forecast_by = "; ".join((*line, *filter(None, [queued.by])))
        begun_ns = self._clock.monotonic_ns()
        await self._lines.enter(model.name, stay.priority, begun_ns / NS_PER_S)
        try:
            await self._open(of, stay, model, circuit_s)
        except BaseException:
            self._lines.leave(model.name)
            raise
        stay.waited_s = (self._clock.monotonic_ns() - begun_ns) / NS_PER_S

    async def longer(self, of: Circumstances, stay: Stay, model: DeviceModel, run_s: float) -> None:
        """Another window, where what is left of this one is too short for one more circuit."""
        circuit_s = max(run_s, self._took_s.get(model.name, FIRST_CIRCUIT_S))
        left_ns = 0 if stay.booking is None else stay.booking.end_ns - self._clock.wall_ns()
        if stay.booking is None or left_ns >= circuit_s * NS_PER_S:
            return
        await self.given_back(of, stay.booking)
        await self._open(of, stay, model, circuit_s)

    async def ended(self, of: Circumstances, stay: Stay, *, give_back: bool) -> None:
        """The next one's turn."""
        self._lines.leave(stay.device)
        if give_back and stay.booking is not None:
            await self.given_back(of, stay.booking)

    async def _open(self, of: Circumstances, stay: Stay, model: DeviceModel, circuit_s: float) -> None:
        """Book, and wait until it is time; backfill that had to make room, and found no other time, books again."""
        queued_ns = int((await self._waits.of(model)).seconds * NS_PER_S)
        stay.booking = await self._booked(of, stay, circuit_s, queued_ns)
        while stay.booking is not None:
            # What waits at the vendor is sent ahead of its window by as long as it will wait there.
            early_ns = stay.booking.start_ns - queued_ns - self._clock.wall_ns()
            if early_ns <= 0:
                return
            await self._clock.sleep(min(early_ns / NS_PER_S, LOOK_AT_WINDOW_S))
            if stay.booking.ask.grade is Grade.BACKFILL:
                stay.booking = await self._now(of, stay.booking)
                if not stay.booking.is_live:
                    stay.booking = await self._booked(of, stay, circuit_s, queued_ns)

    async def _now(self, of: Circumstances, booking: Booking) -> Booking:
        """As others left it."""
        return next((one for one in await self._calendar.bookings(of.tenant) if one.id == booking.id), booking)

    async def given_back(self, of: Circumstances, booking: Booking) -> None:
        """What is left of a window is free for others."""
        try:
            await self._calendar.cancel(of.tenant, booking.id)
        except (NotFound, Unavailable):
            return  # It ends by itself.

    async def _booked(self, of: Circumstances, stay: Stay, circuit_s: float, queued_ns: int) -> Booking | None:
        window_s = min(MAX_WINDOW_S, max(MIN_WINDOW_S, WINDOW_CIRCUITS * circuit_s))
        ask = Ask(
            demands={stay.device: 1}, duration_ns=int(window_s * NS_PER_S),
            earliest_ns=self._clock.wall_ns() + queued_ns, latest_end_ns=of.deadline_ns,
            grade=_GRADES[of.asked.criticality], priority=stay.priority,
        )  # fmt: skip
        while stay.names < MAX_WINDOW_NAMES:
            stay.names += 1
            name = derive_id(id_time_ns(of.run), "window", of.run, of.step, stay.device, str(stay.names))
            try:
                return (await self._calendar.book(of.tenant, ask, id=name))[0]
            except NotFound:
                return None  # A machine that nobody declared to be bookable is there for who comes.
            except InvalidInput as error:
                if error.field != "id":
                    raise
                # An earlier life of the step booked it: what is left of that is given back.
                await self._calendar.cancel(of.tenant, name)
        raise NoWindow(stay.device, ask.earliest_ns, ask.latest_end_ns)
