"""Randomness as a port: named, seeded streams for behaviour, and entropy for secrets.

``Rng`` is for everything that must be repeatable (simulations, sampling, jitter). Each part of the system draws
from its own named child, so adding a draw in one place does not change the draws of another. ``EntropySource`` is
for keys, tokens and nonces, and nothing else.
"""

import hashlib
import random
from collections.abc import MutableSequence, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")


class EntropySource(Protocol):
    """Secret randomness. Bytes from here never appear in compared output."""

    def token(self, n_bytes: int) -> bytes: ...


class Rng:
    """A seeded stream. ``child(name)`` gives an independent stream that depends on the path alone."""

    __slots__ = ("_path", "_random", "seed")

    def __init__(self, seed: int, *, _path: str = "") -> None:
        self.seed = seed
        self._path = _path
        self._random = random.Random(self._key("py"))  # noqa: S311 - repeatable by design, never a secret

    def _key(self, purpose: str) -> int:
        material = f"{self.seed}\x1f{self._path}\x1f{purpose}".encode()
        return int.from_bytes(hashlib.sha256(material).digest())

    def child(self, name: str) -> "Rng":
        escaped = name.replace("%", "%25").replace("/", "%2F")
        return Rng(self.seed, _path=f"{self._path}/{escaped}")

    def random(self) -> float:
        """Uniform in [0, 1)."""
        return self._random.random()

    def integer(self, low: int, high: int) -> int:
        """Uniform in [low, high)."""
        return low + self._random.randrange(high - low)

    def bits(self, n: int) -> int:
        return self._random.getrandbits(n)

    def bytes(self, n: int) -> bytes:
        return self._random.randbytes(n)

    def chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def choice(self, options: Sequence[T]) -> T:
        return options[self._random.randrange(len(options))]

    def weighted(self, options: Sequence[T], weights: Sequence[float]) -> T:
        return self._random.choices(options, weights)[0]

    def sample(self, options: Sequence[T], k: int) -> list[T]:
        return self._random.sample(options, k)

    def shuffle(self, items: MutableSequence[T]) -> None:
        self._random.shuffle(items)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def exponential(self, mean: float) -> float:
        return self._random.expovariate(1.0 / mean)

    def gauss(self, mean: float, sd: float) -> float:
        return self._random.gauss(mean, sd)

    def numpy(self) -> "np.random.Generator":
        """A NumPy generator of the same path, independent of this stream's own draws."""
        import numpy as np

        return np.random.default_rng(self._key("np"))
