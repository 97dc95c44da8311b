"""The replay counts only useful time, and its rules see the same jobs."""

import pytest

from phalanx.bench.allocation import _utilisation as bench
from phalanx.core import Rng

TRACE = bench.Trace(tuple(float(at) for at in range(0, 4_000, 2)), tuple(f"d{at:02}" for at in range(12)))


@pytest.mark.requirement("QRM-5")
def test_time_on_a_device_that_is_not_good_enough_is_not_useful():
    jobs = bench.make_jobs(TRACE, 0.9, Rng(2))
    offered = sum(max(one.took_s.values()) for one in jobs)
    assert offered == pytest.approx(0.9 * 12 * TRACE.arrivals_s[-1])
    ran = {name: bench.replay(TRACE, jobs, name) for name in ("dispatcher", "fifo", "fifo_fit", "least_busy_fit")}
    for one in ran.values():
        assert one.done + one.missed == len(jobs)
        assert one.useful_s <= one.busy_s + 1e-6
    assert ran["fifo"].useful_s < 0.9 * ran["fifo"].busy_s
    assert ran["dispatcher"].useful_s == pytest.approx(ran["dispatcher"].busy_s)
    assert ran["dispatcher"].emergencies_missed == 0
    assert ran["dispatcher"].useful_s >= 0.97 * offered


def test_the_same_seed_gives_the_same_jobs():
    assert bench.make_jobs(TRACE, 0.9, Rng(2)) == bench.make_jobs(TRACE, 0.9, Rng(2))


@pytest.mark.requirement("QRM-5")
def test_what_was_possible_is_bounded_by_what_had_come():
    def job(at, took):
        return bench.Waiting(f"{at}", {"d": took}, at, 1e9)

    assert bench.possible_s([job(0.0, 5.0), job(8.0, 100.0)], 1, 10.0) == pytest.approx(7.0), "3 s had nothing to do"
    assert bench.possible_s([job(0.0, 100.0)], 2, 10.0) == pytest.approx(20.0)
    assert bench.possible_s([job(0.0, 4.0)], 2, 10.0) == pytest.approx(4.0)
    jobs = bench.make_jobs(TRACE, 1.05, Rng(2))
    ran = bench.replay(TRACE, jobs, "dispatcher")
    assert ran.in_window_s <= bench.possible_s(jobs, 12, TRACE.arrivals_s[-1]) + 1e-6
