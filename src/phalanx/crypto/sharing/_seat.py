"""One member's part in a run whose messages are files on a board: join, then step until it is through.

Everybody speaks in every round that is his, if only to say that he has nothing to say; so a round
can be closed as soon as all have spoken, without a clock. A silent member is passed over when
somebody says so (``close``): then all the others have to, with the same messages on the board.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from phalanx.core import EntropySource, WireError
from phalanx.crypto import InvalidSignature
from phalanx.crypto.sharing._committee import CommitteeKey, CommitteePlan, CommitteeSeat, CommitteeShare, seat_indexes
from phalanx.crypto.sharing._custody import Keyholder
from phalanx.crypto.sharing._participant import Generated, Participant
from phalanx.crypto.sharing._plan import OF_DEALERS, Message, Plan, Round


@dataclass(frozen=True, slots=True)
class Step:
    """Where a member is after a step: what to publish, whom it waits for, and the result once there is one.

    ``refused`` says of each message that was not taken in why.
    """

    seat: CommitteeSeat
    publish: tuple[Message, ...]
    waiting: tuple[str, ...]
    refused: tuple[str, ...] = ()
    key: CommitteeKey | None = None
    share: CommitteeShare | None = None
    disqualified: tuple[tuple[str, str], ...] = ()

    @property
    def round(self) -> Round:
        return Round(self.seat.round)


def take_seat(
    plan: CommitteePlan, holder: Keyholder, *, entropy: EntropySource, share: CommitteeShare | None = None
) -> Step:
    """Join a run; ``share`` is what is passed on. Raises ``InvalidShare`` when it is not of the secret of the plan."""
    dealer, receiver = seat_indexes(plan, holder)
    participant = Participant(
        plan.plan(), signer=holder.signer, opener=holder.opener, entropy=entropy, dealer=dealer, receiver=receiver,
        holding=share.share() if share and dealer is not None else None, speaks_always=True,
    )  # fmt: skip
    own = participant.own
    write = participant.plan.scheme.field.to_bytes
    said = participant.start()
    seat = CommitteeSeat(
        plan=plan, dealer=dealer, receiver=receiver, round=Round.COMMIT, body=own.body if own else b"",
        shares={i: (write(one.value), write(one.blind)) for i, one in own.shares.items()} if own else {},
        messages=tuple(one.to_bytes() for one in said),
    )  # fmt: skip
    return Step(seat, tuple(said), _missing(plan, participant.plan, Round.COMMIT, said))


def step(
    seat: CommitteeSeat, holder: Keyholder, board: Iterable[Message], *, entropy: EntropySource, close: bool = False
) -> Step:
    """Take in what is on the board, and close every round in which all have spoken; with ``close``, the present one.

    Raises ``GenerationFailed``, which names who is at fault by index.
    """
    plan = seat.plan
    participant = Participant(
        plan.plan(), signer=holder.signer, opener=holder.opener, entropy=entropy, dealer=seat.dealer,
        receiver=seat.receiver, own=seat.own(), resumed=True, speaks_always=True,
    )  # fmt: skip
    taken = {one.to_bytes(): one for one in seat.taken()}
    for one in taken.values():
        participant.receive(one)
    while participant.round < seat.round:
        participant.close_round()
    refused = _take_in(participant, plan, taken, board)
    said: list[Message] = []
    while participant.round < Round.DONE:
        if _missing(plan, participant.plan, participant.round, taken.values()) and not close:
            break
        close = False
        spoken = participant.close_round()
        for one in spoken:
            participant.receive(one)
            taken[one.to_bytes()] = one
        said += spoken
    over = participant.round > Round.ANSWER
    after = CommitteeSeat(
        plan=plan, dealer=seat.dealer, receiver=seat.receiver, round=participant.round,
        body=b"" if over else seat.body, shares={} if over else seat.shares, messages=tuple(taken),
    )  # fmt: skip
    waiting = _missing(plan, participant.plan, participant.round, taken.values())
    if participant.result is None:
        return Step(after, tuple(said), waiting, refused)
    return _ended(after, tuple(said), refused, participant.result, participant.plan)


def _ended(
    seat: CommitteeSeat, said: tuple[Message, ...], refused: tuple[str, ...], result: Generated, plan: Plan
) -> Step:
    public = result.public
    key = CommitteeKey(
        run=public.run, epoch=public.epoch, scheme=public.scheme.name, threshold=public.threshold,
        holders=seat.plan.receivers, plan=plan.digest(),
        commitments={dealer: one.to_bytes() for dealer, one in public.commitments.items()},
        weights={dealer: f"{weight:x}" for dealer, weight in public.weights.items()},
    )  # fmt: skip
    share = CommitteeShare.of(result.share, public.scheme) if result.share else None
    out = tuple((seat.plan.name_of(dealer, dealer=True), reason) for dealer, reason in result.disqualified.items())
    return Step(seat, said, (), refused, key, share, out)


def _take_in(
    participant: Participant, plan: CommitteePlan, taken: dict[bytes, Message], board: Iterable[Message]
) -> tuple[str, ...]:
    refused: list[str] = []
    for one in board:
        raw = one.to_bytes()
        if raw in taken:
            continue
        try:
            participant.receive(one)
        except (WireError, InvalidSignature) as error:
            who = plan.name_of(one.sender, dealer=one.round in OF_DEALERS)
            refused.append(f"a message in the name of {who}: {error.message}")
        else:
            taken[raw] = one
    return tuple(refused)


def _missing(plan: CommitteePlan, rules: Plan, at: Round, said: Iterable[Message]) -> tuple[str, ...]:
    """Who has not spoken in a round that is theirs."""
    if at is Round.DONE:
        return ()
    dealers = at in OF_DEALERS
    spoken = {one.sender for one in said if one.round == at}
    expected = rules.dealers if dealers else rules.receivers
    return tuple(plan.name_of(index, dealer=dealers) for index in sorted(expected) if index not in spoken)
