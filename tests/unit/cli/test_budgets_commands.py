"""`phalanx budgets` against a node that answers as one does."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli._client import NodeClient
from phalanx.cli._main import root

VIEW = {
    "name": "lab", "tenant": "default", "unit": "USD", "period": "month", "span": "2026-11", "limit": 100.0,
    "spent": 12.5, "held": 2.0, "left": 85.5, "overrun": 0.0, "renews_at_ns": 1_764_547_200 * 10**9,
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    seen = []

    def answer(self, method, path, *, params, content=None, headers=None, **_):
        body = json.loads(content) if content else None
        seen.append((method, path, params, body))
        if path == "/v1/budgets/prices" and method == "POST":
            return body
        if path == "/v1/budgets/prices":
            return {"items": [{"currency": "USD"}, {"currency": "credits"}], "next": ""}
        return VIEW if method == "POST" else {"items": [VIEW], "next": ""}

    monkeypatch.setattr(NodeClient, "_ask", answer)
    return seen


def run(*args):
    return CliRunner().invoke(root, ["budgets", *args])


def test_budgets_are_listed_and_set(asked):
    shown = run("list")
    assert shown.exit_code == 0, shown.output
    assert "85.5000" in shown.output
    assert "2025-12-01" in shown.output
    made = run("set", "lab", "100", "USD", "--every", "day", "--tenant", "x")
    assert made.exit_code == 0, made.output
    body = {"name": "lab", "limit": 100.0, "unit": "USD", "period": "day", "tenant": "x"}
    assert asked[-2] == ("POST", "/v1/budgets", {}, body)
    assert "nothing is counted" not in made.output
    for unit, is_counted in (("jobs", True), ("credits", True), ("job", False)):
        made = run("set", "lab", "100", unit)
        assert made.exit_code == 0
        assert ("nothing is counted in job here" in made.output) is not is_counted


def test_a_price_without_source_or_date_is_refused(asked):
    assert run("price", "ibm.*", "--per-second", "1.6").exit_code == 2
    made = run("price", "ibm.*", "--per-second", "1.6", "--source", "a contract", "--as-of", "2026-01-01")
    assert made.exit_code == 0, made.output
    assert asked[-1][3]["shape"] == "per-second"
    assert asked[-1][3]["as_of_ns"] == 1_767_225_600 * 10**9
    assert "1.6 per second in USD" in made.output


@pytest.mark.parametrize("limit", ["-5", "-0.5", "-.5"])
def test_an_amount_below_zero_is_refused_as_one(asked, limit):
    refused = run("set", "lab", limit, "USD", "--every", "day")
    assert refused.exit_code == 2
    assert "Invalid value for 'LIMIT'" in refused.output
    assert "is not in the range x>=0" in refused.output
    assert "No such option" not in refused.output
    misspelt = run("set", "lab", "5", "USD", "--evry", "day")
    assert "--evry" in misspelt.output
    assert "--every" in misspelt.output
    assert asked == []
