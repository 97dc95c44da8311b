"""Explores the model of the safety core in ``docs/model/Agreement.tla`` exhaustively, without TLC.

    python scripts/check_consensus_model.py [--views 3] [--traitors 1] [--quorum 3]

The same states and steps, in the same names, for three honest participants; participants and options that
can be exchanged are counted once. Prints the number of states and fails with a trace when an invariant does
not hold. ``Model`` says what a participant may do; a state is three places in its list of what a participant
can be, packed into 64 bits, and a whole level of states takes a step at a time.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HONEST = 3
OPTIONS = (0, 1)
# States that take their steps at once: what that takes of memory stays within some hundred MiB.
BATCH = 1 << 19

Votes = frozenset[tuple[int, int]]
States = NDArray[np.uint64]
Places = NDArray[np.int64]


class One(NamedTuple):
    """An honest participant. ``left`` has its claim for each view, -1 for one not left."""

    view: int
    prepared: Votes
    committed: Votes
    high: int
    left: tuple[int, ...]


class Step(NamedTuple):
    """What a participant may do, if ``needs`` holds of the whole: "justified" or "prepared", or nothing."""

    name: str
    needs: str
    view: int
    option: int


class Model:
    """The model for some numbers; ``broken`` leaves out one rule, to see that the checker sees it."""

    def __init__(self, *, traitors: int, quorum: int, views: int, broken: str = "") -> None:
        self.traitors, self.quorum, self.views = traitors, quorum, views
        self.broken = broken

    def initial(self) -> One:
        return One(1, frozenset(), frozenset(), 0, (-1,) * (self.views + 1))

    def steps(self) -> list[Step]:
        each = list(itertools.product(range(1, self.views + 1), OPTIONS))
        return [
            Step("leave", "", 0, 0),
            *(Step("prepare", "justified", view, option) for view, option in each),
            *(Step("commit", "prepared", view, option) for view, option in each),
            *(Step("learn", "prepared", view, option) for view, option in each),
        ]

    def after(self, one: One, step: Step) -> One | None:
        """The participant after ``step``; None when it does not take it."""
        view, option = step.view, step.option
        in_view = view >= one.view or self.broken == "view"
        if step.name == "leave":
            if one.view >= self.views:
                return None
            claim = 0 if self.broken == "claim" else one.high
            return one._replace(view=one.view + 1, left=(*one.left[: one.view], claim, *one.left[one.view + 1 :]))
        if step.name == "prepare":
            if not in_view or (self.broken != "twice" and _has(one.prepared, view)):
                return None
            return one._replace(view=max(view, one.view), prepared=one.prepared | {(view, option)})
        if step.name == "commit":
            if not in_view or _has(one.committed, view):
                return None
            committed = one.committed | {(view, option)}
            return one._replace(view=max(view, one.view), committed=committed, high=max(view, one.high))
        return one._replace(high=view) if view > one.high else None

    def explore(self) -> tuple[int, str, list[str]]:
        """The number of states; and the first violation with its trace, if there is one."""
        space = Space(self)
        level = seen = space.first()
        levels = [level]
        while level.size:
            level = space.following(level)
            level = level[~_contains(seen, level)]
            seen = np.concatenate([seen, level])
            seen.sort(kind="stable")
            for state in level[space.violated(level)][:1]:
                return seen.size, space.problem(state), space.trace(levels, state)
            levels.append(level)
        return seen.size, "", []


@dataclass(frozen=True)
class Whole:
    """What holds of some states as wholes, by view and option: one bool for each state."""

    prepared: dict[tuple[int, int], NDArray[np.bool_]]
    decided: dict[tuple[int, int], NDArray[np.bool_]]
    justified: dict[tuple[int, int], NDArray[np.bool_]]


class Space:
    """All that one participant can be, by number, and states of three of them."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._steps = model.steps()
        self._all = list(_reachable(model))
        number = {one: place for place, one in enumerate(self._all)}
        self._after = np.array(
            [[number[after] if (after := model.after(one, step)) else -1 for one in self._all] for step in self._steps]
        )
        self._exchanged = np.array([number[_exchanged(one)] for one in self._all])
        self._bits = np.uint64(max(1, (len(self._all) - 1).bit_length()))
        each = itertools.product(range(1, model.views + 1), OPTIONS)
        self._each = list(each)
        self._prepared = {at: np.array([at in one.prepared for one in self._all], np.int8) for at in self._each}
        self._committed = {at: np.array([at in one.committed for one in self._all], np.int8) for at in self._each}
        none = model.views + 1
        self._claims = {
            view: np.array([none if one.left[view] < 0 else one.left[view] for one in self._all], np.int8)
            for view in range(1, model.views)
        }

    def first(self) -> States:
        return self._packed(*[np.zeros(1, np.int64)] * HONEST)

    def following(self, states: States) -> States:
        """What comes of all steps of all participants, each state once."""
        found = [self._following(states[at : at + BATCH]) for at in range(0, states.size, BATCH)]
        return np.unique(np.concatenate(found))

    def violated(self, states: States) -> NDArray[np.bool_]:
        found = [self._violated(states[at : at + BATCH]) for at in range(0, states.size, BATCH)]
        return np.concatenate(found) if found else np.zeros(0, np.bool_)

    def problem(self, state: np.uint64) -> str:
        whole = self._whole(self._places(np.array([state])))
        if any(whole.decided[v, 0][0] and whole.decided[w, 1][0] for (v, _), (w, _) in self._pairs()):
            return "two decisions"
        if any(whole.prepared[view, 0][0] and whole.prepared[view, 1][0] for view, _ in self._each):
            return "two certificates in one view"
        return "another certificate after a decision"

    def trace(self, levels: list[States], state: np.uint64) -> list[str]:
        """The steps from the first state to ``state``, whose predecessors are in ``levels``."""
        told: list[str] = []
        for level in reversed(levels):
            state, name = next(
                (before, name)
                for before in level
                for name, afterwards in self._named(np.array([before]))
                if (afterwards == state).any()
            )
            told.append(name)
        return told[::-1]

    def _following(self, states: States) -> States:
        found = [after for _, after in self._named(states)]
        return np.unique(np.concatenate(found))

    def _named(self, states: States) -> Iterator[tuple[str, States]]:
        """Each step, and the states it leads to from those in which it can be taken."""
        places = self._places(states)
        whole = self._whole(places)
        holds = {"prepared": whole.prepared, "justified": whole.justified}
        for step, afters in zip(self._steps, self._after, strict=True):
            may = holds[step.needs][step.view, step.option] if step.needs else np.ones(states.size, np.bool_)
            for who in range(HONEST):
                after = afters[places[who]]
                taken = may & (after >= 0)
                if taken.any():
                    others = [places[other][taken] for other in range(HONEST) if other != who]
                    name = f"{step.name} {step.view} {step.option}" if step.needs else step.name
                    yield name, self._packed(after[taken], *others)

    def _whole(self, places: list[Places]) -> Whole:
        model = self._model
        enough = model.quorum - model.traitors
        prepared = {at: sum(votes[one] for one in places) >= enough for at, votes in self._prepared.items()}
        decided = {at: sum(votes[one] for one in places) >= enough for at, votes in self._committed.items()}
        justified: dict[tuple[int, int], Any] = {}
        for view, option in self._each:
            if view == 1 or model.broken == "justification":
                justified[view, option] = np.ones(places[0].size, np.bool_)
                continue
            claims = np.sort(np.stack([self._claims[view - 1][one] for one in places]), axis=0)
            # The quorum that claims least allows most.
            claimed = claims[enough - 1] if enough > 0 else np.zeros(places[0].size, np.int8)
            shown = np.zeros(places[0].size, np.bool_)
            for below in range(1, view):
                shown |= (claimed <= below) & prepared[below, option]
            justified[view, option] = (claimed == 0) | shown
        return Whole(prepared, decided, justified)  # type: ignore[arg-type]

    def _violated(self, states: States) -> NDArray[np.bool_]:
        whole = self._whole(self._places(states))
        bad = np.zeros(states.size, np.bool_)
        for (v, x), (w, y) in self._pairs():
            if x != y:
                bad |= whole.decided[v, x] & whole.decided[w, y]
                if w >= v:
                    bad |= whole.decided[v, x] & whole.prepared[w, y]
                if w == v:
                    bad |= whole.prepared[v, x] & whole.prepared[w, y]
        return bad

    def _pairs(self) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        return itertools.product(self._each, self._each)

    def _packed(self, *places: Places) -> States:
        """One of all states that differ only by who is who and which option is which."""
        return np.minimum(self._sorted(*places), self._sorted(*(self._exchanged[one] for one in places)))

    def _sorted(self, *places: Places) -> States:
        first, second, third = np.sort(np.stack(places).astype(np.uint64), axis=0)
        packed: States = first | second << self._bits | third << self._bits * np.uint64(2)
        return packed

    def _places(self, states: States) -> list[Places]:
        mask = (np.uint64(1) << self._bits) - np.uint64(1)
        return [(states >> self._bits * np.uint64(who) & mask).astype(np.int64) for who in range(HONEST)]


