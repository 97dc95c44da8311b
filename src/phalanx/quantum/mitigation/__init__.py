"""Error mitigation for means and outcomes of noisy machines: the cost is stated beforehand, the gain afterwards.

Limits: noise is what a calibration says (and a ``Disturbance`` adds); cancellation knows no more than the
calibration it was given. Extrapolation and cancellation give means, not outcomes.
"""

from phalanx.quantum.mitigation._cancelling import Cancelling
from phalanx.quantum.mitigation._estimating import Mitigated, Mitigating, estimate, mitigated_counts, plan
from phalanx.quantum.mitigation._extrapolating import FITS, extrapolated
from phalanx.quantum.mitigation._folding import FOLDINGS, folded
from phalanx.quantum.mitigation._means import Mean, exact_value, mean_by
from phalanx.quantum.mitigation._methods import READOUTS, Cost, Mitigation, cost_of
from phalanx.quantum.mitigation._readout import confusions, nearest_counts, observed, parities, reading_circuits
from phalanx.quantum.mitigation._twirling import frames_of, twirled

__all__ = [
    "FITS",
    "FOLDINGS",
    "READOUTS",
    "Cancelling",
    "Cost",
    "Mean",
    "Mitigated",
    "Mitigating",
    "Mitigation",
    "confusions",
    "cost_of",
    "estimate",
    "exact_value",
    "extrapolated",
    "folded",
    "frames_of",
    "mean_by",
    "mitigated_counts",
    "nearest_counts",
    "observed",
    "parities",
    "plan",
    "reading_circuits",
    "twirled",
]
