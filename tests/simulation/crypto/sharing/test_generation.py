"""Secrets without a dealer, with members that cheat in every way there is, on a seed.

The board shuffles and doubles what is said in a round. Cheats act on the messages of a member
that otherwise follows the protocol, as a cheat with its keys could. Checked from outside: what
honest members end with, and what can be recovered from it.
"""

import dataclasses

import msgspec
import pytest

from phalanx.core import InvalidInput, Rng, WireError
from phalanx.crypto import ED25519, X25519, X25519_ML_KEM_768, DecapsulationKey, InvalidSignature, SigningKey
from phalanx.crypto.sharing import (
    HASH,
    GenerationFailed,
    GroupScheme,
    InvalidShare,
    KeyShare,
    Member,
    NotEnoughShares,
    Participant,
    Plan,
    Round,
    ffdhe2048,
    safe_prime_group,
)
from phalanx.crypto.sharing._ballot import AnswerBody, DealBody, promise_of, share_from, share_to
from phalanx.crypto.sharing._plan import signed
from phalanx.crypto.sharing._sealed import open_sealed, seal_for
from phalanx.testing import SimEntropy

pytestmark = pytest.mark.requirement("CRY-2")

# 2^128 - 15449 is a safe prime: small enough for hundreds of runs, and the laws are the same.
PEDERSEN = GroupScheme(safe_prime_group("quick", 2**128 - 15449), blinded=True)
SIGNERS = {i: SigningKey(ED25519, bytes([i]) * 32) for i in range(1, 21)}
OPENERS = {i: DecapsulationKey(X25519, bytes([i]) * 32) for i in range(1, 21)}
MEMBERS = {i: Member(SIGNERS[i].public, OPENERS[i].public) for i in SIGNERS}


class Cheat:
    """A member that changes what it says. By default it changes nothing."""

    victims = ()

    def __init__(self, rng, plan, me):
        self.rng, self.plan, self.digest, self.me = rng, plan, plan.digest(), me
        others = [index for index in plan.receivers if index != me]
        self.victims = rng.sample(others, rng.integer(1, plan.max_faulty + 1)) if plan.max_faulty else []

    def says(self, at, messages):
        return messages

    def message(self, at, body):
        return signed(self.plan, self.digest, at, self.me, body, SIGNERS[self.me])

    def altered_deal(self, deal, change):
        """The dealing with another share sealed to each victim."""
        sealed = dict(deal.sealed)
        for victim in self.victims:
            context = self.digest + self.me.to_bytes(2) + victim.to_bytes(2)
            pair = msgspec.msgpack.decode(
                open_sealed(OPENERS[victim], sealed[victim], context), type=tuple[bytes, bytes]
            )
            share = share_from(self.plan, victim, pair)
            sealed[victim] = seal_for(OPENERS[victim].public, change(share), context)
        return msgspec.msgpack.encode(DealBody(deal.commitment, sealed))


class Silent(Cheat):
    """Says nothing from some round on."""

    def __init__(self, rng, plan, me):
        super().__init__(rng, plan, me)
        self.after = rng.integer(0, 5)

    def says(self, at, messages):
        return messages if at <= self.after else []


class WrongShare(Cheat):
    """Seals something else to its victims than it committed to; answers rightly, wrongly, not, or both ways."""

    def __init__(self, rng, plan, me):
        super().__init__(rng, plan, me)
        self.answers = rng.choice(("right", "wrong", "none", "both"))
        self.garbage = rng.chance(0.3)
        self.deal = None

    def says(self, at, messages):
        if at is Round.COMMIT:
            return []  # said below, once the dealing is known
        if at is Round.ANSWER and self.answers == "none":
            return []
        if at is Round.ANSWER and self.answers in ("wrong", "both"):
            wrong = [self.message(at, _wrong_answer(self.plan, message.body)) for message in messages]
            return wrong if self.answers == "wrong" else [*messages, *wrong]
        return messages

    def prepare(self, participant):
        deal = msgspec.msgpack.decode(participant._deal_body, type=DealBody)
        participant.own = dataclasses.replace(participant.own, body=self.altered_deal(deal, self.change))
        return [self.message(Round.COMMIT, promise_of(participant._deal_body))]

    def change(self, share):
        if self.garbage:
            return b"\xc1 nothing"
        return msgspec.msgpack.encode(share_to(self.plan, dataclasses.replace(share, value=share.value ^ 1)))


