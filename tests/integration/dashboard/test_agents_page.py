"""The page of the swarm, as a browser without scripts sees it."""

import pytest

from phalanx.agents import Mission, MissionStatus, SuccessionView
from phalanx.agents._model import mission_put
from phalanx.core import DEFAULT_TENANT, NO_TRACE, Severity, derive_id


@pytest.mark.requirement("AGT-3")
def test_the_page_shows_roles_agents_and_missions_without_scripts(on_pages):
    async def work(visit):
        await visit.sign_in()
        empty = (await visit.http.get("/agents")).text
        assert "Nothing has been asked of the agents yet." in empty
        await visit.accept()
        visit.node.swarm.quarantine("analyst-1.1", "a test <b>", by="somebody")
        page = (await visit.http.get("/agents")).text
        assert "running, " in page
        assert "those of what happened last, newest first" in page
        assert ">triage</a>" in page
        assert "a test &lt;b&gt;" in page
        assert "analyst-2.1" in page
        assert "<script" not in page
        assert "style=" not in page
        assert "refresh" not in page.partition("</head>")[0]
        live = (await visit.http.get("/agents", params={"live": "1"})).text
        assert '<meta http-equiv="refresh" content="3">' in live
        assert "hold still" in live

    on_pages(work)


@pytest.mark.requirement("AGT-3")
def test_the_mission_that_came_last_is_shown_first_however_old_what_led_to_it_is(on_pages):
    async def work(visit):
        await visit.sign_in()
        now_ns = visit.node.clock.wall_ns()
        for cause_ns, since_ns, key in ((now_ns, now_ns - 1, "key-of-the-first"), (1, now_ns, "key-of-the-second")):
            mission = Mission(
                id=derive_id(cause_ns, "mission", key), tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=since_ns,
                skill="triage", subject="s", case="c", severity=Severity.LOW, status=MissionStatus.DONE,
                agent="analyst-1.1", identity=key,
            )  # fmt: skip
            await visit.node.store.commit([mission_put(mission)])
        page = (await visit.http.get("/agents")).text
        assert 0 < page.index("key-of-the-second"[:16]) < page.index("key-of-the-first"[:16])

    on_pages(work)


@pytest.mark.requirement("AGT-3")
def test_the_page_shows_which_nodes_continue_for_each_other(on_pages):
    class Neighbours:
        def view(self):
            return SuccessionView(
                process="hq.acme", present=("lab.acme",), heirs={"lab.acme": 7, "gone.acme": 2}, owners={"lab.acme": 5},
                taken=(),
            )  # fmt: skip

    async def work(visit):
        await visit.sign_in()
        assert "continue for each other" not in (await visit.http.get("/agents")).text
        swarm, visit.node.swarm.succession = visit.node.swarm, Neighbours()
        try:
            page = (await visit.http.get("/agents")).text
        finally:
            swarm.succession = None
        assert "hq.acme hears lab.acme" in page
        assert "gone.acme" in page
        assert ">silent<" in page

    on_pages(work)
