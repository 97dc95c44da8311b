"""What limits are worth that follow each machine, beside fixed ones, on real traces.

*Freshness*: daily calibrations of one IBM machine (120 days from January 2023), each of its six couplers taken as a
device of two qubits. A work of ten gates and two readouts goes to the device whose latest calibration promises most;
what it really reaches is what that day's says. Calibrations of a device stay away now and then (modelled: on one day in
twenty it begins, for five days in the mean). A device is left out when its calibration is older than its limit, unless
all are: ``fixed_N`` days, or ``adaptive``, each device's own with one day as floor. ``success`` is the mean of what is
reached, from the thirtieth day on; ``left_out`` the part of devices that is left out, which is capacity that is lost.

*Queues*: a job comes at a moment of the second half of the queue trace, to the device with the shortest wait
(``placed_well``) or to one that the trace's own jobs came to (``placed_as_they_were``). It leaves when as many have
left the queue as were before it (FIFO, which the trace does not say). Every five minutes it may be moved to where the
wait is shortest then, at the end of the queue: when the queue has doubled (``fixed``), or when it is above the device's
own limit (``adaptive``). ``better`` and ``worse`` count jobs that were done earlier or later than without being moved.
"""

import csv
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.allocation.limits import fresh_for
from phalanx.bench.public import public_data
from phalanx.core import NS_PER_S, Rng
from phalanx.devices import QueueState, longer
from phalanx.learning import AdaptiveThreshold, Interval, bootstrap

Matrix = npt.NDArray[np.float64]
CALIBRATIONS = "ibm_perth_calibration.csv"
GATES, MOST = 10, 5.0
DAY_NS = 86_400 * NS_PER_S
FIRST_DAY, AWAY, AWAY_DAYS = 30, 0.05, 5
FIXED_DAYS = (1, 2, 4, 7)
LOOK_MINUTES, MIN_LOOKS, LONG_PART, LONG_JOBS = 5, 256, 0.05, 10.0


def freshness(rng: Rng, rounds: int) -> dict[str, Any]:
    """Each rule, on the same absences."""
    losses = read_losses()
    rules = {"none": None, **{f"fixed_{days}": days for days in FIXED_DAYS}, "adaptive": 0}
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in rules}
    best: list[float] = []
    for number in range(rounds):
        seen = _seen(losses.shape, rng.child(f"absences {number}"))
        for name, days in rules.items():
            rows[name].append(_reached(losses, seen, days))
        best.append(float(np.exp(-losses[FIRST_DAY:].min(axis=1)).mean()))
    made: dict[str, Any] = {}
    for name, found in rows.items():
        success, left_out = np.array(found).T
        gain = _gain(success - np.array(rows["none"])[:, 0], rng.child(name))
        made[name] = {
            "success": float(success.mean()), "left_out": float(left_out.mean()),
            "gain_over_none": gain.value, "gain_over_none_interval": [gain.low, gain.high],
        }  # fmt: skip
    return made | {"oracle": {"success": float(np.mean(best)), "left_out": 0.0}, "rounds": rounds}


def _gain(gains: Matrix, rng: Rng) -> Interval:
    return bootstrap(lambda at: float(gains[at].mean()), len(gains), rng=rng, rounds=500)


def read_losses() -> Matrix:
    """-log success by day and coupler. Raises ``Unavailable``."""
    gates: dict[str, dict[tuple[int, int], float]] = {}
    readouts: dict[str, dict[int, float]] = {}
    with (public_data("perth") / CALIBRATIONS).open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row["kind"] == "qubit":
                readouts.setdefault(row["day"], {})[int(row["qubits"])] = float(row["readout_error"])
            elif row["kind"] == "cx":
                first, second = sorted(int(one) for one in row["qubits"].replace("_", "-").split("-"))
                gates.setdefault(row["day"], {})[first, second] = float(row["gate_error"])
    pairs = sorted(gates[min(gates)])
    rows = [
        [
            -(GATES * math.log1p(-min(gates[day][pair], 0.99)) + sum(math.log1p(-readouts[day][one]) for one in pair))
            for pair in pairs
        ]
        for day in sorted(gates)
    ]
    return np.minimum(MOST, np.array(rows, np.float64))


def _seen(shape: tuple[int, ...], rng: Rng) -> npt.NDArray[np.bool_]:
    seen = np.ones(shape, np.bool_)
    for device in range(shape[1]):
        away = 0
        for day in range(1, shape[0]):
            if not away and rng.chance(AWAY):
                away = 1 + int(rng.exponential(AWAY_DAYS))
            if away:
                away -= 1
                seen[day, device] = False
    return seen


