"""Signatures on votes: what a kind of vote key has to offer, and the simple kind.

A participant's keys of one epoch have a public ``root``, which the epoch binds. ``ml-dsa`` signs every
statement with one ML-DSA key: right for few participants, since a signature costs hundreds of
microseconds and kilobytes. Keys for many come with the package ``votes``.
"""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

from phalanx.consensus._errors import InvalidVote
from phalanx.crypto import ML_DSA_44, InvalidKey, InvalidSignature, SigningKey, VerifyingKey

ML_DSA = "ml-dsa"
WOTS = "wots"
_PURPOSE = b"phalanx vote"
_MEMO = 8_192


class VoteSigner(Protocol):
    """One participant's vote keys of one epoch."""

    @property
    def root(self) -> bytes:
        """What the epoch binds."""
        ...

    def sign(self, statement: bytes) -> bytes:
        """A signature; raises a ``PhalanxError`` when keys that sign once are used up."""
        ...


class VoteVerifier(Protocol):
    """Checks votes of one kind. Exact bytes that were verified once may be remembered."""

    def verify(self, root: bytes, statement: bytes, signature: bytes) -> None:
        """Raises ``InvalidVote``."""
        ...

    def verify_many(self, items: Sequence[tuple[bytes, bytes, bytes]]) -> list[bool]:
        """For each (root, statement, signature) whether it holds."""
        ...


class MlDsaVotes:
    """Vote keys that are one ML-DSA-44 key. The root is the public key itself."""

    __slots__ = ("_key", "root")

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self.root = key.public.to_bytes()

    @classmethod
    def generate(cls) -> "MlDsaVotes":
        """A fresh key from the operating system's entropy, in memory only."""
        return cls(SigningKey.generate(ML_DSA_44))

    def sign(self, statement: bytes) -> bytes:
        return self._key.sign(statement, _PURPOSE)


class MlDsaVerifier:
    """Checks what ``MlDsaVotes`` signs. ``memo`` remembers what held, by a digest of the exact bytes."""

    def __init__(self, *, memo: bool = True) -> None:
        self._keys: OrderedDict[bytes, VerifyingKey] = OrderedDict()
        self._held: OrderedDict[bytes, None] | None = OrderedDict() if memo else None

    def verify(self, root: bytes, statement: bytes, signature: bytes) -> None:
        held = self._held
        digest = b""
        if held is not None:
            digest = blake2b(
                b"%d %d " % (len(root), len(statement)) + root + statement + signature, digest_size=32
            ).digest()
            if digest in held:
                return
        try:
            self._key(root).verify(statement, signature, _PURPOSE)
        except (InvalidKey, InvalidSignature) as error:
            raise InvalidVote(error.message) from error
        if held is not None:
            held[digest] = None
            if len(held) > _MEMO:
                held.popitem(last=False)

    def verify_many(self, items: Sequence[tuple[bytes, bytes, bytes]]) -> list[bool]:
        found = []
        for root, statement, signature in items:
            try:
                self.verify(root, statement, signature)
            except InvalidVote:
                found.append(False)
            else:
                found.append(True)
        return found

    def _key(self, root: bytes) -> VerifyingKey:
        key = self._keys.get(root)
        if key is None:
            key = self._keys[root] = VerifyingKey.from_bytes(root)
            if len(self._keys) > _MEMO:
                self._keys.popitem(last=False)
        return key
