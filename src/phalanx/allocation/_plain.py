"""The compiled tier without a compiler: once over whole arrays, once as loops over plain numbers.

Both give what the kernels give; they answer while nothing is compiled, and the benchmark compares with them.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from phalanx.allocation import _board as b
from phalanx.allocation import _requirement as r

Rows = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]


def shortlist(rows: Rows, want: Rows, scores: Rows, why: Longs, best: Longs) -> int:
    """As ``_kernels_decide.shortlist``, over whole arrays."""
    overhead = overheads(rows, want)
    n_two = want[r.N_TWO] * overhead
    took_ns = want[r.DEPTH_ONE] * rows[b.ONE_NS] + want[r.DEPTH_TWO] * overhead * rows[b.TWO_NS] + rows[b.READOUT_NS]
    scores[:] = want[r.N_ONE] * rows[b.LOG_ONE] + n_two * rows[b.LOG_TWO]
    scores += want[r.N_MEASURED] * rows[b.LOG_READOUT] - want[r.WIDTH] * took_ns * rows[b.DECAY_PER_NS]
    _refuse(rows, want, n_two, took_ns, why)
    if want[r.FIDELITY] > 0.0:
        why[(why == 0) & (scores < math.log(want[r.FIDELITY]))] = 8
    return _best(scores, why, best)


def composite(rows: Rows, want: Rows, scores: Rows, why: Longs, best: Longs) -> int:
    """As ``_kernels_decide.composite``, over whole arrays."""
    scores[:] = 0.25 * (1.0 - rows[b.LOAD])
    for weight, column, asked in (
        (0.30, b.FIDELITY, r.FIDELITY), (0.25, b.COHERENCE_NS, r.COHERENCE_NS), (0.20, b.DEGREE, r.DEGREE),
    ):  # fmt: skip
        scores += weight * (np.minimum(1.0, rows[column] / want[asked]) if want[asked] > 0.0 else 1.0)
    took_ns = want[r.DEPTH_ONE] * rows[b.ONE_NS] + want[r.DEPTH_TWO] * rows[b.TWO_NS] + rows[b.READOUT_NS]
    _refuse(rows, want, np.full(rows.shape[1], want[r.N_TWO]), took_ns, why)
    return _best(scores, why, best)


def overheads(rows: Rows, want: Rows) -> Rows:
    """By how much swaps multiply a circuit's two-qubit gates on each device."""
    partners = max(1.0, float(want[r.DEGREE]))
    made: Rows = 1.0 + 3.0 * np.maximum(0.0, 1.0 - np.minimum(rows[b.DEGREE], partners) / partners)
    return made


def run_seconds(rows: Rows, want: Rows) -> Rows:
    """How long all shots take on each device."""
    took_ns: Rows = want[r.DEPTH_ONE] * rows[b.ONE_NS] + rows[b.READOUT_NS]
    took_ns += want[r.DEPTH_TWO] * overheads(rows, want) * rows[b.TWO_NS]
    made: Rows = want[r.SHOTS] * (rows[b.SHOT_S] + took_ns * 1e-9)
    return made


def priced(rows: Rows, want: Rows, run_s: Rows) -> Rows:
    """What each device asks for all shots."""
    return _prices(rows, want, want[r.N_TWO] * overheads(rows, want), run_s)


def _prices(rows: Rows, want: Rows, n_two: Rows, run_s: Rows) -> Rows:
    price: Rows = rows[b.PRICE_FIXED] + run_s * rows[b.PRICE_SECOND]
    price += want[r.SHOTS] * (rows[b.PRICE_SHOT] + want[r.N_ONE] * rows[b.PRICE_ONE] + n_two * rows[b.PRICE_TWO])
    return price


def _refuse(rows: Rows, want: Rows, n_two: Rows, took_ns: Rows, why: Longs) -> None:
    run_s = want[r.SHOTS] * (rows[b.SHOT_S] + took_ns * 1e-9)
    price = _prices(rows, want, n_two, run_s)
    regions = int(want[r.REGIONS])
    elsewhere = regions != 0 and ((regions < 0) | ((rows[b.REGION].astype(np.int64) & regions) == 0))
    conditions = [
        rows[b.QUBITS] < want[r.WIDTH],
        rows[b.OPEN] == 0.0,
        (int(want[r.FEATURES]) & ~rows[b.FEATURES].astype(np.int64)) != 0,
        np.broadcast_to(elsewhere, rows.shape[1]),
        want[r.SHOTS] > rows[b.MAX_SHOTS],
        rows[b.WAIT_S] + run_s > want[r.DEADLINE_S],
        price > want[r.BUDGET],
    ]
    why[:] = np.select(conditions, range(1, 8), 0)


def _best(scores: Rows, why: Longs, best: Longs) -> int:
    fitting = np.flatnonzero(why == 0)
    order = fitting[np.argsort(-scores[fitting], kind="stable")][: best.size]
    best[:] = -1
    best[: order.size] = order
    return int(fitting.size)


def shortlist_loop(rows: Sequence[Sequence[float]], want: Sequence[float], k: int) -> list[tuple[float, int]]:
    """The shortlist as a plain loop over lists: (negated score, place) of the best ``k``."""
    found = []
    floor = math.log(want[r.FIDELITY]) if want[r.FIDELITY] > 0.0 else -math.inf
    for place, row in enumerate(rows):
        partners = max(1.0, want[r.DEGREE])
        overhead = 1.0 + 3.0 * max(0.0, 1.0 - row[b.DEGREE] / partners)
        n_two = want[r.N_TWO] * overhead
        took_ns = want[r.DEPTH_ONE] * row[b.ONE_NS] + want[r.DEPTH_TWO] * overhead * row[b.TWO_NS] + row[b.READOUT_NS]
        score = want[r.N_ONE] * row[b.LOG_ONE] + n_two * row[b.LOG_TWO] + want[r.N_MEASURED] * row[b.LOG_READOUT]
        score -= want[r.WIDTH] * took_ns * row[b.DECAY_PER_NS]
        run_s = want[r.SHOTS] * (row[b.SHOT_S] + took_ns * 1e-9)
        regions = int(want[r.REGIONS])
        if (
            row[b.QUBITS] >= want[r.WIDTH]
            and row[b.OPEN]
            and not int(want[r.FEATURES]) & ~int(row[b.FEATURES])
            and (regions == 0 or (regions > 0 and int(row[b.REGION]) & regions))
            and want[r.SHOTS] <= row[b.MAX_SHOTS]
            and row[b.WAIT_S] + run_s <= want[r.DEADLINE_S]
            and _price(row, want, n_two, run_s) <= want[r.BUDGET]
            and score >= floor
        ):
            found.append((-score, place))
    found.sort()
    return found[:k]


def _price(row: Sequence[float], want: Sequence[float], n_two: float, run_s: float) -> float:
    shot = row[b.PRICE_SHOT] + want[r.N_ONE] * row[b.PRICE_ONE] + n_two * row[b.PRICE_TWO]
    return row[b.PRICE_FIXED] + want[r.SHOTS] * shot + run_s * row[b.PRICE_SECOND]
