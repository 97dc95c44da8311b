"""What a participant does as leader: gathers votes for its proposal, justifies the next, says what it lacks.

It signs nothing and changes no view: ``Machine`` does, which asks it. What a leader may propose is for
``Checks.justified`` to say, on everybody else's side; here it is only chosen.
"""

from phalanx.consensus._checks import Checks
from phalanx.consensus._collecting import Caught, Collecting
from phalanx.consensus._limits import MAX_SIGNATURE_BYTES
from phalanx.consensus._messages import Certificate, Fetch, Justification, Nudge, Proposal, Timeout, Vote
from phalanx.consensus._question import COMMIT, PREPARE
from phalanx.consensus._rules import choose
from phalanx.consensus._state import Broadcast, Effect, Send


class Leading:
    """The leader's side of the participant at ``me``."""

    def __init__(self, checks: Checks, me: int) -> None:
        self._checks = checks
        self._instance = checks.instance
        self._me = me
        self._collecting = Collecting(checks)
        self._certificate: Certificate | None = None
        self._failed: set[int] = set()
        self.proposal: Proposal | None = None

    def enter(self, view: int) -> None:
        """Nothing is proposed in ``view`` yet."""
        self.proposal = self._certificate = None
        self._collecting.enter(view)

    def failed(self, option: int) -> None:
        """A view was left, or a certificate seen, with ``option``: another goes first when any may be proposed."""
        self._failed.add(option)

    def proposes(self, proposal: Proposal) -> None:
        self.proposal = proposal
        self._checks.remember(proposal)
        self._failed.add(proposal.option)

    def option(self, justification: Justification | None, own: list[int]) -> int | None:
        """What to propose; None when nothing can be."""
        if justification is None:
            return own[0] if own else None
        if justification.high is not None:
            return justification.high.option
        return choose(self._instance, self._checks.support(justification), own, self._failed)

    def vote(self, sender: int, shown: Vote) -> tuple[Certificate | None, Caught]:
        """A certificate once votes for the proposal suffice, and whoever votes twice."""
        proposal = self.proposal
        if (
            proposal is None
            or shown.view != proposal.view
            or shown.voter != sender
            or shown.phase not in (PREPARE, COMMIT)
            or not 0 <= shown.option < len(self._instance.question.options)
            or len(shown.signature) > MAX_SIGNATURE_BYTES
        ):
            return None, []
        made, caught = self._collecting.vote(shown, wanted=proposal.option)
        if made is not None and made.phase == PREPARE:
            self._certificate = made
        return made, caught

    def timeout(self, shown: Timeout, high: Certificate | None) -> tuple[bool, Caught]:
        """Whether its sender is to be asked for the certificate it speaks of, and whoever contradicts itself."""
        return self._collecting.timeout(shown, _view_of(high))

    def has_proposed_in(self, view: int) -> bool:
        return self.proposal is not None and self.proposal.view == view

    def waits_after(self, view: int) -> bool:
        """Whether this participant leads after ``view``, and timeouts of it have come."""
        return view >= 1 and self._instance.leader(view + 1) == self._me and self._collecting.waits(view)

    def justification(self, view: int, high: Certificate | None) -> Justification | None:
        """The reason to propose after ``view``; None while there is none."""
        return self._collecting.justification(view, high)

    def lacking(self, view: int, high: Certificate | None) -> list[Effect]:
        """What to say in the middle of ``view``, which this participant leads, to get what has not come."""
        slot = self._instance.slot
        shown = self._certificate or self.proposal
        if shown is not None:
            missing = self._collecting.missing(PREPARE if self._certificate is None else COMMIT)
            return [Send(place, shown) for place in missing if place != self._me]
        unproven = self._collecting.unproven(view - 1, _view_of(high))
        said: list[Effect] = [Send(place, Fetch(slot, of)) for place, of in unproven]
        timeouts = self._collecting.weak_quorum(view - 1)
        if timeouts:
            said.append(Broadcast(Nudge(slot, timeouts)))
        return said


def _view_of(high: Certificate | None) -> int:
    return high.view if high is not None else 0
