"""Making, refreshing and passing on a secret without a dealer that anybody must trust: one member's part.

A state machine without I/O: messages in (``receive``), messages out (``start``, ``close_round``),
after Gennaro, Jarecki, Krawczyk and Rabin (2007), and for passing on, Desmedt and Jajodia (1997)
and Wong, Wang and Wing (2002). Rounds, each closed by the caller (a deadline, or a mark on the board):

1. COMMIT    each dealer publishes a hash of its dealing;
2. DEAL      then the dealing: a commitment in public, a share for each receiver sealed;
3. COMPLAIN  each receiver names the dealers whose share for it does not hold;
4. ANSWER    a dealer that was named shows the shares in question to all;
5. CONFIRM   each receiver publishes a hash of all that was said; enough equal ones end the run.

Invariants:

- The secret is the sum of all dealings that count, and which count is settled while every
  dealing is still hidden: nobody can choose its own after seeing the others'. (COMMIT makes
  the promise before any dealing is seen; Pedersen's and the hash commitments hide it after.)
- Fewer members at fault than the threshold can neither learn the secret nor stop the run.
- Messages may come early, twice and in any order within a round; late ones are refused. What
  a run concludes depends on the set of messages alone, so the channel must show everybody the
  same set, as a board does (the ledger, or agreement among the members). If it does not, the
  hashes of CONFIRM differ and the run fails. With at most a third of the members at fault no
  two honest ones then end with different results; with more that rests on the board.
- After the run the dealer's polynomial is dropped. Old shares and new ones do not mix: k - 1
  of each tell nothing, which is what a refresh is for. Erasing the old ones is up to holders.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from phalanx.core import EntropySource, InvalidInput, WireError
from phalanx.crypto import DecapsulationKey, NotAuthentic, SigningKey
from phalanx.crypto.sharing._ballot import AnswerBody, Ballot, DealBody, promise_of, share_from, share_to
from phalanx.crypto.sharing._errors import GenerationFailed, InvalidShare
from phalanx.crypto.sharing._joint import Joint, KeyShare, terms_of
from phalanx.crypto.sharing._plan import Message, Plan, Round, signed, verify_message
from phalanx.crypto.sharing._sealed import open_sealed, seal_for
from phalanx.crypto.sharing._verifiable import Dealing, GroupScheme, VerifiableShare


@dataclass(frozen=True, slots=True)
class Generated:
    """The end of a run: the public side, this member's share if it is a receiver, and who was put out and why."""

    public: Joint
    share: KeyShare | None
    disqualified: Mapping[int, str]
    transcript: bytes


@dataclass(frozen=True, slots=True)
class OwnDealing:
    """What a dealer has dealt: the message of round DEAL, and the shares to answer complaints with. Secret."""

    body: bytes
    shares: Mapping[int, VerifiableShare]


