"""The page of roles: every role, what it did, and links that lead somewhere."""

import re

import pytest

from phalanx.core import TenantId


@pytest.mark.requirement("AGT-1")
def test_every_role_is_shown_and_what_it_did_can_be_followed(on_pages):
    async def work(visit):
        await visit.sign_in()
        trace = await visit.accept()
        page = await visit.http.get("/roles")
        assert page.status_code == 200
        for role in ("sentinel", "hunter", "guardian", "analyst", "deception", "admin", "canary", "specialist"):
            assert f'id="role-{role}"' in page.text
        for work_ in ("triage", "expand", "decoys", "pipeline-probe", "crypto-inventory", "missions-overview"):
            assert work_ in page.text
        links = set(re.findall(r'href="(/trace/[^"]+|/ledger\?[^"]+)"', page.text))
        assert f"/trace/{trace}" in links
        for link in links:
            assert (await visit.http.get(link)).status_code == 200
        story = (await visit.http.get(f"/trace/{trace}")).text
        assert "hunt" in story

    on_pages(work)


def test_another_tenant_sees_roles_and_nothing_of_what_was_done_for_others(on_pages):
    async def work(visit):
        trace = await visit.accept()
        await visit.sign_in(tenant=TenantId("other"))
        page = await visit.http.get("/roles")
        assert page.status_code == 200
        assert trace not in page.text
        assert "Who touched a decoy" not in page.text
        assert "Keys and certificates" not in page.text

    on_pages(work)
