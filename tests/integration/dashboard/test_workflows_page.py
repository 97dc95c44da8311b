"""The page of workflows, as a browser without scripts sees it."""

import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE, derive_id
from phalanx.workflows.analyses import attack_path_risk

LINKS = [["web", "app", 0.6], ["app", "db", 0.5], ["web", "vpn", 0.3], ["vpn", "db", 0.4]]


@pytest.mark.requirement("HWF-4", "HWF-5")
def test_runs_the_chart_of_one_and_its_assessment_are_shown(on_pages):
    async def work(visit):
        await visit.sign_in()
        empty = (await visit.http.get("/workflows")).text
        assert "Nothing was run yet" in empty
        assert "incident-triage" in empty
        engine, run = visit.node.engine, derive_id(visit.node.clock.wall_ns(), "run")
        if not any(one.name == attack_path_risk.name for one in engine.templates):
            engine.register(attack_path_risk)
        inputs = {"links": LINKS, "source": "web", "goal": "db"}
        await engine.submit("attack-path-risk", run_id=run, tenant=DEFAULT_TENANT, inputs=inputs, by="kim")
        going_on = (await visit.http.get(f"/workflows?run={run}")).text
        assert "to come" in going_on or "done" in going_on
        await engine.run("attack-path-risk", run_id=run, tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs=inputs)
        page = (await visit.http.get(f"/workflows?run={run}")).text
        assert "http-equiv" not in page, "what has ended needs no second look"
        assert "<svg" in page
        assert "circuits on local." in page or "on local." in page
        assert "db: " in page
        assert "not calibrated" in page
        assert "What would change it" in page
        for part in ("Claim: about 1/ε draws", "monte-carlo", "calls of the model"):
            assert part in page, part
        assert "kim" in page
        assert (await visit.http.get("/workflows?run=no-such")).status_code == 404
        later = derive_id(1, "a run about something old")
        await engine.submit("attack-path-risk", run_id=later, tenant=DEFAULT_TENANT, inputs=inputs, by="kim")
        page = (await visit.http.get("/workflows")).text
        assert 0 < page.index(later) < page.index(run), "newest first"

    on_pages(work)


def test_a_run_of_agents_names_its_case_and_the_agent(on_pages):
    async def work(visit):
        await visit.sign_in()
        trace = await visit.accept()
        page = (await visit.http.get("/workflows")).text
        assert f'<a href="/trace/{trace}">fs-01.corp.example@2026-03-02</a>' in page
        assert "analyst-" in page, "the agent whose mission it was"

    on_pages(work)
