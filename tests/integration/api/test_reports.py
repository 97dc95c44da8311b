"""Reports over the API: of one tenant or of all, and only for who may see them."""

import asyncio

import pytest

from phalanx.core import TenantId
from phalanx.trust import Role

BELL = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;'
ALL = {"from": "2020-01-01", "to": "2100-01-01"}


async def pages(http, path, params):
    after = ""
    while True:
        page = (await http.get(path, params=params | {"after": after})).raise_for_status().json()
        for one in page["items"]:
            yield one
        after = page["next"]
        if not after:
            return


@pytest.mark.requirement("QRM-11")
def test_what_tenants_used_is_reported_to_whom_it_concerns(on_node):
    async def work(api):
        http = api.http
        theirs = await api.token(Role.OPERATOR, TenantId("lab"))
        price = {"device": "local.*", "shape": "task-and-shot", "currency": "EUR", "as_of_ns": 1, "source": "us",
                 "fixed": 1.5}  # fmt: skip
        (await http.post("/v1/budgets/prices", json=price)).raise_for_status()
        asked = {"circuit": BELL, "shots": 20, "device": "local.statevector"}
        for headers in ({}, theirs):
            (await http.post("/v1/jobs", json=asked, headers=headers)).raise_for_status()
        for _ in range(600):
            rows = (await http.get("/v1/reports/chargeback", params=ALL)).raise_for_status().json()["items"]
            if sum(one["completed"] for one in rows) == 2:
                break
            await asyncio.sleep(0.05)
        assert {one["tenant"]: one["cost"] for one in rows} == {"default": 1.5, "lab": 1.5}
        own = (await http.get("/v1/reports/chargeback", params=ALL, headers=theirs)).json()["items"]
        assert [one["tenant"] for one in own] == ["lab"]
        lines = [one async for one in pages(http, "/v1/reports/charges", ALL | {"limit": 1})]
        assert [(one["tenant"], one["cost"], one["ended"]) for one in lines] == [
            ("default", 1.5, "Completed"), ("lab", 1.5, "Completed")
        ]  # fmt: skip
        mine = (await http.get("/v1/reports/charges", params=ALL | {"after": "a/"}, headers=theirs)).json()["items"]
        assert [one["tenant"] for one in mine] == ["lab"]
        assert mine[0]["price_source"] == "us"
        earned = (await http.get("/v1/reports/revenue", params=ALL)).raise_for_status().json()["items"]
        assert [(one["device"], one["revenue"]) for one in earned] == [("local.statevector", 3.0)]
        assert (await http.get("/v1/reports/revenue", params=ALL, headers=theirs)).status_code == 403
        levels = (await http.get("/v1/reports/sla", params=ALL, headers=theirs)).raise_for_status().json()["items"]
        assert [(one["tenant"], one["completed"], one["succeeded"]) for one in levels] == [("lab", 1, 1.0)]
        told = (await http.get("/v1/reports/forecasts", headers=theirs)).raise_for_status().json()["items"]
        assert {(one["what"], one["of"]) for one in told} >= {("arrivals", "local.statevector")}
        everybody = (await http.get("/v1/reports/forecasts")).raise_for_status().json()["items"]
        assert next(one["value"] for one in everybody if one["what"] == "arrivals") == 2.0
        assert not everybody[0]["spread"], "after so few steps nobody knows how far off it is"
        before = {"from": "2020-01-01", "to": "2021-01-01"}
        assert (await http.get("/v1/reports/chargeback", params=before)).json()["items"] == []
        for bad in ({"from": "soon", "to": "2021-01-01"}, {"from": "2021-01-01", "to": "2020-01-01"}, {}):
            assert (await http.get("/v1/reports/sla", params=bad)).status_code == 422
        assert (
            await http.get("/v1/reports/sla", params=ALL | {"tenant": "default"}, headers=theirs)
        ).status_code == 403

    on_node(work)