class Equivocator(Cheat):
    """Says two different things in one round."""

    def __init__(self, rng, plan, me):
        super().__init__(rng, plan, me)
        self.at = rng.choice((Round.COMMIT, Round.DEAL, Round.COMPLAIN, Round.ANSWER, Round.CONFIRM))

    def says(self, at, messages):
        return [*messages, self.message(at, msgspec.msgpack.encode([self.me]))] if at is self.at else messages


class BreaksPromise(Cheat):
    """Deals something else than it committed to, as one would who chooses after seeing the others'."""

    def says(self, at, messages):
        if at is not Round.DEAL:
            return messages
        return [self.message(at, message.body + b"\x00") for message in messages]


class FalseComplaint(Cheat):
    """Complains about everybody."""

    def says(self, at, messages):
        if at is not Round.COMPLAIN:
            return messages
        return [self.message(at, msgspec.msgpack.encode(sorted(self.plan.dealers)))]


class Babbler(Cheat):
    """Says what cannot be read, in every round."""

    def says(self, at, messages):
        return [self.message(at, self.rng.bytes(40))]


class Denier(Cheat):
    """Confirms something else than it saw."""

    def says(self, at, messages):
        return [self.message(at, bytes(32))] if at is Round.CONFIRM else messages


CHEATS = (Silent, WrongShare, Equivocator, BreaksPromise, FalseComplaint, Babbler, Denier)


def _wrong_answer(plan, body):
    shown = msgspec.msgpack.decode(body, type=AnswerBody).shown
    zero = plan.scheme.field.to_bytes(0)
    return msgspec.msgpack.encode(AnswerBody(dict.fromkeys(shown, (zero, zero))))


def participant(plan, index, rng, holding=None):
    passing_on = plan.previous is not None
    return Participant(
        plan,
        signer=SIGNERS[index],
        opener=OPENERS[index],
        entropy=SimEntropy(rng.child(f"member {index}")),
        dealer=index if index in plan.dealers and (not passing_on or holding is not None) else None,
        receiver=index if index in plan.receivers else None,
        holding=holding if passing_on and index in plan.dealers else None,
    )


def run(plan, rng, *, cheats=None, holding=None, board=None):
    """Every member through all rounds. Returns results, or the error it ended with, by member."""
    cheats, holding = cheats or {}, holding or {}
    members = {
        index: participant(plan, index, rng, holding.get(index)) for index in sorted({*plan.dealers, *plan.receivers})
    }
    said = []
    for index, member in members.items():
        words = member.start()
        if isinstance(cheats.get(index), WrongShare) and words:
            words = cheats[index].prepare(member)
        elif index in cheats:
            words = cheats[index].says(Round.COMMIT, words)
        said += words
    ended = {}
    for at in (Round.DEAL, Round.COMPLAIN, Round.ANSWER, Round.CONFIRM, Round.DONE):
        for index, member in members.items():
            heard = [*said, *rng.sample(said, rng.integer(0, len(said) + 1))]
            rng.shuffle(heard)
            for message in heard:
                for shown in board(index, message) if board else [message]:
                    member.receive(type(message).from_bytes(shown.to_bytes()))
        said = []
        for index, member in members.items():
            if index in ended:
                continue
            try:
                words = member.close_round()
            except GenerationFailed as failed:
                ended[index] = failed
                continue
            said += cheats[index].says(at, words) if index in cheats and at is not Round.DONE else words
    return {index: ended.get(index, member.result) for index, member in members.items()}


def plan_for(scheme, n, k, name="run"):
    members = {index: MEMBERS[index] for index in range(1, n + 1)}
    return Plan(name, scheme, k, members, members)


def honest_results(plan, results, cheats):
    """The results of honest members, which must all be there and tell the same."""
    honest = {index: results[index] for index in results if index not in cheats}
    for index, result in honest.items():
        assert not isinstance(result, GenerationFailed), (index, result)
    first = next(iter(honest.values()))
    for result in honest.values():
        assert result.transcript == first.transcript
        assert result.disqualified == first.disqualified
        assert result.public.weights == first.public.weights
        assert {d: c.to_bytes() for d, c in result.public.commitments.items()} == {
            d: c.to_bytes() for d, c in first.public.commitments.items()
        }
    assert not set(first.disqualified) - set(cheats), "no honest dealer is put out"
    return honest


