"""A decision as a document that proves itself: the question, the epoch with its seal, the certificate.

Who checks it needs no node and no network. The votes are checked against the roots in the epoch, the
epoch against the seal of whoever fixed it, and that seal against its chain of certificates. What is left
to a person is to compare one fingerprint, that of the organisation's root, with one from elsewhere.
"""

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from phalanx.consensus._agreement import Agreement
from phalanx.consensus._checks import Checks
from phalanx.consensus._epoch import Epoch
from phalanx.consensus._errors import CertificateRefused, EpochRefused, WrongContext, WrongEpoch
from phalanx.consensus._limits import MAX_DOCUMENT_BYTES
from phalanx.consensus._messages import decode_certificate, encode_message
from phalanx.consensus._question import COMMIT, Instance, Question
from phalanx.consensus._signing import ML_DSA, WOTS, MlDsaVerifier, VoteVerifier
from phalanx.core import InvalidInput, WireError
from phalanx.crypto import CryptoError, CryptoPolicy
from phalanx.crypto.identity import Chain, Identity, NothingKnown, Use, Verified, require_signature, validate

FORM = "phalanx decision certificate 1"
_PURPOSE = "consensus epoch"


@dataclass(frozen=True, slots=True)
class EpochSeal:
    """The signature of who fixed an epoch, and the chain that says who that is."""

    chain: bytes
    signature: bytes

    @classmethod
    def of(cls, epoch: Epoch, identity: Identity) -> "EpochSeal":
        return cls(identity.chain.to_bytes(), identity.sign(epoch.id, purpose=_PURPOSE))

    def check(self, epoch: Epoch, *, anchors: Collection[str] | None = None) -> Verified:
        """Whose seal it is, if it holds at the epoch's time; raises ``EpochRefused``.

        Without ``anchors`` any organisation's root will do, and its fingerprint is for a person to compare.
        """
        try:
            chain = Chain.from_bytes(self.chain)
            # Whoever gives a fingerprint compares the name beside it, which the document shows.
            pinned = {chain.root.key_fingerprint} if anchors is None else anchors
            trusted = dict.fromkeys(pinned, chain.root.subject)
            verified = validate(
                chain, at_ns=epoch.at_ns, use=Use.SIGN, anchors=trusted, standing=NothingKnown(), policy=CryptoPolicy()
            )
            require_signature(verified, epoch.id, self.signature, purpose=_PURPOSE)
        except CryptoError as error:
            raise EpochRefused(f"its seal does not hold: {error.message}", hint=error.hint) from error
        if str(verified.subject) != epoch.fixed_by:
            raise EpochRefused(f"it says that {epoch.fixed_by} fixed it, and {verified.subject} sealed it")
        return verified


@dataclass(frozen=True, slots=True)
class Proven:
    """What a document proves: the decision, and by whose word its participants are who they are."""

    agreement: Agreement
    fixed_by: str
    root: str

    @property
    def in_words(self) -> str:
        found = self.agreement
        question = found.instance.question
        return (
            f"{found.option!r} of {', '.join(question.options)}"
            f"{f' about {question.about}' if question.about else ''}: votes of {len(found.voters)} of "
            f"{found.instance.n} participants, weight {found.weight} of {found.instance.total}, "
            f"{found.instance.quorum} needed"
        )


def verifier_of(kind: str, *, memo: bool = True) -> VoteVerifier:
    """What checks votes of this kind; raises ``CertificateRefused`` for one that proves nothing."""
    if kind == ML_DSA:
        return MlDsaVerifier(memo=memo)
    if kind == WOTS:
        from phalanx.consensus.votes import WotsVerifier

        return WotsVerifier() if memo else WotsVerifier(remember=0)
    raise CertificateRefused(f"votes of the kind {kind[:40]!r} prove nothing here")


def document_of(agreement: Agreement, seal: EpochSeal) -> dict[str, Any]:
    """The decision as a document, ready to be written as JSON."""
    instance = agreement.instance
    question = instance.question
    return {
        "form": FORM,
        "decision": agreement.option,
        "question": {
            "options": list(question.options),
            "about": question.about,
            "context": question.context.hex(),
            "threshold": list(question.threshold),
        },
        "view": agreement.certificate.view,
        "voters": list(agreement.voters),
        "epoch": _text(instance.epoch.to_bytes()),
        "seal": {"chain": _text(seal.chain), "signature": _text(seal.signature)},
        "certificate": _text(encode_message(agreement.certificate)),
    }


def verify_document(
    document: Mapping[str, Any] | bytes,
    *,
    context: bytes | None = None,
    epoch: bytes | None = None,
    anchors: Collection[str] | None = None,
) -> Proven:
    """What ``document`` proves; raises ``CertificateRefused`` and its kinds, and ``EpochRefused``.

    ``context`` and ``epoch`` are what the decision has to be about and of, where that is known.
    """
    found = _parsed(document)
    members = Epoch.from_bytes(_bytes(found.epoch))
    question = Question(
        tuple(found.question.options), _hex(found.question.context), found.question.about, found.question.threshold
    )
    if epoch is not None and members.id != epoch:
        raise WrongEpoch(f"it is of the epoch {members.id.hex()[:16]}…, fixed by {members.fixed_by}")
    if context is not None and question.context != context:
        raise WrongContext(f"it is about {question.context.hex()[:16]}…")
    try:
        instance = Instance(members, question)
        certificate = decode_certificate(_bytes(found.certificate))
    except (InvalidInput, WireError) as error:
        raise CertificateRefused(error.message) from error
    if certificate.phase != COMMIT:
        raise CertificateRefused("it is of the phase before the decision")
    Checks(instance, verifier_of(members.votes)).certificate(certificate)
    agreement = Agreement(instance, certificate)
    if found.decision != agreement.option or tuple(found.voters) != agreement.voters or found.view != certificate.view:
        raise CertificateRefused("what it says in words is not what its votes say")
    seal = EpochSeal(_bytes(found.seal.chain), _bytes(found.seal.signature))
    verified = seal.check(members, anchors=anchors)
    root = Chain.from_bytes(seal.chain).root.key_fingerprint
    return Proven(agreement=agreement, fixed_by=str(verified.subject), root=root)


class _Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    options: tuple[str, ...]
    about: str
    context: str
    threshold: tuple[int, int]


class _Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    chain: str
    signature: str


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    form: str
    decision: str
    question: _Question
    view: int
    voters: tuple[str, ...]
    epoch: str
    seal: _Seal
    certificate: str


def _parsed(document: Mapping[str, Any] | bytes) -> _Document:
    try:
        if isinstance(document, bytes):
            if len(document) > MAX_DOCUMENT_BYTES:
                raise CertificateRefused(f"it has {len(document)} bytes, more than {MAX_DOCUMENT_BYTES}")
            found = msgspec.json.decode(document, type=_Document)
        else:
            found = msgspec.convert(json.loads(json.dumps(document)), _Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError, ValueError) as error:
        raise CertificateRefused(
            f"it cannot be read: {error}", hint="export it with `phalanx consensus show`"
        ) from error
    if found.form != FORM:
        raise CertificateRefused(f"its form is {found.form[:60]!r}, not {FORM!r}")
    return found


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CertificateRefused(f"a part of it is not base64: {error}") from error


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise CertificateRefused("its context is not hexadecimal") from error
