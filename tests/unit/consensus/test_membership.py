"""Who gets into an epoch, and that leaving somebody out wrongly is seen and does not work."""

import pytest

from phalanx.consensus import (
    Acceptance,
    Epoch,
    EpochRefused,
    Heard,
    Instance,
    LeftOut,
    Objection,
    Participant,
    Question,
    TooFewParticipants,
    UnjustFilter,
    Wrong,
    answer,
    draft,
    fix,
    review,
)
from phalanx.core import NS_PER_S
from phalanx.crypto import ML_DSA_44, SigningKey

NOW = 1_000 * NS_PER_S
KEYS = {f"a{place}": SigningKey.generate(ML_DSA_44) for place in range(7)}
ROSTER = [Participant(name, key.public.fingerprint, name.encode()) for name, key in KEYS.items()]
FRESH = {name: Heard(NOW - NS_PER_S) for name in KEYS}


def drafted(heard=FRESH, **changed):
    return draft(ROSTER, heard, number=1, votes="ideal", fixed_by="a0", now_ns=NOW, **changed)


def accepted(epoch, names):
    return [Acceptance(name, KEYS[name].sign(Acceptance.statement(epoch))) for name in names]


def answers(epoch, heard_by, **more):
    """What everybody says to ``epoch``, each by what it heard."""
    said = [
        answer(epoch, ROSTER, heard_by.get(name, FRESH), member=name, key=key, now_ns=NOW, **more)
        for name, key in KEYS.items()
    ]
    acceptances = [one for one in said if isinstance(one, Acceptance)]
    return acceptances, [one for several in said if isinstance(several, list) for one in several]


@pytest.mark.requirement("CON-2")
@pytest.mark.parametrize(
    ("heard", "reason"),
    [
        (Heard(NOW - 31 * NS_PER_S), "heartbeat too old"),
        (Heard(NOW, authentic=False), "not authentic"),
        (Heard(NOW, responsive=False), "unresponsive"),
    ],
)
def test_who_is_stale_unresponsive_or_not_authentic_is_left_out_with_the_reason(heard, reason):
    epoch = drafted(FRESH | {"a3": heard})
    assert epoch.left_out == (LeftOut("a3", reason, 1),)
    assert len(epoch.participants) == 6
    assert drafted(FRESH | {"a3": Heard(NOW - 30 * NS_PER_S)}).left_out == ()


@pytest.mark.requirement("CON-2")
def test_filtering_never_makes_a_quorum_of_fewer():
    silent = {name: Heard(0) for name in ("a0", "a1", "a2")}
    with pytest.raises(EpochRefused, match="two thirds"):
        drafted(FRESH | silent)
    with pytest.raises(TooFewParticipants):
        drafted({name: FRESH[name] for name in ("a0", "a1")})


@pytest.mark.requirement("CON-2")
def test_the_convicted_are_out_and_do_not_count():
    epoch = drafted(convicted={"a5", "a6"})
    assert {one.name for one in epoch.left_out} == {"a5", "a6"}
    assert epoch.total == 5
    assent = fix(epoch, ROSTER, _publics(), accepted(epoch, ["a0", "a1", "a2", "a3"]), convicted={"a5", "a6"})
    assert assent.weight == 4


@pytest.mark.requirement("CON-2")
def test_whoever_is_left_out_counts_on_and_the_quorum_stays():
    question = Question(("a", "b"), bytes(32))
    whole = Instance(drafted(), question)
    fewer = Instance(drafted(FRESH | {"a5": Heard(0), "a6": Heard(0)}), question)
    assert fewer.n == 5
    assert (fewer.total, fewer.quorum, fewer.tolerated) == (whole.total, whole.quorum, whole.tolerated) == (7, 5, 2)
    with pytest.raises(EpochRefused, match="two thirds"):
        Epoch(
            number=1, votes="ideal", participants=tuple(ROSTER[:4]),
            left_out=tuple(LeftOut(one.name, "stale", 1) for one in ROSTER[4:]),
        ).check()  # fmt: skip


