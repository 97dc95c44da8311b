"""What a noise source is, and a simulated one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from phalanx.core import InvalidInput, Rng

SOURCES_GROUP = "phalanx.entropy"


class NoiseSource(Protocol):
    """Raw noise, before any conditioning, so that its health can be seen.

    ``read`` may block for a while and runs in a thread of its own; it raises ``SourceFailed`` when
    it has nothing to give. A sample is one byte, of which ``sample_bits`` bits vary and
    ``min_entropy`` bits are claimed. The claim sets the cutoffs of the tests; nothing is credited
    for it anywhere.
    """

    @property
    def name(self) -> str: ...

    @property
    def min_entropy(self) -> float: ...

    @property
    def sample_bits(self) -> int: ...

    @property
    def simulated(self) -> bool: ...

    def read(self, n_samples: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What a plug-in gets to make its source of: the text behind the colon in ``device:/dev/hwrng``."""

    argument: str
    rng: Rng


SourceFactory = Callable[[SourceContext], NoiseSource]


class SimulatedQrng:
    """Photons at a beam splitter, simulated: uneven splitting and detectors that ring after a click.

    It shows what a quantum generator's raw bits look like, so that the tests and the wiring can be
    tried without the device. It follows from a seed and is worth nothing as entropy.
    """

    name = "simulated-qrng"
    sample_bits = 1
    simulated = True

    def __init__(self, rng: Rng, *, reflected: float = 0.48, afterpulse: float = 0.01) -> None:
        self._rng = rng
        self._reflected = reflected
        self._afterpulse = afterpulse
        self._last = 0
        # The less likely of two outcomes is guessed wrong most often; the rest is margin.
        self.min_entropy = 0.8

    def read(self, n_samples: int) -> bytes:
        bits = bytearray()
        for _ in range(n_samples):
            if not self._rng.chance(self._afterpulse):
                self._last = int(self._rng.chance(self._reflected))
            bits.append(self._last)
        return bytes(bits)


def simulated_qrng(context: SourceContext) -> NoiseSource:
    """The plug-in `simulated-qrng`; its argument is how often a photon is reflected, 0.48 without one."""
    try:
        reflected = float(context.argument or 0.48)
    except ValueError:
        reflected = -1.0
    if not 0 <= reflected <= 1:
        raise InvalidInput("entropy.sources", f"simulated-qrng: {context.argument!r} is no probability")
    return SimulatedQrng(context.rng.child("simulated qrng"), reflected=reflected)
