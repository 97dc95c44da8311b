"""What a leader gathers: votes of its view into certificates, timeouts of the view before into its reason.

Votes are kept unverified until they could make a quorum, and then verified together, so that a batch
costs what a batch costs. What does not hold is dropped and makes room for the same voter's next try.
A timeout that speaks of a certificate this leader does not have is of no use until it has it: whoever
spoke of it is asked, at most a few at a time, because any of them may have made it up.
"""

from phalanx.consensus._checks import Checks
from phalanx.consensus._evidence import IMPOSSIBLE_CLAIM, Evidence, contradiction
from phalanx.consensus._limits import FETCH_AT_ONCE, FETCH_LATER, MAX_SIGNATURE_BYTES, MAX_VIEWS
from phalanx.consensus._messages import Certificate, Justification, Timeout, Vote
from phalanx.consensus._question import COMMIT, PREPARE

Caught = list[Evidence]


class _Tally:
    """Votes of one phase."""

    __slots__ = ("made", "valid", "votes", "weight")

    def __init__(self) -> None:
        self.votes: dict[int, Vote] = {}
        self.valid: set[int] = set()
        self.weight = 0
        self.made = False


class Collecting:
    """The gathering of one machine, for the view it is in and the next ones it may lead."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._instance = checks.instance
        self._tallies = {PREPARE: _Tally(), COMMIT: _Tally()}
        self._timeouts: dict[int, dict[int, Timeout]] = {}
        self._valid: dict[int, set[int]] = {}
        self._asked: dict[tuple[int, int], int] = {}

    def enter(self, view: int) -> None:
        """Votes of another view are of no use any more, nor are timeouts of earlier ones."""
        if any(tally.votes for tally in self._tallies.values()):
            self._tallies = {PREPARE: _Tally(), COMMIT: _Tally()}
        for passed in [one for one in self._timeouts if one < view - 1]:
            del self._timeouts[passed]
            self._valid.pop(passed, None)

    def vote(self, shown: Vote, *, wanted: int) -> tuple[Certificate | None, Caught]:
        """A certificate for the option ``wanted`` once its votes suffice, and whoever votes twice.

        View, voter, phase and option have been checked for form.
        """
        tally = self._tallies[shown.phase]
        earlier = tally.votes.get(shown.voter)
        if earlier is not None:
            if earlier.option == shown.option or not all(self._checks.votes([earlier, shown])):
                return None, []
            return None, [contradiction(earlier, shown)]
        tally.votes[shown.voter] = shown
        if shown.option != wanted or tally.made:
            return None, []
        tally.weight += self._instance.weights[shown.voter]
        if tally.weight < self._instance.quorum:
            return None, []
        return self._certified(tally, wanted), []

    def _certified(self, tally: _Tally, wanted: int) -> Certificate | None:
        instance = self._instance
        unsure = [one for one in tally.votes.values() if one.option == wanted and one.voter not in tally.valid]
        for one, holds in zip(unsure, self._checks.votes(unsure), strict=True):
            if holds:
                tally.valid.add(one.voter)
            else:
                del tally.votes[one.voter]
                tally.weight -= instance.weights[one.voter]
        if tally.weight < instance.quorum:
            return None
        tally.made = True
        voters = tuple(sorted(tally.valid))
        first = tally.votes[voters[0]]
        signatures = tuple([tally.votes[voter].signature for voter in voters])
        made = Certificate(instance.slot, first.view, first.phase, wanted, voters, signatures)
        self._checks.remember(made)
        return made

    def missing(self, phase: int) -> list[int]:
        """Whose vote of ``phase`` has not come."""
        votes = self._tallies[phase].votes
        return [place for place in range(self._instance.n) if place not in votes]

    def timeout(self, shown: Timeout, high_view: int) -> tuple[bool, Caught]:
        """Whether its sender is to be asked for the certificate it speaks of, and whoever contradicts itself."""
        if not self._checks.sound(shown):
            return False, self._impossible(shown)
        left = self._timeouts.setdefault(shown.view, {})
        earlier = left.get(shown.voter)
        if earlier is not None:
            if _claim(earlier) == _claim(shown) or not all(self._checks.timeouts([earlier, shown])):
                return False, []
            return False, [contradiction(earlier, shown)]
        left[shown.voter] = shown
        if shown.high_view <= high_view:
            return False, []
        asked = self._asked.get((shown.view, shown.high_view), 0)
        self._asked[shown.view, shown.high_view] = asked + 1
        return asked < FETCH_AT_ONCE, []

    def _impossible(self, shown: Timeout) -> Caught:
        instance = self._instance
        if (
            shown.slot != instance.slot
            or not 0 <= shown.voter < instance.n
            or not 1 <= shown.view < shown.high_view <= MAX_VIEWS
            or not 0 <= shown.high_option < len(instance.question.options)
            or not 0 <= shown.accepts <= instance.all_options
            or len(shown.signature) > MAX_SIGNATURE_BYTES
            or not self._checks.timeouts([shown])[0]
        ):
            return []
        return [Evidence(culprit=shown.voter, kind=IMPOSSIBLE_CLAIM, statements=(shown,))]

    def justification(self, view: int, high: Certificate | None) -> Justification | None:
        """The reason to propose after ``view``, once a quorum has left it that knew no more than ``high``."""
        instance = self._instance
        left = self._timeouts.get(view)
        high_view = high.view if high is not None else 0
        if left is None or high_view > view:
            return None
        usable = self._usable(left, high_view)
        if self._weight(usable) < instance.quorum:
            return None
        self._verify(view, left, usable)
        usable = self._usable(left, high_view)
        if self._weight(usable) < instance.quorum:
            return None
        made = Justification(tuple(sorted(usable, key=lambda one: one.voter)), high)
        self._checks.remember(made)
        return made

    def waits(self, view: int) -> bool:
        return view in self._timeouts

    def weak_quorum(self, view: int) -> tuple[Timeout, ...]:
        """Verified timeouts of ``view`` that weigh more than all traitors; empty when there are not so many."""
        left = self._timeouts.get(view, {})
        if self._weight(list(left.values())) < self._instance.weak:
            return ()
        self._verify(view, left, list(left.values()))
        found: list[Timeout] = []
        for one in left.values():
            found.append(one)
            if self._weight(found) >= self._instance.weak:
                return tuple(sorted(found, key=lambda one: one.voter))
        return ()

    def unproven(self, view: int, high_view: int) -> list[tuple[int, int]]:
        """Whom else to ask for a certificate that they speak of, and for which view."""
        left = self._timeouts.get(view, {}).values()
        claims = [(one.voter, one.high_view) for one in left if one.high_view > high_view]
        return claims[FETCH_AT_ONCE : FETCH_AT_ONCE + FETCH_LATER]

    def _usable(self, left: dict[int, Timeout], high_view: int) -> list[Timeout]:
        return [one for one in left.values() if one.high_view <= high_view]

    def _verify(self, view: int, left: dict[int, Timeout], shown: list[Timeout]) -> None:
        valid = self._valid.setdefault(view, set())
        unsure = [one for one in shown if one.voter not in valid]
        for one, holds in zip(unsure, self._checks.timeouts(unsure), strict=True):
            if holds:
                valid.add(one.voter)
            else:
                del left[one.voter]

    def _weight(self, timeouts: list[Timeout]) -> int:
        weights = self._instance.weights
        return sum([weights[one.voter] for one in timeouts])


def _claim(one: Timeout) -> tuple[int, int, int]:
    return one.high_view, one.high_option, one.accepts
