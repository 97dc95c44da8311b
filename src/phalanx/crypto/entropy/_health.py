"""Health tests of a noise source: NIST SP 800-90B §4.4, repetition count and adaptive proportion.

Both look for what a source that has the min-entropy H per sample that it claims would almost
never show. With α the rate of false alarms:

- repetition count (§4.4.1): one value C times in a row, with C = 1 + ⌈-log2 α / H⌉;
- adaptive proportion (§4.4.2): the first value of a window of W samples C times in it, with
  C = 1 + critbinom(W, 2^-H, 1 - α). W is 1024 for samples of one bit and 512 for wider ones.

They find a source that is stuck or has collapsed, nothing subtler, and certainly no source that
was made to look random. That is why nothing ever rests on a source alone.

A cutoff above W would make the test unable to fail; it is then W (FIPS 140-2 IG 7.19).
"""

import math
from collections.abc import Iterable

from phalanx.crypto.entropy._errors import SourceFailed
from phalanx.crypto.entropy._limits import ALPHA_BITS, BINARY_WINDOW, WINDOW


def repetition_cutoff(min_entropy: float, alpha_bits: int = ALPHA_BITS) -> int:
    """How often one value may not come in a row."""
    return 1 + math.ceil(alpha_bits / min_entropy)


def proportion_cutoff(min_entropy: float, window: int, alpha_bits: int = ALPHA_BITS) -> int:
    """How often the first value may not be in a window."""
    return min(1 + critbinom(window, 2.0**-min_entropy, alpha_bits), window)


def critbinom(n: int, p: float, alpha_bits: int) -> int:
    """The least c with P(X ≤ c) ≥ 1 - 2^-alpha_bits, for X binomial with n trials of probability p."""
    alpha = 2.0**-alpha_bits
    tail = 0.0
    for c in range(n, -1, -1):
        log_term = math.lgamma(n + 1) - math.lgamma(c + 1) - math.lgamma(n - c + 1)
        log_term += c * math.log(p) + (n - c) * math.log1p(-p)
        tail += math.exp(log_term)
        # The tail is now P(X ≥ c) = 1 - P(X ≤ c - 1).
        if tail > alpha:
            return c
    return 0


class HealthTest:
    """Both continuous tests over all samples of one source, whatever pieces they come in."""

    def __init__(self, source: str, min_entropy: float, sample_bits: int, *, alpha_bits: int = ALPHA_BITS) -> None:
        assert 0 < min_entropy <= sample_bits <= 8, "a sample is a byte at most and has no more entropy than bits"
        self.window = BINARY_WINDOW if sample_bits == 1 else WINDOW
        self.repetition_cutoff = repetition_cutoff(min_entropy, alpha_bits)
        self.proportion_cutoff = proportion_cutoff(min_entropy, self.window, alpha_bits)
        self._source = source
        self._last = -1
        self._repeated = 0
        self._first = -1
        self._counted = 0
        self._left = 0

    def feed(self, samples: Iterable[int]) -> None:
        """Take the next samples; raises ``SourceFailed`` at the first that a healthy source would not give."""
        for sample in samples:
            self._repetition(sample)
            self._proportion(sample)

    def _repetition(self, sample: int) -> None:
        if sample != self._last:
            self._last, self._repeated = sample, 1
            return
        self._repeated += 1
        if self._repeated >= self.repetition_cutoff:
            reason = f"the value {sample} came {self._repeated} times in a row"
            raise SourceFailed(self._source, "repetition count", reason)

    def _proportion(self, sample: int) -> None:
        if self._left == 0:
            self._first, self._counted, self._left = sample, 1, self.window - 1
            return
        self._left -= 1
        if sample != self._first:
            return
        self._counted += 1
        if self._counted >= self.proportion_cutoff:
            reason = f"the value {sample} came {self._counted} times in a window of {self.window}"
            raise SourceFailed(self._source, "adaptive proportion", reason)


def estimate_min_entropy(samples: bytes) -> float:
    """The most common value estimate of SP 800-90B §6.3.1, in bits per sample.

    It is a lower confidence bound if samples are independent, so few samples make it small; and it
    sees how often values come, not in what order: a counter looks perfect to it.
    """
    n = len(samples)
    assert n > 1, "an estimate needs samples"
    share = max(samples.count(value) for value in set(samples)) / n
    upper = min(1.0, share + 2.576 * math.sqrt(share * (1 - share) / (n - 1)))
    return -math.log2(upper)
