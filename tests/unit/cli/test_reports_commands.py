"""`phalanx reports` against a node that answers as one does."""

from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner

from phalanx.cli._client import NodeClient
from phalanx.cli._main import root


@pytest.fixture
def asked(monkeypatch):
    seen = []

    def answer(self, method, path, *, params, content=None, headers=None, **_):
        seen.append((path, params))
        return {"items": [], "next": ""}

    monkeypatch.setattr(NodeClient, "_ask", answer)
    return seen


@pytest.mark.parametrize("report", ["chargeback", "charges", "revenue", "sla"])
def test_a_report_is_of_the_last_month_unless_somebody_says_otherwise(asked, report):
    runner = CliRunner()
    shown = runner.invoke(root, ["reports", report])
    assert shown.exit_code == 0, shown.output
    start, end = (datetime.fromisoformat(asked[-1][1][one]) for one in ("from", "to"))
    assert end - start == timedelta(days=30)
    assert f"no job was submitted from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC" in shown.output
    runner.invoke(root, ["reports", report, "--to", "2026-03-31"])
    assert asked[-1][1]["from"] == "2026-03-01T00:00:00"
    runner.invoke(root, ["reports", report, "--from", "2026-01-01", "--to", "2026-02-01"])
    assert asked[-1][1] | {"from": "2026-01-01T00:00:00", "to": "2026-02-01T00:00:00"} == asked[-1][1]


def test_a_month_is_one_of_utc(asked):
    runner = CliRunner()
    for month, end in (("2026-11", "2026-12-01T00:00:00"), ("2026-12", "2027-01-01T00:00:00")):
        shown = runner.invoke(root, ["reports", "chargeback", "--month", month])
        assert shown.exit_code == 0, shown.output
        assert (asked[-1][1]["from"], asked[-1][1]["to"]) == (f"{month}-01T00:00:00", end)
    assert runner.invoke(root, ["reports", "sla", "--month", "2026-11", "--to", "2026-11-05"]).exit_code == 2


CHARGE = {
    "job": "j", "tenant": "a", "device": "p.one", "submitted_at_ns": 1_793_491_200 * 10**9, "ended_at_ns": 0,
    "state": "held", "ended": "", "shots": 0.0, "seconds": 0.0, "cost": 0.0, "held": 0.1, "currency": "USD",
    "price_source": "us", "price_as_of_ns": 0,
}  # fmt: skip


def test_lines_are_read_to_the_last_page_and_say_the_span(monkeypatch):
    served = []

    def answer(self, method, path, *, params, **_):
        served.append(params)
        return {"items": [CHARGE] * 2, "next": "" if params["after"] else "a/j"}

    monkeypatch.setattr(NodeClient, "_ask", lambda self, method, path, *, params, **others: answer(
        self, method, path, params={"after": "", **params}, **others))  # fmt: skip
    shown = CliRunner().invoke(root, ["reports", "charges", "--month", "2026-11", "--csv"])
    assert shown.exit_code == 0, shown.output
    heading, *lines = shown.output.splitlines()
    assert heading.startswith("from,to,job,tenant,device,submitted_at,")
    assert len(lines) == 4
    assert lines[0].startswith("2026-11-01T00:00:00,2026-12-01T00:00:00,j,a,p.one,2026-11-01T00:00:00Z,,held,")
    assert [one["after"] for one in served] == ["", "a/j"]


def test_totals_stand_below_in_each_currency(monkeypatch):
    row = {"tenant": "a", "device": "p", "jobs": 1, "completed": 1, "failed": 0, "cancelled": 0, "shots": 1.0,
           "seconds": 1.0, "held": 0.0}  # fmt: skip
    rows = [row | {"cost": 0.1, "currency": "USD"}, row | {"cost": 0.2, "currency": "USD"},
            row | {"cost": 5.0, "currency": "HQC"}]  # fmt: skip
    monkeypatch.setattr(NodeClient, "_ask", lambda *_, **__: {"items": rows, "next": ""})
    shown = CliRunner().invoke(root, ["reports", "chargeback"])
    assert "cost in all: 5.0000 HQC, 0.3000 USD" in shown.output
    assert "held in all" not in shown.output
