"""What was observed of devices over time: calibrations qubit by qubit, queues, availability; and what drifted.

A calibration is stored once, under its date; a state when it differs from the one before. A number drifts when the
logarithm of its newest value is further from the median of the earlier ones than ``DRIFT_LIMIT`` times their usual
scatter. The scatter is the device's own once ``OWN_SCATTER_FROM`` values are known; before that, it is that of 181
daily calibrations of one public machine.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import numpy as np

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    Clock,
    Conflict,
    Delete,
    Expect,
    InvalidInput,
    Put,
    Record,
    Store,
    Table,
    decode,
    encode,
)
from phalanx.devices._calibration import Calibration
from phalanx.devices._failures import DeviceFailure
from phalanx.devices._limits import DRIFT_LIMIT, DRIFT_WINDOW, MAX_KEPT_CALIBRATIONS, MAX_KEPT_STATES, OWN_SCATTER_FROM
from phalanx.devices._model import DeviceModel

CALIBRATIONS = Table("device_calibrations")
STATES = Table("device_states")

# Day-to-day standard deviations of the logarithm.
_SCATTER = {"t1_ns": 0.55, "t2_ns": 0.36, "readout_error": 0.29, "one_qubit_error": 0.29, "two_qubit_error": 0.29}
NUMBERS = tuple(_SCATTER)
_UNITS = {"t1_ns": (1e-3, "µs"), "t2_ns": (1e-3, "µs")}
_OF_QUBITS = ("t1_ns", "t2_ns", "readout_error", "one_qubit_error")


class HistoryNumber(StrEnum):
    """A number of a calibration that can be drawn over time."""

    T1_NS = "t1_ns"
    T2_NS = "t2_ns"
    READOUT_ERROR = "readout_error"
    ONE_QUBIT_ERROR = "one_qubit_error"
    TWO_QUBIT_ERROR = "two_qubit_error"


class SeenCalibration(Record, frozen=True, kw_only=True, tag="device-calibration"):
    """A calibration as it was seen. Arrays are little-endian float32; masked entries are NaN."""

    device: str
    calibrated_at_ns: int
    source: str
    pairs: tuple[tuple[int, int], ...]
    numbers: dict[str, bytes]

    def array(self, name: str) -> np.ndarray:
        """One number per qubit or coupler."""
        return np.frombuffer(self.numbers[name], "<f4").astype(np.float64)

    def median(self, name: str) -> float:
        values = self.array(name)
        known = values[~np.isnan(values)]
        return float(np.median(known)) if known.size else math.nan


class SeenState(Record, frozen=True, kw_only=True, tag="device-state"):
    """Whether a device took work at a moment, and what waited in front of it."""

    device: str
    status: str
    depth: int | None
    wait_ns_p50: int | None


@dataclass(frozen=True, slots=True)
class Drift:
    """One number of one qubit or coupler that left its usual range. ``ratio`` is newest over usual."""

    number: str
    where: tuple[int, ...]
    usual: float
    newest: float

    @property
    def ratio(self) -> float:
        return self.newest / self.usual

    def __str__(self) -> str:
        place = "–".join(map(str, self.where))
        return f"{self.number} of {place}: {self.newest:.3g}, usually {self.usual:.3g}"


class History:
    """Keeps what was seen, bounded per device, and reads it back."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def observe(self, device: DeviceModel) -> tuple[Drift, ...]:
        """Keep what is new. Returns what drifted with a calibration that was not seen before."""
        now_ns = self._clock.wall_ns()
        await self._keep_state(device, now_ns)
        seen = seen_calibration(device, now_ns)
        earlier = await self._kept(device.name)
        if not seen.calibrated_at_ns or any(one.calibrated_at_ns >= seen.calibrated_at_ns for one in earlier):
            return ()
        gone = [Delete(CALIBRATIONS, DEFAULT_TENANT, one.id) for one in earlier[: 1 - MAX_KEPT_CALIBRATIONS]]
        try:
            await self._store.commit(
                [Put(CALIBRATIONS, DEFAULT_TENANT, seen.id, encode(seen)), *gone],
                expect=[Expect(CALIBRATIONS, DEFAULT_TENANT, seen.id, 0)],
            )
        except Conflict:
            return ()
        return drifts(earlier, seen)

    async def calibrations(self, device: DeviceModel) -> list[SeenCalibration]:
        """Oldest first, the present one included though it may not be kept."""
        kept = await self._kept(device.name)
        now = seen_calibration(device, self._clock.wall_ns())
        if now.calibrated_at_ns and all(one.calibrated_at_ns < now.calibrated_at_ns for one in kept):
            kept.append(now)
        return kept

    async def states(self, device: str) -> list[SeenState]:
        """Oldest first."""
        rows = await self._store.scan(STATES, DEFAULT_TENANT, prefix=f"{device}/", limit=MAX_KEPT_STATES)
        return [decode(row.value, SeenState) for row in rows]

    async def _kept(self, device: str) -> list[SeenCalibration]:
        rows = await self._store.scan(CALIBRATIONS, DEFAULT_TENANT, prefix=f"{device}/", limit=MAX_KEPT_CALIBRATIONS)
        return [decode(row.value, SeenCalibration) for row in rows]

    async def _keep_state(self, device: DeviceModel, now_ns: int) -> None:
        kept = await self.states(device.name)
        state = SeenState(
            id=f"{device.name}/{now_ns:020d}", tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=now_ns,
            device=device.name, status=device.status.value, depth=device.queue.depth,
            wait_ns_p50=device.queue.wait_ns_p50,
        )  # fmt: skip
        if kept and _same(kept[-1], state):
            return
        gone = [Delete(STATES, DEFAULT_TENANT, one.id) for one in kept[: 1 - MAX_KEPT_STATES]]
        await self._store.commit([Put(STATES, DEFAULT_TENANT, state.id, encode(state)), *gone])


