"""Parties that are identities: the credential is a chain of certificates, and the peer's name its subject.

A chain that held once is remembered with what it rests on. Judging it again then costs a look-up
per certificate, so that every channel can be judged again whenever anything is revoked.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256

from phalanx.core import Clock
from phalanx.crypto import CryptoPolicy, VerifyingKey
from phalanx.crypto.channel._limits import MAX_CHANNELS
from phalanx.crypto.channel._policy import Party
from phalanx.crypto.identity import Chain, Identity, Standing, Subject, Use, Verified, validate

Anchors = Callable[[], Mapping[str, Subject]]


def identity_party(
    identity: Identity, *, anchors: Anchors, standing: Standing, clock: Clock, policy: CryptoPolicy | None = None
) -> Party:
    """A party that speaks as ``identity`` and believes chains up to the roots that ``anchors`` gives,
    by fingerprint with the organisation each is trusted as.

    ``standing`` says what was revoked and which epochs have passed. Call ``recheck`` of the channels
    when it changes. Peers are called by their subjects, such as ``agent:acme/hq/a1``, through all rotations.
    """
    judge = _Judge(anchors, standing, clock, policy or CryptoPolicy())
    return Party(identity.key, identity.chain.to_bytes(), judge.verify, judge.name)


class _Judge:
    """Judges chains of certificates, and remembers those that held."""

    __slots__ = ("_anchors", "_clock", "_held", "_policy", "_standing")

    def __init__(self, anchors: Anchors, standing: Standing, clock: Clock, policy: CryptoPolicy) -> None:
        self._anchors = anchors
        self._standing = standing
        self._clock = clock
        self._policy = policy
        self._held: OrderedDict[bytes, tuple[dict[str, Subject], Verified]] = OrderedDict()

    def verify(self, credential: bytes) -> VerifyingKey:
        """The key of the chain's subject; raises ``BrokenChain`` or ``InvalidCertificate``."""
        digest, now_ns = sha256(credential).digest(), self._clock.wall_ns()
        remembered = self._held.get(digest)
        if remembered is not None and self._still_holds(*remembered, now_ns):
            self._held.move_to_end(digest)
            return remembered[1].key
        self._held.pop(digest, None)
        chain, anchors = Chain.from_bytes(credential), dict(self._anchors())
        verified = validate(
            chain, at_ns=now_ns, use=Use.CHANNEL, anchors=anchors, standing=self._standing, policy=self._policy
        )
        self._held[digest] = anchors, verified
        if len(self._held) > MAX_CHANNELS:
            self._held.popitem(last=False)
        return verified.key

    def name(self, key: VerifyingKey, credential: bytes) -> str:  # noqa: ARG002 - the chain that holds it says more
        """The subject of the chain that ``verify`` has just accepted."""
        return str(self._held[sha256(credential).digest()][1].subject)

    def _still_holds(self, anchors: Mapping[str, Subject], verified: Verified, now_ns: int) -> bool:
        return (
            verified.at_ns <= now_ns < verified.until_ns
            and anchors == self._anchors()
            and not any(
                self._standing.revoked(link.subject, link.serial, now_ns)
                or link.epoch < self._standing.epoch(link.subject, now_ns)
                for link in verified.links
            )
        )
