"""The page of roles: every role, what it did, and links that lead somewhere."""

import re
from html import unescape

import pytest

from phalanx.core import NO_TRACE, PROBE_TENANT, AuditEntry, TenantId, derive_id


@pytest.mark.requirement("AGT-1")
def test_every_role_is_shown_and_what_it_did_can_be_followed(on_pages):
    async def work(visit):
        await visit.sign_in()
        trace = await visit.accept()
        clocks = AuditEntry(
            id=derive_id(1, "audit", "clocks"), tenant=PROBE_TENANT, trace=NO_TRACE, at_ns=1, actor="canary",
            action="clocks.weigh", subject="2 hosts", case="", body={"ahead_s": {"host-of-another": 90.0}},
        )  # fmt: skip
        await visit.node.ledger.record(clocks)
        page = await visit.http.get("/roles")
        assert page.status_code == 200
        for role in ("sentinel", "hunter", "guardian", "analyst", "deception", "admin", "canary", "specialist"):
            assert f'id="role-{role}"' in page.text
        for work_ in ("triage", "expand", "decoys", "pipeline-probe", "crypto-inventory", "missions-overview"):
            assert work_ in page.text
        links = set(re.findall(r'href="(/trace/[^"]+|/ledger\?[^"]+)"', page.text))
        assert {link.partition("#")[0] for link in links} >= {f"/trace/{trace}"}
        assert any("#mission-done-" in link for link in links)
        assert any("#entry-" in link for link in links)
        for link in links:
            found = await visit.http.get(unescape(link))
            assert found.status_code == 200
            # The very line that is meant is there.
            assert f'id="{link.partition("#")[2]}"' in found.text, link
        # What has no trace leads to none, and can be read where it stands.
        ledger = (await visit.http.get("/ledger")).text
        assert 'href="/trace/"' not in ledger
        assert "<details><summary>" in ledger
        # What the node does for itself is there, and no host of another tenant.
        assert "1 of them ahead" in page.text
        ledger = (await visit.http.get("/ledger?probes=1")).text
        assert "clocks.weigh" in ledger
        assert "host-of-another" not in page.text + ledger
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