def seen_calibration(device: DeviceModel, now_ns: int) -> SeenCalibration:
    """What is kept of the calibration of ``device``."""
    known = device.calibration
    return SeenCalibration(
        id=f"{device.name}/{known.calibrated_at_ns:020d}", tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=now_ns,
        device=device.name, calibrated_at_ns=known.calibrated_at_ns, source=known.source,
        pairs=tuple((int(a), int(b)) for a, b in known.pair),
        numbers={name: _masked(known, name).astype("<f4").tobytes() for name in NUMBERS},
    )  # fmt: skip


def drifts(earlier: Sequence[SeenCalibration], newest: SeenCalibration) -> tuple[Drift, ...]:
    """What of ``newest`` left the range of the calibrations before it, worst first."""
    found: list[tuple[float, Drift]] = []
    alike = [one for one in earlier[-DRIFT_WINDOW:] if one.pairs == newest.pairs]
    if not alike:
        return ()
    for number, scatter in _SCATTER.items():
        now = newest.array(number)
        before = [one.array(number) for one in alike]
        if any(one.size != now.size for one in before):
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            logs, log = np.log(np.stack(before)), np.log(now)
        for at in range(now.size):
            values = logs[np.isfinite(logs[:, at]), at]
            if not values.size or not math.isfinite(log[at]):
                continue
            usual = float(np.median(values))
            own = 1.4826 * float(np.median(np.abs(values - usual)))
            spread = max(own, scatter / 2) if values.size >= OWN_SCATTER_FROM else scatter
            score = abs(float(log[at]) - usual) / spread
            if score > DRIFT_LIMIT:
                where = (at,) if number in _OF_QUBITS else newest.pairs[at]
                found.append((score, Drift(number, where, math.exp(usual), float(now[at]))))
    return tuple(drift for _, drift in sorted(found, key=lambda one: -one[0]))


class CalibrationPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Medians of one calibration, and in words what drifted with it."""

    calibrated_at_ns: int
    source: str
    t1_ns: float | None
    t2_ns: float | None
    one_qubit_error: float | None
    two_qubit_error: float | None
    readout_error: float | None
    drifts: tuple[str, ...]


class StatePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the device took work, and what waited."""

    at_ns: int
    status: str
    depth: int | None


class FailurePoint(msgspec.Struct, frozen=True, kw_only=True):
    """A run of one of the asker's jobs that the device failed."""

    at_ns: int
    job: str
    attempt: int
    why: str


class DeviceHistory(msgspec.Struct, frozen=True, kw_only=True):
    """How a device went, oldest first."""

    device: str
    calibrations: tuple[CalibrationPoint, ...]
    states: tuple[StatePoint, ...]
    failures: tuple[FailurePoint, ...] = ()


def history_view(
    device: str, seen: Sequence[SeenCalibration], states: Sequence[SeenState], failures: Sequence[DeviceFailure] = ()
) -> DeviceHistory:
    points = []
    for at, one in enumerate(seen):
        medians = {name: one.median(name) for name in NUMBERS}
        points.append(
            CalibrationPoint(
                calibrated_at_ns=one.calibrated_at_ns, source=one.source,
                drifts=tuple(str(drift) for drift in drifts(seen[:at], one)),
                **{name: None if math.isnan(value) else value for name, value in medians.items()},
            )
        )  # fmt: skip
    seen_states = tuple(StatePoint(at_ns=one.at_ns, status=one.status, depth=one.depth) for one in states)
    failed = tuple(FailurePoint(at_ns=one.at_ns, job=one.job, attempt=one.attempt, why=one.why) for one in failures)
    return DeviceHistory(device=device, calibrations=tuple(points), states=seen_states, failures=failed)


def history_line(
    device: str, seen: Sequence[SeenCalibration], number: HistoryNumber, at: int | None
) -> tuple[str, str, list[tuple[int, float]], list[int]]:
    """Name, unit, points, and the times at which it drifted, for ``history_svg``."""
    scale, unit = _UNITS.get(number.value, (100.0, "%"))
    points, marked = [], []
    for place, one in enumerate(seen):
        values = one.array(number.value)
        if at is not None and at >= values.size:
            raise InvalidInput("qubit", f"{at} is not among the {values.size} that {number.value} is known of")
        points.append((one.calibrated_at_ns, scale * (one.median(number.value) if at is None else float(values[at]))))
        where = None if at is None else ((at,) if number.value in _OF_QUBITS else one.pairs[at])
        if any(d.number == number.value and where in {None, d.where} for d in drifts(seen[:place], one)):
            marked.append(one.calibrated_at_ns)
    of = "median" if at is None else f"number {at}"
    return f"{device}: {number.value.removesuffix('_ns')}, {of}", unit, points, marked


def _same(a: SeenState, b: SeenState) -> bool:
    return (a.status, a.depth, a.wait_ns_p50) == (b.status, b.depth, b.wait_ns_p50)


def _masked(known: Calibration, name: str) -> np.ndarray:
    faulty = known.faulty_coupler if name == "two_qubit_error" else known.faulty_qubit
    return np.where(faulty, np.nan, getattr(known, name))
