"""A histogram with real quantiles: counts in logarithmic buckets (DDSketch; Masson et al., VLDB 2019).

Bucket ``i`` counts values in ``(2^(i/64), 2^((i+1)/64)]``. Answering with the bucket's centre
``2·γ^(i+1)/(γ+1)``, γ = 2^(1/64), is wrong by at most (γ−1)/(γ+1) < 0.55 % of the true value.
The base is chosen so that the buckets are those of an OTLP exponential histogram of scale 6
and so that every power of two is a bucket's edge: both exports lose nothing.
"""

import math

SCALE = 6
_PER_OCTAVE = 1 << SCALE
_GAMMA = 2.0 ** (1 / _PER_OCTAVE)
RELATIVE_ERROR = (_GAMMA - 1) / (_GAMMA + 1)

# Values are clamped to this range, which bounds a sketch at 80 · 64 buckets.
_SMALLEST = 2.0**-40
_LARGEST = 2.0**40


class Sketch:
    """Counts of values. Zero, negative values and NaN count as zero: a stepped clock is no latency."""

    __slots__ = ("buckets", "count", "sum", "zeros")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.zeros = 0
        self.count = 0
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        if not value > _SMALLEST:
            self.zeros += 1
            return
        if value > _LARGEST:
            value = _LARGEST
        self.sum += value
        index = math.ceil(math.log2(value) * _PER_OCTAVE) - 1
        self.buckets[index] = self.buckets.get(index, 0) + 1

    def merge(self, other: "Sketch") -> None:
        self.zeros += other.zeros
        self.count += other.count
        self.sum += other.sum
        for index, n in other.buckets.items():
            self.buckets[index] = self.buckets.get(index, 0) + n

    def quantile(self, q: float) -> float:
        """The value of rank ``floor(q·(count−1))`` within the relative error; NaN when empty."""
        assert 0.0 <= q <= 1.0, q
        if self.count == 0:
            return math.nan
        rank = math.floor(q * (self.count - 1)) - self.zeros
        if rank < 0:
            return 0.0
        for index in sorted(self.buckets):
            rank -= self.buckets[index]
            if rank < 0:
                return float(2.0 ** ((index + 1) / _PER_OCTAVE) * 2 / (_GAMMA + 1))
        raise AssertionError("the buckets hold fewer values than were counted")

    def octaves(self, low: int, high: int) -> list[tuple[float, int]]:
        """``(2^k, values ≤ 2^k)`` for k from ``low`` to ``high``: what OpenMetrics calls buckets."""
        below, rows = self.zeros, []
        ordered = sorted(self.buckets)
        at = 0
        for k in range(low, high + 1):
            while at < len(ordered) and ordered[at] < k * _PER_OCTAVE:
                below += self.buckets[ordered[at]]
                at += 1
            rows.append((2.0**k, below))
        return rows
