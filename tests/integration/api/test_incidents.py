"""Incidents through the API and the command: shown, split, merged, closed, and who may."""

import json

import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE
from phalanx.demo import Intrusion, feed
from phalanx.trust import Role


async def intruded(api):
    """A demo's intrusion, at once; its incident."""
    await feed(Intrusion(3, story="web"), api.node, speed=1e9)
    await api.node.settled()
    await api.node.incidents.regroup(DEFAULT_TENANT)
    items = (await api.http.get("/v1/incidents")).raise_for_status().json()["items"]
    return max(items, key=lambda one: len(one["members"]))


@pytest.mark.requirement("AGT-1")
def test_an_incident_is_split_merged_and_closed_and_what_was_said_is_shown(on_node):
    async def work(api):
        one = await intruded(api)
        assert len(one["members"]) > 2
        path, out = f"/v1/incidents/{one['id']}", one["members"][-1]["finding"]
        for bad in ({"findings": [], "reason": "x"}, {"findings": [out]}, {"findings": [out], "reason": ""}):
            assert (await api.http.post(f"{path}/split", json=bad)).status_code == 422, bad
        wanted = {"findings": [out], "reason": "another matter"}
        viewer = await api.token(Role.VIEWER)
        assert (await api.http.post(f"{path}/split", json=wanted, headers=viewer)).status_code == 403
        left = (await api.http.post(f"{path}/split", json=wanted)).raise_for_status().json()
        assert out not in [member["finding"] for member in left["members"]]
        assert (
            await api.http.post("/v1/incidents/merge", json={"incidents": [one["id"]], "reason": "x"})
        ).status_code == 422
        assert (await api.http.get("/v1/incidents/nothing")).status_code == 404
        closing = {"outcome": "test", "reason": "our own exercise"}
        closed = (await api.http.post(f"/v1/incidents/{left['id']}/close", json=closing)).raise_for_status().json()
        assert (closed["status"], closed["outcome"], closed["reason"]) == ("closed", "test", "our own exercise")
        shown = (await api.http.get(f"/v1/incidents/{left['id']}")).raise_for_status().json()
        assert [word["reason"] for word in shown["words"]] == ["another matter", "our own exercise"]
        assert {one["id"] for one in shown["findings"]} == {member["finding"] for member in left["members"]}
        of_closed = (await api.http.get("/v1/incidents", params={"status": "closed"})).json()["items"]
        assert [one["id"] for one in of_closed] == [left["id"]]
        stranger = await api.token(Role.OPERATOR, "somebody else")
        assert (await api.http.get(f"/v1/incidents/{left['id']}", headers=stranger)).status_code == 404

    on_node(work)


@pytest.mark.requirement("AGT-1")
def test_two_incidents_are_merged_and_the_older_one_stays(on_node):
    async def work(api):
        # Two intruders who have nothing to do with each other.
        await feed(Intrusion(3, story="two"), api.node, speed=1e9)
        await api.node.settled()
        await api.node.incidents.regroup(DEFAULT_TENANT)
        found = (await api.http.get("/v1/incidents", params={"status": "open"})).json()["items"]
        assert len(found) > 1
        ids = [one["id"] for one in found[:2]]
        wanted = {"incidents": ids, "reason": "the same people"}
        made = (await api.http.post("/v1/incidents/merge", json=wanted)).raise_for_status().json()
        assert made["id"] == min(ids)
        assert len(made["members"]) == sum(len(one["members"]) for one in found[:2])
        gone = (await api.http.get(f"/v1/incidents/{max(ids)}")).raise_for_status().json()["incident"]
        assert (gone["status"], gone["into"]) == ("merged", made["id"])

    on_node(work)


@pytest.mark.requirement("AGT-1")
def test_the_command_lists_shows_splits_and_closes(on_node, monkeypatch):
    async def work(api):
        one = await intruded(api)
        assert one["id"] in await api.run(monkeypatch, "incidents", "list")
        shown = await api.run(monkeypatch, "incidents", "show", one["id"])
        assert "it began here" in shown
        assert "techniques" in shown
        assert json.loads(await api.run(monkeypatch, "incidents", "show", one["id"], "--json"))["incident"] == one
        begun = json.loads(await api.run(monkeypatch, "incidents", "triage", one["id"], "--seed", "5", "--json"))
        assert begun["template"] == "incident-triage"
        outcome = await api.node.engine.run(
            "incident-triage", run_id=begun["id"], tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs={}
        )
        assert outcome.results["collect"].output["n_findings"] == len(one["members"])
        assert "1/ε" in outcome.results["estimate"].output["claim"]
        assert outcome.results["assess"].output["finding"] in {member["finding"] for member in one["members"]}
        out = one["members"][-1]["finding"]
        split = await api.run(monkeypatch, "incidents", "split", one["id"], out, "--reason", "another matter")
        assert "left" in split
        closed = await api.run(monkeypatch, "incidents", "close", one["id"], "test", "--reason", "our own exercise")
        assert "closed: test" in closed
        assert one["id"] in await api.run(monkeypatch, "incidents", "list", "--status", "closed")

    on_node(work)
