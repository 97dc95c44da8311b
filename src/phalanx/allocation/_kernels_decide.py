"""The compiled tier of a decision: which devices may take a circuit, a score for each, and the best few.

``rows`` (m, ``_board.COLUMNS``) and ``want`` (``_requirement.WANTED``,) are float64 and contiguous; ``scores`` (m,)
float64 and ``why`` (m,) int64 are written for every device, ``best`` (k,) int64 holds places, best first, -1 where there
is no more. Returned is how many devices may take it. Equal scores go to the smaller place.

The shortlist's score is the expected logarithm of success over a typical layout, from medians: gates, swaps, readout and
decay. Swaps: a circuit whose qubits have more partners than the device's needs one for each two-qubit gate that has no
coupler, at three gates each. A factor only where it is known to be wrong would need the layout itself.
"""

import math

import numpy as np
import numpy.typing as npt

from phalanx.core import kernel

Rows = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

FITS, TOO_NARROW, CLOSED, NO_FEATURE, ELSEWHERE, TOO_MANY_SHOTS, TOO_LATE, TOO_DEAR, TOO_NOISY = range(9)


@kernel
def shortlist(rows: Rows, want: Rows, scores: Rows, why: Longs, best: Longs) -> int:
    """By log success; a fidelity floor rules out what is expected below it."""
    n_fit = 0
    floor = math.log(want[1]) if want[1] > 0.0 else -math.inf
    best[:] = -1
    for i in range(rows.shape[0]):
        row = rows[i]
        # In the order of ``_requirement`` and ``_board``: names would be looked up as globals of another module.
        partners = max(1.0, want[3])
        lack = max(0.0, 1.0 - row[3] / partners) if row[3] < partners else 0.0
        n_two = want[5] * (1.0 + 3.0 * lack)
        took_ns = want[7] * row[7] + want[8] * (1.0 + 3.0 * lack) * row[8] + row[9]
        score = want[4] * row[4] + n_two * row[5] + want[6] * row[6] - want[0] * took_ns * row[10]
        scores[i] = score
        code = _refusal(row, want, n_two, took_ns)
        if code == 0 and score < floor:
            code = 8
        why[i] = code
        if code == 0:
            n_fit += 1
            _insert(scores, best, i)
    return n_fit


@kernel
def composite(rows: Rows, want: Rows, scores: Rows, why: Longs, best: Longs) -> int:
    """0.30·min(1, F/F_req) + 0.25·(1 − load) + 0.25·min(1, T/T_req) + 0.20·connectivity.

    F is the product of what one gate of each kind and one readout keep, T the shorter of T1 and T2, connectivity the
    device's partners per qubit over the circuit's, at most one. A requirement of zero is met.
    """
    n_fit = 0
    best[:] = -1
    for i in range(rows.shape[0]):
        row = rows[i]
        fidelity = min(1.0, row[1] / want[1]) if want[1] > 0.0 else 1.0
        coherence = min(1.0, row[2] / want[2]) if want[2] > 0.0 else 1.0
        connectivity = min(1.0, row[3] / want[3]) if want[3] > 0.0 else 1.0
        scores[i] = 0.30 * fidelity + 0.25 * (1.0 - row[11]) + 0.25 * coherence + 0.20 * connectivity
        took_ns = want[7] * row[7] + want[8] * row[8] + row[9]
        why[i] = _refusal(row, want, want[5], took_ns)
        if why[i] == 0:
            n_fit += 1
            _insert(scores, best, i)
    return n_fit


@kernel
def _refusal(row: Rows, want: Rows, n_two: float, took_ns: float) -> int:
    code = 0
    if row[0] < want[0]:
        code = 1
    elif row[13] == 0.0:
        code = 2
    elif (np.int64(want[12]) & ~np.int64(row[21])) != 0:
        code = 3
    elif want[13] != 0.0 and (want[13] < 0.0 or (np.int64(want[13]) & np.int64(row[22])) == 0):
        code = 4
    elif want[11] > row[20]:
        code = 5
    else:
        run_s = want[11] * (row[19] + took_ns * 1e-9)
        if row[12] + run_s > want[9]:
            code = 6
        elif want[10] < math.inf:
            price = row[14] + want[11] * (row[15] + want[4] * row[16] + n_two * row[17]) + run_s * row[18]
            if price > want[10]:
                code = 7
    return code


@kernel
def _insert(scores: Rows, best: Longs, i: int) -> None:
    k = best.size
    last = best[k - 1]
    if last >= 0 and scores[i] <= scores[last]:
        return
    at = k - 1
    while at > 0 and (best[at - 1] < 0 or scores[i] > scores[best[at - 1]]):
        best[at] = best[at - 1]
        at -= 1
    best[at] = i
