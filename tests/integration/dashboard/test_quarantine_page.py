"""The page of quarantine: what could not be read, why, and what became of it."""

import re

import pytest

from phalanx.core import DEFAULT_TENANT, TenantId
from phalanx.intel import Replays


@pytest.mark.requirement("INT-1")
def test_lines_reasons_and_what_became_of_them_are_shown(on_pages):
    async def work(visit):
        await visit.sign_in()
        empty = await visit.http.get("/quarantine")
        assert "every line could be read" in empty.text
        assert "the newest" not in empty.text
        node = visit.node
        data = b"CEF:0|v|p|1|c|n|5|src=10.0.0.1 dst=10.0.0.2 spt=none\n<b>nonsense</b>"
        await node.intake.accept(data, tenant=DEFAULT_TENANT, reader="leef")
        await node.settled()
        page = await visit.http.get("/quarantine")
        assert page.status_code == 200
        assert "&lt;b&gt;nonsense" in page.text
        assert "2 × no LEEF: near the beginning of the line" in page.text
        assert page.text.count("nothing yet") == 2
        replays = Replays(node.events, node.intake, node.store, node.clock, node.ledger)
        await replays.replay(DEFAULT_TENANT, by="anna", reader="cef")
        page = await visit.http.get("/quarantine")
        assert page.text.count("nothing yet") == 1
        (event,) = re.findall('href="(/trace/[^"]+)"', page.text)
        shown = await visit.http.get(event)
        assert shown.status_code == 200
        assert "<code>spt</code> (src_endpoint.port cannot hold it)" in shown.text

    on_pages(work)


def test_another_tenant_sees_none_of_it(on_pages):
    async def work(visit):
        await visit.node.intake.accept(b"a secret line", tenant=DEFAULT_TENANT)
        await visit.node.settled()
        await visit.sign_in(tenant=TenantId("other"))
        assert "a secret line" not in (await visit.http.get("/quarantine")).text

    on_pages(work)
