"""A small organisation: a root, a node, an agent and a person, made fast with plain Ed25519."""

from dataclasses import dataclass, field

import pytest

from phalanx.core import NS_PER_S
from phalanx.crypto import ED25519, CryptoPolicy, SigningKey
from phalanx.crypto.identity import (
    Chain,
    Identity,
    NothingKnown,
    Request,
    Subject,
    SubjectKind,
    Use,
    Verified,
    sign_certificate,
    validate,
)

NOW_NS = 1_800_000_000 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S
ALL_USES = {
    SubjectKind.ORGANISATION: (Use.ISSUE, Use.SIGN),
    SubjectKind.NODE: (Use.CHANNEL, Use.ISSUE, Use.SIGN),
    SubjectKind.AGENT: (Use.CHANNEL, Use.SIGN),
    SubjectKind.PERSON: (Use.CHANNEL, Use.SIGN),
}


@dataclass
class House:
    """Issues whatever a test asks for, rules or no rules."""

    algorithm: str = ED25519
    serials: int = 0
    policy: CryptoPolicy = field(default_factory=CryptoPolicy)

    def __post_init__(self) -> None:
        self.root = self.make("organisation:acme")
        self.node = self.make("node:acme/hq", self.root)
        self.agent = self.make("agent:acme/hq/a1", self.node)
        self.person = self.make("person:acme/kim", self.root)

    def make(self, name, above=None, *, key=None, earlier=None, succession=(), **changes) -> Identity:
        """An identity; ``changes`` overwrite what its certificate says."""
        self.serials += 1
        key = key or SigningKey.generate(self.algorithm)
        subject = Subject.parse(name)
        said = {
            "subject": subject, "key": key.public, "serial": f"{self.serials:032x}", "epoch": 1,
            "not_before_ns": NOW_NS - DAY_NS, "not_after_ns": NOW_NS + 30 * DAY_NS, "uses": ALL_USES[subject.kind],
        }  # fmt: skip
        request = Request(**(said | changes))
        certificate = sign_certificate(request, above.key if above else key, earlier=earlier)
        chain = above.chain.below(certificate) if above else Chain((certificate,), succession)
        return Identity(key, chain)

    def validate(self, chain, *, use=Use.SIGN, at_ns=NOW_NS, anchors=None, standing=None, policy=None) -> Verified:
        return validate(
            chain,
            at_ns=at_ns,
            use=use,
            anchors={self.root.fingerprint: self.root.subject} if anchors is None else anchors,
            standing=standing or NothingKnown(),
            policy=policy or self.policy,
        )


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def house_of():
    return House
