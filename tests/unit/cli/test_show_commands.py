"""The short commands that show one kind of record."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli._client import NodeClient, Refused
from phalanx.cli._main import root


@pytest.mark.parametrize("kind", ["findings", "missions", "assessments", "decisions", "alerts"])
def test_a_listing_may_be_asked_for_by_the_word_that_groups_have_for_it(kind, monkeypatch):
    monkeypatch.setattr(NodeClient, "get", lambda *_, **__: {"items": [{"id": "1", "path": kind}], "next": ""})
    for words in ([kind, "--json"], [kind, "list", "--json"]):
        done = CliRunner().invoke(root, words, catch_exceptions=False)
        assert json.loads(done.output) == [{"id": "1", "path": kind}]
    wrong = CliRunner().invoke(root, [kind, "show"])
    assert wrong.exit_code == 2
    assert "'show' is not 'list'" in wrong.output


def test_whoever_judges_a_finding_is_told_which_it_was(monkeypatch):
    made = {"finding": "f1", "rule": "5f92fff9-82e2-48eb-8fc1-8b133556a551", "verdict": "false"}
    monkeypatch.setattr(NodeClient, "post_json", lambda *_, **__: made)
    found = {"/v1/findings/f1": {"title": "Remote Desktop, unusual"}}
    monkeypatch.setattr(NodeClient, "get", lambda _, path, **__: found[path])
    done = CliRunner().invoke(root, ["intel", "judge", "f1", "false"], catch_exceptions=False)
    assert done.output == "Remote Desktop, unusual: false\n"


def test_a_decision_names_its_action_and_target_and_one_about_something_else_does_not(monkeypatch):
    decided = {"at_ns": 0, "outcome": "approved", "authority": "containment-v1", "reasons": ["sure"], "trace": "t"}
    proposal = {"action": "isolate-host", "target": {"type": "host", "value": "ws-07"}}

    def answered(_, path, **__):
        if path == "/v1/decisions":
            return {"items": [decided | {"about": "p1"}, decided | {"about": "f1"}], "next": ""}
        if path != "/v1/proposals/p1":
            raise Refused("there is none", hint="", code="not-found")
        return proposal

    monkeypatch.setattr(NodeClient, "get", answered)
    done = CliRunner().invoke(root, ["decisions"], catch_exceptions=False, env={"COLUMNS": "200"})
    assert "isolate-host" in done.output
    assert "host:ws-07" in done.output
    assert done.output.count("approved") == 2


FOUND = {
    "id": "f1", "trace": "t1", "rule": "encoded", "title": "PowerShell with an encoded command", "severity": 4,
    "first_seen_ns": 0, "hits": 2, "techniques": ["T1059.001"],
    "entities": [
        {"type": "host", "value": "ws-07"}, {"type": "user", "value": "keller"},
        {"type": "process", "value": "C:\\Windows\\System32\\powershell.exe"},
        {"type": "process", "value": "D:\\copy\\powershell.exe"}, {"type": "ip", "value": "192.0.2.9"},
    ],
}  # fmt: skip
MINOR = FOUND | {"id": "f2", "title": "A program that is rare", "rule": "rare", "severity": 2, "techniques": []}


def listed(monkeypatch, *words):
    monkeypatch.setattr(NodeClient, "get", lambda *_, **__: {"items": [FOUND, MINOR], "next": ""})
    return CliRunner().invoke(root, ["findings", *words], catch_exceptions=False, env={"COLUMNS": "200"})


def test_a_finding_is_listed_with_its_id_and_with_what_it_is_about_in_short(monkeypatch):
    line = next(line for line in listed(monkeypatch).output.splitlines() if "encoded" in line)
    assert "host:ws-07, user:keller, process:powershell.exe, 1 more" in line
    assert line.rstrip().endswith("f1")


def test_findings_are_narrowed_by_severity_and_by_what_they_name(monkeypatch):
    def ids(*words):
        return [one["id"] for one in json.loads(listed(monkeypatch, "--json", *words).output)]

    assert ids() == ["f1", "f2"]
    assert ids("--severity", "low") == ["f1", "f2"]
    assert ids("--severity", "high") == ["f1"]
    assert ids("--severity", "critical") == []
    assert ids("--like", "RARE") == ["f2"]
    assert ids("--like", "user:keller", "--limit", "1") == ["f1"]
    assert listed(monkeypatch, "--like", "nobody").output == "no findings of that kind\n"


def test_a_finding_is_traced_by_its_id(monkeypatch):
    story = {"waypoints": [{"at_ns": 0, "room": "intel", "stage": "finding", "summary": "an encoded command"}]}

    def answered(_, path, **__):
        if path not in {"/v1/findings/f1", "/v1/traces/t1"}:
            raise Refused(f"there is no {path}", hint="", code="not-found")
        return FOUND if path == "/v1/findings/f1" else story

    monkeypatch.setattr(NodeClient, "get", answered)
    assert "an encoded command" in CliRunner().invoke(root, ["trace", "f1"], catch_exceptions=False).output
    unknown = CliRunner().invoke(root, ["trace", "f2"])
    assert str(unknown.exception) == "there is no /v1/traces/f2"
