"""Two parties that know each other, and handshakes between them, one message at a time."""

from dataclasses import dataclass, field

import pytest

from phalanx.core import Rng
from phalanx.crypto import AES_256_GCM, ED25519, X25519, InvalidKey, SigningKey, VerifyingKey
from phalanx.crypto.channel import ChannelPolicy, Initiator, Ordering, Party, Responder, Suite
from phalanx.testing import SimEntropy

# Cheap algorithms where it is not they that are tried.
CHEAP = ChannelPolicy(suites=(Suite(X25519, AES_256_GCM),), signatures=(ED25519,))


@dataclass
class People:
    """Keys by name, and who is trusted by whom: everybody whose key is here and not revoked."""

    algorithm: str
    revoked: set = field(default_factory=set)
    keys: dict = field(default_factory=dict)

    def key(self, name):
        return self.keys.setdefault(name, SigningKey.generate(self.algorithm))

    def fingerprint(self, name):
        return self.key(name).public.fingerprint

    def verify_peer(self, credential):
        key = VerifyingKey.from_bytes(credential)
        names = [name for name, one in self.keys.items() if one.public == key]
        if not names or names[0] in self.revoked:
            raise InvalidKey("credential", "nobody we know, or no longer")
        return key

    def party(self, name):
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
    ours: object
    theirs: object


class Lab:
    """Makes parties and handshakes; ``n`` numbers the randomness, so that no two are alike."""

    def __init__(self, algorithm=ED25519, policy=CHEAP):
        self.people = People(algorithm)
        self.policy = policy
        self.n = 0

    def entropy(self):
        self.n += 1
        return SimEntropy(Rng(self.n))

    def initiator(self, name="ada", *, to="bob", policy=None, ordering=Ordering.STREAM, now_ns=0, **more):
        more.setdefault("peer", self.people.fingerprint(to))
        return Initiator(
            self.people.party(name),
            policy or self.policy,
            ordering=ordering,
            entropy=self.entropy(),
            now_ns=now_ns,
            **more,
        )

    def responder(self, hello, name="bob", *, policy=None, ordering=Ordering.STREAM, **more):
        return Responder(
            self.people.party(name),
            policy or self.policy,
            ordering=ordering,
            entropy=self.entropy(),
            hello=hello,
            **more,
        )

    def shake(self, *, psks=(), find_psk=None, ordering=Ordering.STREAM, policy=None, responder_policy=None):
        initiator = self.initiator(psks=psks, ordering=ordering, policy=policy)
        find = {"find_psk": find_psk} if find_psk else {}
        hello = initiator.start()
        responder = self.responder(hello, ordering=ordering, policy=responder_policy or policy, **find)
        finish = initiator.receive(responder.reply, 0).messages[0]
        done = responder.finish(finish, 0)
        ours = initiator.receive(done.messages[0], 0).session
        return Handshake(initiator, responder, hello, responder.reply, finish, done.messages[0], ours, done.session)

    def sessions(self, ordering=Ordering.STREAM, **policy):
        chosen = ChannelPolicy(suites=CHEAP.suites, signatures=CHEAP.signatures, **policy)
        done = self.shake(ordering=ordering, policy=chosen)
        return done.ours, done.theirs


@pytest.fixture
def lab():
    return Lab()


@pytest.fixture(scope="session")
def make_lab():
    return Lab
