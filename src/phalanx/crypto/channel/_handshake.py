"""The handshake: what both sides do alike. The shape is SIGMA's, as in TLS 1.3 (RFC 8446).

    I → R   Hello    offer, ephemeral shares, ids and binders of pre-shared keys
    R → I   Retry    (datagrams only) a cookie for the Hello to come back with
    R → I   Reply    choice, KEM ciphertext, { credential, signature, confirmation } under K
    I → R   Finish   { credential, signature, confirmation } under K
    R → I   CONFIRM  the first frame under the traffic keys

Invariants:

1. There is no session before the other side has signed the transcript: all that was offered and
   chosen, both randoms, both shares, the pre-shared key's id. So what an attacker changes on the
   way (an algorithm struck from the offer, a version, an id) is found by both signatures.
2. Each side also confirms the transcript under a key that follows from the handshake secret, over
   its own credential: a signature cannot be moved to another handshake or another speaker.
3. Each signature names its role, and a peer that shows our own key is refused: nothing reflected
   or replayed from our own side passes.
4. Traffic keys follow from ephemeral shares, which are dropped when they are used. Signing keys
   only sign: who learns them later opens nothing that was recorded, and who holds ours cannot
   pass for somebody else towards us.
5. Between datagrams nothing unauthenticated ends a handshake or changes what is offered; it is
   dropped and counted. A responder keeps no state and does no public-key work before the cookie
   came back, and until then sends no more bytes than it got.
"""

import hmac
from typing import NamedTuple, Protocol

from phalanx.core import PhalanxError
from phalanx.crypto import InvalidKey, InvalidSignature, NotAuthentic, VerifyingKey
from phalanx.crypto.channel._errors import HandshakeTampered, PeerRefused
from phalanx.crypto.channel._messages import Proof, pack, unpack
from phalanx.crypto.channel._policy import ChannelPolicy, Party
from phalanx.crypto.channel._schedule import HandshakeKeys, Transcript, signed_text
from phalanx.crypto.channel._session import Session


class Speaker(NamedTuple):
    """Who proved themselves in a handshake."""

    name: str
    key: VerifyingKey
    credential: bytes


class Progress(NamedTuple):
    """What follows from an event of a handshake: messages to send, and in the end the session.

    ``payloads`` came with the first frame, when that overtook the responder's confirmation.
    """

    messages: tuple[bytes, ...] = ()
    session: Session | None = None
    payloads: tuple[bytes, ...] = ()


class FindPsk(Protocol):
    """Gives the secret that a pre-shared key's id stands for, or None."""

    def __call__(self, psk_id: bytes, /) -> bytes | None: ...


def prove(role: bytes, party: Party, keys: HandshakeKeys, transcript: Transcript, aad: bytes) -> bytes:
    """Our proof, sealed; the transcript then covers it."""
    transcript.add(party.credential)
    signature = party.signing_key.sign(signed_text(role, transcript))
    transcript.add(signature)
    confirmation = keys.confirmation(role, transcript)
    transcript.add(confirmation)
    return keys.seal(role, pack(Proof(party.credential, signature, confirmation)), aad)


def open_proof(role: bytes, sealed: bytes, keys: HandshakeKeys, aad: bytes) -> Proof:
    """The other side's proof, not judged yet; raises ``HandshakeTampered`` if it is not under our key."""
    try:
        return unpack(keys.open(role, sealed, aad), Proof)
    except NotAuthentic:
        raise HandshakeTampered(
            "the proof does not open: it was changed, or the two sides saw different things"
        ) from None


def judge(
    role: bytes, proof: Proof, keys: HandshakeKeys, transcript: Transcript, party: Party, policy: ChannelPolicy
) -> Speaker:
    """Who made the proof. Raises ``PeerRefused`` for whom we do not talk to, ``HandshakeTampered`` for a forgery.

    The transcript covers the proof afterwards, also when the peer is refused, so that the refusal
    can be told under the keys that follow.
    """
    transcript.add(proof.credential)
    text = signed_text(role, transcript)
    transcript.add(proof.signature)
    confirmation = keys.confirmation(role, transcript)
    transcript.add(proof.confirmation)
    if not hmac.compare_digest(confirmation, proof.confirmation):
        raise HandshakeTampered("the confirmation is wrong")
    try:
        key = party.verify_peer(proof.credential)
    except (PhalanxError, ValueError) as error:
        raise PeerRefused(f"its credential is not accepted: {error}") from error
    if key.algorithm not in policy.allowed_signatures:
        raise PeerRefused(f"it signs with {key.algorithm}, which the policy does not allow")
    if key == party.signing_key.public:
        raise PeerRefused("it shows our own key", hint="a message came back to its sender, or a key is used twice")
    try:
        key.verify(text, proof.signature)
    except (InvalidSignature, InvalidKey):
        raise HandshakeTampered("the signature does not belong to this handshake") from None
    return Speaker(party.name_peer(key, proof.credential), key, proof.credential)
