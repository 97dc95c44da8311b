"""WOTS+ (FIPS 205 §5): a digest as numbers, and what each number does with a chain of hashes.

Invariants:

- a digest is ``len_1`` digits in base w, followed by ``len_2`` digits of a checksum that falls
  when a digit rises. Whoever raises a digit of a signed digest must lower one of the checksum,
  and a chain cannot be walked backwards;
- a signature shows each chain at the step of its digit. Two signatures by one leaf show lower
  steps of both, and then others can be forged: **a leaf signs once** (``_keys``).

Base 4 is used for votes: half the hashing of base 16 to verify, for twice the bytes.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

VALUE_BYTES = 32
VALUE_WORDS = 8
DIGEST_BITS = 256

Words = NDArray[np.uint32]


@dataclass(frozen=True)
class Winternitz:
    """A base, 2^log_w, and what follows from it."""

    log_w: int

    @cached_property
    def last(self) -> int:
        """The last step of a chain, w − 1."""
        return (1 << self.log_w) - 1

    @cached_property
    def digits_of_digest(self) -> int:
        return DIGEST_BITS // self.log_w

    @cached_property
    def digits_of_checksum(self) -> int:
        return (self.digits_of_digest * self.last).bit_length() // self.log_w + bool(
            (self.digits_of_digest * self.last).bit_length() % self.log_w
        )

    @cached_property
    def chains(self) -> int:
        """How many chains one leaf has."""
        return self.digits_of_digest + self.digits_of_checksum

    def digits(self, digests: list[bytes]) -> NDArray[np.int64]:
        """One row of ``chains`` numbers for each digest, most significant first."""
        raw = np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), VALUE_BYTES)
        per_byte = 8 // self.log_w
        shifts = np.arange(per_byte - 1, -1, -1, dtype=np.uint8) * self.log_w
        message = ((raw[:, :, None] >> shifts) & self.last).reshape(len(digests), -1).astype(np.int64)
        checksum = (self.last - message).sum(axis=1)
        places = np.arange(self.digits_of_checksum - 1, -1, -1) * self.log_w
        return np.concatenate([message, (checksum[:, None] >> places) & self.last], axis=1)


VOTE_CHAINS = Winternitz(log_w=2)


def as_words(data: bytes, columns: int) -> Words:
    """``columns`` values of equal length, one behind the other, as columns of big-endian words."""
    return np.ascontiguousarray(np.frombuffer(data, ">u4").reshape(columns, -1).T.astype(np.uint32))


def as_bytes(words: Words) -> bytes:
    """The reverse: the columns one behind the other."""
    return words.T.astype(">u4").tobytes()
