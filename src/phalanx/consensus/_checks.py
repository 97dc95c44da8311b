"""What participants verify of each other's messages, once per process.

A certificate or a justification that held is remembered as the very object it is; another object,
however alike, is verified anew (its votes may be known to the verifier by their bytes). Only what
held is remembered, and messages cannot be changed, so nothing that was not verified passes for it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

from phalanx.consensus._errors import CertificateRefused, InvalidVote, NoQuorum, Unjustified, WrongContext
from phalanx.consensus._limits import MAX_SIGNATURE_BYTES, MAX_VIEWS, MEMO_ENTRIES
from phalanx.consensus._messages import (
    Certificate,
    Justification,
    Proposal,
    Timeout,
    Vote,
    justification_digest,
)
from phalanx.consensus._question import COMMIT, PREPARE, Instance
from phalanx.consensus._rules import hopeful, support
from phalanx.consensus._signing import VoteVerifier


class Checks:
    """Verification in one instance, for every participant of one process."""

    def __init__(self, instance: Instance, verifier: VoteVerifier, *, memo: bool = True) -> None:
        self.instance = instance
        self._verifier = verifier
        self._roots = tuple(one.root for one in instance.epoch.participants)
        # By identity, with the object itself, so that its identity is not given to another.
        self._held: OrderedDict[int, object] | None = OrderedDict() if memo else None
        self._justified: OrderedDict[int, Proposal] = OrderedDict()
        self._support: OrderedDict[int, tuple[Justification, list[int]]] = OrderedDict()

    def votes(self, votes: Sequence[Vote]) -> list[bool]:
        """Whether each holds. All have been checked for form."""
        statement, roots = self.instance.vote_statement, self._roots
        return self._verifier.verify_many(
            [(roots[one.voter], statement(one.view, one.phase, one.option), one.signature) for one in votes]
        )

    def timeouts(self, timeouts: Sequence[Timeout]) -> list[bool]:
        """Whether each holds. All have been checked for form."""
        statement, roots = self.instance.timeout_statement, self._roots
        return self._verifier.verify_many(
            [
                (roots[one.voter], statement(one.view, one.high_view, one.high_option, one.accepts), one.signature)
                for one in timeouts
            ]
        )

    def certificate(self, shown: Certificate) -> None:
        """Raises ``CertificateRefused``."""
        if self._knows(shown):
            return
        instance = self.instance
        if shown.slot != instance.slot:
            raise WrongContext("it is of another slot")
        if not 1 <= shown.view <= MAX_VIEWS or shown.phase not in (PREPARE, COMMIT):
            raise CertificateRefused("its view or phase is none there can be")
        if not 0 <= shown.option < len(instance.question.options):
            raise CertificateRefused("its option is none of the question's")
        self._quorum(shown.voters, len(shown.signatures))
        statement = instance.vote_statement(shown.view, shown.phase, shown.option)
        roots = self._roots
        items = [
            (roots[voter], statement, signature)
            for voter, signature in zip(shown.voters, shown.signatures, strict=True)
        ]
        if not all(self._verifier.verify_many(items)):
            raise CertificateRefused("a signature does not hold")
        self.remember(shown)

    def proposal(self, shown: Proposal) -> None:
        """Its signature alone; raises ``InvalidVote``. View, leader and option have been checked for form."""
        if self._knows(shown):
            return
        statement = self.instance.proposal_statement(
            shown.view, shown.option, justification_digest(shown.justification)
        )
        if len(shown.signature) > MAX_SIGNATURE_BYTES:
            raise InvalidVote("it is too long")
        if not self._verifier.verify_many([(self._roots[shown.leader], statement, shown.signature)])[0]:
            raise InvalidVote
        self.remember(shown)

    def justified(self, shown: Proposal) -> None:
        """Whether the proposal follows from its justification; raises ``Unjustified``.

        In the first view every option may be proposed, and nothing is to be shown for it. Later, a
        quorum must have left the view before. If one of it knew a certificate, the proposal must be
        what the highest such certificate is for, or one higher; otherwise it must be hopeful.
        """
        justification = shown.justification
        if id(shown) in self._justified:
            return
        if shown.view == 1:
            if justification is not None:
                raise Unjustified("the first view has nothing to show")
            return
        if justification is None:
            raise Unjustified("it shows no timeouts")
        self.quorum_left(justification, shown.view - 1)
        claimed = max(one.high_view for one in justification.timeouts)
        high = justification.high
        if high is None:
            if claimed:
                raise Unjustified("it does not show the certificate that its timeouts speak of")
            if shown.option not in hopeful(self.instance, self.support(justification)):
                raise Unjustified("its option was given up: too few of those who left accept it")
            self._note_justified(shown)
            return
        if not claimed <= high.view < shown.view or high.phase != PREPARE:
            raise Unjustified("it shows another certificate than its timeouts speak of")
        try:
            self.certificate(high)
        except CertificateRefused as error:
            raise Unjustified(error.reason) from error
        if shown.option != high.option:
            raise Unjustified("its option is not that of the highest certificate")
        self._note_justified(shown)

    def support(self, justification: Justification) -> list[int]:
        """The weight behind each option among those who left, added up once."""
        known = self._support.get(id(justification))
        if known is None:
            known = (justification, support(self.instance, justification.timeouts))
            if self._held is not None:
                self._support[id(justification)] = known
                if len(self._support) > MEMO_ENTRIES:
                    self._support.popitem(last=False)
        return known[1]

    def _note_justified(self, shown: Proposal) -> None:
        if self._held is not None:
            self._justified[id(shown)] = shown
            if len(self._justified) > MEMO_ENTRIES:
                self._justified.popitem(last=False)

    def quorum_left(self, justification: Justification, view: int) -> None:
        """Whether a quorum left ``view``; raises ``Unjustified``."""
        if self._knows(justification) and justification.timeouts[0].view == view:
            return
        timeouts = justification.timeouts
        try:
            self._quorum(tuple(one.voter for one in timeouts), len(timeouts))
        except CertificateRefused as error:
            raise Unjustified(error.reason) from error
        self.left(timeouts, view)
        self.remember(justification)

    def left(self, timeouts: Sequence[Timeout], view: int) -> None:
        """Whether each of the timeouts is one of ``view`` and holds; raises ``Unjustified``."""
        if any(one.view != view or not self.sound(one) for one in timeouts):
            raise Unjustified("a timeout is of another view, or none there can be")
        if not all(self.timeouts(timeouts)):
            raise Unjustified("the signature of a timeout does not hold")

    def some_left(self, timeouts: Sequence[Timeout], view: int) -> None:
        """Whether so many left ``view`` that an honest one is among them; raises ``Unjustified``."""
        voters = {one.voter for one in timeouts if 0 <= one.voter < self.instance.n}
        if sum(self.instance.weights[voter] for voter in voters) < self.instance.weak:
            raise Unjustified("those who left may all be traitors")
        self.left(timeouts, view)

    def sound(self, shown: Timeout) -> bool:
        """Whether an honest participant could have said this, signature aside."""
        instance = self.instance
        return (
            shown.slot == instance.slot
            and 0 <= shown.voter < instance.n
            and 1 <= shown.view < MAX_VIEWS
            and 0 <= shown.high_view <= shown.view
            and 0 <= shown.high_option < len(instance.question.options)
            and 0 <= shown.accepts <= instance.all_options
            and len(shown.signature) <= MAX_SIGNATURE_BYTES
        )

    def remember(self, held: object) -> None:
        """Take ``held`` for verified; for who has just verified or made every part of it."""
        if self._held is not None:
            self._held[id(held)] = held
            if len(self._held) > MEMO_ENTRIES:
                self._held.popitem(last=False)

    def _knows(self, shown: object) -> bool:
        return self._held is not None and id(shown) in self._held

    def _quorum(self, voters: tuple[int, ...], n_signatures: int) -> None:
        """Whether ``voters`` are distinct participants, in order, and weigh enough; raises ``CertificateRefused``."""
        instance = self.instance
        if len(voters) != n_signatures or not voters:
            raise CertificateRefused("it has not one signature for each voter")
        if voters[0] < 0 or voters[-1] >= instance.n or any(a >= b for a, b in pairwise(voters)):
            raise CertificateRefused("its voters are not distinct participants in order")
        weights = instance.weights
        weight = sum([weights[voter] for voter in voters])
        if weight < instance.quorum:
            raise NoQuorum(f"its votes weigh {weight} of {instance.total}, and it takes {instance.quorum}")
