"""`phalanx agents` on what a node answered."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli._client import NodeClient
from phalanx.cli.agents._group import agents
from phalanx.core import derive_id

AGENT = {
    "id": "hunter-1.2", "role": "hunter", "state": "busy", "mission": "m-1", "waiting": 0, "done": 7, "failed": 1,
    "identity": "ab" * 32, "locality": "n", "capabilities": ["prediction"], "skills": ["hunt"], "duties": ["watch"],
    "trust": 0.875, "phi": 0.1, "heard_ns": 1_767_268_800_000_000_000, "falls": 1, "busy_s": 2.5,
}  # fmt: skip
DUTY = {
    "duty": "watch", "role": "hunter", "partition": 0, "partitions": 2, "agent": "hunter-1.2", "state": "kept",
    "term": 3, "kept_s": 61.0, "silent_s": 2.0, "done": 40, "falls": 0, "note": "all quiet",
}  # fmt: skip
SKILL = {
    "name": "hunt", "role": "hunter", "capabilities": ["prediction"], "inputs": ["finding"], "outputs": ["note"],
    "cost": 1.0, "permissions": ["Findings"], "limit_s": 60.0, "cpu_bound": False,
}  # fmt: skip
TAKEN = {
    "agent": "hunter-1.2", "role": "hunter", "identity": "ab" * 32, "reason": "a test", "by": "kim",
    "at_ns": 1_767_268_800_000_000_000, "successor": "hunter-1.3",
}  # fmt: skip
MISSION = {
    "id": derive_id(1_767_182_400_000_000_000, "a mission"), "at_ns": 1_767_268_800_000_000_000, "skill": "triage",
    "status": "done", "agent": "analyst-1.1", "attempts": 1, "origin": "hq.acme", "taken_by": "",
    "note": "nothing in it",
}  # fmt: skip
STEP = {
    "at_ns": 1_767_268_800_000_000_000, "stage": "taken-over", "summary": "taken over from hq.acme",
    "detail": {"agent": ""},
}  # fmt: skip
VIEW = {
    "process": "lab.acme", "present": ["hq.acme"], "heirs": {"east.acme": 4}, "owners": {"hq.acme": 7},
    "taken": [["m-1", "hq.acme"]],
}  # fmt: skip


@pytest.fixture
def run(monkeypatch):
    asked = []
    answers = {
        "/v1/agents": {"items": [AGENT]}, "/v1/agents/hunter-1.2": AGENT, "/v1/duties": {"items": [DUTY]},
        "/v1/skills": {"items": [SKILL]}, "/v1/agents/quarantined": {"items": [TAKEN]},
        "/v1/agents/missions": {"items": [MISSION]}, "/v1/agents/missions/m-1/history": {"items": [STEP]},
        "/v1/agents/succession": VIEW,
    }  # fmt: skip

    def get(self, path, **params):
        asked.append((path, {name: value for name, value in params.items() if value}))
        return answers[path]

    def post(self, path, *, content=b"", headers=None, **params):
        asked.append((path, params))
        return {"node": "east.acme", "missions": 4} if "disown" in path else TAKEN

    monkeypatch.setattr(NodeClient, "get", get)
    monkeypatch.setattr(NodeClient, "post", post)

    def run(*arguments):
        return CliRunner().invoke(agents, arguments, catch_exceptions=False).output

    run.asked = asked
    return run


def test_agents_are_listed_and_looked_up(run):
    assert "hunter-1.2" in run("list")
    assert json.loads(run("registry", "--role", "hunter", "--min-trust", "0.5", "--able", "--json")) == [AGENT]
    assert run.asked[-1] == ("/v1/agents", {"role": "hunter", "min_trust": 0.5, "able": "true"})
    told = run("show", "hunter-1.2")
    assert "busy           2.5 s" in told
    assert "duties         watch" in told


def test_duties_skills_and_who_was_set_apart_are_told(run):
    assert "watch 1/2" in run("duties")
    assert "hunt" in run("skills", "--capability", "prediction")
    assert "a test" in run("quarantined")


@pytest.mark.parametrize(("command", "says"), [("kill", "is gone"), ("quarantine", "is set apart, its key revoked")])
def test_taking_somebody_out_says_who_has_the_place(run, command, says):
    told = run(command, "hunter-1.2", "--reason", "a test")
    assert says in told
    assert "hunter-1.3 has its place" in told
    assert run.asked == [(f"/v1/agents/hunter-1.2/{command}", {"reason": "a test"})]


@pytest.mark.requirement("AGT-3")
def test_missions_are_listed_with_where_they_came_from_and_what_happened_to_each(run):
    told = run("missions", "--taken", "--status", "done")
    assert "hq.acme" in told
    assert "2025-12-31" in told, "its cause, by which it is in order, is older than it is"
    assert "2026-01-01" in told
    assert run.asked[-1] == ("/v1/agents/missions", {"status": "done", "taken": "true", "limit": 50})
    assert "taken over from hq.acme" in run("missions", "m-1")
    assert json.loads(run("missions", "m-1", "--json")) == [STEP]
    told = run("succession")
    assert "lab.acme hears hq.acme" in told
    assert "taken over since the start: 1" in told
    assert json.loads(run("succession", "--json")) == VIEW
    assert run("disown", "east.acme") == "4 missions go on without east.acme\n"
    assert run.asked[-1][0] == "/v1/agents/succession/east.acme/disown"
