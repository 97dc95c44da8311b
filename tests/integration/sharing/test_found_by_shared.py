"""From a partner's bundle to a finding: what is imported is looked for in events, and forgotten when it is revoked."""

import json

import httpx
import pytest

from phalanx.core import DEFAULT_TENANT

pytestmark = pytest.mark.requirement("INT-4")

INDICATOR = {
    "type": "indicator", "spec_version": "2.1", "id": "indicator--00000000-0000-4000-8000-000000000007",
    "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z", "name": "known C2",
    "pattern": "[ipv4-addr:value = '45.77.1.7']", "pattern_type": "stix", "valid_from": "2020-01-01T00:00:00Z",
    "confidence": 90,
}  # fmt: skip
CONNECTION = {
    "_path": "conn", "ts": 1_767_225_600.0, "uid": "C1", "id.orig_h": "10.0.0.5", "id.orig_p": 50_000,
    "id.resp_h": "45.77.1.7", "id.resp_p": 443, "proto": "tcp",
}  # fmt: skip


async def nothing(served):
    return None


def test_what_is_imported_is_found_and_what_is_revoked_is_not(on_served):
    async def findings(served):
        await served.node.intake.accept(json.dumps(CONNECTION).encode(), tenant=DEFAULT_TENANT)
        await served.node.settled()
        found = await served.node.findings.list(DEFAULT_TENANT)
        return [one for one in found if "45.77.1.7" in one.explanation]

    async def work(served, _):
        headers = {"Authorization": f"Bearer {served.secrets['own']}"}
        async with httpx.AsyncClient(base_url=served.url, headers=headers) as http:

            async def bring(one):
                body = json.dumps({"objects": [one]})
                answer = await http.post("/v1/sharing/collections/imported/objects", content=body)
                return answer.raise_for_status().json()

            assert await findings(served) == []
            assert (await bring(INDICATOR))["looked_for"]
            found = await findings(served)
            assert len(found) == 1
            newer = INDICATOR | {"modified": "2026-01-02T00:00:00.000Z", "revoked": True}
            assert (await bring(newer))["added"] == 1
            assert [one.hits for one in await findings(served)] == [one.hits for one in found]

    on_served(nothing, work)
