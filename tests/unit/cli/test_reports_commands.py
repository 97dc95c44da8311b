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


@pytest.mark.parametrize("report", ["chargeback", "revenue", "sla"])
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
