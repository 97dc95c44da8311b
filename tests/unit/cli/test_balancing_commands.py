"""`phalanx balancing` on files, and on what a node answered."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli._balancing import balancing
from phalanx.cli._bench import bench
from phalanx.cli._client import NodeClient
from phalanx.core import InvalidInput

PROBLEM = {
    "kinds": [{"name": "work", "work": {"cpu": 1.0}}],
    "resources": [{"name": "a", "kind": "cpu"}, {"name": "b", "kind": "cpu"}],
    "operations": [{"kind": "work", "count": 10}, {"id": "late", "kind": "work", "deadline_s": 0.5}],
}
CAPACITY = {
    "kinds": PROBLEM["kinds"],
    "resources": PROBLEM["resources"],
    "arrivals_per_s": {"work": 1.8},
    "offers": [
        {"name": "more", "resource": {"name": "c", "kind": "cpu"}, "cost_per_hour": 2.0, "lead_days": 4, "most": 1}
    ],
    "growth_per_day": 1.1,
    "horizon_days": 9,
}


def run(*arguments, text=None):
    return CliRunner().invoke(balancing, arguments, input=text, catch_exceptions=False)


def test_a_problem_is_solved_from_a_file_or_standard_input(tmp_path):
    file = tmp_path / "problem.json"
    file.write_text(json.dumps(PROBLEM))
    told = run("solve", str(file)).output
    assert "above the best there can be" in told
    assert "1 miss their deadline, 1 of which could not keep it anywhere" in told
    answer = json.loads(run("solve", "-", "--json", "--method", "round-robin", text=json.dumps(PROBLEM)).output)
    assert answer["method"] == answer["chosen"] == "round-robin"
    exact = run("solve", str(file), "--exact").output
    assert "exact: done after 6 s, the least there is" in exact
    with pytest.raises(InvalidInput, match="unknown field"):
        run("solve", "-", text=json.dumps({**PROBLEM, "x": 1}))


def test_capacity_says_what_to_order_when_and_what_nothing_can_save():
    told = run("capacity", "-", text=json.dumps(CAPACITY)).output
    assert "-4 (too late)" in told
    assert "cost over 9 days: 432.00" in told
    assert "nothing on offer keeps the target" in told
    enough = json.loads(run("capacity", "-", "--json", text=json.dumps({**CAPACITY, "arrivals_per_s": {}})).output)
    assert enough["additions"] == []


def test_pools_and_placements_are_shown(monkeypatch):
    pool = {
        "title": "Missions over agents",
        "planning": "split by speed, as little arrives",
        "resources": [
            {"name": "analyst-1", "state": "open", "utilisation": 0.5, "target": 0.25, "held": 1, "limit": 3,
             "free_in_s": 0.125, "price": 1.0, "slowness": 1.5, "done": 7, "failed": 2}
        ],
        "kinds": [{"name": "triage", "arrivals_per_s": 0.5, "placed": [1.0], "planned": [0.75]}],
    }  # fmt: skip
    placement = {"at_ns": 0, "kind": "triage", "resource": "analyst-1", "reason": "it is free", "operation": "m1"}
    answers = {
        "/v1/balancing": {"items": [pool]},
        "/v1/balancing/agents": pool,
        "/v1/balancing/agents/placements": {"items": [placement]},
    }
    monkeypatch.setattr(NodeClient, "get", lambda self, path: answers[path])
    for told in (run("show").output, run("show", "agents").output):
        assert "50% (25%)" in told
        assert "100% (75%)" in told
    assert json.loads(run("show", "--json").output) == [pool]
    assert "it is free" in run("placements", "agents").output


def test_a_benchmark_without_such_a_suite_says_which_there_are():
    for arguments in (["balancing", "--suite", "nonsense"], ["startup", "--stream"], ["all", "--suite", "braun"]):
        with pytest.raises(InvalidInput, match="has no suite") as refused:
            CliRunner().invoke(bench, arguments, catch_exceptions=False)
        assert "balancing: braun, rcmax, stream" in refused.value.hint