@pytest.mark.requirement("CON-2")
def test_a_proposer_that_filters_out_an_honest_agent_is_seen_and_gets_no_epoch():
    skewed = drafted(FRESH | {"a3": Heard(0)})
    assert review(skewed, ROSTER, FRESH, now_ns=NOW) == [("a3", Wrong.LEFT_OUT)]
    # Those who heard it do not sign; the proposer and one more traitor are not enough.
    with pytest.raises(EpochRefused, match="accept"):
        fix(skewed, ROSTER, _publics(), accepted(skewed, ["a0", "a1"]))
    # An observer that did not hear it either has nothing to object to.
    deaf = FRESH | {"a3": Heard(0)}
    assert review(skewed, ROSTER, deaf, now_ns=NOW) == []
    # The two accept it, everybody else objects, and so many objections tell on the proposer.
    acceptances, objections = answers(skewed, {"a0": deaf, "a1": deaf})
    assert {one.member for one in acceptances} == {"a0", "a1"}
    with pytest.raises(UnjustFilter) as caught:
        fix(skewed, ROSTER, _publics(), acceptances, objections)
    assert caught.value.about == ("a3",)
    assert caught.value.objectors == ("a2", "a3", "a4", "a5", "a6")


@pytest.mark.requirement("CON-2")
def test_who_was_not_heard_by_the_others_objects_and_is_on_record():
    deaf = FRESH | {"a3": Heard(0)}
    acceptances, objections = answers(drafted(deaf), dict.fromkeys(KEYS, deaf))
    assent = fix(drafted(deaf), ROSTER, _publics(), acceptances, objections)
    assert assent.weight == 6
    assert [(one.member, one.about, one.wrong) for one in assent.objections] == [("a3", "a3", Wrong.LEFT_OUT)]


@pytest.mark.requirement("CON-2")
def test_traitors_alone_cannot_have_an_epoch_called_unjust():
    epoch = drafted()
    lies = [
        Objection(name, "a3", Wrong.TAKEN_IN, KEYS[name].sign(Objection.statement(epoch, "a3", Wrong.TAKEN_IN)))
        for name in ("a0", "a1")
    ]
    acceptances, _ = answers(epoch, {})
    # Whoever objects does not accept as well.
    assert fix(epoch, ROSTER, _publics(), acceptances, lies).weight == 5
    with pytest.raises(EpochRefused, match="not signed"):
        fix(epoch, ROSTER, _publics(), acceptances, [Objection("a2", "a3", Wrong.TAKEN_IN, lies[0].signature)])
    with pytest.raises(EpochRefused, match="not signed"):
        fix(epoch, ROSTER, _publics(), acceptances, [Objection("a0", "a4", Wrong.TAKEN_IN, lies[0].signature)])


@pytest.mark.requirement("CON-2")
def test_a_proposer_cannot_have_somebody_count_for_nothing_without_evidence():
    skewed = drafted(convicted={"a3"})
    assert skewed.total == 6
    assert review(skewed, ROSTER, FRESH, now_ns=NOW) == [("a3", Wrong.NOT_COUNTED), ("a3", Wrong.LEFT_OUT)]
    assert review(skewed, ROSTER, FRESH, now_ns=NOW, convicted={"a3"}) == []
    # Silent as well: then it may be left out, and still counts.
    silent = FRESH | {"a3": Heard(0)}
    assert review(skewed, ROSTER, silent, now_ns=NOW) == [("a3", Wrong.NOT_COUNTED)]


@pytest.mark.requirement("CON-2")
def test_a_roster_that_is_not_the_one_known_is_refused():
    epoch = drafted()
    with pytest.raises(EpochRefused, match="everybody"):
        review(epoch, ROSTER[:-1], FRESH, now_ns=NOW)
    other = Participant("a6", "", b"another root")
    with pytest.raises(EpochRefused, match="another root"):
        review(epoch, [*ROSTER[:-1], other], FRESH, now_ns=NOW)
    hidden = Epoch(number=1, votes="ideal", participants=epoch.participants[:6], at_ns=NOW)
    with pytest.raises(EpochRefused, match="everybody"):
        review(hidden, ROSTER, FRESH, now_ns=NOW)


def test_who_is_taken_in_though_not_authentic_is_objected_to():
    assert review(drafted(), ROSTER, FRESH | {"a2": Heard(NOW, authentic=False)}, now_ns=NOW) == [
        ("a2", Wrong.TAKEN_IN)
    ]


def test_acceptances_count_once_and_only_if_signed():
    epoch = drafted()
    assert fix(epoch, ROSTER, _publics(), accepted(epoch, ["a0", "a1", "a2", "a3", "a4"])).weight == 5
    with pytest.raises(EpochRefused):
        fix(epoch, ROSTER, _publics(), accepted(epoch, ["a0"] * 5))
    with pytest.raises(EpochRefused, match="not signed"):
        fix(epoch, ROSTER, _publics(), [Acceptance("a0", KEYS["a1"].sign(Acceptance.statement(epoch)))])
    with pytest.raises(EpochRefused, match="no member"):
        fix(epoch, ROSTER, _publics(), [Acceptance("stranger", b"")])


def _publics():
    return {name: key.public for name, key in KEYS.items()}
