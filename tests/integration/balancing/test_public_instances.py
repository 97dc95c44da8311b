"""Published instances of the problem, with bounds and makespans that others found."""

import csv

import numpy as np
import pytest

from phalanx.balancing import MAKESPAN_ONLY, Problem, solve


def rows(folder, name):
    with (folder / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.requirement("BAL-3")
def test_braun_instances_are_answered_within_a_percent_of_the_linear_bound(shared_data):
    folder = shared_data / "scheduling/braun_hcsp"
    gaps, behind = [], []
    for row in rows(folder, "REFERENCE_BOUNDS.csv"):
        n, m = int(row["tasks"]), int(row["machines"])
        numbers = np.loadtxt(folder / row["set"] / row["instance"], skiprows=1)
        answer = solve(Problem.from_times(numbers.reshape(n, m).T), weights=MAKESPAN_ONLY)
        bound, published = float(row["lp_lower_bound"]), float(row["best_published_makespan"])
        assert answer.makespan_bound_s <= bound * (1 + 1e-6)
        assert answer.makespan_bound_s > bound * 0.999
        assert answer.makespan_s < float(row["minmin_makespan"])
        gaps.append(answer.makespan_s / bound - 1)
        behind.append(answer.makespan_s / published - 1)
    assert len(gaps) == 8
    assert np.mean(gaps) < 0.01
    assert min(behind) > -1e-6, "better than the best published: something is not counted"
