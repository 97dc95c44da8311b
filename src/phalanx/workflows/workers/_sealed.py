"""What travels between a node and one worker is sealed under a secret that only the two have.

The secret is in the token that was carried to the worker. Each direction has its own key, derived with HKDF (RFC
5869) and bound to the worker's name; nonces are random, and a worker's key seals far fewer than the 2^32 messages
that random nonces of 96 bits allow. An answer is bound to the question it is for. Replays change nothing: questions
are asked anew, beats are numbered, results count only under a live fence.
"""

import msgspec

from phalanx.core import EntropySource, InvalidInput
from phalanx.crypto import AES_256_GCM, NONCE_BYTES, Aead, hkdf
from phalanx.workflows.workers._words import Word

_SALT = b"phalanx workflow worker 1"
_decoder = msgspec.msgpack.Decoder(Word)
_encoder = msgspec.msgpack.Encoder()


class WorkerSeals:
    """Seals for one worker, at either end: ``ours`` is ``node`` or ``worker``."""

    def __init__(self, worker: str, secret: bytes, entropy: EntropySource, *, node: bool) -> None:
        ways = [
            Aead(AES_256_GCM, hkdf(secret, salt=_SALT, info=f"{way}\x1f{worker}".encode()))
            for way in ("to worker", "to node")
        ]
        self._out, self._in = ways if node else ways[::-1]
        self._entropy = entropy

    def seal(self, word: Word, *, about: bytes = b"") -> bytes:
        """``about`` is what it answers, or where it is said."""
        nonce = self._entropy.token(NONCE_BYTES)
        return nonce + self._out.seal(nonce, _encoder.encode(word), about)

    def open(self, sealed: bytes, *, about: bytes = b"") -> Word:
        """Raises ``NotAuthentic``, and ``InvalidInput`` for what is no word of ours."""
        plain = self._in.open(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about)
        try:
            word: Word = _decoder.decode(plain)
        except msgspec.DecodeError as error:
            raise InvalidInput("worker", str(error)) from error
        return word
