"""Ideal votes: signatures that hold because a trusted third party says so. They protect nothing.

A signature is a keyed hash under a secret that only its participant and the verifier know, so nobody
in a simulation can forge one, and making and checking it costs a microsecond. Whatever is measured
or simulated with them says so.
"""

from collections.abc import Sequence
from hashlib import blake2b

from phalanx.consensus import Epoch, InvalidVote, LeftOut, Participant

IDEAL = "ideal"
_BYTES = 16


class IdealVotes:
    """A participant's ideal vote keys; the root is a name for them."""

    __slots__ = ("_secret", "root", "signed")

    def __init__(self, root: bytes, secret: bytes) -> None:
        self.root = root
        self._secret = secret
        self.signed = 0

    def sign(self, statement: bytes) -> bytes:
        self.signed += 1
        return blake2b(statement, key=self._secret, digest_size=_BYTES).digest()


class IdealVerifier:
    """The trusted third party: it knows every secret."""

    def __init__(self) -> None:
        self._secrets: dict[bytes, bytes] = {}

    def issue(self, name: str) -> IdealVotes:
        """New keys, the same for the same name."""
        root = blake2b(name.encode(), digest_size=_BYTES, person=b"root").digest()
        secret = blake2b(name.encode(), digest_size=_BYTES, person=b"secret").digest()
        self._secrets[root] = secret
        return IdealVotes(root, secret)

    def verify(self, root: bytes, statement: bytes, signature: bytes) -> None:
        """Raises ``InvalidVote``."""
        if not self.verify_many([(root, statement, signature)])[0]:
            raise InvalidVote

    def verify_many(self, items: Sequence[tuple[bytes, bytes, bytes]]) -> list[bool]:
        secrets = self._secrets
        return [
            blake2b(statement, key=secrets.get(root, b"?"), digest_size=_BYTES).digest() == signature
            for root, statement, signature in items
        ]


def ideal_epoch(
    n: int, *, number: int = 1, weights: Sequence[int] | None = None, left_out: int = 0
) -> tuple[Epoch, list[IdealVotes], IdealVerifier]:
    """An epoch of ``n`` participants with ideal keys, the keys, and what verifies them; more members were left out."""
    verifier = IdealVerifier()
    signers = [verifier.issue(f"epoch {number} agent {place}") for place in range(n)]
    participants = tuple(
        Participant(f"agent-{place}", "", signer.root, weights[place] if weights else 1)
        for place, signer in enumerate(signers)
    )
    absent = tuple(LeftOut(f"absent-{place}", "unheard", 1) for place in range(left_out))
    return Epoch(number=number, votes=IDEAL, participants=participants, left_out=absent), signers, verifier
