"""The page of rules: what is looked for, what it brought, and what is suppressed."""

import pytest

from phalanx.core import DEFAULT_TENANT, TenantId
from phalanx.dashboard import _rules_page
from phalanx.intel import SuppressionWanted


@pytest.mark.requirement("INT-2")
def test_rules_their_hits_and_suppressions_are_shown(on_pages):
    async def work(visit):
        await visit.sign_in()
        await visit.accept()
        wanted = SuppressionWanted(rule="dns-tunnel", reason="our own <resolver>")
        await visit.node.judgements.suppress(DEFAULT_TENANT, wanted, by="anna")
        page = await visit.http.get("/rules")
        assert page.status_code == 200
        brought = [one for one in visit.node.rules.view(DEFAULT_TENANT).rules if one.hits]
        assert brought
        assert brought[0].title in page.text
        assert "our own &lt;resolver&gt;" in page.text
        assert 'href="/rules"' in page.text

    on_pages(work)


def test_where_not_all_rules_are_shown_the_page_says_which_are(on_pages, monkeypatch):
    async def work(visit):
        await visit.sign_in()
        await visit.accept()
        every = (await visit.http.get("/rules")).text
        assert "that brought or cost most" not in every
        monkeypatch.setattr(_rules_page, "MAX_RULES_SHOWN", 3)
        page = (await visit.http.get("/rules")).text
        assert "of which those 3 are shown that brought or cost most" in page
        brought = [one for one in visit.node.rules.view(DEFAULT_TENANT).rules if one.hits]
        assert brought[0].title in page

    on_pages(work)


def test_another_tenant_sees_rules_and_not_what_they_brought_or_who_suppressed_what(on_pages):
    async def work(visit):
        await visit.accept()
        wanted = SuppressionWanted(rule="dns-tunnel", reason="our own resolver")
        await visit.node.judgements.suppress(DEFAULT_TENANT, wanted, by="anna")
        await visit.sign_in(tenant=TenantId("other"))
        page = await visit.http.get("/rules")
        assert page.status_code == 200
        assert "dns-tunnel" in page.text
        assert "our own resolver" not in page.text

    on_pages(work)
