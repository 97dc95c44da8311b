"""What the commands about a ledger's witnesses print, from a node's answers."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli._client import NodeClient
from phalanx.cli._main import root

pytestmark = pytest.mark.requirement("IRS-4")

KEYS = {
    "log": "phalanx-ledger/aa", "log_keys": ["phalanx-ledger/aa+1+AA", "phalanx-ledger/aa+2+BB"],
    "fingerprint": "ff" * 32, "witness": "phalanx-witness/aa", "witness_keys": ["phalanx-witness/aa+3+CC"],
}  # fmt: skip
WITNESSES = {
    "size": 12, "quorum": 2, "degraded": True,
    "witnesses": [
        {"name": "phalanx-witness/bb", "url": "http://b", "size": 12, "behind": 0, "cosigned_at_s": 1_767_225_600,
         "problem": ""},
        {"name": "phalanx-witness/cc", "url": "http://c", "size": 0, "behind": 12, "cosigned_at_s": 0,
         "problem": "there is no answer"},
    ],
}  # fmt: skip
WITNESSED = {"items": [{"origin": "phalanx-ledger/dd", "size": 3, "cosigned_at_ns": 1_767_225_600 * 10**9, "open": 1}]}
SPLIT = {
    "items": [
        {"id": "00000000-0000-7000-8000-000000000001", "origin": "phalanx-ledger/dd",
         "found_at_ns": 1_767_225_600 * 10**9, "source": "http://b", "evidence": {"kind": "phalanx-split-view"}},
    ],
}  # fmt: skip


@pytest.fixture
def ledger(monkeypatch):
    """Runs ``phalanx ledger …`` against a node that gives these answers."""
    answers = {
        "/v1/witness": KEYS,
        "/v1/ledger/witnesses": WITNESSES,
        "/v1/ledger/witnessed": WITNESSED,
        "/v1/ledger/split-views": SPLIT,
    }
    monkeypatch.setattr(NodeClient, "get", lambda client, path, **params: answers[path])

    def run(*arguments):
        done = CliRunner().invoke(root, ["ledger", *arguments, "--url", "http://node:8470"], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    return run


def test_keys_are_settings_that_the_other_node_can_read(ledger):
    import tomllib

    settings = tomllib.loads(ledger("keys"))["ledger"]
    assert settings["witness_for"] == [{"url": "http://node:8470", "keys": KEYS["log_keys"]}]
    assert settings["witnesses"] == [{"url": "http://node:8470/v1/witness", "keys": KEYS["witness_keys"]}]
    assert json.loads(ledger("keys", "--json")) == KEYS


def test_witnesses_say_who_is_behind_and_why(ledger):
    shown = ledger("witnesses")
    assert "Witnesses of 12 entries, 2 needed" in shown
    first, second = (line for line in shown.splitlines() if line.startswith("phalanx-witness"))
    assert first.split() == ["phalanx-witness/bb", "12", "0", "2026-01-01", "00:00:00", "–"]
    assert second.split()[1:4] == ["0", "12", "–"]
    assert "there is no answer" in second
    assert "fewer than needed" in shown
    assert "phalanx-ledger/dd" in shown
    assert json.loads(ledger("witnesses", "--json"))["ledger"] == WITNESSES


def test_split_views_name_the_ledger_and_give_the_evidence_as_json(ledger):
    assert "phalanx-ledger/dd" in ledger("split-views")
    assert json.loads(ledger("split-views", "--json"))[0]["evidence"] == {"kind": "phalanx-split-view"}
