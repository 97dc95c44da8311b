"""`phalanx bench routing`: what choosing is worth beside rules that do not choose."""

import pytest

from phalanx.bench.allocation._routing import RULES, _figures, _ratios
from phalanx.core import Rng

LOSSES = {rule: [1.0, 3.0] for rule in RULES} | {"oracle": [1.0, 1.0]}


@pytest.mark.requirement("QRM-10")
def test_a_rule_is_compared_by_how_many_times_the_routers_regret_it_has():
    found = _ratios(LOSSES | {"always_quantum": [3.0, 5.0]})
    assert found["regret_always_quantum_over_router"] == 3.0
    assert found["regret_neither_over_router"] == 1.0


def test_where_the_router_has_no_regret_nothing_is_divided_by_it():
    found = _ratios(LOSSES | {"router": [1.0, 1.0]})
    assert set(found.values()) == {None}


def test_an_oracle_that_loses_nothing_is_no_measure_of_regret():
    found = _figures([0.0, 2.0], [0.0, 0.0], Rng(1))
    assert found["regret_of_oracle_loss"] is None
    assert found["regret_usd_mean"] == 1.0
