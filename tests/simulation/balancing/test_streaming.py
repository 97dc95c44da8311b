"""A pool under faults, and checkers that notice when it breaks its word."""

import pytest

from phalanx.balancing import confirm
from phalanx.testing import balancing_simulation

SEEDS = range(12)


@pytest.mark.requirement("BAL-4")
@pytest.mark.parametrize("seed", SEEDS)
def test_operations_are_done_once_whatever_happens_to_resources(seed):
    report = balancing_simulation().run(seed)
    assert report.violations == ()
    assert report.counts["placed"] > 100


def test_the_seeds_together_show_every_trouble():
    counts = [balancing_simulation().run(seed).counts for seed in SEEDS]
    for what in ("closed", "drifted", "failed", "found no room", "moved", "stale moves", "nowhere to go"):
        assert sum(one.get(what, 0) for one in counts) > 0, what


def test_one_seed_is_one_run_and_another_is_another():
    one, again, other = (balancing_simulation().run(seed) for seed in (3, 3, 4))
    assert one == again
    assert one.digest != other.digest


def careless(pool, move, now_s):
    """Moves without a look at the version: a doubled order is carried out twice."""
    ticket = pool.tickets.get(move.operation)
    if ticket is None:
        return False
    return confirm(pool, type(move)(move.operation, move.source, move.target, ticket.version, move.gain_s), now_s)


def forgetful(pool, move, now_s):
    """Says that it moved what it did not."""
    confirm(pool, move, now_s)
    return True


@pytest.mark.parametrize("sabotage", [careless, forgetful])
def test_moves_that_are_not_carried_out_once_are_noticed(sabotage):
    assert any(balancing_simulation(sabotage=sabotage).run(seed).violations for seed in SEEDS)
