"""Whether a chain holds: the rules, as one pure function.

Of a chain ``c0 … cn`` (``c0`` the identity, ``cn`` its root), at time ``t``, for use ``u``:

 1. Depth: at most three links; what stands above ``ci`` is its issuer and nothing else.
 2. Kinds: organisations issue nodes and persons, nodes issue agents, an organisation issues
    itself, and nobody else issues anything.
 3. Names: a subject's name is its issuer's name and one segment more (``acme`` → ``acme/hq``).
 4. Uses: ``c0`` has the use ``u``; every ``ci`` above it has the use *issue*.
 5. Validity: ``t`` lies in the validity of every link.
 6. Epochs: no link is of an earlier epoch than its subject had at ``t``.
 7. Revocation: no link was revoked at ``t``. A compromised key is revoked for all time.
 8. Policy: no key and no signature of a forbidden algorithm.
 9. Root: ``cn`` is one of the anchors, by its key and under the name that this key is trusted
    for, or the chain brings the earlier roots that lead from an anchor to it, each signed by the
    key of the one before. So whoever is trusted as one organisation cannot speak as another.
10. Signatures: each ``ci`` is signed by the key of ``ci+1``, the root by its own.

What costs nothing is checked before what costs a signature, and the anchor before any signature
that an attacker could have made. ``t`` is now for a channel, and the time of a signature for what
was signed then: a signature made by a key that was good at ``t`` stays good after rotation and
expiry. When ``t`` was is for the ledger or a time stamp to say: a signer can lie about it.

After RFC 5280 §6.1, with kinds and names in place of its extensions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from phalanx.core import iso_from_ns
from phalanx.crypto import AlgorithmForbidden, CryptoPolicy, EncapsulationKey, InvalidSignature, VerifyingKey
from phalanx.crypto.identity._certificate import Certificate
from phalanx.crypto.identity._chain import Chain
from phalanx.crypto.identity._errors import (
    EpochPassed,
    ForbiddenInChain,
    KindNotAllowed,
    NameNotAllowed,
    NotSigned,
    OutsideValidity,
    Revoked,
    UntrustedRoot,
    UseNotAllowed,
    WrongIssuer,
)
from phalanx.crypto.identity._model import ISSUER, Subject, Use


class Standing(Protocol):
    """What is known of certificates besides what they say themselves."""

    def revoked(self, subject: Subject, serial: str, at_ns: int) -> str:
        """Why this certificate of ``subject`` was revoked as of ``at_ns``; empty when it was not.

        Both name it: whoever may revoke beneath one name must not reach a serial beneath another.
        """
        ...

    def epoch(self, subject: Subject, at_ns: int) -> int:
        """The lowest epoch that ``subject`` may still show at ``at_ns``; 0 when nothing is known."""
        ...


class NothingKnown:
    """The standing of whoever checks a chain with nothing but the chain."""

    def revoked(self, subject: Subject, serial: str, at_ns: int) -> str:  # noqa: ARG002 - the protocol's signature
        return ""

    def epoch(self, subject: Subject, at_ns: int) -> int:  # noqa: ARG002
        return 0


class Link(NamedTuple):
    """One certificate of a verified chain, as far as its standing can change."""

    subject: Subject
    serial: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Verified:
    """An identity whose chain held at ``at_ns``. ``until_ns`` is when the first of its links expires,
    ``links`` lead from the identity up, ``anchor`` is the fingerprint that it was believed for."""

    subject: Subject
    key: VerifyingKey
    kem_key: EncapsulationKey | None
    epoch: int
    serial: str
    fingerprint: str
    links: tuple[Link, ...]
    at_ns: int
    until_ns: int
    anchor: str = ""

    @classmethod
    def of(cls, chain: Chain, at_ns: int, anchor: str = "") -> "Verified":
        """What a chain that holds at ``at_ns`` proves. Whoever calls this says that it does."""
        leaf = chain.leaf
        return cls(
            subject=leaf.subject,
            key=leaf.key,
            kem_key=leaf.kem_key,
            epoch=leaf.epoch,
            serial=leaf.serial,
            fingerprint=leaf.key_fingerprint,
            links=tuple(Link(one.subject, one.serial, one.epoch) for one in chain.certificates),
            at_ns=at_ns,
            until_ns=min(one.not_after_ns for one in chain.certificates),
            anchor=anchor,
        )


def validate(
    chain: Chain,
    *,
    at_ns: int,
    use: Use,
    anchors: Mapping[str, Subject],
    standing: Standing,
    policy: CryptoPolicy,
) -> Verified:
    """The identity that ``chain`` proves; raises the ``BrokenChain`` that names the link that does not hold.

    ``anchors`` are organisations by the fingerprints of their root keys.
    """
    links = chain.certificates
    for place, link in enumerate(links):
        issuer = links[min(place + 1, len(links) - 1)]
        _check_place(place, link, issuer)
        _check_use(place, link, use)
        _check_time(place, link, at_ns, standing)
        _check_policy(place, link, policy)
    anchor = _check_anchor(chain, anchors, policy)
    for place, link in enumerate(links):
        issuer = links[min(place + 1, len(links) - 1)]
        try:
            link.require_signature_of(issuer.key)
        except InvalidSignature as error:
            raise NotSigned(place, str(link.subject), error.message) from error
    return Verified.of(chain, at_ns, anchor)


def _check_place(place: int, link: Certificate, issuer: Certificate) -> None:
    """Rules 1 to 3: the certificate above is the issuer, of the right kind, and its name leads here."""
    subject, name = link.subject, str(link.subject)
    above = issuer.subject
    if ISSUER[subject.kind] is not above.kind:
        raise KindNotAllowed(place, name, f"it takes a {ISSUER[subject.kind].value} to issue it, not {above}")
    if subject.issuer != above:
        raise NameNotAllowed(place, name, f"its name does not lie directly beneath {above.name!r}")
    if link.issuer != above or link.body.issuer_key != issuer.key_fingerprint:
        raise WrongIssuer(place, name, f"it was issued by {link.issuer}, key {link.body.issuer_key[:16]}…")


def _check_use(place: int, link: Certificate, use: Use) -> None:
    needed = use if place == 0 else Use.ISSUE
    if needed not in link.uses:
        raise UseNotAllowed(place, str(link.subject), f"it was not issued for the use {needed.value!r}")


def _check_time(place: int, link: Certificate, at_ns: int, standing: Standing) -> None:
    """Rules 5 to 7: what depends on the time in question."""
    name = str(link.subject)
    if at_ns < link.not_before_ns:
        raise OutsideValidity(place, name, f"it is not valid before {iso_from_ns(link.not_before_ns)}")
    if at_ns >= link.not_after_ns:
        raise OutsideValidity(
            place, name, f"it expired {iso_from_ns(link.not_after_ns)}", hint="ask its issuer for a new one"
        )
    if reason := standing.revoked(link.subject, link.serial, at_ns):
        raise Revoked(place, name, f"revoked: {reason}")
    lowest = standing.epoch(link.subject, at_ns)
    if link.epoch < lowest:
        raise EpochPassed(place, name, f"it is of epoch {link.epoch}, and {lowest} has begun")


def _check_policy(place: int, link: Certificate, policy: CryptoPolicy) -> None:
    for algorithm in (link.key.algorithm, link.body.signature_algorithm, link.body.kem_algorithm):
        try:
            if algorithm:
                policy.require(algorithm)
        except AlgorithmForbidden as error:
            raise ForbiddenInChain(place, str(link.subject), error.message) from error


def _check_anchor(chain: Chain, anchors: Mapping[str, Subject], policy: CryptoPolicy) -> str:
    """Rule 9: the anchor. The way from it is walked towards the past, and must meet one."""
    place, later = len(chain.certificates) - 1, chain.root
    if _is_anchor(place, later, anchors):
        return later.key_fingerprint
    for earlier in chain.succession:
        try:
            later.require_successor_of(earlier)
        except InvalidSignature as error:
            raise UntrustedRoot(
                place, str(later.subject), f"no earlier root vouches for it: {error.message}"
            ) from error
        _check_policy(place, earlier, policy)
        if _is_anchor(place, earlier, anchors):
            return earlier.key_fingerprint
        later = earlier
    raise UntrustedRoot(
        place,
        str(chain.root.subject),
        f"key {chain.root.key_fingerprint[:16]}… is not trusted here",
        hint="compare its fingerprint with one that you have from elsewhere, then trust it",
    )


def _is_anchor(place: int, root: Certificate, anchors: Mapping[str, Subject]) -> bool:
    """Whether it is trusted; raises ``UntrustedRoot`` for a trusted key under another name than its own."""
    known = anchors.get(root.key_fingerprint)
    if known is not None and known != root.subject:
        raise UntrustedRoot(
            place, str(root.subject), f"its key is trusted as {known}, and as nobody else", hint="somebody pretends"
        )
    return known is not None
