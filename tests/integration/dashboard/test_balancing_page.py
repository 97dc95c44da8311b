"""The page of balancing, as a browser without scripts sees it."""

import re

import pytest

from phalanx.core import TenantId


@pytest.mark.requirement("BAL-4")
def test_the_page_shows_targets_matrix_and_reasons_without_scripts(on_pages):
    async def work(visit):
        await visit.sign_in()
        empty = await visit.http.get("/balancing")
        assert empty.status_code == 200
        assert "Nothing has been placed yet." in empty.text
        await visit.node.balancing.beat()
        await visit.accept()
        await visit.node.balancing.beat()
        page = (await visit.http.get("/balancing")).text
        assert "Missions over agents" in page
        assert "Circuits over devices" in page
        assert "cannot</small>" not in page, "where a kind cannot go there is nothing to tell"
        assert "local.statevector is free in" in page
        assert re.search(r"planned peak \d+ %, split by speed", page)
        assert re.search(r'aria-label="busy \d+ percent, target \d+ percent"', page)
        assert "<script" not in page
        assert "style=" not in page

    on_pages(work)


def test_placements_are_shown_to_their_own_tenant(on_pages):
    async def work(visit):
        await visit.accept()
        await visit.sign_in(tenant=TenantId("another"))
        page = (await visit.http.get("/balancing")).text
        assert "Missions over agents" in page
        assert "is free in" not in page

    on_pages(work)
