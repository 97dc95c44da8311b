"""Spreading over links against sums by hand, with circuits that are really run."""

import itertools

import pytest

from phalanx.core import InvalidInput, LimitExceeded, Origin, Provenance, Rng
from phalanx.quantum import ShotResult, parse, simulate
from phalanx.quantum.routines import spread_model, spread_threat
from phalanx.testing import SimWorld

BRIDGE = [("a", "b", 0.5), ("a", "c", 0.4), ("b", "c", 0.3), ("b", "d", 0.6), ("c", "d", 0.7)]


async def ideal(circuit, /, *, shots, seed):
    counts = simulate.sample(simulate.probabilities(parse(circuit)), shots, Rng(seed))
    source = Provenance(origin=Origin.SIMULATED, device="test", circuits=(circuit.digest,), shots=shots, seed=seed)
    return ShotResult(counts, source)


def by_hand(links, source, goal):
    """The probability, by every state of every link."""
    total = 0.0
    for passes in itertools.product((False, True), repeat=len(links)):
        weight, reached = 1.0, {source}
        for (_, _, chance), on in zip(links, passes, strict=True):
            weight *= chance if on else 1 - chance
        for _ in links:
            for (one, other, _), on in zip(links, passes, strict=True):
                if on and ({one, other} & reached):
                    reached |= {one, other}
        total += weight * (goal in reached)
    return total


@pytest.mark.requirement("IRS-2")
@pytest.mark.parametrize(("source", "goal"), [("a", "d"), ("b", "c"), ("d", "a")])
def test_the_model_is_the_sum_over_every_state_of_every_link(source, goal):
    model = spread_model(BRIDGE, source=source, goal=goal)
    assert model.exact() == pytest.approx(by_hand(BRIDGE, source, goal))


def test_an_estimate_on_circuits_holds_the_exact_answer():
    async def main(_):
        answer = await spread_threat(BRIDGE, source="a", goal="d", run=ideal, seed=3, epsilon=0.02)
        low, high = answer.found["interval"]
        assert low <= by_hand(BRIDGE, "a", "d") <= high
        assert answer.agrees
        assert answer.found["ways"] == 4
        assert answer.quantum.cost < answer.classical[1].cost
        assert await spread_threat([*BRIDGE, ("x", "y", 1.0)], source="a", goal="y", run=ideal, seed=3) is None

    SimWorld(1).run(main)


@pytest.mark.parametrize(
    ("links", "source", "goal", "field"),
    [
        ([("a", "b", 1.5)], "a", "b", "links"), ([("a", "a", 0.5)], "a", "b", "links"),
        ([("a", "b", 0.5), ("b", "a", 0.5)], "a", "b", "links"), (BRIDGE, "?", "d", "source"),
        (BRIDGE, "a", "?", "goal"), (BRIDGE, "a", "a", "goal"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_its_field(links, source, goal, field):
    with pytest.raises(InvalidInput, match=field):
        spread_model(links, source=source, goal=goal)


def test_more_links_than_a_circuit_holds_are_refused_with_what_to_do():
    fan = [("a", f"m{j}", 0.5) for j in range(5)] + [(f"m{j}", "z", 0.5) for j in range(5)]
    with pytest.raises(LimitExceeded, match="links on the ways"):
        spread_model(fan, source="a", goal="z")
