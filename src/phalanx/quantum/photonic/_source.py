"""What a source of single photons does wrong, and what gets lost on the way.

The model is that of Perceval's documentation (after Pont et al., Phys. Rev. X 12, 031033): a photon is emitted with
probability ``brightness``, now and then together with a second one that is like no other; each arrives and is detected
with probability ``transmittance``. With probability √V a photon is of the one common kind, else of a kind of its own,
so that two of them are alike with probability V, the visibility of a Hong–Ou–Mandel dip.
"""

import math

import msgspec

from phalanx.core import InvalidInput


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As published for machines. The default is perfect.

    ``transmittance`` is of everything between source and detection, detectors included; ``indistinguishability`` the
    visibility of two photons; ``g2`` the second-order correlation at no delay, which tells of double emissions.
    """

    transmittance: float = 1.0
    indistinguishability: float = 1.0
    g2: float = 0.0
    brightness: float = 1.0

    def __post_init__(self) -> None:
        for name in ("transmittance", "brightness"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise InvalidInput(f"source.{name}", "is more than 0 and at most 1")
        if not 0.0 <= self.indistinguishability <= 1.0:
            raise InvalidInput("source.indistinguishability", "is from 0 to 1")
        if not 0.0 <= self.g2 <= 0.5:
            raise InvalidInput("source.g2", "is from 0 to 0.5: from there on it is no source of single photons")

    @property
    def is_perfect(self) -> bool:
        return self == Source()

    @property
    def alike(self) -> float:
        """How probable it is that a photon is of the common kind."""
        return math.sqrt(self.indistinguishability)

    @property
    def doubles(self) -> float:
        """How probable it is that two photons are emitted: g2 = 2·p₂ / (p₁ + 2·p₂)², p₁ + p₂ being the brightness."""
        b = self.brightness
        if not self.g2:
            return 0.0
        return (1.0 - self.g2 * b - math.sqrt(1.0 - 2.0 * self.g2 * b)) / self.g2

    @property
    def arriving(self) -> tuple[float, float, float, float]:
        """How probable it is that nothing of an emission is detected, the photon, a second one only, and both."""
        t, two = self.transmittance, self.doubles
        one = self.brightness - two
        both, extra = two * t * t, two * t * (1.0 - t)
        photon = one * t + extra
        return 1.0 - both - extra - photon, photon, extra, both


PERFECT = Source()
