"""Fast secret bytes: the operating system's, with a stream on top that all noise sources stir.

Invariants:

- Every byte handed out is a fresh byte of the operating system XOR a byte of the stream. The
  stream is made before that byte is drawn and cannot depend on it. So whatever sources put into
  the stream, and whoever knows it, the result is no easier to guess than the operating system's
  byte; and if the operating system's were known, no easier than the stream.
- The stream is ChaCha20 with fast key erasure (Bernstein, 2017): the first bytes of each block
  become the next key, and what is handed out is overwritten. Who takes the memory learns nothing
  of bytes handed out before.
- Stirring derives the next key from the present one, fresh bytes of the operating system and the
  hash of the samples with HKDF (RFC 5869): samples add, they never replace.

Two threads that draw at the same moment may get the same part of the stream, or one that is
overwritten already, but never the same bytes of the operating system: so there is no lock on the
way.
"""

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from phalanx.core import EntropySource, LimitExceeded
from phalanx.crypto import hkdf
from phalanx.crypto.entropy._limits import BLOCK_BYTES, KEY_BYTES, MAX_TOKEN_BYTES

_ZEROS = bytes(KEY_BYTES + BLOCK_BYTES)
_NONCE = bytes(16)


class EntropyPool:
    """Implements ``EntropySource`` over the operating system's."""

    def __init__(self, system: EntropySource) -> None:
        self._system = system
        self._key = system.token(KEY_BYTES)
        self._block = bytearray()
        self._at = 0

    def token(self, n_bytes: int) -> bytes:
        if not 0 <= n_bytes <= MAX_TOKEN_BYTES:
            raise LimitExceeded("bytes of one draw", maximum=MAX_TOKEN_BYTES, seen=n_bytes)
        stream = self._stream(n_bytes)
        fresh = self._system.token(n_bytes)
        return (int.from_bytes(stream) ^ int.from_bytes(fresh)).to_bytes(n_bytes)

    def stir(self, source: str, samples: bytes) -> None:
        """Mix in samples of a source, good or bad."""
        name = hashlib.sha512(source.encode()).digest()
        digest = hashlib.sha512(name + samples).digest()
        secret = self._key + self._system.token(KEY_BYTES) + digest
        self._key = hkdf(secret, salt=b"", info=b"phalanx entropy pool v1", length=KEY_BYTES)
        self._block, self._at = bytearray(), 0

    def _stream(self, n_bytes: int) -> bytes:
        block, at = self._block, self._at
        if at + n_bytes <= len(block):
            self._at = at + n_bytes
            taken = bytes(block[at : at + n_bytes])
            block[at : at + n_bytes] = bytes(n_bytes)
            return taken
        # What is left of the block is dropped: a draw is of one key.
        made = self._run(max(n_bytes, BLOCK_BYTES))
        self._block, self._at = bytearray(made[n_bytes:]), 0
        return made[:n_bytes]

    def _run(self, n_bytes: int) -> bytes:
        zeros = _ZEROS if n_bytes == BLOCK_BYTES else bytes(KEY_BYTES + n_bytes)
        made = Cipher(ChaCha20(self._key, _NONCE), mode=None).encryptor().update(zeros)
        self._key = made[:KEY_BYTES]
        return made[KEY_BYTES:]
