"""The page of messages, as a browser without scripts sees it."""

import pytest

from phalanx.core import TenantId
from phalanx.messaging import Kind, Member, Survey, SurveyedProcess, Way


@pytest.mark.requirement("MSG-5")
def test_the_page_shows_routes_and_the_tenants_own_dead_letters(on_pages):
    async def work(visit):
        await visit.sign_in()
        page = (await visit.http.get("/messages")).text
        assert "never gives way" in page
        assert "This node is alone" in page
        assert "Everything that was to be acknowledged was." in page
        bus = visit.node.bus
        a, b = bus.join(Member("a")), bus.join(Member("<b>b</b>".replace("/", "-")))
        a.send_nowait(Kind.COORDINATION, b.address, b"")
        b.leave()
        await bus.dead_letters.flush()
        page = (await visit.http.get("/messages")).text
        assert "unknown-recipient" in page
        assert "&lt;b&gt;b" in page
        assert "<script" not in page
        assert "style=" not in page
        await visit.sign_in(tenant=TenantId("another"))
        assert "unknown-recipient" not in (await visit.http.get("/messages")).text

    on_pages(work)


@pytest.mark.requirement("MSG-6")
def test_the_page_draws_graphs_of_a_cluster_when_it_is_asked_to(on_pages, monkeypatch):
    survey = Survey(
        asked_by="a", at_ns=1,
        processes=tuple(SurveyedProcess(process=one, organisation="acme", answered=True) for one in ("a", "<b>")),
        ways=(Way(here="<b>", there="a", round_trip_ms=2.0),),
    )  # fmt: skip

    async def measured_so(*_):
        return survey

    async def work(visit):
        await visit.sign_in()
        assert "This node is alone" in (await visit.http.get("/messages")).text
        assert "nothing between processes to measure" in (await visit.http.get("/messages?graphs=1")).text
        monkeypatch.setattr("phalanx.dashboard._messages_page.surveyed", measured_so)
        page = (await visit.http.get("/messages?graphs=1")).text
        assert "regular-8" in page
        assert "&lt;b&gt;</text>" in page
        assert "<b>" not in page
        assert "style=" not in page

    on_pages(work)
