"""All traitors of a run as one mind: it hears whatever any of them hears, and signs as each of them.

It knows the protocol and no honest participant's key. Its strongest play is that of a leader: make up
two proposals for one view, show each to some, add every traitor's vote to both, show certificates to
whom it pleases or keep them for later, and pick from the timeouts it heard those that let it propose
what it wants. What each traitor does besides is up to its habits.
"""

from collections import defaultdict

from phalanx.consensus import (
    COMMIT,
    MAX_VIEWS,
    PREPARE,
    Broadcast,
    Certificate,
    Effect,
    Fetch,
    Justification,
    Machine,
    Message,
    Nudge,
    Proposal,
    Send,
    Timeout,
    Vote,
    justification_digest,
)
from phalanx.testing.consensus._field import Field
from phalanx.testing.consensus._forgeries import forgeries

Key = tuple[int, int, int]

_MAX_RESTARTS = 3
_NOISE, _NOISE_EACH = 300, 12


class Coven:
    """See the module."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._instance = field.instance
        self._rng = field.rng.child("coven")
        self._habits = {place: frozenset(habits) for place, habits in field.plan.habits}
        self._votes: defaultdict[Key, dict[int, bytes]] = defaultdict(dict)
        self._timeouts: defaultdict[int, dict[int, Timeout]] = defaultdict(dict)
        self._certificates: dict[Key, Certificate] = {}
        self._proposed: dict[int, dict[int, Proposal]] = defaultdict(dict)
        self._attacked: set[int] = set()
        # Who was shown which of two proposals, and is to see no trace of the other.
        self._sides: dict[tuple[int, int], list[int]] = {}
        self._kept: list[Certificate] = []
        # Places that follow the protocol for now, with one mind or with two.
        self._puppets: dict[int, list[Machine]] = {}
        self._restarts = dict.fromkeys(self._habits, _MAX_RESTARTS)
        # Noise takes the time of the run, and more of it finds nothing more.
        self._noise = _NOISE + _NOISE_EACH * field.plan.n

    def begin(self, now_ns: int) -> None:
        """The traitors are there from the start."""
        for place, habits in self._habits.items():
            if "silent" in habits:
                continue
            if habits & {"twin identities", "amnesia"}:
                minds = 2 if "twin identities" in habits else 1
                self._puppets[place] = [self._field.machine(place) for _ in range(minds)]
                for machine in self._puppets[place]:
                    self._act(place, machine.start(now_ns))
            if self._instance.leader(1) == place and place not in self._puppets:
                self._lead(place, 1)
            if "replaced mid-instance" in habits:
                self._say(place, forgeries(self._field, place, 1, "stranger"))

    def hear(self, place: int, sender: int, message: Message, now_ns: int) -> None:
        """``sender`` said ``message`` to the traitor at ``place``."""
        habits = self._habits[place]
        self._learn(message)
        if "silent" in habits:
            return
        for machine in self._puppets.get(place, ()):
            # Each twin lives on its own side of the others.
            if len(self._puppets[place]) == 1 or (sender % 2 == 0) == (machine is self._puppets[place][0]):
                self._act(place, machine.receive(sender, message, now_ns))
        if "amnesia" in habits and self._restarts[place] and self._rng.chance(0.1):
            self._restarts[place] -= 1
            self._puppets[place] = [self._field.machine(place)]
            self._act(place, self._puppets[place][0].start(now_ns))
        if "withheld certificate" in habits and self._certificates and self._rng.chance(0.2):
            shown = self._rng.choice(list(self._certificates.values()))
            self._noisily(place, self._rng.choice(self._field.plan.honest), shown)
        self._respond(place, sender, message)

    def _respond(self, place: int, sender: int, message: Message) -> None:
        if isinstance(message, Proposal):
            self._vote(place, message.view, PREPARE, message.option)
            self._disturb(place, message.view)
        elif isinstance(message, Certificate):
            if message.phase == PREPARE:
                self._vote(place, message.view, COMMIT, message.option)
                self._leave(place, message.view)
        elif isinstance(message, Vote):
            self._collect(place, message)
        elif isinstance(message, Timeout):
            self._gather(place, message.view)
        elif isinstance(message, Fetch):
            self._serve(place, sender)
        elif isinstance(message, Nudge) and message.timeouts:
            self._leave(place, message.timeouts[0].view)

    def _vote(self, place: int, view: int, phase: int, option: int) -> None:
        if place in self._puppets:
            return
        options = [option]
        if "equivocating voter" in self._habits[place]:
            options.append((option + 1) % self._field.plan.options)
            self._rng.shuffle(options)
        for one in options:
            self._send(place, self._instance.leader(view), self._signed(place, view, phase, one))

    def _leave(self, place: int, view: int) -> None:
        """Leave at once, with a claim that suits."""
        habits = self._habits[place]
        if not 1 <= view < MAX_VIEWS or place in self._puppets:
            return
        leader = self._instance.leader(view + 1)
        if "invented high certificate" in habits:
            invented = view + self._rng.integer(0, 2)
            self._send(place, leader, self._left(place, view, invented, self._rng.integer(0, self._field.plan.options)))
        if "stale high certificate" in habits:
            self._send(place, leader, self._left(place, view, 0, 0))

    def _disturb(self, place: int, view: int) -> None:
        habits = self._habits[place]
        for habit in ("forged messages", "oversized messages", "cache poisoning"):
            if habit in habits:
                self._say(place, forgeries(self._field, place, view, habit, self._certificates.values()))
        if "stale high certificate" in habits and view > 1:
            # It left the view before, and forgets what it knew.
            self._send(place, self._instance.leader(view + 1), self._left(place, view, 0, 0))

    def _serve(self, place: int, sender: int) -> None:
        if self._kept and "withheld certificate" in self._habits[place]:
            self._send(place, sender, self._rng.choice(self._kept))

    def _gather(self, place: int, view: int) -> None:
        """Timeouts came in: go on to the next view as soon as that can be shown."""
        if self._instance.leader(view + 1) != place or view + 1 in self._attacked or place in self._puppets:
            return
        heard = self._timeouts[view]
        weights = self._instance.weights
        if sum(weights[one] for one in {*heard, *self._habits}) >= self._instance.quorum:
            self._lead(place, view + 1)
            # What was kept back is shown to somebody now that the others have moved on.
            if self._kept and self._rng.chance(0.5):
                self._send(place, self._rng.choice(self._field.plan.honest), self._rng.choice(self._kept))

    def _lead(self, place: int, view: int) -> None:
        self._attacked.add(view)
        habits, rng, options = self._habits[place], self._rng, self._field.plan.options
        reason = self._reason(place, view)
        known = {option for (_, phase, option) in self._certificates if phase == PREPARE}
        first = rng.integer(0, options)
        if "doctored proposals" in habits and known:
            # Something else than what may be decided already.
            low = self._lowest()
            if low is not None and reason is not None and reason.high is low:
                first = low.option
            else:
                first = next((one for one in range(options) if one not in known), first)
        elif reason is not None and reason.high is not None:
            first = reason.high.option
        elif rng.chance(0.5) and self._field.plan.agreeable is not None:
            first = self._field.plan.agreeable
        if "equivocating leader" not in habits:
            self._propose(place, view, first, reason, self._some(0.9))
            return
        if rng.chance(0.2):
            self._propose(place, view, first, reason, self._some(1.0))
            self._propose(place, view, (first + 1) % options, reason, self._some(1.0))
            return
        second = (first + 1 + rng.integer(0, options - 1)) % options
        others = list(self._field.plan.honest)
        rng.shuffle(others)
        half = len(others) // 2
        for option, side in ((first, others[:half]), (second, others[half:])):
            self._sides[view, option] = side
            self._propose(place, view, option, reason, side)

    def _reason(self, place: int, view: int) -> Justification | None:
        """A justification for ``view``: a good one, the one with the lowest claims, or a doctored one."""
        if view == 1:
            return None
        left, quorum = view - 1, self._instance.quorum
        heard = dict(self._timeouts[left])
        for traitor in self._habits:
            heard[traitor] = self._left(traitor, left, 0, 0)
        order = sorted(heard.values(), key=lambda one: (one.high_view, one.voter))
        play = self._rng.integer(0, 8) if "doctored proposals" in self._habits[place] else -1
        if play == 0:
            quorum = self._instance.weak  # too few
        chosen = self._enough(order, quorum)
        if play == 1:
            chosen = [chosen[0]] * len(chosen)  # one of them many times
        elif play == 2:
            earlier = [one for at in range(left) for one in self._timeouts[at].values()]
            chosen = self._enough(earlier, quorum) or chosen  # of another view
        elif play == 3:
            untold = (0, 0, self._instance.all_options)
            chosen = [Timeout(one.slot, one.voter, left, *untold, one.signature) for one in chosen]  # tampered with
        high = self._highest(max((one.high_view for one in chosen), default=0))
        if play == 4:
            high = None  # as if nobody had claimed anything
        elif play == 5:
            high = self._lowest()
        return Justification(tuple(sorted(chosen, key=lambda one: one.voter)), high)

    def _enough(self, timeouts: list[Timeout], quorum: int) -> list[Timeout]:
        chosen: list[Timeout] = []
        weight = 0
        for one in timeouts:
            if weight < quorum:
                chosen.append(one)
                weight += self._instance.weights[one.voter]
        return chosen

    def _highest(self, claimed: int) -> Certificate | None:
        known = [one for (_, phase, _), one in self._certificates.items() if phase == PREPARE and one.view >= claimed]
        return min(known, key=lambda one: one.view, default=None) if claimed else None

    def _lowest(self) -> Certificate | None:
        known = [one for (_, phase, _), one in self._certificates.items() if phase == PREPARE]
        return min(known, key=lambda one: one.view, default=None)

    def _propose(self, place: int, view: int, option: int, reason: Justification | None, to: list[int]) -> None:
        statement = self._instance.proposal_statement(view, option, justification_digest(reason))
        signature = self._field.signers[place].sign(statement)
        proposal = Proposal(self._instance.slot, place, view, option, reason, signature)
        self._proposed[view][option] = proposal
        for one in to:
            self._send(place, one, proposal)

    def _collect(self, place: int, vote: Vote) -> None:
        """See whether honest votes and those of all traitors make a certificate."""
        if place in self._puppets or self._instance.leader(vote.view) != place:
            return
        key = (vote.view, vote.phase, vote.option)
        if key in self._certificates:
            return
        votes, weights = dict(self._votes[key]), self._instance.weights
        if sum(weights[one] for one in {*votes, *self._habits}) < self._instance.quorum:
            return
        for traitor in self._habits:
            votes[traitor] = self._signed(traitor, *key).signature
        voters = tuple(sorted(votes))
        made = Certificate(self._instance.slot, *key, voters, tuple(votes[voter] for voter in voters))
        self._certificates[key] = made
        habits = self._habits[place]
        if "withheld certificate" in habits and self._rng.chance(0.5):
            self._kept.append(made)
            return
        share = self._rng.random() if "selective collector" in habits else 1.0
        for one in self._sides.get((vote.view, vote.option)) or self._some(share):
            self._send(place, one, made)

    def _learn(self, message: Message) -> None:
        if isinstance(message, Vote):
            self._votes[message.view, message.phase, message.option][message.voter] = message.signature
        elif isinstance(message, Timeout):
            self._timeouts[message.view].setdefault(message.voter, message)
        elif isinstance(message, Certificate):
            self._certificates.setdefault((message.view, message.phase, message.option), message)
        elif isinstance(message, Proposal) and message.justification is not None:
            for one in message.justification.timeouts:
                self._timeouts[one.view].setdefault(one.voter, one)
            if message.justification.high is not None:
                self._learn(message.justification.high)

    def _signed(self, place: int, view: int, phase: int, option: int) -> Vote:
        signature = self._field.signers[place].sign(self._instance.vote_statement(view, phase, option))
        return Vote(self._instance.slot, place, view, phase, option, signature)

    def _left(self, place: int, view: int, high_view: int, high_option: int) -> Timeout:
        accepts = self._instance.all_options
        statement = self._instance.timeout_statement(view, high_view, high_option, accepts)
        signature = self._field.signers[place].sign(statement)
        return Timeout(self._instance.slot, place, view, high_view, high_option, accepts, signature)

    def _some(self, share: float) -> list[int]:
        return [place for place in self._field.plan.honest if share >= 1.0 or self._rng.random() < share]

    def _send(self, place: int, to: int, message: Message) -> None:
        if to in self._habits:
            self._learn(message)
            if isinstance(message, Vote):
                self._collect(to, message)
        else:
            self._field.send(place, to, message)

    def _say(self, place: int, messages: list[Message]) -> None:
        for message in messages:
            for to in self._some(0.7):
                self._noisily(place, to, message)

    def _noisily(self, place: int, to: int, message: Message) -> None:
        if self._noise > 0:
            self._noise -= 1
            self._send(place, to, message)

    def _act(self, place: int, effects: list[Effect]) -> None:
        """Let a machine in a traitor's hands speak; its time passes only when others speak to it."""
        for effect in effects:
            if isinstance(effect, Send):
                self._noisily(place, effect.to, effect.message)
            elif isinstance(effect, Broadcast):
                for to in range(self._field.plan.n):
                    if to != place:
                        self._noisily(place, to, effect.message)
