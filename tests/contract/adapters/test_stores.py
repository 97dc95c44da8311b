"""Every store against the suite for stores."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings

from phalanx.testing.contracts import (
    STORE_CHECKS,
    STORE_FULL_CHECKS,
    STORE_SHARED_CHECKS,
    compare_with_model,
    store_operations,
)

_suffixes = (f"/{n}" for n in itertools.count())


@pytest.mark.parametrize("check", STORE_CHECKS)
def test_contract(store_rig, check):
    store_rig.check(check)


@pytest.mark.parametrize("check", STORE_SHARED_CHECKS)
def test_shared(shared_store_rig, check):
    shared_store_rig.check(check)


def test_contract_whatever_the_schedule(sim_store_rigs):
    for check in STORE_CHECKS:
        sim_store_rigs().check(check)


@pytest.mark.parametrize("check", STORE_FULL_CHECKS)
def test_full_disk(small_store_rig, small_disk, check):
    small_store_rig.check(check, small_disk.make_room)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=store_operations())
def test_same_as_a_dictionary(store_rig, operations):
    async def compare(open_store):
        store = await open_store()
        try:
            await compare_with_model(store, operations, next(_suffixes))
        finally:
            await store.close()

    store_rig.check(compare)
