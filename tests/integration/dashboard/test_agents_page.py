"""The page of the swarm, as a browser without scripts sees it."""

import pytest


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
        assert ">triage</a>" in page
        assert "a test &lt;b&gt;" in page
        assert "analyst-2.1" in page
        assert "<script" not in page
        assert "style=" not in page

    on_pages(work)
