"""Any graph of steps, killed at any commit, ends as plain recursion over the graph says."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import DEFAULT_TENANT, NO_TRACE, Rng, derive_id
from phalanx.devices import Fleet
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld
from phalanx.workflows import Engine, InvalidTemplate, Step, StepKind, Template

RUN_ID = derive_id(10**18, "run")


@st.composite
def graphs(draw):
    """Step names to what they need, in any order of steps."""
    n = draw(st.integers(1, 8))
    needs = {f"s{i}": tuple(f"s{j}" for j in draw(st.sets(st.integers(0, i - 1))) if i) if i else () for i in range(n)}
    return {name: needs[name] for name in draw(st.permutations(list(needs)))}


def template(needs, ran, clock):
    async def run(context):
        ran.append(context.step)
        await clock.sleep(Rng(context.seed).uniform(0, 1))
        return [context.step, *(context.results[need].output for need in needs[context.step])]

    steps = (Step(name=name, kind=StepKind.CLASSICAL, needs=needs[name], run=run) for name in needs)
    return Template(name="t", title="T", steps=tuple(steps))


def by_recursion(name, needs):
    return [name, *(by_recursion(need, needs) for need in needs[name])]


class KilledAt:
    def __init__(self, store, at):
        self._store, self._left, self.kill = store, at, None

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, writes, *, expect=()):
        self._left -= 1
        if self._left == 0:
            self.kill()
        return await self._store.commit(writes, expect=expect)


@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(0, 9), st.integers(0, 1000))
def test_a_killed_run_of_any_graph_ends_as_recursion_says(needs, killed_at, seed):
    ran = []

    async def main(world):
        store = world.store("node")

        def engine(store):
            made = Engine(store, world.clock, Telemetry(world.clock), Fleet([]), world.offload, Rng(seed))
            made.register(template(needs, ran, world.clock))
            return made

        async def finish(store):
            return await engine(store).run("t", run_id=RUN_ID, tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs={})

        killed = KilledAt(store, killed_at)
        first = asyncio.ensure_future(finish(killed))
        killed.kill = first.cancel
        await asyncio.wait([first])
        return await finish(store)

    outcome = SimWorld(seed).run(main)
    assert list(outcome.results) == list(needs)
    for name, result in outcome.results.items():
        assert result.output == by_recursion(name, needs)
    for name, required in needs.items():
        assert all(ran.index(need) < ran.index(name) for need in required)


@settings(deadline=None)
@given(graphs(), st.data())
def test_any_edge_that_closes_a_circle_is_refused(needs, data):
    ancestors = {}

    def above(name):
        if name not in ancestors:
            ancestors[name] = set(needs[name]).union(*(above(need) for need in needs[name]))
        return ancestors[name]

    pairs = [(low, name) for name in needs for low in sorted(above(name) | {name})]
    low, name = data.draw(st.sampled_from(pairs))
    broken = needs | {low: (*needs[low], name)}
    with pytest.raises(InvalidTemplate) as caught:
        template(broken, [], None)
    assert caught.value.step in {low, name} | above(name)
