"""Explores the model of the safety core in ``docs/model/Agreement.tla`` exhaustively, without TLC.

    python scripts/check_consensus_model.py [--views 3] [--honest 3] [--traitors 1] [--quorum 3]

The same states and steps, in the same names; participants and options that can be exchanged are
counted once. Prints the number of states and fails with a trace when an invariant does not hold.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator
from typing import NamedTuple

Votes = frozenset[tuple[int, int]]


class One(NamedTuple):
    """An honest participant. ``left`` has its claim for each view, -1 for one not left."""

    view: int
    prepared: Votes
    committed: Votes
    high: int
    left: tuple[int, ...]


State = tuple[One, ...]


class Model:
    """The model for some numbers; ``broken`` leaves out one rule, to see that the checker sees it."""

    def __init__(self, *, honest: int, traitors: int, quorum: int, views: int, broken: str = "") -> None:
        self.honest, self.traitors, self.quorum, self.views = honest, traitors, quorum, views
        self.broken = broken

    def initial(self) -> State:
        return (One(1, frozenset(), frozenset(), 0, (-1,) * (self.views + 1)),) * self.honest

    def prepared(self, state: State, view: int, option: int) -> bool:
        return sum((view, option) in one.prepared for one in state) + self.traitors >= self.quorum

    def decided(self, state: State, view: int, option: int) -> bool:
        return sum((view, option) in one.committed for one in state) + self.traitors >= self.quorum

    def justified(self, state: State, view: int, option: int) -> bool:
        if view == 1 or self.broken == "justification":
            return True
        claims = sorted(one.left[view - 1] for one in state if one.left[view - 1] >= 0)
        needed = self.quorum - self.traitors
        if len(claims) < needed:
            return False
        # The quorum that claims least allows most.
        claimed = claims[needed - 1] if needed > 0 else 0
        return claimed == 0 or any(self.prepared(state, u, option) for u in range(claimed, view))

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        for place, one in enumerate(state):
            for name, after in self._steps_of(state, one):
                yield f"{name} by {place}", (*state[:place], after, *state[place + 1 :])

    def _steps_of(self, state: State, one: One) -> Iterator[tuple[str, One]]:
        if one.view < self.views:
            claim = 0 if self.broken == "claim" else one.high
            left = (*one.left[: one.view], claim, *one.left[one.view + 1 :])
            yield f"leave {one.view}", one._replace(view=one.view + 1, left=left)
        for view, option in itertools.product(range(1, self.views + 1), (0, 1)):
            in_view = view >= one.view or self.broken == "view"
            twice = self.broken == "twice"
            if in_view and (twice or not _has(one.prepared, view)) and self.justified(state, view, option):
                yield (
                    f"prepare {view} {option}",
                    one._replace(view=max(view, one.view), prepared=one.prepared | {(view, option)}),
                )
            if not self.prepared(state, view, option):
                continue
            if in_view and not _has(one.committed, view):
                yield (
                    f"commit {view} {option}",
                    one._replace(
                        view=max(view, one.view), committed=one.committed | {(view, option)}, high=max(view, one.high)
                    ),
                )
            if view > one.high:
                yield f"learn {view} {option}", one._replace(high=view)

    def violation(self, state: State) -> str:
        views = range(1, self.views + 1)
        for view in views:
            if self.prepared(state, view, 0) and self.prepared(state, view, 1):
                return "two certificates in one view"
        for v, w, x in itertools.product(views, views, (0, 1)):
            if self.decided(state, v, x) and self.decided(state, w, 1 - x):
                return "two decisions"
            if w >= v and self.decided(state, v, x) and self.prepared(state, w, 1 - x):
                return "another certificate after a decision"
        return ""

    def explore(self) -> tuple[int, str, list[str]]:
        """The number of states; and the first violation with its trace, if there is one."""
        first = canonical(self.initial())
        came: dict[State, tuple[State, str] | None] = {first: None}
        level = [first]
        while level:
            following: list[State] = []
            for state in level:
                for name, after in self.steps(state):
                    form = canonical(after)
                    if form in came:
                        continue
                    came[form] = (state, name)
                    if problem := self.violation(form):
                        return len(came), problem, _trace(came, form)
                    following.append(form)
            level = following
        return len(came), "", []


def canonical(state: State) -> State:
    """One of all states that differ only by who is who and which option is which."""
    swapped = tuple(
        one._replace(
            prepared=frozenset((view, 1 - option) for view, option in one.prepared),
            committed=frozenset((view, 1 - option) for view, option in one.committed),
        )
        for one in state
    )
    return min(tuple(sorted(state, key=_key)), tuple(sorted(swapped, key=_key)), key=lambda form: [*map(_key, form)])


def _key(one: One) -> tuple[object, ...]:
    return one.view, one.high, one.left, tuple(sorted(one.prepared)), tuple(sorted(one.committed))


def _has(votes: Votes, view: int) -> bool:
    return any(of == view for of, _ in votes)


def _trace(came: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    found: list[str] = []
    before = came[state]
    while before is not None:
        found.append(before[1])
        before = came[before[0]]
    return found[::-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--honest", type=int, default=3)
    parser.add_argument("--traitors", type=int, default=1)
    parser.add_argument("--quorum", type=int, default=3)
    parser.add_argument("--views", type=int, default=3)
    asked = parser.parse_args()
    model = Model(honest=asked.honest, traitors=asked.traitors, quorum=asked.quorum, views=asked.views)
    n_states, problem, trace = model.explore()
    if problem:
        print(f"{problem} after {n_states} states: {'; '.join(trace)}")
        return 1
    print(f"{n_states} states, every invariant holds in each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
