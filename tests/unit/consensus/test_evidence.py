"""What convicts somebody, and that nothing else does."""

import pytest

from phalanx.consensus import (
    COMMIT,
    EQUIVOCATION,
    FALSE_CLAIM,
    IMPOSSIBLE_CLAIM,
    INVALID_JUSTIFICATION,
    PREPARE,
    Certificate,
    Checks,
    Evidence,
    EvidenceRefused,
    Instance,
    Justification,
    Proposal,
    Question,
    Timeout,
    Vote,
    contradiction,
    convict,
    forked,
    justification_digest,
)
from phalanx.testing.consensus import ideal_epoch

EPOCH, SIGNERS, VERIFIER = ideal_epoch(4)
INSTANCE = Instance(EPOCH, Question(("a", "b", "c"), bytes(32)))
CHECKS = Checks(INSTANCE, VERIFIER)


def vote(voter, view, phase, option):
    signature = SIGNERS[voter].sign(INSTANCE.vote_statement(view, phase, option))
    return Vote(INSTANCE.slot, voter, view, phase, option, signature)


def timeout(voter, view, high_view=0, high_option=0, accepts=7):
    signature = SIGNERS[voter].sign(INSTANCE.timeout_statement(view, high_view, high_option, accepts))
    return Timeout(INSTANCE.slot, voter, view, high_view, high_option, accepts, signature)


def proposal(view, option, reason=None):
    leader = INSTANCE.leader(view)
    signature = SIGNERS[leader].sign(INSTANCE.proposal_statement(view, option, justification_digest(reason)))
    return Proposal(INSTANCE.slot, leader, view, option, reason, signature)


def certificate(view, phase, option, voters=(0, 1, 2)):
    votes = [vote(voter, view, phase, option) for voter in voters]
    return Certificate(INSTANCE.slot, view, phase, option, voters, tuple(one.signature for one in votes))


def left(view, voters=(0, 1, 2), **claim):
    return tuple(timeout(voter, view, **claim) for voter in voters)


GUILTY = {
    "two votes": contradiction(vote(1, 2, PREPARE, 0), vote(1, 2, PREPARE, 1)),
    "two timeouts": contradiction(timeout(1, 2), timeout(1, 2, 1, 1)),
    "two proposals": contradiction(proposal(1, 0), proposal(1, 1)),
    "denial": Evidence(1, FALSE_CLAIM, (vote(1, 2, COMMIT, 0), timeout(1, 3, 1, 0))),
    "later than possible": Evidence(1, IMPOSSIBLE_CLAIM, (timeout(1, 2, 3, 0),)),
    "no reason": Evidence(INSTANCE.leader(2), INVALID_JUSTIFICATION, (proposal(2, 0),)),
    "too few left": Evidence(
        INSTANCE.leader(2), INVALID_JUSTIFICATION, (proposal(2, 0, Justification(left(1, (0, 1)), None)),)
    ),
    "not the certificate's option": Evidence(
        INSTANCE.leader(2),
        INVALID_JUSTIFICATION,
        (proposal(2, 1, Justification(left(1, high_view=1), certificate(1, PREPARE, 0))),),
    ),
}
INNOCENT = {
    "the same twice": contradiction(vote(1, 2, PREPARE, 0), vote(1, 2, PREPARE, 0)),
    "two phases": contradiction(vote(1, 2, PREPARE, 0), vote(1, 2, COMMIT, 1)),
    "two views": contradiction(vote(1, 2, PREPARE, 0), vote(1, 3, PREPARE, 1)),
    "vote and timeout": contradiction(vote(1, 2, PREPARE, 0), timeout(1, 2)),
    "an honest claim": Evidence(1, FALSE_CLAIM, (vote(1, 2, COMMIT, 0), timeout(1, 3, 2, 0))),
    "left before": Evidence(1, FALSE_CLAIM, (vote(1, 2, COMMIT, 0), timeout(1, 1, 0, 0))),
    "prepared only": Evidence(1, FALSE_CLAIM, (vote(1, 2, PREPARE, 0), timeout(1, 3, 0, 0))),
    "possible": Evidence(1, IMPOSSIBLE_CLAIM, (timeout(1, 2, 2, 0),)),
    "a good proposal": Evidence(
        INSTANCE.leader(2), INVALID_JUSTIFICATION, (proposal(2, 1, Justification(left(1), None)),)
    ),
    "somebody else's words": Evidence(2, EQUIVOCATION, GUILTY["two votes"].statements),
    "another kind": Evidence(1, "sorcery", GUILTY["two votes"].statements),
    "another instance": Evidence(1, EQUIVOCATION, tuple(Vote(bytes(32), 1, 2, 1, option, b"") for option in (0, 1))),
}


@pytest.mark.requirement("CON-4")
@pytest.mark.parametrize("name", GUILTY)
def test_what_no_honest_participant_signs_convicts(name):
    convict(CHECKS, GUILTY[name])
    convict(Checks(INSTANCE, VERIFIER), Evidence.from_bytes(GUILTY[name].to_bytes()))


@pytest.mark.parametrize("name", INNOCENT)
def test_what_an_honest_participant_may_sign_convicts_nobody(name):
    with pytest.raises(EvidenceRefused):
        convict(CHECKS, INNOCENT[name])


@pytest.mark.parametrize("name", ["two votes", "two timeouts", "two proposals", "denial", "later than possible"])
def test_unsigned_words_convict_nobody(name):
    guilty = GUILTY[name]
    for place, one in enumerate(guilty.statements):
        forged = type(one)(*[getattr(one, field) for field in one.__struct_fields__[:-1]], bytes(16))
        statements = (*guilty.statements[:place], forged, *guilty.statements[place + 1 :])
        with pytest.raises(EvidenceRefused):
            convict(CHECKS, Evidence(guilty.culprit, guilty.kind, statements))


def test_two_certificates_for_one_view_name_everybody_who_voted_twice():
    a, b = certificate(3, COMMIT, 0, (0, 1, 2)), certificate(3, COMMIT, 1, (1, 2, 3))
    caught = forked(a, b)
    assert [one.culprit for one in caught] == [1, 2]
    for one in caught:
        convict(CHECKS, one)
    assert not forked(a, certificate(4, COMMIT, 1))


def test_junk_is_refused():
    with pytest.raises(EvidenceRefused):
        Evidence.from_bytes(b"\x91junk")
