"""Workflows and their runs over the API of a real node."""

import asyncio

import pytest

from phalanx.trust import Role
from phalanx.workflows import Step, StepKind, Template


async def ended(api, run, *statuses):
    for _ in range(2_000):
        state = (await api.http.get(f"/v1/runs/{run}")).raise_for_status().json()["state"]
        if state["status"] in statuses:
            return state
        await asyncio.sleep(0)
    raise AssertionError(state)


@pytest.mark.requirement("HWF-1")
@pytest.mark.requirement("HWF-5")
def test_what_a_finding_led_to_is_a_run_with_a_chart(on_node):
    async def work(api):
        await api.intrusion()
        (run,) = (await api.http.get("/v1/runs", params={"status": "done"})).raise_for_status().json()["items"]
        assert run["template"] == "incident-triage"
        chart = (await api.http.get(f"/v1/runs/{run['id']}/gantt")).raise_for_status().json()
        assert chart["critical_path"] == ["collect", "estimate", "assess"]
        assert chart["bars"][1]["windows"] == ["simulated on local.statevector"]
        picture = await api.http.get(f"/v1/runs/{run['id']}/gantt.svg")
        assert picture.headers["content-type"].startswith("image/svg+xml")
        assert "hand-over" in picture.text
        known = (await api.http.get("/v1/workflows/incident-triage")).raise_for_status().json()
        assert [step["name"] for step in known["steps"]] == ["collect", "estimate", "assess"]

    on_node(work)


@pytest.mark.requirement("HWF-4")
def test_a_run_is_begun_paused_resumed_and_cancelled_by_operators_of_its_tenant(on_node):
    async def work(api):
        gate = asyncio.Event()

        async def wait(context):
            await gate.wait()
            return context.inputs

        steps = (
            Step(name="a", kind=StepKind.CLASSICAL, run=wait),
            Step(name="b", kind=StepKind.CLASSICAL, run=wait, needs=("a",)),
        )
        api.node.engine.register(Template(name="t", title="T", steps=steps))
        wanted = {"workflow": "t", "inputs": {"n": 1}}
        viewer = await api.token(Role.VIEWER)
        assert (await api.http.post("/v1/runs", json=wanted, headers=viewer)).status_code == 403
        begun = (await api.http.post("/v1/runs", json=wanted)).raise_for_status().json()
        path = f"/v1/runs/{begun['id']}"
        paused = (await api.http.post(f"{path}/pause", json={"reason": "maintenance"})).raise_for_status().json()
        assert (paused["wanted"], paused["by"]) == ("pause", "admin")
        gate.set()
        state = await ended(api, begun["id"], "paused")
        assert state["reason"] == "maintenance"
        other = await api.token(Role.OPERATOR, "somebody else")
        assert (await api.http.post(f"{path}/resume", headers=other)).status_code == 404
        (await api.http.post(f"{path}/resume")).raise_for_status()
        await ended(api, begun["id"], "done")
        refused = await api.http.post(f"{path}/cancel")
        assert (refused.status_code, "it is done" in refused.json()["detail"]) == (422, True)
        assert (await api.http.post("/v1/runs", json={"workflow": "none"})).status_code == 404
        late = await api.http.post("/v1/runs", json={**wanted, "deadline_s": -1})
        assert late.json()["context"]["field"] == "deadline_s"

    on_node(work)
