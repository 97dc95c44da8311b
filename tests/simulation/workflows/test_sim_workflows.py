"""The simulation of engines that share a store, and its planted bug."""

import pytest

from phalanx.testing._sim_workflows import workflows_simulation


@pytest.mark.requirement("HWF-4")
def test_no_result_is_lost_or_doubled():
    counts = {}
    for seed in range(60):
        report = workflows_simulation().run(seed)
        assert report.violations == (), seed
        counts |= {what: counts.get(what, 0) + n for what, n in report.counts.items()}
    assert counts["runs"] > 25
    assert counts["results that came too late"] > 0
    assert counts["results found by a next life"] > 0
    assert counts["steps worked on"] > counts["results kept"], "some work was lost with its engine"


def test_the_checker_sees_a_store_that_ignores_what_commits_expect():
    assert any(
        "a step's result was kept twice" in violation
        for seed in range(25)
        for violation in workflows_simulation(deaf=True).run(seed).violations
    )


def test_the_checker_sees_a_crew_that_does_not_look_at_fences():
    assert any(
        "a worker that was given up" in violation
        for seed in range(25)
        for violation in workflows_simulation(unfenced=True).run(seed).violations
    )


@pytest.mark.parametrize("seed", [2173, 2723])
def test_what_an_earlier_life_gave_out_does_not_count_once_this_one_has_begun_it(seed):
    assert workflows_simulation().run(seed).violations == ()


def test_one_seed_is_one_run():
    assert workflows_simulation().run(3).digest == workflows_simulation().run(3).digest
