"""What must hold of every run, judged from outside, see ``_retold``.

- *agreement*: no two honest participants decide differently;
- *validity*: a decision's certificate holds votes of more than two thirds, all signed, for an option of
  the question that honest participants accept so many of that traitors alone cannot have brought it about;
- *honesty*: no honest participant signs two different things of one sort in one view, whatever befell it,
  and none votes in a view that it has left;
- *justification*: no honest participant votes for a proposal that it may not vote for;
- *evidence*: whoever is convicted is a traitor;
- *liveness*: once the network has healed, two views with honest leaders are enough for everybody to decide,
  if there is an option that all honest participants accept;
- *work*: what honest participants send grows with their number, not with its square.
"""

import hashlib

from phalanx.consensus import (
    COMMIT,
    MAX_VIEWS,
    PREPARE,
    Accuse,
    Certificate,
    Decided,
    Effect,
    EvidenceRefused,
    Message,
    Proposal,
    Timeout,
    Vote,
    convict,
    justification_digest,
)
from phalanx.testing._checking import Checker
from phalanx.testing.consensus._field import Field
from phalanx.testing.consensus._plan import VIEW_NS
from phalanx.testing.consensus._retold import Retold

DIFFERENTLY = "honest participants decided differently"
# Messages of an honest run are 6 for each participant; every further view has its timeouts and what
# is said again, and whoever comes to its last view asks four others twelve times.
_MESSAGES_EACH_VIEW = 24
_MESSAGES_ASKING = 60


class Watch:
    """The checkers of one run."""

    def __init__(self, field: Field, checker: Checker) -> None:
        self._field = field
        self._checker = checker
        self._instance = field.instance
        self._signed: dict[tuple[int, int, int], tuple[object, ...]] = {}
        self._left: dict[int, int] = {}
        self._shown: dict[tuple[int, int, int], list[Proposal]] = {}
        self._retold = Retold(field.instance, field.verifier)
        self._sent = 0
        self.decisions: dict[int, Certificate] = {}

    def said(self, place: int, message: Message, copies: int) -> None:
        """An honest participant sent something: is it at odds with what it signed before?"""
        self._sent += copies
        phase: int
        said: tuple[object, ...]
        if isinstance(message, Vote):
            phase, said = message.phase, (message.option,)
            require_in_view = message.view > self._left.get(place, 0) or self._again(place, message.view, phase, said)
            self._checker.require(require_in_view, "an honest participant voted in a view that it had left", place)
            if phase == PREPARE and not self._was_justified(place, message):
                self._checker.violation("an honest participant voted for what was not justified", place, message.view)
        elif isinstance(message, Timeout):
            phase, said = -1, (message.high_view, message.high_option, message.accepts)
            self._left[place] = max(self._left.get(place, 0), message.view)
        elif isinstance(message, Proposal):
            phase, said = -2, (message.option, justification_digest(message.justification))
        else:
            return
        if message.view and _author(message) == place:
            before = self._signed.setdefault((place, message.view, phase), said)
            self._checker.require(before == said, "an honest participant contradicted itself", place, message.view)

    def heard(self, place: int, proposal: Proposal) -> None:
        """An honest participant is shown a proposal."""
        self._shown.setdefault((place, proposal.view, proposal.option), []).append(proposal)

    def did(self, place: int, effect: Effect) -> None:
        """An honest participant decided, gave up, or caught somebody."""
        if isinstance(effect, Decided):
            self._decided(place, effect.certificate)
        elif isinstance(effect, Accuse):
            evidence = effect.evidence
            self._checker.count("evidence")
            try:
                convict(self._field.checks, evidence)
            except EvidenceRefused:
                self._checker.violation("evidence that convicts nobody", evidence.kind)
            self._checker.require(
                evidence.culprit in self._field.plan.traitors, "an honest participant was framed", evidence.kind
            )

    def digest(self) -> str:
        """What honest participants signed and decided, and when it ended: equal for equal runs."""
        told = hashlib.sha256(repr((sorted(self._signed.items()), self._field.now_ns, self._field.events)).encode())
        for place, certificate in sorted(self.decisions.items()):
            told.update(repr((place, certificate.digest)).encode())
        return told.hexdigest()

    def end(self) -> None:
        """What the run as a whole must have come to."""
        field, plan, checker = self._field, self._field.plan, self._checker
        options = {one.option for one in self.decisions.values()}
        checker.require(len(options) <= 1, DIFFERENTLY, sorted(options))
        if plan.agreeable is None:
            checker.count("of no common mind")
        elif not plan.can_decide:
            checker.count("too few honest")
        else:
            checker.count("attempted")
            if not field.undecided:
                checker.count("decided")
            if not field.undecided and not checker.violations:
                checker.count("decided correctly")
        if field.undecided and self._must_decide():
            checker.violation("not everybody decided after the network healed", sorted(field.undecided)[:8])
        asked = sum(machine.gave_up for machine in field.machines.values())
        bound = plan.n * _MESSAGES_EACH_VIEW * self._views() + asked * _MESSAGES_ASKING
        checker.require(self._sent <= bound, "honest participants sent too much", self._sent, bound)

    def _decided(self, place: int, certificate: Certificate) -> None:
        checker, plan = self._checker, self._field.plan
        before = self.decisions.setdefault(place, certificate)
        checker.require(before.option == certificate.option, "a participant changed its decision", place)
        if not 0 <= certificate.option < plan.options:
            checker.violation("a decision for no option", certificate.option)
            return
        if not self._retold.certified(certificate, COMMIT):
            checker.violation("a decision whose certificate does not hold", place)
        backing = sum(plan.weights[one] for one in plan.honest if certificate.option in plan.opinions[one])
        bent = sum(plan.weights[one] for one in plan.traitors)
        checker.require(backing + bent >= plan.quorum, "a decision that traitors brought about", backing, bent)

    def _was_justified(self, place: int, vote: Vote) -> bool:
        """Whether it was shown a proposal that may be voted for, or made one itself."""
        if vote.view == 1 or place == self._instance.leader(vote.view):
            return True
        return any(map(self._retold.justified, self._shown.get((place, vote.view, vote.option), ())))

    def _again(self, place: int, view: int, phase: int, said: tuple[object, ...]) -> bool:
        """The same as before may be said again whenever it seems lost."""
        return self._signed.get((place, view, phase)) == said

    def _must_decide(self) -> bool:
        plan = self._field.plan
        if plan.agreeable is None or not plan.can_decide:
            return False
        good = [view for view in range(1, MAX_VIEWS + 1) if self._begins_ns(view) * 0.9 >= plan.heals_ns]
        led = [view for view in good if self._instance.leader(view) not in plan.traitors]
        return len(led) >= 2

    @staticmethod
    def _begins_ns(view: int) -> float:
        return 2 * VIEW_NS * (1.5 ** (view - 1) - 1)

    def _views(self) -> int:
        return max((machine.view for machine in self._field.machines.values()), default=1)


def _author(message: Vote | Timeout | Proposal) -> int:
    return message.leader if isinstance(message, Proposal) else message.voter
