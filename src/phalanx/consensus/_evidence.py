"""Evidence: signed statements of one participant that no honest participant signs together.

Each kind rests on a rule that an honest machine keeps across crashes (see ``_machine``), and on
signatures that only the accused can make. So evidence convicts whoever signed, or whoever let the
key be used; an honest participant can never be framed, however many others lie:

- *equivocation*: in one view, two different proposals, two different votes of one phase, or two
  different timeouts. An honest participant signs one of each, and signs it once;
- *false claim*: a commit vote in view ``v`` and a timeout of view ``w ≥ v`` that claims to know no
  certificate of ``v`` or higher. An honest participant votes to commit only with the certificate of
  that view in hand, never forgets it, and never votes in a view that it has left;
- *impossible claim*: a signed timeout that speaks of a certificate of a later view than it leaves;
- *invalid justification*: a signed proposal that does not follow from what it shows. The signature
  covers the digest of what is shown, so nobody can exchange it afterwards.

Whether something is evidence depends on its bytes, the instance and nothing else.
"""

import msgspec

from phalanx.consensus._checks import Checks
from phalanx.consensus._errors import EvidenceRefused, InvalidVote, Unjustified
from phalanx.consensus._limits import MAX_MESSAGE_BYTES, MAX_SIGNATURE_BYTES, MAX_VIEWS
from phalanx.consensus._messages import Certificate, Proposal, Timeout, Vote, justification_digest
from phalanx.consensus._question import COMMIT, PHASES, PREPARE, Instance

EQUIVOCATION = "equivocation"
FALSE_CLAIM = "false claim"
IMPOSSIBLE_CLAIM = "impossible claim"
INVALID_JUSTIFICATION = "invalid justification"

Statement = Vote | Timeout | Proposal


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="form", tag="evidence"):
    """What ``culprit`` signed. Nothing is verified by being here; see ``convict``."""

    culprit: int
    kind: str
    statements: tuple[Statement, ...]

    def to_bytes(self) -> bytes:
        return _encoder.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Evidence":
        """Raises ``EvidenceRefused``."""
        if len(data) > MAX_MESSAGE_BYTES:
            raise EvidenceRefused(f"it has {len(data)} bytes, more than {MAX_MESSAGE_BYTES}")
        try:
            return _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise EvidenceRefused(f"it cannot be read: {error}") from error

    @property
    def summary(self) -> str:
        """In words, for the ledger and for people."""
        views = " and ".join(dict.fromkeys(f"{_phase(one)} in view {one.view}" for one in self.statements))
        return f"{self.kind}: {views}"


def convict(checks: Checks, evidence: Evidence) -> None:
    """Returns when the evidence holds against its culprit; raises ``EvidenceRefused`` when it does not."""
    for one in evidence.statements:
        _check_form(checks.instance, one)
        if _author(one) != evidence.culprit:
            raise EvidenceRefused("it holds something that another participant said")
    if not _CONTRADICTS.get(evidence.kind, _never)(checks, evidence.statements):
        raise EvidenceRefused("an honest participant may have said all of it")
    for one in evidence.statements:
        if not signed(checks, one):
            raise EvidenceRefused("a signature does not hold")


def signed(checks: Checks, one: Statement) -> bool:
    """Whether its author signed it. Its form has been checked."""
    if isinstance(one, Vote):
        return checks.votes([one])[0]
    if isinstance(one, Timeout):
        return checks.timeouts([one])[0]
    try:
        checks.proposal(one)
    except InvalidVote:
        return False
    return True


def contradiction(a: Statement, b: Statement) -> Evidence:
    """Two statements of one author as evidence of equivocation; whether it holds is for ``convict`` to say."""
    return Evidence(culprit=_author(a), kind=EQUIVOCATION, statements=(a, b))


def forked(a: Certificate, b: Certificate) -> list[Evidence]:
    """Who voted twice, out of two certificates of one view and phase for different options.

    With at most the tolerated traitors there are no two such certificates; should there be, more
    than those are in this list.
    """
    if (a.view, a.phase) != (b.view, b.phase) or a.option == b.option:
        return []
    signatures = dict(zip(b.voters, b.signatures, strict=True))
    return [
        contradiction(
            Vote(a.slot, voter, a.view, a.phase, a.option, signature),
            Vote(b.slot, voter, b.view, b.phase, b.option, signatures[voter]),
        )
        for voter, signature in zip(a.voters, a.signatures, strict=True)
        if voter in signatures
    ]


def _author(one: Statement) -> int:
    return one.leader if isinstance(one, Proposal) else one.voter


def _phase(one: Statement) -> str:
    if isinstance(one, Proposal):
        return "proposal"
    return "timeout" if isinstance(one, Timeout) else f"{PHASES[one.phase]} vote"


def _check_form(instance: Instance, one: Statement) -> None:
    """That it can be checked at all: whether it makes sense is another matter."""
    n_options = len(instance.question.options)
    if one.slot != instance.slot or not 0 <= _author(one) < instance.n or not 1 <= one.view <= MAX_VIEWS:
        raise EvidenceRefused("it is of another slot, participant or view than there are here")
    if len(one.signature) > MAX_SIGNATURE_BYTES:
        raise EvidenceRefused("a signature is too long")
    if isinstance(one, Timeout):
        if not (0 <= one.high_view <= 0xFFFF and 0 <= one.high_option <= 0xFFFF and 0 <= one.accepts <= 0xFFFFFFFF):
            raise EvidenceRefused("a timeout's numbers are out of range")
    elif not 0 <= one.option < n_options or (isinstance(one, Vote) and one.phase not in (PREPARE, COMMIT)):
        raise EvidenceRefused("its option or phase is none there can be")


def _equivocates(checks: Checks, said: tuple[Statement, ...]) -> bool:  # noqa: ARG001 - one signature for all
    if len(said) != 2 or type(said[0]) is not type(said[1]) or said[0].view != said[1].view:
        return False
    a, b = said
    if isinstance(a, Vote) and isinstance(b, Vote):
        return a.phase == b.phase and a.option != b.option
    if isinstance(a, Timeout) and isinstance(b, Timeout):
        return (a.high_view, a.high_option, a.accepts) != (b.high_view, b.high_option, b.accepts)
    assert isinstance(a, Proposal)
    assert isinstance(b, Proposal)
    return (a.option, justification_digest(a.justification)) != (b.option, justification_digest(b.justification))


def _denies(checks: Checks, said: tuple[Statement, ...]) -> bool:  # noqa: ARG001
    if len(said) != 2:
        return False
    vote, timeout = said
    return (
        isinstance(vote, Vote)
        and isinstance(timeout, Timeout)
        and vote.phase == COMMIT
        and timeout.view >= vote.view > timeout.high_view
    )


def _impossible(checks: Checks, said: tuple[Statement, ...]) -> bool:  # noqa: ARG001
    return len(said) == 1 and isinstance(said[0], Timeout) and said[0].high_view > said[0].view


def _unjustified(checks: Checks, said: tuple[Statement, ...]) -> bool:
    if len(said) != 1 or not isinstance(said[0], Proposal):
        return False
    if said[0].leader != checks.instance.leader(said[0].view):
        return True
    try:
        checks.justified(said[0])
    except Unjustified:
        return True
    return False


def _never(checks: Checks, said: tuple[Statement, ...]) -> bool:  # noqa: ARG001
    return False


_CONTRADICTS = {
    EQUIVOCATION: _equivocates,
    FALSE_CLAIM: _denies,
    IMPOSSIBLE_CLAIM: _impossible,
    INVALID_JUSTIFICATION: _unjustified,
}
_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(Evidence)
