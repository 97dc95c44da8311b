"""What convinces a process of an envelope that it does not get from its sender's process: a signature over it.

Only emergencies are passed on by others, so only they are signed: once by the sender's process, and checked once by
each process, whatever number of copies it gets.
"""

from collections.abc import Callable
from typing import Protocol

from phalanx.crypto import CryptoError, SigningKey, VerifyingKey
from phalanx.messaging._errors import ForgedSender

_CONTEXT = b"phalanx messaging envelope 1\x00"


class Proofs(Protocol):
    """Makes and checks proofs. ``check`` raises ``ForgedSender`` unless ``process`` made the proof."""

    def prove(self, data: bytes) -> bytes: ...

    def check(self, process: str, data: bytes, proof: bytes) -> None: ...


class SignedProofs:
    """Signatures of processes; ``key_of`` gives the key that a process is known to have, if it is known."""

    def __init__(self, key: SigningKey, key_of: Callable[[str], VerifyingKey | None]) -> None:
        self._key, self._key_of = key, key_of

    def prove(self, data: bytes) -> bytes:
        return self._key.sign(_CONTEXT + data)

    def check(self, process: str, data: bytes, proof: bytes) -> None:
        key = self._key_of(process)
        if key is None:
            raise ForgedSender(process)
        try:
            key.verify(_CONTEXT + data, proof)
        except CryptoError as error:
            raise ForgedSender(process) from error