@pytest.mark.parametrize("scheme", [PEDERSEN, HASH], ids=lambda scheme: scheme.name)
@pytest.mark.parametrize("seed", range(40))
def test_fewer_cheats_than_the_threshold_neither_stop_nor_split_a_run(scheme, seed):
    rng = Rng(seed)
    n = rng.integer(3, 8)
    k = rng.integer(2, (n + 1) // 2 + 1)
    plan = plan_for(scheme, n, k)
    bad = rng.sample(range(1, n + 1), rng.integer(1, k))
    cheats = {index: rng.choice(CHEATS)(rng.child(f"cheat {index}"), plan, index) for index in bad}
    honest = honest_results(plan, run(plan, rng, cheats=cheats), cheats)
    public = next(iter(honest.values())).public
    shares = [result.share for result in honest.values()]
    for share in shares:
        public.check(share)
    chosen = [rng.sample(shares, k) for _ in range(3)]
    keys = {public.recover(some) for some in chosen}
    assert len(keys) == 1
    with pytest.raises(NotEnoughShares):
        public.recover(shares[: k - 1])


DISQUALIFIED = [
    (Silent, {"after": 0}, "silent in round commit"),
    (Silent, {"after": 1}, "silent in round deal"),
    (WrongShare, {"answers": "none", "garbage": False}, "was not answered"),
    (WrongShare, {"answers": "wrong", "garbage": False}, "was not answered"),
    (WrongShare, {"answers": "none", "garbage": True}, "was not answered"),
    (WrongShare, {"answers": "both", "garbage": False}, "was not answered"),
    (Equivocator, {"at": Round.COMMIT}, "two things in round commit"),
    (Equivocator, {"at": Round.DEAL}, "two things in round deal"),
    (BreaksPromise, {}, "something else than it had committed to"),
    (Babbler, {}, "something else than it had committed to"),
]
KEPT = [
    (Silent, {"after": 2}),
    (WrongShare, {"answers": "right", "garbage": False}),
    (Equivocator, {"at": Round.COMPLAIN}),
    (FalseComplaint, {}),
    (Denier, {}),
]


def one_cheat(kind, options, seed=5, scheme=PEDERSEN):
    rng = Rng(seed)
    plan = plan_for(scheme, 5, 3)
    cheat = kind(rng.child("cheat"), plan, 2)
    cheat.victims = cheat.victims[:2]
    for name, value in options.items():
        setattr(cheat, name, value)
    return next(iter(honest_results(plan, run(plan, rng, cheats={2: cheat}), {2}).values()))


@pytest.mark.parametrize(("kind", "options", "reason"), DISQUALIFIED)
def test_a_dealer_that_cheats_is_put_out_with_the_reason(kind, options, reason):
    result = one_cheat(kind, options)
    assert list(result.disqualified) == [2]
    assert reason in result.disqualified[2]
    assert 2 not in result.public.commitments


@pytest.mark.parametrize(("kind", "options"), KEPT)
def test_what_may_be_the_others_fault_puts_nobody_out(kind, options):
    result = one_cheat(kind, options)
    assert not result.disqualified
    assert sorted(result.public.commitments) == [1, 2, 3, 4, 5]


def test_more_complaints_than_there_may_be_cheats_put_a_dealer_out_at_once():
    rng = Rng(3)
    plan = plan_for(PEDERSEN, 5, 2)
    cheat = WrongShare(rng, plan, 1)
    cheat.victims, cheat.answers, cheat.garbage = [2, 3], "right", False
    results = honest_results(plan, run(plan, rng, cheats={1: cheat}), {1})
    assert "more than may be at fault" in results[2].disqualified[1]


def test_more_cheats_than_the_threshold_allows_stop_the_run_and_are_named():
    rng = Rng(4)
    plan = plan_for(PEDERSEN, 5, 3)
    cheats = {index: BreaksPromise(rng, plan, index) for index in (1, 2, 4)}
    results = run(plan, rng, cheats=cheats)
    for index in (3, 5):
        assert isinstance(results[index], GenerationFailed)
        assert results[index].blamed == (1, 2, 4)


@pytest.mark.parametrize("seed", range(12))
def test_a_board_that_shows_different_things_never_makes_two_results(seed):
    """n = 3t + 1: whatever a cheat with a lying board shows to whom, honest members agree or fail."""
    rng = Rng(seed)
    plan = plan_for(PEDERSEN, 4, 2)
    digest = plan.digest()
    fooled = set(rng.sample([2, 3, 4], rng.integer(1, 4)))
    at = rng.choice((Round.COMMIT, Round.DEAL, Round.COMPLAIN))
    other = signed(plan, digest, at, 1, msgspec.msgpack.encode([3]), SIGNERS[1])

    def board(index, message):
        return [other] if index in fooled and message.sender == 1 and message.round == at else [message]

    results = run(plan, rng, board=board)
    ended = [result for index, result in results.items() if index != 1 and not isinstance(result, GenerationFailed)]
    assert len({(result.transcript, tuple(result.public.weights)) for result in ended}) <= 1


def passed_on(old_plan, results, k, indexes, rng, cheats=(), name="next", dealers=None):
    public = next(result.public for result in results.values() if not isinstance(result, GenerationFailed))
    dealers = dealers or sorted(old_plan.receivers)
    plan = Plan(
        name, old_plan.scheme, k, {i: MEMBERS[i] for i in dealers}, {i: MEMBERS[i] for i in indexes}, previous=public
    )
    built = {index: kind(rng.child(f"cheat {index}"), plan, index) for index, kind in dict(cheats).items()}
    holding = {index: results[index].share for index in dealers}
    return plan, run(plan, rng, cheats=built, holding=holding)


@pytest.mark.parametrize("seed", range(6))
def test_a_refresh_keeps_the_secret_and_makes_old_shares_useless(seed):
    rng = Rng(seed)
    plan = plan_for(PEDERSEN, 5, 3)
    first = run(plan, rng)
    old = first[1].public
    key, _ = old.recover([result.share for result in first.values()])
    cheats = {rng.integer(1, 6): rng.choice(CHEATS)}
    again, second = passed_on(plan, first, 3, range(1, 6), rng, cheats)
    honest = honest_results(again, second, cheats)
    new = next(iter(honest.values())).public
    shares = [result.share for result in honest.values()]
    assert new.epoch == 1
    assert new.recover(shares) == (key, ())

    for index in honest:
        with pytest.raises(InvalidShare, match="epoch 0"):
            new.check(first[index].share)
        with pytest.raises(InvalidShare, match="epoch 1"):
            old.check(second[index].share)
    # Relabelled, it is refuted by the new commitments; and the sums of old and new do not mix.
    index = next(iter(honest))
    forged = KeyShare(
        new.run, new.epoch, index, dict(zip(new.commitments, first[index].share.parts.values(), strict=False))
    )
    with pytest.raises(InvalidShare):
        new.check(forged)
    numbers = plan.scheme.field
    mixed = {i: old.total(first[i].share).value for i in list(honest)[:2]}
    mixed |= {i: new.total(second[i].share).value for i in list(honest)[2:3]}
    true = {i: new.total(second[i].share).value for i in list(honest)[:3]}
    assert numbers.interpolate(mixed)[:1] != numbers.interpolate(true)[:1]


@pytest.mark.parametrize(("k", "indexes"), [(2, (3, 4, 5)), (4, range(6, 14)), (1, (9,)), (3, range(1, 6))])
def test_a_secret_is_passed_on_to_another_committee_and_threshold(k, indexes):
    rng = Rng(k)
    plan = plan_for(PEDERSEN, 5, 3)
    first = run(plan, rng)
    key, _ = first[1].public.recover([result.share for result in first.values()])
    once, second = passed_on(plan, first, k, indexes, rng, {2: WrongShare} if k > 1 else {})
    holders = {index: second[index] for index in indexes if index != 2}
    public = holders[max(indexes)].public
    assert public.recover([result.share for result in holders.values()][:k]) == (key, ())
    with pytest.raises(NotEnoughShares):
        public.recover([result.share for result in holders.values()][: k - 1])
    # And on again, so that weights of weights are right too.
    _, third = passed_on(once, holders, 2, (14, 15, 16), rng, name="third", dealers=sorted(holders))
    last = third[14].public
    assert last.epoch == 2
    assert last.recover([third[i].share for i in (14, 16)]) == (key, ())


def test_a_holder_that_passes_on_something_else_is_put_out():
    rng = Rng(1)
    plan = plan_for(PEDERSEN, 5, 3)
    first = run(plan, rng)
    key, _ = first[1].public.recover([result.share for result in first.values()])
    honest = first[2].share
    part = min(honest.parts)
    lie = dataclasses.replace(honest.parts[part], value=honest.parts[part].value ^ 1)
    liar = dataclasses.replace(honest, parts=honest.parts | {part: lie})
    with pytest.raises(InvalidShare):
        passed_on(plan, first | {2: dataclasses.replace(first[2], share=liar)}, 2, (6, 7, 8), rng)

    class Unchecked(type(first[1].public)):
        def check(self, share):
            """What a liar's own code would do."""

    blind = Unchecked(**{f.name: getattr(first[1].public, f.name) for f in dataclasses.fields(first[1].public)})
    results = first | {2: dataclasses.replace(first[2], share=liar, public=blind)}
    results[1] = dataclasses.replace(results[1], public=blind)
    _, second = passed_on(plan, results, 2, (6, 7, 8), rng)
    assert list(second[6].disqualified) == [2]
    assert "something else than its share" in second[6].disqualified[2]
    assert second[6].public.recover([second[i].share for i in (6, 7, 8)])[0] == key


def test_whoever_lies_at_recovery_is_named():
    plan = plan_for(HASH, 5, 2)
    results = run(plan, Rng(9))
    public = results[1].public
    key, none = public.recover([result.share for result in results.values()])
    assert none == ()
    lying = []
    for index in (1, 2, 3):
        share = results[index].share
        parts = dict(share.parts)
        dealer = index
        parts[dealer] = dataclasses.replace(parts[dealer], value=(parts[dealer].value + 1) % HASH.field.modulus)
        lying.append(dataclasses.replace(share, parts=parts))
    assert public.recover([*lying, results[4].share, results[5].share]) == (key, (1, 2, 3))


def test_a_run_in_the_group_and_under_the_kem_that_are_meant():
    keys = {index: DecapsulationKey.generate(X25519_ML_KEM_768) for index in (1, 2, 3)}
    members = {index: Member(SIGNERS[index].public, key.public) for index, key in keys.items()}
    plan = Plan("real", GroupScheme(ffdhe2048(), blinded=True), 2, members, members)
    parties = [
        Participant(
            plan, signer=SIGNERS[index], opener=key, entropy=SimEntropy(Rng(index)), dealer=index, receiver=index
        )
        for index, key in keys.items()
    ]
    said = [message for party in parties for message in party.start()]
    while parties[0].round is not Round.DONE:
        for message in said:
            for party in parties:
                party.receive(message)
        said = [message for party in parties for message in party.close_round()]
    shares = [party.result.share for party in parties]
    public = parties[0].result.public
    assert public.recover(shares[:2]) == public.recover(shares[1:])
    assert public.recover(shares)[1] == ()


def test_two_runs_make_two_secrets():
    keys = set()
    for seed in (1, 2):
        results = run(plan_for(PEDERSEN, 3, 2), Rng(seed))
        keys.add(results[1].public.recover([result.share for result in results.values()])[0])
    assert len(keys) == 2


def test_messages_of_others_and_of_closed_rounds_are_refused():
    rng = Rng(1)
    plan = plan_for(HASH, 3, 2)
    here, elsewhere = participant(plan, 1, rng), participant(plan_for(HASH, 3, 2, "other"), 2, rng)
    with pytest.raises(WireError, match="of run 'other'"):
        here.receive(elsewhere.start()[0])
    other_terms = participant(plan_for(HASH, 4, 2), 2, rng)
    with pytest.raises(InvalidSignature):
        here.receive(other_terms.start()[0])
    message = participant(plan, 2, rng).start()[0]
    with pytest.raises(InvalidSignature):
        here.receive(msgspec.structs.replace(message, sender=3))
    for wrong in ({"sender": 9}, {"round": 7}, {"round": 6}):
        with pytest.raises(WireError):
            here.receive(msgspec.structs.replace(message, **wrong))
    here.receive(message)
    here.close_round()
    with pytest.raises(WireError, match="round commit is closed"):
        here.receive(message)
    for noise in (b"", b"\x93\x01\x02", b"\xff" * 40):
        with pytest.raises(WireError):
            type(message).from_bytes(noise)


def test_plans_that_could_not_end_well_are_refused():
    three = {index: MEMBERS[index] for index in (1, 2, 3)}
    with pytest.raises(InvalidInput, match="1 silent members") as caught:
        Plan("run", PEDERSEN, 3, three, three)
    assert caught.value.hint == "at most 2 of 3"
    with pytest.raises(InvalidInput, match="bend the secret"):
        Plan("run", dataclasses.replace(PEDERSEN, blinded=False), 2, three, three)
    with pytest.raises(InvalidInput, match="those who will hold it"):
        Plan("run", PEDERSEN, 2, {1: MEMBERS[1]}, three)
    made = run(plan_for(HASH, 3, 2), Rng(1))[1].public
    with pytest.raises(InvalidInput, match="only commitments in a group"):
        Plan("run", HASH, 2, three, three, previous=made)
    made = run(plan_for(PEDERSEN, 3, 2), Rng(1))[1].public
    with pytest.raises(InvalidInput, match="not enough holders"):
        Plan("run", PEDERSEN, 2, {1: MEMBERS[1]}, three, previous=made)
