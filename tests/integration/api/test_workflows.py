"""Workflows and their runs over the API of a real node."""

import asyncio

import pytest

from phalanx.trust import Role
from phalanx.workflows import Step, StepKind, Template


async def ended(api, run, *statuses):
    for _ in range(6_000):
        state = (await api.http.get(f"/v1/runs/{run}")).raise_for_status().json()["state"]
        if state["status"] in statuses:
            return state
        await asyncio.sleep(0.02)
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
        assert chart["bars"][1]["windows"][0].startswith("simulated on local.")
        picture = await api.http.get(f"/v1/runs/{run['id']}/gantt.svg")
        assert picture.headers["content-type"].startswith("image/svg+xml")
        assert "hand-over" in picture.text
        known = (await api.http.get("/v1/workflows/incident-triage")).raise_for_status().json()
        assert [step["name"] for step in known["steps"]] == ["collect", "estimate", "assess"]
        steps = (await api.http.get(f"/v1/runs/{run['id']}")).raise_for_status().json()["steps"]
        (estimate,) = (one["output"] for one in steps if one["step"] == "estimate")
        assert "instead of 1/ε²" in estimate["claim"]
        assert estimate["quantum"]["value"] == estimate["estimate"]
        assert [one["method"] for one in estimate["classical"]] == ["exact", "monte-carlo"]
        again = (await api.http.post(f"/v1/runs/{run['id']}/replay")).raise_for_status().json()["steps"]
        assert [one["outcome"] for one in again] == ["same", "same", "same"], "also what says when it was"

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


FILE = """\
name: seen
inputs: {values: list, wanted: list}
steps:
  index:
    use: look-up-indicators
    with: {values: "${inputs.values}", wanted: "${inputs.wanted}"}
  judge:
    use: assess
    with: {about: host-1, signals: ["${steps.index.signal}"]}
"""


@pytest.mark.requirement("HWF-1")
def test_a_workflow_says_what_a_run_is_given_and_a_run_that_lacks_it_is_not_begun(on_node):
    async def work(api):
        shown = (await api.http.get("/v1/workflows/cryptographic-posture")).raise_for_status().json()["inputs"]
        assert {one["name"]: (one["type"], one["needed"], one["default"]) for one in shown} == {
            "about": ("text", False, "the keys"), "keys": ("list", True, None),
            "machine_year": ("number", False, 2035), "spread_years": ("number", False, 4),
        }  # fmt: skip
        shown = (await api.http.get("/v1/workflows/incident-triage")).raise_for_status().json()["inputs"]
        assert [(one["name"], one["type"]) for one in shown] == [
            ("case", "text"), ("finding", "text"), ("signs", "list"), ("omitted", "integer"),
        ]  # fmt: skip
        for workflow, needs in (("cryptographic-posture", "keys"), ("incident-triage", "case")):
            refused = await api.http.post("/v1/runs", json={"workflow": workflow})
            assert (refused.status_code, f"`{needs}`" in refused.json()["detail"]) == (422, True)
        few = {"workflow": "network-anomaly", "inputs": {"usual": [[1, 2]] * 3, "asked": [[1, 2]]}}
        state = (await api.http.post("/v1/runs", json=few)).raise_for_status().json()
        state = await ended(api, state["id"], "failed")
        assert (state["step"], state["field"]) in {("classical", "usual"), ("quantum", "usual")}
        assert "20 to 2,000 rows, got 3" in state["reason"]

    on_node(work)


@pytest.mark.requirement("HWF-4")
def test_runs_of_one_seed_draw_the_same_and_others_do_not(on_node):
    async def work(api):
        links = [["a", "b", 0.4], ["b", "c", 0.3], ["a", "c", 0.1]]
        wanted = {"workflow": "attack-path-risk", "inputs": {"links": links, "source": "a", "goal": "c"}}
        found = []
        for seed in (5, 5, 6):
            state = (await api.http.post("/v1/runs", json={**wanted, "seed": seed})).raise_for_status().json()
            await ended(api, state["id"], "done")
            run = (await api.http.get(f"/v1/runs/{state['id']}")).raise_for_status().json()
            assert run["seed"] == seed
            outputs = {one["step"]: one["output"] for one in run["steps"]}
            found.append({**outputs, "assess": outputs["assess"]["fused"]})
        assert found[0] == found[1]
        assert found[0]["spread"] != found[2]["spread"]
        refused = await api.http.post("/v1/runs", json={**wanted, "seed": 1 << 63})
        assert refused.json()["context"]["field"] == "seed"

    on_node(work)


@pytest.mark.requirement("HWF-1")
def test_a_workflow_is_brought_as_a_file_run_and_done_again(on_node):
    async def work(api):
        wrong = await api.http.post("/v1/workflows", json={"text": FILE.replace("use: assess", "use: asses")})
        assert wrong.status_code == 422
        assert "steps.judge.use" in wrong.text
        assert ":8:" in wrong.json()["detail"]
        added = (await api.http.post("/v1/workflows", json={"text": FILE})).raise_for_status().json()
        assert [step["name"] for step in added["steps"]] == ["index", "judge"]
        assert any(one["name"] == "assess" for one in (await api.http.get("/v1/operations")).json()["items"])
        taken = await api.http.post("/v1/workflows", json={"text": FILE.replace("name: seen", "name: incident-triage")})
        assert taken.status_code == 422
        inputs = {"values": ["a", "b"], "wanted": ["b"]}
        asked = await api.http.post("/v1/runs", json={"workflow": "seen", "inputs": inputs})
        run = asked.raise_for_status().json()["id"]
        await ended(api, run, "done")
        again = (await api.http.post(f"/v1/runs/{run}/replay")).raise_for_status().json()["steps"]
        assert [(one["step"], one["outcome"]) for one in again] == [("index", "same"), ("judge", "same")]
        (assessment,) = (await api.http.get("/v1/assessments")).raise_for_status().json()["items"]
        assert (assessment["subject"]["value"], assessment["verdict"]) == ("host-1", "compromised")

    on_node(work)
