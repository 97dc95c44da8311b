"""`phalanx intel models list`: which models are not to be believed any more."""

import pytest
from click.testing import CliRunner

from phalanx.cli._client import NodeClient
from phalanx.cli.intel._models import models


@pytest.mark.requirement("LRN-3")
def test_a_model_that_drifted_is_marked(monkeypatch):
    def row(name, psi, *, drifted):
        return {
            "entry": {"id": name, "state": "shadow", "log_source": "zeek/conn", "since_ns": 1, "by": "ann"},
            "status": {"events": 5, "passed": 1, "psi": psi, "drifted": drifted},
        }

    found = {"items": [row("one", 0.65, drifted=True), row("two", 0.2, drifted=False)], "next": ""}
    monkeypatch.setattr(NodeClient, "get", lambda *_, **__: found)
    monkeypatch.setattr(NodeClient, "pages", lambda *_, **__: iter(found["items"]))
    told = CliRunner().invoke(models, ["list"])
    assert told.exit_code == 0, told.output
    one, two = (next(line for line in told.output.splitlines() if line.startswith(name)) for name in ("one", "two"))
    assert "0.65, drifted" in one
    assert "drifted" not in two
