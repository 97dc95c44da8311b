"""Many operations at once."""

import pytest

from phalanx.balancing import FairShares, NoEligibleResource, Operation, OperationKind, Pool, Resource, place_many
from phalanx.balancing._limits import BURST_OPERATIONS

KINDS = [OperationKind(name=name, work={"cpu": 1.0}) for name in ("a", "b")]


def make_pool(capacity=100_000):
    resources = [
        Resource(name="one", kind="cpu", speed={"a": 1.0, "b": 0.4}),
        Resource(name="two", kind="cpu", speed={"a": 0.9, "b": 0.3}),
    ]
    return Pool("p", KINDS, resources, capacities={"one": capacity, "two": capacity})


def operations(n, **fields):
    return [Operation(id=f"{j}", kind="ab"[j % 2], **fields) for j in range(n)]


def ends(pool):
    return sorted(float(load) for load in pool.state[0])


@pytest.mark.requirement("BAL-4")
def test_a_burst_is_solved_as_a_whole_and_ends_sooner_than_one_by_one():
    n = 2 * BURST_OPERATIONS
    whole, single = make_pool(), make_pool()
    tickets, waiting = place_many(whole, operations(n), 0.0)
    assert (len(tickets), waiting) == (n, [])
    for operation in operations(n):
        single.place(operation, 0.0)
    assert ends(whole)[1] < ends(single)[1]
    assert ends(whole)[1] / ends(whole)[0] < 1.001


def test_a_small_burst_goes_one_by_one():
    few, single = make_pool(), make_pool()
    place_many(few, operations(20), 0.0)
    for operation in operations(20):
        single.place(operation, 0.0)
    assert ends(few) == ends(single)


def test_what_finds_no_room_waits_and_tenants_share_the_room_there_is():
    pool = make_pool(capacity=10)
    greedy = operations(200, tenant="greedy")
    modest = [Operation(id=f"m{j}", kind="a", tenant="modest") for j in range(5)]
    tickets, waiting = place_many(pool, [*greedy, *modest], 0.0)
    assert len(tickets) == 20
    assert len(waiting) == 185
    assert sum(ticket.operation.tenant == "modest" for ticket in tickets) == 5
    shares = FairShares({"greedy": 3.0})
    tickets, _ = place_many(make_pool(capacity=4), [*greedy, *modest], 0.0, shares=shares)
    assert sum(ticket.operation.tenant == "modest" for ticket in tickets) == 2


def test_a_burst_with_an_operation_that_can_go_nowhere_places_nothing():
    pool = make_pool()
    lost = [*operations(BURST_OPERATIONS), Operation(id="lost", kind="a", eligible=frozenset())]
    with pytest.raises(NoEligibleResource, match="lost"):
        place_many(pool, lost, 0.0)
    assert not pool.tickets


def test_a_burst_while_a_resource_is_closed_uses_the_others():
    pool = make_pool()
    pool.close("one", "maintenance")
    place_many(pool, operations(BURST_OPERATIONS), 0.0)
    assert ends(pool)[0] == 0.0
    pool.close("two", "maintenance")
    _, waiting = place_many(pool, [Operation(id=f"x{j}", kind="a") for j in range(BURST_OPERATIONS)], 0.0)
    assert len(waiting) == BURST_OPERATIONS
