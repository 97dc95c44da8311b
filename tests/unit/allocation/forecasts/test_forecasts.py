"""Forecasts beside persistence on series of known truth, and warming against sums made by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.allocation.forecasts import Forecaster, Forecasts, rate_ahead, replay_warming, workers_for
from phalanx.core import DEFAULT_TENANT, NS_PER_S, InvalidInput
from phalanx.devices import Fleet, History, Jobs, ProviderContext, local_provider
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld


def errors(values, horizon, season=0):
    """Mean absolute errors of what is told, and of persistence, on the second half."""
    forecaster, off = Forecaster((horizon,), season=season), []
    for step, value in enumerate(values):
        forecaster.observe(float(value))
        if len(values) // 2 <= step + horizon < len(values):
            told = forecaster.predict(horizon)
            then = values[step + horizon]
            off.append((abs(then - told.value), abs(then - told.told["persistence"]), told.low <= then <= told.high))
    return np.array(off, float).mean(axis=0)


@pytest.mark.requirement("LRN-4")
def test_noise_around_a_level_is_told_far_better_than_by_persistence():
    values = np.random.default_rng(1).poisson(8.0, 2_000)
    told, persistence, inside = errors(values, 6)
    assert told < 0.8 * persistence
    assert 0.7 < inside < 0.9


@pytest.mark.requirement("LRN-4")
def test_a_day_that_repeats_is_learned():
    rng = np.random.default_rng(2)
    values = 50 + 40 * np.sin(np.arange(4_000) * 2 * np.pi / 200) + rng.normal(0, 1, 4_000)
    told, persistence, _ = errors(values, 40, season=200)
    assert told < 0.2 * persistence


def test_where_nothing_can_be_known_it_is_as_good_as_persistence():
    values = 1_000 + np.cumsum(np.random.default_rng(3).normal(0, 1, 3_000))
    told, persistence, _ = errors(values, 5)
    assert told < 1.05 * persistence


def test_what_is_told_at_first_and_what_is_refused():
    forecaster = Forecaster((1, 3))
    with pytest.raises(InvalidInput):
        forecaster.predict(1)
    forecaster.observe(4.0)
    told = forecaster.predict(3)
    assert (told.value, told.low, told.high, told.by, dict(told.errors)) == (4.0, 4.0, 4.0, "persistence", {})
    for bad in (lambda: forecaster.predict(2), lambda: forecaster.observe(float("nan")), lambda: Forecaster(()),
                lambda: Forecaster((0,))):  # fmt: skip
        with pytest.raises(InvalidInput):
            bad()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=80))
@settings(max_examples=40, deadline=None)
def test_forecasts_are_finite_and_not_below_the_floor(values):
    forecaster = Forecaster((1, 4), season=10)
    for value in values:
        forecaster.observe(value)
        for steps in (1, 4):
            told = forecaster.predict(steps)
            assert np.isfinite([told.value, told.low, told.high]).all()
            assert min(told.value, told.low) >= 0.0
            assert told.low <= told.high


def test_workers_for_what_is_expected_and_what_waits():
    assert workers_for(10.0, 0.0, 1.0, margin=1.0) == 10
    assert workers_for(10.0, 12.0, 1.0, margin=1.0, clear_in=6.0) == 12
    assert workers_for(0.0, 0.0, 1.0) == 0
    assert (rate_ahead(5.0, 2.0), rate_ahead(2.0, 5.0)) == (5.0, 5.0)


@pytest.mark.requirement("LRN-4")
def test_warming_waits_as_long_as_by_hand():
    # Three arrive at step 1; two workers are there from step 2 on, wanted at step 0; one is always there.
    ran = replay_warming([0, 3, 0, 0], lambda step, backlog: 2 if step == 0 else 0, lead=2, least=1)
    # Step 1: one of three; step 2: the other two.
    assert (ran.served, ran.wait_steps_mean, ran.wait_steps_p99) == (3, 2 / 3, 1.0)
    known = [4, 0, 9, 1, 7, 0, 0, 5] * 20

    def oracle(step, _):
        return known[min(step + 1, len(known) - 1)]

    ahead = replay_warming(known, oracle, lead=1)
    behind = replay_warming(known, lambda step, backlog: workers_for(known[step], backlog, 1.0), lead=1)
    assert ahead.wait_steps_mean < 0.1 * behind.wait_steps_mean
    assert ahead.served == behind.served == sum(known)


def test_a_node_forecasts_the_arrivals_of_its_jobs():
    async def main(world):
        store = world.store("n")
        fleet = Fleet(local_provider(ProviderContext(world.offload, world.clock)).backends())
        history = History(store, world.clock)
        jobs = Jobs(store, world.clock, world.ids, fleet, Telemetry(world.clock))
        made = Forecasts(store, world.clock, fleet, history, world.offload)
        assert await made.of(DEFAULT_TENANT) == []
        circuit = Gates(1).h(0).measure(0).circuit()
        for _ in range(180):
            await jobs.submit(DEFAULT_TENANT, circuit, shots=1)
            await world.clock.sleep(100)
        rows = await made.of(DEFAULT_TENANT)
        assert {(one.what, one.of, one.ahead_s) for one in rows} == {
            ("arrivals", "local.statevector", ahead) for ahead in (300, 3_600, 21_600)
        }
        assert rows[0].value == pytest.approx(3.0, abs=1.1)
        assert "persistence" in rows[0].errors
        assert world.clock.wall_ns() > 180 * 100 * NS_PER_S

    SimWorld(1).run(main)
