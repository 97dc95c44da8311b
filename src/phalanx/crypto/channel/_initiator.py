"""The side that begins a handshake. The protocol and its invariants are in ``_handshake``."""

from collections.abc import Sequence

from phalanx.core import EntropySource, InvalidInput
from phalanx.crypto import DecapsulationKey, InvalidKey
from phalanx.crypto.channel._errors import (
    HandshakeFailed,
    HandshakeTampered,
    HandshakeTimeout,
    PeerRefused,
    PresharedKeyRefused,
)
from phalanx.crypto.channel._handshake import Progress, judge, open_proof, prove
from phalanx.crypto.channel._limits import (
    HANDSHAKE_NS,
    MAX_COOKIES,
    MAX_FORGED_REPLIES,
    MAX_PSKS,
    RETRY_FIRST_NS,
    RETRY_LONGEST_NS,
)
from phalanx.crypto.channel._messages import (
    FINISH,
    HELLO,
    ID_BYTES,
    RANDOM_BYTES,
    REFUSE,
    REPLY,
    RETRY,
    Choice,
    Finish,
    Hello,
    Offer,
    Refusal,
    Reply,
    Retry,
    pack,
    prefix,
    read,
    unpack,
    wire,
)
from phalanx.crypto.channel._policy import VERSIONS, ChannelPolicy, Ordering, Party, Psk, PskMode, Suite
from phalanx.crypto.channel._schedule import INITIATOR, RESPONDER, HandshakeKeys, Transcript, binder
from phalanx.crypto.channel._session import Agreed, Session

_NOTHING = Progress()
_ASKING, _PROVING, _OVER = range(3)


