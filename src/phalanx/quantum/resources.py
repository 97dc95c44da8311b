"""What it would take to break a key with Shor's algorithm: published counts of gates, and a plain model of a machine.

Counts, each from its paper's abstract:

* RSA and finite fields of n bits: 3n + 0.002·n·lg n logical qubits, 0.3·n³ + 0.0005·n³·lg n Toffoli gates
  (Gidney and Ekerå, Quantum 5, 433, 2021).
* Elliptic curves over an n-bit prime field: 9n + 2⌈lg n⌉ + 10 logical qubits, 448·n³·lg n + 4090·n³ Toffoli gates
  (Roetteler et al., arXiv 1706.06752, 2017).

The model of a machine is the one that the first of these assumes: gates that fail once in a thousand, surface code
with a cycle of 1 µs, 10 µs from a measurement to what depends on it, one Toffoli after the other, and as much room
again for routing and factories. Later papers trade time for fewer qubits: ``published`` has the newest that we know.
These are estimates under assumptions. They say nothing of when such a machine is built.
"""

import math
from dataclasses import dataclass
from typing import Literal

AS_OF = "2026-11"

Family = Literal["RSA", "DSA", "DH", "EC"]

_GATE_ERROR = 1e-3
_CYCLE_S = 1e-6
_REACTION_S = 1e-5
# Prefactor and threshold of the surface code's logical error per round (Fowler and Gidney, arXiv 1808.06709).
_PREFACTOR, _THRESHOLD = 0.1, 1e-2
_MAY_FAIL = 1 / 3
_ROUTING_AND_FACTORIES = 2
_MIN_BITS, _MAX_BITS = 8, 1 << 20

_PUBLISHED = {
    ("RSA", 2048): "under 1 M noisy qubits and a week (Gidney, arXiv 2505.15917, 2025); "
    "under 100 k with qLDPC codes (arXiv 2602.11457, 2026)",
    ("EC", 256): "under 500 k noisy qubits and minutes (published estimates, 2026)",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one key takes. ``published`` is the newest published total for just this size, empty where there is none."""

    family: Family
    bits: int
    logical_qubits: int
    toffolis: int
    distance: int
    physical_qubits: int
    hours: float
    counts_from: str
    published: str
    as_of: str = AS_OF

    def told(self) -> str:
        """One line for people."""
        model = (
            f"{self.logical_qubits:,} logical qubits and {_short(self.toffolis)} Toffoli gates ({self.counts_from}); "
            f"by a surface-code model {_short(self.physical_qubits)} physical qubits for {_duration(self.hours)}"
        )
        return f"{model}; {self.published}" if self.published else model


def to_break(family: Family, bits: int) -> Resources:
    """The estimate for a key of ``bits`` (the modulus, or the field of the curve)."""
    if not _MIN_BITS <= bits <= _MAX_BITS:
        raise ValueError(f"a key of {bits} bits is outside {_MIN_BITS}…{_MAX_BITS}")
    log = math.log2(bits)
    if family == "EC":
        logical = 9 * bits + 2 * math.ceil(log) + 10
        toffolis = 448 * bits**3 * log + 4_090 * bits**3
        source = "Roetteler et al. 2017"
    else:
        logical = math.ceil(3 * bits + 0.002 * bits * log)
        toffolis = 0.3 * bits**3 + 0.0005 * bits**3 * log
        source = "Gidney and Ekerå 2021"
    seconds = toffolis * _REACTION_S
    distance = _distance(logical, seconds)
    return Resources(
        family=family, bits=bits, logical_qubits=logical, toffolis=round(toffolis), distance=distance,
        physical_qubits=logical * _ROUTING_AND_FACTORIES * 2 * (distance + 1) ** 2, hours=seconds / 3600,
        counts_from=source, published=_PUBLISHED.get(("EC" if family == "EC" else "RSA", bits), "")
        if family in ("EC", "RSA") else "",
    )  # fmt: skip


def _distance(logical: int, seconds: float) -> int:
    """The least odd code distance with which the whole run fails less often than a third of the time."""
    rounds = logical * _ROUTING_AND_FACTORIES * seconds / _CYCLE_S
    distance = 3
    while rounds * _PREFACTOR * (_GATE_ERROR / _THRESHOLD) ** ((distance + 1) / 2) > _MAY_FAIL:
        distance += 2
    return distance


def _short(count: float) -> str:
    for size, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {name}"
    return f"{count:.0f}"


def _duration(hours: float) -> str:
    if hours < 1:
        return f"{max(hours * 60, 1):.0f} min"
    return f"{hours:.3g} h" if hours < 72 else f"{hours / 24:.3g} days"
