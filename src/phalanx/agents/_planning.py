"""From an objective to who does what: which skills lead from the existing records to the wanted ones. Pure.

A skill takes kinds of records and leaves kinds behind; a plan is the cheapest set of skills that leads from the
given kinds to all wanted ones, in an order in which each finds its inputs. Costs are the manifests'; the search is
uniform-cost over sets of kinds, so the first plan found is a cheapest one. Which agent does a step is decided when
the step can begin.
"""

import heapq
from collections.abc import Collection, Iterable, Sequence
from itertools import count

from phalanx.agents._errors import NoPlan
from phalanx.agents._limits import MAX_PLAN_STATES
from phalanx.agents._model import Role, SkillManifest


def plan(
    manifests: Iterable[SkillManifest], *, given: Collection[str], wanted: Collection[str], roles: Collection[Role] = ()
) -> list[SkillManifest]:
    """The skills to apply, in order. ``roles`` are those that may take part, all when empty. Raises ``NoPlan``."""
    able = sorted((one for one in manifests if not roles or one.role in roles), key=lambda one: one.name)
    goal, start = frozenset(wanted), frozenset(given)
    numbers = count()
    open_states: list[tuple[float, int, frozenset[str], tuple[SkillManifest, ...]]] = [(0.0, next(numbers), start, ())]
    reached: set[frozenset[str]] = set()
    while open_states and len(reached) < MAX_PLAN_STATES:
        cost, _, kinds, steps = heapq.heappop(open_states)
        if goal <= kinds:
            return list(steps)
        if kinds in reached:
            continue
        reached.add(kinds)
        for one in able:
            if set(one.inputs) <= kinds and not set(one.outputs) <= kinds:
                heapq.heappush(open_states, (cost + one.cost, next(numbers), kinds.union(one.outputs), (*steps, one)))
    within_reach = frozenset().union(*reached) if reached else start
    raise NoPlan(sorted(goal - within_reach) or sorted(goal), given=sorted(start))


def needs(steps: Sequence[SkillManifest], given: Collection[str]) -> list[tuple[int, ...]]:
    """For each step the earlier ones that it waits for: the first that leaves behind what it takes."""
    found: list[tuple[int, ...]] = []
    for at, step in enumerate(steps):
        waits = {
            next(earlier for earlier in range(at) if kind in steps[earlier].outputs)
            for kind in step.inputs
            if kind not in given
        }
        found.append(tuple(sorted(waits)))
    return found
