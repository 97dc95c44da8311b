"""Two parties that know each other, and handshakes between them, one message at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from phalanx.core import Rng
from phalanx.crypto import AES_256_GCM, ED25519, X25519, InvalidKey, SigningKey, VerifyingKey
from phalanx.crypto.channel import (
    ChannelPolicy,
    FindPsk,
    Initiator,
    Ordering,
    Party,
    Psk,
    Responder,
    Session,
    Suite,
)
from phalanx.testing._sources import SimEntropy

# Cheap algorithms where it is not they that are tried.
_CHEAP = ChannelPolicy(suites=(Suite(X25519, AES_256_GCM),), signatures=(ED25519,))


@dataclass
class People:
    """Keys by name, and who is trusted by whom: everybody whose key is here and not revoked."""

    algorithm: str
    revoked: set[str] = field(default_factory=set)
    keys: dict[str, SigningKey] = field(default_factory=dict)

    def key(self, name: str) -> SigningKey:
        return self.keys.setdefault(name, SigningKey.generate(self.algorithm))

    def fingerprint(self, name: str) -> str:
        return self.key(name).public.fingerprint

    def verify_peer(self, credential: bytes) -> VerifyingKey:
        key = VerifyingKey.from_bytes(credential)
        names = [name for name, one in self.keys.items() if one.public == key]
        if not names or names[0] in self.revoked:
            raise InvalidKey("credential", "nobody we know, or no longer")
        return key

    def party(self, name: str) -> Party:
        key = self.key(name)
        return Party(key, key.public.to_bytes(), self.verify_peer)


@dataclass
class Handshake:
    """Both sides of one handshake. Each message is kept, so that a test can send another instead."""

    initiator: Initiator
    responder: Responder
    hello: bytes
    reply: bytes
    finish: bytes
    confirm: bytes
    ours: Session
    theirs: Session


class ChannelLab:
    """Makes parties and handshakes, ada's with bob. The randomness is numbered, so that no two are alike."""

    def __init__(self, algorithm: str = ED25519, policy: ChannelPolicy = _CHEAP) -> None:
        self.people = People(algorithm)
        self.policy = policy
        self._n = 0

    def entropy(self) -> SimEntropy:
        self._n += 1
        return SimEntropy(Rng(self._n))

    def initiator(
        self,
        name: str = "ada",
        *,
        to: str = "bob",
        policy: ChannelPolicy | None = None,
        ordering: Ordering = Ordering.STREAM,
        now_ns: int = 0,
        **more: Any,
    ) -> Initiator:
        """One that wants to reach ``to``, unless ``more`` names another ``peer``, or None."""
        more.setdefault("peer", self.people.fingerprint(to))
        return Initiator(
            self.people.party(name),
            policy or self.policy,
            ordering=ordering,
            entropy=self.entropy(),
            now_ns=now_ns,
            **more,
        )

    def responder(
        self,
        hello: bytes,
        name: str = "bob",
        *,
        policy: ChannelPolicy | None = None,
        ordering: Ordering = Ordering.STREAM,
        **more: Any,
    ) -> Responder:
        return Responder(
            self.people.party(name),
            policy or self.policy,
            ordering=ordering,
            entropy=self.entropy(),
            hello=hello,
            **more,
        )

    def shake(
        self,
        *,
        psks: Sequence[Psk] = (),
        find_psk: FindPsk | None = None,
        ordering: Ordering = Ordering.STREAM,
        policy: ChannelPolicy | None = None,
        responder_policy: ChannelPolicy | None = None,
    ) -> Handshake:
        """A whole handshake, with nothing lost and nobody between."""
        initiator = self.initiator(psks=psks, ordering=ordering, policy=policy)
        find: dict[str, Any] = {"find_psk": find_psk} if find_psk else {}
        hello = initiator.start()
        responder = self.responder(hello, ordering=ordering, policy=responder_policy or policy, **find)
        finish = initiator.receive(responder.reply, 0).messages[0]
        done = responder.finish(finish, 0)
        ours = initiator.receive(done.messages[0], 0).session
        assert ours is not None
        assert done.session is not None
        return Handshake(initiator, responder, hello, responder.reply, finish, done.messages[0], ours, done.session)

    def sessions(self, ordering: Ordering = Ordering.STREAM, **policy: Any) -> tuple[Session, Session]:
        """Both ends of a channel, under cheap algorithms and with bounds as ``policy`` says."""
        chosen = ChannelPolicy(suites=_CHEAP.suites, signatures=_CHEAP.signatures, **policy)
        done = self.shake(ordering=ordering, policy=chosen)
        return done.ours, done.theirs
