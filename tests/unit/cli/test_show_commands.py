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
