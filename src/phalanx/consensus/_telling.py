"""How the decision gets to who missed it: whom to ask, whom to answer, and who denies what it voted for.

Everybody asks and answers within bounds, so that whoever asks without end costs others little.
"""

from phalanx.consensus._checks import Checks
from phalanx.consensus._evidence import FALSE_CLAIM, Evidence
from phalanx.consensus._limits import CATCH_UP_PEERS, CATCH_UP_ROUNDS, MAX_ANSWERS
from phalanx.consensus._messages import Certificate, Fetch, Timeout, Vote
from phalanx.consensus._question import COMMIT
from phalanx.consensus._state import Send


class Telling:
    """The asking and answering of the participant at ``me``."""

    def __init__(self, checks: Checks, me: int) -> None:
        self._checks = checks
        self._me = me
        self._rounds = 0
        self._answered: dict[int, int] = {}

    @property
    def may_ask(self) -> bool:
        return self._rounds < CATCH_UP_ROUNDS

    def ask(self) -> list[Send]:
        """Ask some others for the decision, others each time."""
        instance = self._checks.instance
        first = self._me + 1 + self._rounds * CATCH_UP_PEERS
        self._rounds += 1
        places = [(first + step) % instance.n for step in range(min(CATCH_UP_PEERS, instance.n - 1))]
        return [Send(place, Fetch(instance.slot, 0)) for place in places if place != self._me]

    def may_answer(self, sender: int) -> bool:
        """Whether ``sender`` has answers left; this one is then given."""
        given = self._answered.get(sender, 0)
        self._answered[sender] = given + 1
        return given < MAX_ANSWERS

    def denial(self, shown: Timeout, decision: Certificate) -> Evidence | None:
        """Evidence, if who says this voted to commit what was decided and now denies its certificate."""
        checks = self._checks
        if not checks.sound(shown) or not shown.high_view < decision.view <= shown.view:
            return None
        votes = dict(zip(decision.voters, decision.signatures, strict=True))
        if shown.voter not in votes or not checks.timeouts([shown])[0]:
            return None
        vote = Vote(shown.slot, shown.voter, decision.view, COMMIT, decision.option, votes[shown.voter])
        return Evidence(culprit=shown.voter, kind=FALSE_CLAIM, statements=(vote, shown))
