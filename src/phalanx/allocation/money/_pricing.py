"""What a job will take and what it took: money by a device's prices, and what quotas count. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phalanx.allocation._layouts import run_seconds
from phalanx.allocation._requirement import Counts
from phalanx.devices import MICROS, DeviceModel, Job, JobState, PriceModel

JOBS_UNIT, SHOTS_UNIT, SECONDS_UNIT = "jobs", "shots", "seconds"
QUOTAS = (JOBS_UNIT, SHOTS_UNIT, SECONDS_UNIT)


@dataclass(frozen=True, slots=True)
class Needs:
    """Millionths by unit, and the currency that the money of it is in."""

    currency: str
    micros: Mapping[str, int]

    def counts(self, unit: str) -> bool:
        """Whether any of ``unit`` is needed."""
        return self.micros.get(unit, 0) > 0

    @property
    def monies(self) -> dict[str, int]:
        """What is needed of each currency, where anything is."""
        return {unit: amount for unit, amount in self.micros.items() if unit not in QUOTAS and amount > 0}


def estimate(price: PriceModel, model: DeviceModel, counts: Counts, shots: int) -> Needs:
    """What ``shots`` of a circuit on a device will take."""
    return _needs(price, counts, shots, run_seconds(model, counts, shots))


def without_seconds(price: PriceModel, counts: Counts, shots: int) -> Needs:
    """The same where nobody knows how fast the device is."""
    return _needs(price, counts, shots, 0.0)


def used(price: PriceModel, model: DeviceModel, counts: Counts, job: Job) -> Needs:
    """What a completed job took: the shots that came back, and the seconds that the vendor counted.

    A vendor that counts none is believed to have taken what was estimated; what ran here took as long as it ran.
    """
    assert job.state is JobState.COMPLETED, job.state
    shots = job.shots_given * job.times
    seconds = job.used_s
    if seconds is None:
        ran = (job.finished_at_ns - job.started_at_ns) / 1e9
        seconds = run_seconds(model, counts, shots) if job.handle else max(0.0, ran)
    return _needs(price, counts, shots, seconds)


def together(needs: Sequence[Needs]) -> Needs:
    """Of one job in several places: it stays one job; shots, seconds and money add up, each currency for itself."""
    micros: dict[str, int] = {}
    for one in needs:
        for unit, amount in one.micros.items():
            micros[unit] = MICROS if unit == JOBS_UNIT else micros.get(unit, 0) + amount
    return Needs(needs[0].currency, micros)


def _needs(price: PriceModel, counts: Counts, shots: int, seconds: float) -> Needs:
    money = price.cost(shots, counts.n_one, counts.n_two, counts.n_measured, seconds)
    quotas = {JOBS_UNIT: MICROS, SHOTS_UNIT: shots * MICROS, SECONDS_UNIT: round(seconds * MICROS)}
    return Needs(price.currency, {**quotas, price.currency: money.micros})
