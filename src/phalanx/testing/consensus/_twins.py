"""Simulation ``consensus-twins``: every way to split the network around one doubled identity, one by one.

After Twins (Bano et al., 2020): a traitor is two honest machines under one identity, each in its own
part of a split network; most known attacks on such protocols are of this form. Four participants, one
of them doubled; two views, each with one split for its first half (proposal, prepare votes) and
one for its second (certificate, commit votes, decision), and with or without the decision lost on its way; then a
view in which all hear each other. Which participant is doubled, how the five machines are split in four
halves, and what is lost makes 4 · 16⁴ · 4 = 1,048,576 schedules. A seed is the number of a schedule, so
``--seeds 1048576`` tries all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from phalanx.consensus import (
    Accuse,
    Broadcast,
    Checks,
    Decided,
    Effect,
    Fixed,
    Instance,
    Machine,
    Message,
    Question,
    Send,
)
from phalanx.core import NS_PER_MS
from phalanx.testing._checking import Checker, SimReport, Simulation
from phalanx.testing.consensus._ideal import ideal_epoch

NAME = "consensus-twins"
SCHEDULES = 4 * 16**4 * 4
_PLACES = 4
_ACTORS = 5
_HALVES = 4
# Later views begin with timeouts. The last hop of a view brings the decision, unless it is lost.
_HOPS = (2, 2, 3, 2, 3, 2)
_VIEW_NS = 100 * NS_PER_MS


@dataclass(frozen=True, slots=True)
class Schedule:
    """``doubled`` has a second machine, the last actor. A split has a bit for each actor but the first."""

    doubled: int
    splits: tuple[int, ...]
    lost: tuple[bool, ...]

    @classmethod
    def of(cls, number: int) -> "Schedule":
        rest, lost = divmod(number % SCHEDULES, 4)
        doubled, rest = divmod(rest, 16**_HALVES)
        splits = tuple(rest // 16**place % 16 for place in range(_HALVES))
        return cls(doubled, splits, (bool(lost & 1), bool(lost & 2)))


class _Stage:
    """Five machines and what is under way between them; a hop at a time."""

    def __init__(
        self, schedule: Schedule, checker: Checker, machine: Callable[..., Machine], checks: Callable[..., Checks]
    ) -> None:
        epoch, signers, verifier = ideal_epoch(_PLACES)
        self.instance = Instance(epoch, Question(("a", "b"), bytes(32)))
        self._places = [*range(_PLACES), schedule.doubled]
        self._traitor = schedule.doubled
        self._checker = checker
        self._under_way: list[tuple[int, int, Message]] = []
        self.decisions: dict[int, int] = {}
        self.delivered = 0
        shared = checks(self.instance, verifier)
        self._machines = [
            machine(
                shared, place, signer=signers[place],
                # Neighbours want different things first, and so do twins: as a leader the doubled one equivocates.
                judge=Fixed(*_wants(actor, schedule.doubled)), view_ns=_VIEW_NS, deadline_ns=1 << 62,
            )
            for actor, place in enumerate(self._places)
        ]  # fmt: skip

    def begin(self) -> None:
        for actor, machine in enumerate(self._machines):
            self._take(actor, machine.start(0))

    def hop(self, split: int) -> None:
        """Deliver what is under way within each side; the rest is lost."""
        under_way, self._under_way = self._under_way, []
        sides = [split << 1 >> actor & 1 for actor in range(_ACTORS)]
        for source, place, message in under_way:
            for actor in range(_ACTORS):
                if self._places[actor] == place and actor != source and sides[actor] == sides[source]:
                    self.delivered += 1
                    self._take(actor, self._machines[actor].receive(self._places[source], message, 0))

    def time_out(self, at_ns: int) -> None:
        self._under_way.clear()
        for actor, machine in enumerate(self._machines):
            self._take(actor, machine.tick(at_ns))

    def _take(self, actor: int, effects: list[Effect]) -> None:
        honest = self._places[actor] != self._traitor
        for effect in effects:
            if isinstance(effect, Send):
                self._under_way.append((actor, effect.to, effect.message))
            elif isinstance(effect, Broadcast):
                own = self._places[actor]
                self._under_way += [(actor, to, effect.message) for to in range(_PLACES) if to != own]
            elif isinstance(effect, Decided) and honest:
                self.decisions[actor] = effect.certificate.option
            elif isinstance(effect, Accuse) and honest:
                self._checker.count("evidence")
                self._checker.require(effect.evidence.culprit == self._traitor, "an honest participant was framed")


def _wants(actor: int, doubled: int) -> tuple[int, int]:
    first = (doubled + 1 if actor >= _PLACES else actor) % 2
    return first, 1 - first


def twins_simulation(
    *, machine: Callable[..., Machine] = Machine, checks: Callable[..., Checks] = Checks
) -> Simulation:
    """The simulation; ``machine`` and ``checks`` may be others, with a bug in them."""

    def run(seed: int) -> SimReport:
        schedule, checker = Schedule.of(seed), Checker()
        stage = _Stage(schedule, checker, machine, checks)
        stage.begin()
        at_ns = 0
        for half, split in enumerate((*schedule.splits, 0, 0)):
            for _ in range(_HOPS[half]):
                stage.hop(split)
            if half % 2:
                if half // 2 >= len(schedule.lost) or not schedule.lost[half // 2]:
                    stage.hop(split)
                at_ns += 1 << 50
                stage.time_out(at_ns)
        options = set(stage.decisions.values())
        checker.require(len(options) <= 1, "honest participants decided differently", sorted(options), schedule)
        checker.count("schedules")
        if options:
            checker.count("decided")
        return checker.report(
            NAME,
            seed,
            digest=f"{sorted(stage.decisions.items())}-{stage.delivered}",
            steps=stage.delivered,
            virtual_ms=0.0,
        )

    return Simulation(NAME, f"one identity doubled, all {SCHEDULES:,} splits of a small network; ideal signatures", run)
