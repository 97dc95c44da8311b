"""The side that answers a handshake. The protocol and its invariants are in ``_handshake``."""

import hmac

from phalanx.core import EntropySource
from phalanx.crypto import EncapsulationKey, InvalidKey
from phalanx.crypto.channel._errors import (
    HandshakeTampered,
    NoCommonAlgorithm,
    PeerRefused,
    PresharedKeyRefused,
)
from phalanx.crypto.channel._frames import FrameSealer
from phalanx.crypto.channel._handshake import FindPsk, Progress, judge, open_proof, prove
from phalanx.crypto.channel._limits import MAX_REASON_BYTES
from phalanx.crypto.channel._messages import (
    CONTROL,
    FINISH,
    HELLO,
    ID_BYTES,
    PREFIX_BYTES,
    RANDOM_BYTES,
    REFUSE,
    REPLY,
    Choice,
    Finish,
    Hello,
    Offer,
    Refusal,
    Reply,
    pack,
    prefix,
    read,
    unpack,
    wire,
)
from phalanx.crypto.channel._policy import VERSIONS, ChannelPolicy, Ordering, Party, Psk, PskMode, Suite
from phalanx.crypto.channel._schedule import INITIATOR, RESPONDER, HandshakeKeys, Transcript, binder
from phalanx.crypto.channel._session import CLOSE, Agreed, Session


def no_psk(psk_id: bytes, /) -> None:
    """For endpoints that share no keys in advance."""


class Responder:
    """One handshake, from Hello to session: ``accept`` answers the Hello, ``finish`` takes the Finish."""

    __slots__ = (
        "_keys", "_ordering", "_party", "_peer_id", "_policy", "_suite", "_transcript", "local_id", "psk_id", "refusal",
        "reply",
    )  # fmt: skip

    def __init__(
        self,
        party: Party,
        policy: ChannelPolicy,
        *,
        ordering: Ordering,
        entropy: EntropySource,
        hello: bytes,
        find_psk: FindPsk = no_psk,
    ) -> None:
        """Answers ``hello``: ``reply`` is the message to send. Raises ``HandshakeFailed`` for what it refuses."""
        policy.crypto.require(party.signing_key.algorithm)
        self._party, self._policy, self._ordering = party, policy, ordering
        message = read(hello, HELLO, Hello, hello[1:PREFIX_BYTES])
        offer = unpack(message.offer, Offer)
        if offer.session != hello[1:PREFIX_BYTES] or offer.ordering != ordering.value:
            raise HandshakeTampered("the Hello is for another kind of transport, or not its sender's")
        if ordering is Ordering.STREAM and message.cookie:
            raise HandshakeTampered("a cookie has no place in a stream")
        version, suite, share = self._choose(offer)
        psk = self._choose_psk(offer, message, find_psk)
        try:
            secret, ciphertext = EncapsulationKey(suite.kem, share).encapsulate()
        except InvalidKey as error:
            raise HandshakeTampered(str(error)) from error
        self.local_id = entropy.token(ID_BYTES)
        self.psk_id = psk.id if psk else None
        choice = pack(
            Choice(
                version, self.local_id, entropy.token(RANDOM_BYTES), (suite.kem, suite.aead), ciphertext, self.psk_id
            )
        )
        self._transcript = Transcript(message.offer, *message.binders, choice)
        keys = HandshakeKeys(suite.aead, secret, (psk.id, psk.secret) if psk else None, self._transcript)
        self._keys: HandshakeKeys | None = keys
        self._suite, self._peer_id = suite, offer.session
        aad = prefix(REPLY, offer.session)
        self.reply = aad + pack(Reply(choice, prove(RESPONDER, party, keys, self._transcript, aad)))
        self.refusal = b""

    def finish(self, message: bytes, now_ns: int) -> Progress:
        """The session and its confirming frame. Raises ``HandshakeTampered`` and stays as it was for a forgery.

        Raises ``PeerRefused`` for whom we do not talk to; ``refusal`` is then a frame that tells them.
        """
        if self._keys is None:
            raise HandshakeTampered("this handshake is over")
        finish, keys = read(message, FINISH, Finish, self.local_id), self._keys
        proof = open_proof(INITIATOR, finish.sealed, keys, prefix(FINISH, self.local_id))
        transcript = self._transcript.copy()
        try:
            speaker = judge(INITIATOR, proof, keys, transcript, self._party, self._policy)
        except PeerRefused:
            self._keys = None
            traffic = keys.traffic(RESPONDER, transcript)
            sealer = FrameSealer(self._suite.aead, traffic, self._peer_id, rekey_frames=1)
            self.refusal = sealer.seal_kind(CONTROL, CLOSE)
            raise
        # From here on the traffic keys are the session's alone: a second one would reuse their nonces.
        self._keys = None
        agreed = Agreed(
            suite=self._suite,
            ordering=self._ordering,
            peer=speaker.name,
            key=speaker.key,
            credential=speaker.credential,
            psk_id=self.psk_id,
            binding=transcript.digest(),
            local_id=self.local_id,
            peer_id=self._peer_id,
        )
        sending, receiving = keys.traffic(RESPONDER, transcript), keys.traffic(INITIATOR, transcript)
        session = Session(agreed, self._policy, sending, receiving, now_ns=now_ns)
        return Progress((session.confirm(),), session)

    def _choose(self, offer: Offer) -> tuple[int, Suite, bytes]:
        version = max((v for v in offer.versions if v in VERSIONS), default=None)
        if version is None:
            raise NoCommonAlgorithm(f"versions {list(offer.versions)} are offered and {list(VERSIONS)} known")
        shares = dict(offer.shares)
        suite = next(
            (s for s in self._policy.allowed_suites if (s.kem, s.aead) in offer.suites and s.kem in shares), None
        )
        if suite is None:
            raise NoCommonAlgorithm("none of the suites offered is acceptable here")
        if self._party.signing_key.algorithm not in offer.signatures:
            raise NoCommonAlgorithm(f"the initiator does not accept {self._party.signing_key.algorithm} signatures")
        return version, suite, shares[suite.kem]

    def _choose_psk(self, offer: Offer, message: Hello, find_psk: FindPsk) -> Psk | None:
        if offer.psk_mode not in {mode.value for mode in PskMode} or len(message.binders) != len(offer.psk_ids):
            raise HandshakeTampered("the pre-shared keys of the Hello do not add up")
        if self._policy.psk is not PskMode.NONE:
            for psk_id, shown in zip(offer.psk_ids, message.binders, strict=True):
                secret = find_psk(psk_id)
                if secret is None:
                    continue
                if not hmac.compare_digest(binder(secret, psk_id, message.offer), shown):
                    raise PresharedKeyRefused("the two sides hold different keys under one id")
                return Psk(psk_id, secret)
        if PskMode.REQUIRED.value in (offer.psk_mode, self._policy.psk.value):
            raise PresharedKeyRefused("a pre-shared key is required and none is held in common")
        return None


def refuse(peer_id: bytes, reason: str) -> bytes:
    """A hint to the initiator, which nothing authenticates."""
    printable = "".join(c for c in reason if c.isprintable())
    return wire(REFUSE, peer_id, Refusal(printable[:MAX_REASON_BYTES]))
