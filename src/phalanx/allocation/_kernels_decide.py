"""The compiled tier of a decision: which devices may take a circuit, a score for each, and the best few.

``rows`` (``_board.ROWS``, m) and ``want`` (``_requirement.WANTED``,) are float64 and contiguous; ``scores`` (m,)
float64 and ``why`` (m,) int64 are written for every device, ``best`` (k,) int64 holds places, best first, -1 where
there is no more. Returned is how many devices may take it. Equal scores go to the smaller place.

The shortlist's score is the expected logarithm of success over a typical layout, from medians: gates, swaps, readout
and decay. Swaps: where a circuit's qubits have more partners than the device's, that share of its two-qubit gates needs
one, at three gates each.

Loops over devices have no branches, so that they become vector instructions; only what may beat the best few so far is
looked at one by one.
"""

import math

import numpy as np
import numpy.typing as npt

from phalanx.allocation import _board as b
from phalanx.allocation import _requirement as r
from phalanx.core import fast_kernel, kernel

Rows = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

# Numbers, not names of another module: they become constants of the compiled code.
_QUBITS, _FIDELITY, _COHERENCE, _DEGREE, _LOG_ONE, _LOG_TWO = (
    b.QUBITS,
    b.FIDELITY,
    b.COHERENCE_NS,
    b.DEGREE,
    b.LOG_ONE,
    b.LOG_TWO,
)
_LOG_READOUT, _ONE_NS, _TWO_NS, _READOUT_NS, _DECAY = b.LOG_READOUT, b.ONE_NS, b.TWO_NS, b.READOUT_NS, b.DECAY_PER_NS
_LOAD, _WAIT, _OPEN, _FIXED, _SHOT, _ONE, _TWO = (
    b.LOAD,
    b.WAIT_S,
    b.OPEN,
    b.PRICE_FIXED,
    b.PRICE_SHOT,
    b.PRICE_ONE,
    b.PRICE_TWO,
)
_SECOND, _SHOT_S, _MAX_SHOTS, _FEATURES, _REGION = b.PRICE_SECOND, b.SHOT_S, b.MAX_SHOTS, b.FEATURES, b.REGION
_W_WIDTH, _W_FIDELITY, _W_COHERENCE, _W_DEGREE = r.WIDTH, r.FIDELITY, r.COHERENCE_NS, r.DEGREE
_W_ONE, _W_TWO, _W_MEASURED, _W_DEPTH_ONE, _W_DEPTH_TWO = r.N_ONE, r.N_TWO, r.N_MEASURED, r.DEPTH_ONE, r.DEPTH_TWO
_W_DEADLINE, _W_BUDGET, _W_SHOTS, _W_FEATURES, _W_REGIONS = r.DEADLINE_S, r.BUDGET, r.SHOTS, r.FEATURES, r.REGIONS


@fast_kernel
def shortlist(rows: Rows, want: Rows, scores: Rows, why: Longs, best: Longs) -> int:
    """By log success; a fidelity floor rules out what is expected below it."""
    per_partner = 3.0 / max(1.0, want[_W_DEGREE])
    partners = max(1.0, want[_W_DEGREE])
    floor = math.log(want[_W_FIDELITY]) if want[_W_FIDELITY] > 0.0 else -math.inf
    one, two, measured, width = want[_W_ONE], want[_W_TWO], want[_W_MEASURED], want[_W_WIDTH]
    for i in range(rows.shape[1]):
        overhead = 1.0 + per_partner * (partners - min(partners, rows[_DEGREE, i]))
        took_ns = (
            want[_W_DEPTH_ONE] * rows[_ONE_NS, i]
            + want[_W_DEPTH_TWO] * overhead * rows[_TWO_NS, i]
            + rows[_READOUT_NS, i]
        )
        gates = one * rows[_LOG_ONE, i] + two * overhead * rows[_LOG_TWO, i] + measured * rows[_LOG_READOUT, i]
        score = gates - width * took_ns * rows[_DECAY, i]
        scores[i] = score
        why[i] = _refusal(rows, want, i, two * overhead, took_ns, 8 if score < floor else 0)
    return _pick(scores, why, best)


@fast_kernel
def composite(rows: Rows, want: Rows, scores: Rows, why: Longs, best: Longs) -> int:
    """0.30·min(1, F/F_req) + 0.25·(1 − load) + 0.25·min(1, T/T_req) + 0.20·connectivity.

    F is the product of what one gate of each kind and one readout keep, T the shorter of T1 and T2, connectivity the
    device's partners per qubit over the circuit's, at most one. A requirement of zero is met.
    """
    fidelity = 1.0 / want[_W_FIDELITY] if want[_W_FIDELITY] > 0.0 else math.inf
    coherence = 1.0 / want[_W_COHERENCE] if want[_W_COHERENCE] > 0.0 else math.inf
    degree = 1.0 / want[_W_DEGREE] if want[_W_DEGREE] > 0.0 else math.inf
    for i in range(rows.shape[1]):
        scores[i] = (
            0.30 * _share(rows[_FIDELITY, i], fidelity)
            + 0.25 * (1.0 - rows[_LOAD, i])
            + 0.25 * _share(rows[_COHERENCE, i], coherence)
            + 0.20 * _share(rows[_DEGREE, i], degree)
        )
        took_ns = want[_W_DEPTH_ONE] * rows[_ONE_NS, i] + want[_W_DEPTH_TWO] * rows[_TWO_NS, i] + rows[_READOUT_NS, i]
        why[i] = _refusal(rows, want, i, want[_W_TWO], took_ns, 0)
    return _pick(scores, why, best)


@kernel
def _share(there: float, per_asked: float) -> float:
    return 1.0 if per_asked == math.inf else min(1.0, there * per_asked)


@kernel
def _refusal(rows: Rows, want: Rows, i: int, n_two: float, took_ns: float, code: int) -> int:
    """The first reason against device ``i``, as ``_deciding`` words it; ``code`` when there is none before it."""
    shots, regions = want[_W_SHOTS], np.int64(want[_W_REGIONS])
    run_s = shots * (rows[_SHOT_S, i] + took_ns * 1e-9)
    shot = rows[_SHOT, i] + want[_W_ONE] * rows[_ONE, i] + n_two * rows[_TWO, i]
    price = rows[_FIXED, i] + shots * shot + run_s * rows[_SECOND, i]
    code = 7 if price > want[_W_BUDGET] else code
    code = 6 if rows[_WAIT, i] + run_s > want[_W_DEADLINE] else code
    code = 5 if shots > rows[_MAX_SHOTS, i] else code
    here = (np.int64(rows[_REGION, i]) & regions) != 0
    code = 4 if (regions != 0) & ((regions < 0) | (not here)) else code
    code = 3 if (np.int64(want[_W_FEATURES]) & ~np.int64(rows[_FEATURES, i])) != 0 else code
    code = 2 if rows[_OPEN, i] == 0.0 else code
    return 1 if rows[_QUBITS, i] < want[_W_WIDTH] else code


@kernel
def _pick(scores: Rows, why: Longs, best: Longs) -> int:
    k, n_fit, least = best.size, 0, -math.inf
    best[:] = -1
    for i in range(scores.size):
        if why[i] != 0:
            continue
        n_fit += 1
        if scores[i] <= least:
            continue
        at = k - 1
        while at > 0 and (best[at - 1] < 0 or scores[i] > scores[best[at - 1]]):
            best[at] = best[at - 1]
            at -= 1
        best[at] = i
        if best[k - 1] >= 0:
            least = scores[best[k - 1]]
    return n_fit