class Initiator:
    """One handshake, from Hello to session. ``peer`` is who must answer, where that is known.

    ``session`` is there from the moment the peer has proved itself; it is handed out once the peer has confirmed ours.
    """

    __slots__ = (
        "_began_ns", "_binders", "_cookies", "_due_ns", "_forged", "_kems", "_last", "_offer",
        "_ordering", "_party", "_pause_ns", "_peer", "_policy", "_psks", "_refusal", "_step", "local_id", "session",
    )  # fmt: skip

    def __init__(
        self,
        party: Party,
        policy: ChannelPolicy,
        *,
        ordering: Ordering,
        entropy: EntropySource,
        now_ns: int,
        peer: str | None = None,
        psks: Sequence[Psk] = (),
    ) -> None:
        policy.crypto.require(party.signing_key.algorithm)
        if policy.psk is PskMode.REQUIRED and not psks:
            raise PresharedKeyRefused("the policy requires a pre-shared key and there is none to offer")
        if len(psks) > MAX_PSKS:
            raise InvalidInput("psks", f"there are {len(psks)} of them, more than {MAX_PSKS}")
        self._party, self._policy, self._ordering = party, policy, ordering
        self._peer = peer
        self._psks = {} if policy.psk is PskMode.NONE else {psk.id: psk.secret for psk in psks}
        self._kems = {
            kem: DecapsulationKey.generate(kem) for kem in dict.fromkeys(suite.kem for suite in policy.allowed_suites)
        }
        self.local_id = entropy.token(ID_BYTES)
        offer = Offer(
            versions=VERSIONS,
            session=self.local_id,
            random=entropy.token(RANDOM_BYTES),
            ordering=ordering.value,
            suites=tuple((suite.kem, suite.aead) for suite in policy.allowed_suites),
            signatures=policy.allowed_signatures,
            shares=tuple((kem, key.public.raw) for kem, key in self._kems.items()),
            psk_mode=policy.psk.value,
            psk_ids=tuple(self._psks),
        )
        self._offer = pack(offer)
        self._binders = tuple(binder(secret, psk_id, self._offer) for psk_id, secret in self._psks.items())
        self._cookies: list[bytes] = []
        self._last = self._hello(b"")
        self._step = _ASKING
        self.session: Session | None = None
        self._refusal = ""
        self._forged = 0
        self._began_ns = now_ns
        self._pause_ns = RETRY_FIRST_NS
        self._due_ns = now_ns + self._pause_ns

    def start(self) -> bytes:
        """The Hello. Over datagrams ``on_time`` sends it again."""
        return self._last

    def receive(self, message: bytes, now_ns: int) -> Progress:
        """Take in what came for our id. Raises ``HandshakeFailed`` when there will be no channel."""
        kind = message[0] if message else 0
        try:
            if self._step == _PROVING and kind > REFUSE:
                return self._confirmed(message, now_ns)
            if self._step != _OVER and kind == REFUSE:
                return self._refused(read(message, REFUSE, Refusal, self.local_id))
            if self._step == _ASKING and kind == RETRY:
                return self._retry(read(message, RETRY, Retry, self.local_id), now_ns)
            if self._step == _ASKING and kind == REPLY:
                return self._reply(read(message, REPLY, Reply, self.local_id), now_ns)
            if self._ordering is Ordering.STREAM:
                raise HandshakeTampered(f"a message of kind {kind} is out of place")
        except HandshakeTampered as tampered:
            self._forged += 1
            if self._ordering is Ordering.STREAM or self._forged >= MAX_FORGED_REPLIES:
                self._drop()
                raise
            self._refusal = self._refusal or tampered.reason
        except HandshakeFailed:
            self._drop()
            raise
        # A doubled or late message of a step that is done, or nothing of ours.
        return _NOTHING

    def on_time(self, now_ns: int) -> Progress:
        """Send again what may have been lost; raises ``HandshakeTimeout`` when that took too long."""
        if self._step == _OVER:
            return _NOTHING
        if now_ns - self._began_ns >= HANDSHAKE_NS:
            self._drop()
            raise HandshakeTimeout("the other side did not answer in time", refusal=self._refusal)
        if now_ns < self._due_ns:
            return _NOTHING
        self._pause_ns = min(2 * self._pause_ns, RETRY_LONGEST_NS)
        self._due_ns = now_ns + self._pause_ns
        return Progress((self._last,))

    def _hello(self, cookie: bytes) -> bytes:
        return wire(HELLO, self.local_id, Hello(cookie, self._offer, self._binders))

    def _refused(self, refusal: Refusal) -> Progress:
        if self._ordering is Ordering.STREAM:
            raise HandshakeFailed("the other side refuses", refusal=refusal.reason)
        # Anybody may have sent this. It explains the timeout, if it comes to that.
        self._refusal = refusal.reason
        return _NOTHING

    def _retry(self, retry: Retry, now_ns: int) -> Progress:
        if self._ordering is Ordering.STREAM:
            raise HandshakeTampered("a cookie has no place in a stream")
        if retry.cookie in self._cookies or len(self._cookies) >= MAX_COOKIES:
            return _NOTHING
        self._cookies.append(retry.cookie)
        self._last = self._hello(retry.cookie)
        self._due_ns = now_ns + self._pause_ns
        return Progress((self._last,))

    def _reply(self, reply: Reply, now_ns: int) -> Progress:
        choice = unpack(reply.choice, Choice)
        suite = Suite(*choice.suite)
        self._check_offered(choice, suite)
        try:
            secret = self._kems[suite.kem].decapsulate(choice.ciphertext)
        except InvalidKey as error:
            raise HandshakeTampered(str(error)) from error
        transcript = Transcript(self._offer, *self._binders, reply.choice)
        psk = None if choice.psk_id is None else (choice.psk_id, self._psks[choice.psk_id])
        keys = HandshakeKeys(suite.aead, secret, psk, transcript)
        proof = open_proof(RESPONDER, reply.sealed, keys, prefix(REPLY, self.local_id))
        speaker = judge(RESPONDER, proof, keys, transcript, self._party, self._policy)
        if self._peer is not None and speaker.name != self._peer:
            raise PeerRefused(
                f"{speaker.name} answered instead of {self._peer}",
                hint="the address belongs to somebody else now, or the peer has a new key",
            )
        aad = prefix(FINISH, choice.session)
        self._last = aad + pack(Finish(prove(INITIATOR, self._party, keys, transcript, aad)))
        agreed = Agreed(
            suite=suite,
            ordering=self._ordering,
            peer=speaker.name,
            key=speaker.key,
            credential=speaker.credential,
            psk_id=choice.psk_id,
            binding=transcript.digest(),
            local_id=self.local_id,
            peer_id=choice.session,
        )
        sending, receiving = keys.traffic(INITIATOR, transcript), keys.traffic(RESPONDER, transcript)
        self.session, self._step = Session(agreed, self._policy, sending, receiving, now_ns=now_ns), _PROVING
        self._drop_ephemeral()
        self._pause_ns = RETRY_FIRST_NS
        self._due_ns = now_ns + self._pause_ns
        return Progress((self._last,))

    def _check_offered(self, choice: Choice, suite: Suite) -> None:
        """What is chosen must have been offered; whoever sent something else is not who we mean."""
        if choice.version not in VERSIONS:
            raise HandshakeTampered(f"version {choice.version} was not offered")
        if suite not in self._policy.allowed_suites:
            raise HandshakeTampered("the suite was not offered")
        if choice.psk_id is not None and choice.psk_id not in self._psks:
            raise HandshakeTampered("the pre-shared key was not offered")
        if choice.psk_id is None and self._policy.psk is PskMode.REQUIRED:
            raise HandshakeTampered("the pre-shared key that we require was left out")

    def _confirmed(self, frame: bytes, now_ns: int) -> Progress:
        """Any authentic frame says that the responder has taken our proof."""
        session = self.session
        assert session is not None
        effects = session.receive(frame, now_ns)
        if effects.refused:
            raise HandshakeTampered(f"the first frame is {effects.refused}")
        if effects.ended is not None:
            raise PeerRefused("the other side does not accept our credential, or closed at once")
        self._drop()
        return Progress(effects.frames, session, effects.payloads)

    def _drop_ephemeral(self) -> None:
        self._kems, self._psks, self._binders = {}, {}, ()

    def _drop(self) -> None:
        self._drop_ephemeral()
        self.session, self._step = None, _OVER