def _reachable(model: Model) -> Iterator[One]:
    """Everything one participant can be, if others help it to each step."""
    seen, waiting = {model.initial()}, [model.initial()]
    while waiting:
        one = waiting.pop()
        yield one
        for step in model.steps():
            after = model.after(one, step)
            if after is not None and after not in seen:
                seen.add(after)
                waiting.append(after)


def _exchanged(one: One) -> One:
    return one._replace(
        prepared=frozenset((view, 1 - option) for view, option in one.prepared),
        committed=frozenset((view, 1 - option) for view, option in one.committed),
    )


def _has(votes: Votes, view: int) -> bool:
    return any(of == view for of, _ in votes)


def _contains(ordered: States, wanted: States) -> NDArray[np.bool_]:
    at = np.searchsorted(ordered, wanted)
    at[at == ordered.size] = 0
    found: NDArray[np.bool_] = ordered[at] == wanted
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traitors", type=int, default=1)
    parser.add_argument("--quorum", type=int, default=3)
    parser.add_argument("--views", type=int, default=3)
    asked = parser.parse_args()
    n_states, problem, trace = Model(traitors=asked.traitors, quorum=asked.quorum, views=asked.views).explore()
    if problem:
        print(f"{problem} after {n_states} states: {'; '.join(trace)}")
        return 1
    print(f"{n_states:,} states, every invariant holds in each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
