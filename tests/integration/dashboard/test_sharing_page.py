"""The pages of sharing and coverage, as a browser without scripts sees them."""

import json

import pytest

from phalanx.core import DEFAULT_TENANT, TenantId
from phalanx.intel.sharing import Audience, Query, Reader
from phalanx.trust import Role


@pytest.mark.requirement("INT-4")
def test_the_page_shows_what_was_shared_with_whom(on_pages):
    async def work(visit):
        await visit.sign_in()
        page = (await visit.http.get("/sharing")).text
        assert "nothing is shared with anybody" in page
        assert "No source is set." in page
        exchange, partner = visit.node.sharing.exchange, Reader("<b>acme</b>", partner=True)
        made = await exchange.collections.make(
            DEFAULT_TENANT,
            "partners",
            audience=Audience.PARTNER,
            readers=[partner.name],
            writers=[partner.name],
            by="x",
        )
        url = {"type": "url", "id": "url--00000000-0000-4000-8000-000000000000", "value": "http://x.example"}
        await exchange.take(DEFAULT_TENANT, made, partner, json.dumps({"objects": [url, {"type": "<i>"}]}).encode())
        await exchange.hand_over(DEFAULT_TENANT, made, partner, Query())
        page = (await visit.http.get("/sharing")).text
        assert "TLP:AMBER" in page
        assert "&lt;b&gt;acme&lt;/b&gt;" in page
        assert "<b>acme" not in page
        assert "is missing or not the name of a type" in page
        assert "<script" not in page
        assert "style=" not in page
        await visit.sign_in(tenant=TenantId("another"))
        assert "acme" not in (await visit.http.get("/sharing")).text

    on_pages(work)


def test_the_page_of_coverage_names_rules_by_technique(on_pages):
    async def work(visit):
        await visit.sign_in()
        page = (await visit.http.get("/coverage")).text
        assert "PowerShell downloads and runs code" in page
        assert "T1059.001" in page
        assert "The MITRE Corporation" in page

    on_pages(work)


def test_a_partner_is_not_let_in(on_pages):
    async def work(visit):
        await visit.sign_in(Role.PARTNER)
        for path in ("/sharing", "/", "/ledger"):
            answer = await visit.http.get(path)
            assert answer.status_code in (302, 303, 307, 403), path
            assert "Handed over" not in answer.text

    on_pages(work)
