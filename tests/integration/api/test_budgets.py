"""Budgets and prices over the API: set by who keeps the node, seen by whom they are for, enforced at submission."""

import asyncio

import pytest

from phalanx.core import TenantId
from phalanx.trust import Role

BELL = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;'
PRICE = {
    "device": "local.statevector", "shape": "task-and-shot", "currency": "EUR", "as_of_ns": 10**18, "source": "ours",
    "fixed": 1.0, "per_shot": 0.01,
}  # fmt: skip


@pytest.mark.requirement("QRM-8")
def test_a_tenant_sees_its_budgets_and_is_refused_with_the_reason(on_node):
    async def work(api):
        http = api.http
        theirs = await api.token(Role.OPERATOR, TenantId("lab"))
        (await http.post("/v1/budgets/prices", json=PRICE)).raise_for_status()
        grant = {"name": "month", "unit": "EUR", "limit": 5, "tenant": "lab"}
        assert (await http.post("/v1/budgets", json=grant)).raise_for_status().json()["left"] == 5
        prices = {one["device"]: one for one in (await http.get("/v1/budgets/prices", headers=theirs)).json()["items"]}
        assert prices["local.statevector"]["per_shot"] == 0.01
        asked = {"circuit": BELL, "shots": 200, "device": "local.statevector"}
        job = (await http.post("/v1/jobs", json=asked, headers=theirs)).raise_for_status().json()
        refused = await http.post("/v1/jobs", json=asked, headers=theirs)
        assert refused.status_code == 402
        told = refused.json()
        assert told["code"] == "over-budget"
        assert told["context"]["left"] == 2.0
        assert told["context"]["costs"] == 3.0
        for _ in range(600):
            seen = (await http.get("/v1/budgets/month", headers=theirs)).raise_for_status().json()
            if seen["budget"]["held"] == 0:
                break
            await asyncio.sleep(0.05)
        assert seen["budget"]["spent"] == 3.0
        assert [one["id"] for one in seen["charges"]] == [job["id"]]
        assert seen["charges"][0]["price"]["source"] == "ours"
        (await http.post("/v1/jobs", json=asked)).raise_for_status()  # nothing limits the default tenant
        assert (await http.get("/v1/budgets")).json()["items"] == []
        assert len((await http.get("/v1/budgets?tenant=lab")).json()["items"]) == 1
        assert (await http.get("/v1/budgets?tenant=default", headers=theirs)).status_code == 403
        all_of_them = (await http.get("/v1/budgets?everybody=true")).raise_for_status().json()["items"]
        assert [(one["tenant"], one["name"]) for one in all_of_them] == [("lab", "month")]
        assert (await http.get("/v1/budgets?everybody=true", headers=theirs)).status_code == 403
        own_admin = await api.token(Role.ADMIN, TenantId("lab"))
        assert (await http.get("/v1/budgets?everybody=true", headers=own_admin)).status_code == 403
        assert (await http.post("/v1/budgets", json=grant, headers=own_admin)).status_code == 403
        assert (await http.post("/v1/budgets", json=grant, headers=theirs)).status_code == 403
        assert (await http.post("/v1/budgets", content=b"{")).status_code == 422
        assert (await http.post("/v1/budgets/month/remove?tenant=lab")).raise_for_status().json()["spent"] == 3.0
        (await http.post("/v1/budgets/prices/local.statevector/remove")).raise_for_status()
        (await http.post("/v1/jobs", json=asked, headers=theirs)).raise_for_status()

    on_node(work)
