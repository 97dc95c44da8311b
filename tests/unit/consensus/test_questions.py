"""What can be asked, of whom, and what is refused with which error."""

import pytest

from phalanx.consensus import (
    Epoch,
    EpochRefused,
    Instance,
    Participant,
    Question,
    ThresholdTooLow,
    TooFewParticipants,
    UnknownOption,
    quorum_of,
)
from phalanx.core import InvalidInput
from phalanx.testing.consensus import ideal_epoch

QUESTION = Question(("isolate", "leave"), bytes(32))


def epoch_of(n, **changed):
    participants = tuple(Participant(f"a{place}", "", b"root %d" % place) for place in range(n))
    return Epoch(number=1, votes="ideal", participants=participants, **changed)


@pytest.mark.requirement("CON-1")
@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_are_refused(n):
    with pytest.raises(TooFewParticipants) as refused:
        Instance(epoch_of(n), QUESTION)
    assert refused.value.field == "participants"
    assert "tolerate" in refused.value.hint


@pytest.mark.requirement("CON-1")
@pytest.mark.parametrize(("n", "tolerated"), [(3, 0), (4, 1), (5, 1), (6, 1), (7, 2), (31, 10), (100, 33), (847, 282)])
def test_a_third_is_tolerated_and_with_three_nobody(n, tolerated):
    instance = Instance(epoch_of(n), QUESTION)
    assert instance.tolerated == tolerated
    assert 3 * instance.quorum > 2 * n
    # Any two quorums have more in common than traitors there may be.
    assert 2 * instance.quorum - n > tolerated


@pytest.mark.parametrize("threshold", [(1, 2), (66, 100), (0, 1), (3, 2), (1, 0)])
def test_a_threshold_below_two_thirds_or_above_one_is_refused(threshold):
    with pytest.raises(ThresholdTooLow):
        Instance(epoch_of(4), Question(("a", "b"), bytes(32), threshold=threshold))


def test_a_higher_threshold_asks_for_more_voices():
    assert quorum_of(100, (2, 3)) == 67
    assert quorum_of(100, (67, 100)) == 67
    assert quorum_of(847, (67, 100)) == 568
    assert quorum_of(100, (1, 1)) == 100


def test_an_unknown_option_is_named():
    with pytest.raises(UnknownOption, match="none of isolate, leave"):
        QUESTION.place("destroy")
    assert QUESTION.place("leave") == 1


@pytest.mark.parametrize(
    "question",
    [
        Question(("only",), bytes(32)),
        Question(("same", "same"), bytes(32)),
        Question(("", "b"), bytes(32)),
        Question(tuple(map(str, range(17))), bytes(32)),
        Question(("a", "b"), b"short"),
    ],
)
def test_questions_that_cannot_be_asked(question):
    with pytest.raises(InvalidInput):
        Instance(epoch_of(4), question)


def test_an_epoch_gives_nobody_two_voices():
    twice = Participant("a", "", b"root")
    for one in (Participant("b", "", b"root"), Participant("a", "", b"other")):
        with pytest.raises(EpochRefused):
            Epoch(number=1, votes="ideal", participants=(twice, one, Participant("c", "", b"c"))).check()


def test_an_epoch_travels_as_bytes_and_its_digest_is_of_all_of_it():
    epoch = epoch_of(5)
    assert Epoch.from_bytes(epoch.to_bytes()).id == epoch.id
    assert epoch_of(5, fixed_by="other").id != epoch.id
    with pytest.raises(EpochRefused):
        Epoch.from_bytes(b"junk")


def test_the_same_question_is_the_same_slot_and_any_other_is_not():
    slot = Instance(epoch_of(4), QUESTION).slot
    assert Instance(epoch_of(4), Question(("isolate", "leave"), bytes(32))).slot == slot
    others = [
        Instance(epoch_of(5), QUESTION),
        Instance(epoch_of(4), Question(("leave", "isolate"), bytes(32))),
        Instance(epoch_of(4), Question(("isolate", "leave"), bytes(31) + b"\1")),
        Instance(epoch_of(4), Question(("isolate", "leave"), bytes(32), threshold=(3, 4))),
    ]
    assert len({slot, *(one.slot for one in others)}) == 5


def test_every_participant_leads_in_turn():
    instance = Instance(epoch_of(4), QUESTION)
    assert {instance.leader(view) for view in range(1, 5)} == {0, 1, 2, 3}


def test_weights_count_in_place_of_heads():
    epoch, _, _ = ideal_epoch(4, weights=[5, 1, 1, 1])
    instance = Instance(epoch, QUESTION)
    assert (instance.total, instance.quorum, instance.tolerated) == (8, 6, 2)


def test_statements_of_one_instance_are_all_different():
    instance = Instance(epoch_of(4), QUESTION)
    statements = {
        instance.vote_statement(view, phase, option) for view in (1, 2) for phase in (1, 2) for option in (0, 1)
    }
    statements |= {instance.timeout_statement(1, 0, 0, 3), instance.timeout_statement(1, 0, 0, 1)}
    statements |= {instance.proposal_statement(1, 0, bytes(32)), instance.proposal_statement(1, 0, b"1" * 32)}
    assert len(statements) == 12
