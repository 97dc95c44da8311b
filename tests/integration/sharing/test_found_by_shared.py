"""From a partner's bundle to a finding: what is imported is looked for in events, and forgotten when it is revoked."""

import json

import httpx
import pytest

from phalanx.core import DEFAULT_TENANT
from phalanx.intel.sharing import TLP_2, Audience
from phalanx.messaging import Marking

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
            brought = await bring(INDICATOR)
            assert (brought["looked_for"], brought["left"]) == (True, [])
            reserved = INDICATOR | {
                "id": "indicator--00000000-0000-4000-8000-000000000008", "pattern": "[ipv4-addr:value = '10.1.2.3']",
            }  # fmt: skip
            brought = await bring(reserved)
            assert brought["left"] == [{"object": "10.1.2.3", "reason": "on a warninglist: reserved by standards"}]
            found = await findings(served)
            assert len(found) == 1
            newer = INDICATOR | {"modified": "2026-01-02T00:00:00.000Z", "revoked": True}
            assert (await bring(newer))["added"] == 1
            assert [one.hits for one in await findings(served)] == [one.hits for one in found]

    on_served(nothing, work)


def marked(number, name, marking):
    return INDICATOR | {
        "id": f"indicator--00000000-0000-4000-8000-{number:012d}", "pattern": f"[domain-name:value = '{name}']",
        "object_marking_refs": [TLP_2[marking]],
    }  # fmt: skip


def test_what_rests_on_closed_intelligence_is_told_no_further_than_that(on_served):
    names = {"green-one.com": Marking.GREEN, "amber-two.com": Marking.AMBER, "really-red.com": Marking.RED}
    asked = [
        {"EventTime": "2026-03-02 09:39:13", "Hostname": f"h{n}", "EventID": 22, "QueryName": f"x.{name}",
         "Channel": "Microsoft-Windows-Sysmon/Operational"}
        for n, name in enumerate(names)
    ]  # fmt: skip

    async def work(served, _):
        await served.collection("isac", Audience.COMMUNITY, readers=["acme"])
        headers = {"Authorization": f"Bearer {served.secrets['own']}"}
        async with httpx.AsyncClient(base_url=served.url, headers=headers) as http:
            objects = [marked(n, name, marking) for n, (name, marking) in enumerate(names.items())]
            answer = await http.post(
                "/v1/sharing/collections/imported/objects", content=json.dumps({"objects": objects})
            )
            brought = answer.raise_for_status().json()
            assert (brought["added"], brought["indicators"], len(brought["refused"])) == (2, 2, 1)
            lines = "\n".join(map(json.dumps, asked)).encode()
            await served.node.intake.accept(lines, tenant=DEFAULT_TENANT)
            await served.node.settled()
            found = (await http.get("/v1/findings")).json()["items"]
            marks = {one["case"][:2]: one["marking"] for one in found if one["rule"].startswith("indicator ")}
            assert marks == {"h0": "TLP:GREEN", "h1": "TLP:AMBER"}

            async def tell(case):
                params = {"case": f"{case}@2026-03-02", "marking": "green"}
                return (await http.post("/v1/sharing/collections/isac/tell", params=params)).raise_for_status().json()

            assert (await tell("h0"))["added"] > 2
            closed = await tell("h1")
            assert closed["added"] == 0
            assert "TLP:AMBER and may not go to TLP:GREEN" in closed["refused"][0]["reason"]
            case = {"case": "h1@2026-03-02"}
            for way in ("bundle", "misp"):
                answer = await http.get(
                    f"/v1/sharing/{way}", params=case | {"audience": "community", "marking": "green"}
                )
                assert (answer.status_code, answer.json()["code"]) == (403, "not-shareable")
            answer = await http.get("/v1/sharing/bundle", params=case | {"audience": "partner", "marking": "amber"})
            assert "x.amber-two.com" in answer.raise_for_status().text

    on_served(nothing, work)
