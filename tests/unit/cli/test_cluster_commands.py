"""`phalanx cluster` on what a node answered, and the flags of `phalanx up` that go with it."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli._client import NodeClient
from phalanx.cli.node._cluster import cluster
from phalanx.cli.node._up import up
from phalanx.core import InvalidInput

STATE = {
    "process": "hq.acme",
    "serves": True,
    "urls": ["tls://hq:4222"],
    "paths": [
        {"name": "primary", "connected": True, "state": "connected"},
        {"name": "backup", "connected": False, "state": "unexpected EOF"},
    ],
    "peers": [
        {"process": "lab.other", "agents": 5, "channel": True, "on_the_way": 1, "waiting": 2, "retries": 0,
         "round_trip_ms": 1.25, "silent_s": -1.0},
    ],
    "strangers": ["thief.crooks"],
    "invitations": [{"name": "lab", "expires_ns": 10**18, "joined": "lab.other"}],
    "assembly": {"roster": ["hq.acme", "lab.other", "third.x"], "present": ["hq.acme", "lab.other"], "epoch": 7,
                 "fixed_by": "node:acme/hq"},
}  # fmt: skip


@pytest.fixture
def posted(monkeypatch):
    made = []

    def post(self, path, *, content=b"", headers=None, **params):
        made.append((path, params))
        return {"name": params["name"], "token": "phalanx-join-1.secret"}

    monkeypatch.setattr(NodeClient, "get", lambda _, path, **__: STATE)
    monkeypatch.setattr(NodeClient, "post", post)
    return made


def run(*arguments):
    done = CliRunner().invoke(cluster, [*arguments, "--url", "http://node"], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_the_state_is_shown_whole(posted):
    shown = run("status")
    parts = (
        "hq.acme runs the server at tls://hq:4222", "unexpected EOF", "lab.other", "sealed", "never", "3",
        "thief.crooks", "lab", "assembly: 2 of 3 nodes are present, epoch 7, fixed by node:acme/hq",
    )  # fmt: skip
    for part in parts:
        assert part in shown
    assert json.loads(run("status", "--json")) == STATE


def test_a_node_that_is_alone_is_said_to_be(posted, monkeypatch):
    monkeypatch.setattr(NodeClient, "get", lambda _, path, **__: {**STATE, "paths": [], "serves": False})
    assert "is alone" in run("status")


def test_a_token_goes_to_a_new_file_for_its_owner_alone_and_is_not_shown(posted, tmp_path):
    file = tmp_path / "lab.join"
    shown = run("join-token", "lab", "--out", str(file), "--days", "3")
    assert "secret" not in shown
    assert file.read_text() == "phalanx-join-1.secret"
    assert file.stat().st_mode & 0o077 == 0
    assert posted == [("/v1/cluster/invitations", {"name": "lab", "days": 3.0})]
    with pytest.raises(InvalidInput, match="is there already"):
        run("join-token", "lab", "--out", str(file))
    assert len(posted) == 1
    other = tmp_path / "other"
    assert json.loads(run("join-token", "lab", "--out", str(other), "--json")) == {"name": "lab", "file": str(other)}


def test_an_invitation_is_taken_back(posted):
    assert run("remove", "lab") == "lab is out\n"
    assert posted == [("/v1/cluster/invitations/remove", {"name": "lab"})]


def test_a_node_serves_or_joins(tmp_path):
    with pytest.raises(InvalidInput, match="either runs the server"):
        CliRunner().invoke(up, ["--cluster", "--join", str(tmp_path / "t")], catch_exceptions=False)