def _reached(losses: Matrix, seen: npt.NDArray[np.bool_], days: int | None) -> tuple[float, float]:
    """``days`` None: no limit; 0: each device's own."""
    n, devices = losses.shape
    limits = np.full(devices, np.inf if days is None else max(1, days))
    reached, left_out = [], 0
    for day in range(n):
        for device in np.flatnonzero(seen[day]).tolist() if days == 0 else ():
            dates = np.flatnonzero(seen[: day + 1, device])
            limits[device] = fresh_for(dates * DAY_NS, losses[dates][:, [device]], DAY_NS).limit_ns / DAY_NS
        if day < FIRST_DAY:
            continue
        last = [int(np.flatnonzero(seen[: day + 1, device])[-1]) for device in range(devices)]
        known = losses[last, range(devices)]
        stale = day - np.array(last) > limits
        if stale.all():
            stale[:] = False
        chosen = int(np.where(stale, np.inf, known).argmin())
        reached.append(float(np.exp(-losses[day, chosen])))
        left_out += int(stale.sum())
    return float(np.mean(reached)), left_out / (devices * len(reached))


def queue_limits(queues: Matrix, rng: Rng, jobs: int) -> dict[str, Any]:
    """Each rule, on the same jobs. ``queues`` by minute and device."""
    steps = np.diff(queues, axis=0, prepend=queues[:1])
    served = np.cumsum(np.maximum(0.0, -steps), axis=0)
    replay = _Queues(queues, served, _standing(queues))
    minutes = rng.numpy().integers(len(queues) // 2, max(len(queues) // 2 + 1, len(queues) - 1_440), jobs).tolist()
    made: dict[str, Any] = {}
    for how in ("placed_well", "placed_as_they_were"):
        draws = rng.child(how).numpy()
        starts = [(at, replay.best(at) if how == "placed_well" else _came(steps, at, draws)) for at in minutes]
        alone = [replay.done(at, device, "never")[0] for at, device in starts]
        for rule in ("never", "fixed", "adaptive"):
            found = [replay.done(at, device, rule) for at, device in starts]
            waits = np.array([end - at for (end, _), at in zip(found, minutes, strict=True)])
            later = [end - before for (end, _), before in zip(found, alone, strict=True)]
            made.setdefault(how, {})[rule] = {
                "wait_s_mean": float(waits.mean()) * 60.0, "wait_s_p99": float(np.quantile(waits, 0.99)) * 60.0,
                "moves": sum(moves for _, moves in found), "better": sum(one < 0 for one in later),
                "worse": sum(one > 0 for one in later),
            }  # fmt: skip
    return made | {"jobs": jobs}


def _came(steps: Matrix, at: int, draws: np.random.Generator) -> int:
    came = np.maximum(0.0, steps[at - LOOK_MINUTES + 1 : at + 1]).sum(axis=0) + 1e-9
    return int(draws.choice(len(came), p=came / came.sum()))


def _standing(queues: Matrix) -> Matrix:
    """The adaptive limit of each device at each minute; infinite until it is known."""
    made = np.full(queues.shape, np.inf)
    for device in range(queues.shape[1]):
        limit = AdaptiveThreshold.between(LONG_JOBS, 1e6, passing=LONG_PART)
        for minute in range(0, len(queues), LOOK_MINUTES):
            limit.passes(float(queues[minute, device]))
            if len(limit.scores) >= MIN_LOOKS:
                made[minute:, device] = limit.standing
    return made


class _Queues:
    """The trace as one job more would see it."""

    def __init__(self, queues: Matrix, served: Matrix, limits: Matrix) -> None:
        self._queues, self._served, self._limits = queues, served, limits

    def best(self, at: int) -> int:
        """Where the wait is shortest: what waits there, by how much was served in the last day."""
        since = max(0, at - 1_440)
        rate = np.maximum(1e-3, (self._served[at] - self._served[since]) / max(1, at - since))
        return int((self._queues[at] / rate).argmin())

    def done(self, at: int, device: int, rule: str) -> tuple[int, int]:
        """The minute in which it is done, and how often it was moved."""
        moves, end, before = 0, self._end(at, device), self._queues[at, device]
        look = (at // LOOK_MINUTES + 1) * LOOK_MINUTES
        while rule != "never" and look < end:
            now = self._queues[look, device]
            is_long = now > self._limits[look, device] if rule == "adaptive" else self._grew(before, now)
            before = now
            if is_long and (best := self.best(look)) != device:
                moves, device, before = moves + 1, best, self._queues[look, best]
                end = self._end(look, device)
            look += LOOK_MINUTES
        return end, moves

    def _end(self, at: int, device: int) -> int:
        ahead = self._served[at, device] + self._queues[at, device] + 1
        return min(int(np.searchsorted(self._served[:, device], ahead)), len(self._served) - 1)

    @staticmethod
    def _grew(before: float, now: float) -> bool:
        return bool(longer(QueueState(depth=int(before)), QueueState(depth=int(now))))


def by_minute(rows: Sequence[tuple[float, str, int, str]], part: float) -> Matrix:
    """Queues by minute and device; where nobody looked it is as it was."""
    first, names = rows[0][0], sorted({row[1] for row in rows})
    queues = np.full((int(part * (rows[-1][0] - first) // 60.0) + 1, len(names)), np.nan)
    for at, name, pending, _ in rows:
        minute = int((at - first) // 60.0)
        if minute < len(queues):
            queues[minute, names.index(name)] = pending
    for minute in range(len(queues)):
        known = queues[minute - 1] if minute else np.zeros(len(names))
        queues[minute] = np.where(np.isnan(queues[minute]), known, queues[minute])
    return queues
