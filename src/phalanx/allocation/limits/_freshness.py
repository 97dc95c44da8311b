"""How old a calibration may be before the machine is taken to be another one.

From the machine's own calibrations: for each age, how far the expected success of a couple of qubits moved between two
calibrations so far apart. The limit is the longest age at which it stayed within ``TOLERATED`` in ``TOLERATED_PART`` of
cases, in multiples of the time that usually lies between two; never below its floor.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.allocation.limits._limits import (
    GATES,
    MAX_COMPARED,
    MAX_LOSS,
    MAX_MULTIPLES,
    MIN_COMPARED,
    TOLERATED,
    TOLERATED_PART,
)
from phalanx.core import NS_PER_S
from phalanx.devices import SeenCalibration

HOUR_NS = 3_600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class FreshFor:
    """How old a calibration may be, and why in words."""

    limit_ns: int
    why: str


def losses_of(seen: Sequence[SeenCalibration]) -> npt.NDArray[np.float64]:
    """-log success of ``GATES`` gates and two readouts, by calibration and coupler (of those with the newest's)."""
    rows = []
    for one in seen:
        error, readout = one.array("two_qubit_error"), one.array("readout_error")
        pairs = np.array(one.pairs, np.int64).reshape(-1, 2)
        kept = 1.0 - np.stack([error, readout[pairs[:, 0]], readout[pairs[:, 1]]])
        with np.errstate(divide="ignore"):
            loss = -(GATES * np.log(kept[0]) + np.log(kept[1]) + np.log(kept[2]))
        rows.append(np.minimum(np.where(np.isnan(loss), MAX_LOSS, loss), MAX_LOSS))
    return np.array(rows)


def fresh_for(times_ns: npt.NDArray[np.int64], losses: npt.NDArray[np.float64], floor_ns: int) -> FreshFor:
    """The limit from calibrations in order of time; ``losses`` by calibration and coupler."""
    times_ns, losses = times_ns[-MAX_COMPARED:], losses[-MAX_COMPARED:]
    if len(times_ns) <= MIN_COMPARED or not losses.shape[1]:
        return FreshFor(floor_ns, f"{len(times_ns)} calibrations are too few to learn from")
    usual_ns = float(np.median(np.diff(times_ns)))
    first, second = np.triu_indices(len(times_ns), 1)
    ages = np.rint((times_ns[second] - times_ns[first]) / usual_ns).astype(np.int64)
    moved = np.median(np.abs(losses[second] - losses[first]), axis=1)
    multiple, last = 0, 0.0
    for age in range(1, MAX_MULTIPLES + 1):
        of_age = moved[ages == age]
        if of_age.size < MIN_COMPARED:
            break
        found = float(np.quantile(of_age, TOLERATED_PART))
        if found > TOLERATED:
            last = found
            break
        multiple, last = age, found
    limit_ns = max(floor_ns, round(multiple * usual_ns))
    told = f"success moves by {last:.3f} (of {TOLERATED:g} tolerated)"
    if limit_ns == floor_ns:
        return FreshFor(floor_ns, f"the floor: {told} in {max(1, multiple) * usual_ns / HOUR_NS:.0f} h")
    return FreshFor(limit_ns, f"{told} in {multiple * usual_ns / HOUR_NS:.0f} h, over {len(times_ns)} calibrations")


def of_history(seen: Sequence[SeenCalibration], floor_ns: int) -> FreshFor:
    """The limit of a device from what was seen of it, oldest first."""
    dated = [one for one in seen if one.calibrated_at_ns and seen and one.pairs == seen[-1].pairs]
    if not dated:
        return FreshFor(floor_ns, "no calibration with a date was seen")
    return fresh_for(np.array([one.calibrated_at_ns for one in dated], np.int64), losses_of(dated), floor_ns)