class Participant:
    """One member of a run. Give it every message of the board, and close its rounds when the board does."""

    def __init__(
        self,
        plan: Plan,
        *,
        signer: SigningKey,
        opener: DecapsulationKey,
        entropy: EntropySource,
        dealer: int | None = None,
        receiver: int | None = None,
        holding: KeyShare | None = None,
        own: OwnDealing | None = None,
        resumed: bool = False,
        speaks_always: bool = False,
    ) -> None:
        """``dealer`` and ``receiver`` are this member's indexes; ``holding`` is the share that it passes on.

        ``resumed`` makes one again that was there before, with ``own`` as it was; then it is given
        the messages it had, and its rounds are closed as they were. ``speaks_always`` has it say in
        COMPLAIN and ANSWER also that it has nothing to say, for a board without deadlines.
        """
        assert dealer is not None or receiver is not None, "a member deals, receives, or both"
        passes_on = dealer is not None and plan.previous is not None and not resumed
        if (holding is not None) != passes_on:
            raise InvalidInput("share", "who passes a secret on needs its share of it, and nobody else does")
        self.plan = plan
        self._plan, self._digest = plan, plan.digest()
        self._ballot = Ballot(plan, self._digest)
        self._signer, self._opener = signer, opener
        self._dealer, self._receiver = dealer, receiver
        self._parts: dict[int, VerifiableShare] = {}
        self._speaks_always = speaks_always
        if dealer is not None and not resumed:
            dealing = self._deal(holding, entropy)
            own = OwnDealing(self._sealed(dealing), dealing.shares)
        self.own = own
        self.round = Round.COMMIT
        self.result: Generated | None = None

    def start(self) -> list[Message]:
        """The messages of round COMMIT."""
        return self._as_dealer(Round.COMMIT, promise_of(self._deal_body))

    def receive(self, message: Message) -> None:
        """Take a message of the board. Raises ``WireError`` or ``InvalidSignature``; then nothing has changed."""
        at = verify_message(self._plan, self._digest, message)
        if at < self.round:
            raise WireError("sharing message", f"round {at.name.lower()} is closed")
        self._ballot.add(at, message)

    def close_round(self) -> list[Message]:
        """End the round and return what to publish in the next. Raises ``GenerationFailed`` when there is no way on."""
        assert self.round < Round.DONE, "the run is over"
        ending, self.round = self.round, Round(self.round + 1)
        ballot = self._ballot
        if ending is Round.COMMIT:
            return self._as_dealer(Round.DEAL, self._deal_body)
        if ending is Round.DEAL:
            ballot.read_dealings()
            return self._complain()
        if ending is Round.COMPLAIN:
            ballot.judge_complaints()
            return self._answer()
        if ending is Round.ANSWER:
            ballot.judge_answers()
            self.own = None
            if len(ballot.qualified()) < self._plan.enough_dealers:
                reasons = "; ".join(f"{dealer}: {reason}" for dealer, reason in sorted(ballot.out.items()))
                raise GenerationFailed(f"too few dealings count ({reasons})", ballot.out)
            return self._as_receiver(Round.CONFIRM, ballot.transcript())
        self.result = self._conclude()
        return []

    @property
    def _deal_body(self) -> bytes:
        return b"" if self.own is None else self.own.body

    def _deal(self, holding: KeyShare | None, entropy: EntropySource) -> Dealing:
        plan = self._plan
        assert self._dealer is not None
        terms = terms_of(plan.threshold, sorted(plan.receivers), self._digest, self._dealer)
        if holding is None:
            return plan.scheme.deal(plan.scheme.field.draw(entropy), terms, entropy)
        assert plan.previous is not None
        assert isinstance(plan.scheme, GroupScheme)
        plan.previous.check(holding)
        mine = plan.previous.total(holding)
        return plan.scheme.deal(mine.value, terms, entropy, blind=mine.blind)

    def _sealed(self, dealing: Dealing) -> bytes:
        sealed = {}
        for index, share in dealing.shares.items():
            opened = msgspec.msgpack.encode(share_to(self._plan, share))
            sealed[index] = seal_for(self._plan.receivers[index].seal, opened, self._for(self._dealer, index))
        return msgspec.msgpack.encode(DealBody(dealing.commitment.to_bytes(), sealed))

    def _complain(self) -> list[Message]:
        """Open what was dealt to us; what does not open or does not hold is complained about."""
        receiver = self._receiver
        if receiver is None:
            return []
        for dealer, dealt in self._ballot.dealt.items():
            try:
                opened = open_sealed(self._opener, dealt.sealed[receiver], self._for(dealer, receiver))
                share = share_from(self._plan, receiver, msgspec.msgpack.decode(opened, type=tuple[bytes, bytes]))
                dealt.commitment.check(share)
            except (NotAuthentic, InvalidShare, msgspec.DecodeError):
                continue
            self._parts[dealer] = share
        accused = [dealer for dealer in self._ballot.dealt if dealer not in self._parts]
        if not accused and not self._speaks_always:
            return []
        return self._as_receiver(Round.COMPLAIN, msgspec.msgpack.encode(accused))

    def _answer(self) -> list[Message]:
        accusers = self._ballot.complaints().get(self._dealer, set()) if self._dealer is not None else set()
        if self.own is None or not (self._speaks_always or (accusers and self._dealer not in self._ballot.out)):
            return []
        shown = {index: share_to(self._plan, self.own.shares[index]) for index in accusers}
        return self._as_dealer(Round.ANSWER, msgspec.msgpack.encode(AnswerBody(shown)))

    def _conclude(self) -> Generated:
        plan, ballot = self._plan, self._ballot
        transcript = ballot.transcript()
        said = {index: ballot.body(Round.CONFIRM, index) for index in plan.receivers}
        agreeing = [index for index, told in said.items() if told == transcript]
        if len(agreeing) < plan.confirmations:
            apart = {index for index, told in said.items() if told is not None and told != transcript}
            why = f"{len(agreeing)} of {len(said)} confirmed what this member saw, {plan.confirmations} are needed"
            raise GenerationFailed(why, apart)
        numbers, qualified = plan.scheme.field, ballot.qualified()
        if plan.previous is None:
            weights = dict.fromkeys(qualified, 1)
        else:
            weights = numbers.weights(qualified[: plan.previous.threshold])
        commitments = {dealer: ballot.dealt[dealer].commitment for dealer in weights}
        public = Joint(
            plan.run, plan.epoch, plan.scheme, plan.threshold, tuple(sorted(plan.receivers)), commitments, weights
        )
        return Generated(public, self._share(weights), dict(sorted(ballot.out.items())), transcript)

    def _share(self, weights: Mapping[int, int]) -> KeyShare | None:
        receiver, plan = self._receiver, self._plan
        if receiver is None:
            return None
        shown = {dealer: share for (dealer, index), share in self._ballot.shown.items() if index == receiver}
        held = shown | self._parts
        missing = sorted(set(weights) - set(held))
        if missing:
            raise GenerationFailed("this member's complaint did not reach the others in its round", missing)
        return KeyShare(plan.run, plan.epoch, receiver, {dealer: held[dealer] for dealer in weights})

    def _for(self, dealer: int | None, receiver: int) -> bytes:
        assert dealer is not None
        return self._digest + dealer.to_bytes(2) + receiver.to_bytes(2)

    def _as_dealer(self, at: Round, body: bytes) -> list[Message]:
        return self._say(at, self._dealer, body)

    def _as_receiver(self, at: Round, body: bytes) -> list[Message]:
        return self._say(at, self._receiver, body)

    def _say(self, at: Round, sender: int | None, body: bytes) -> list[Message]:
        if sender is None:
            return []
        return [signed(self._plan, self._digest, at, sender, body, self._signer)]
