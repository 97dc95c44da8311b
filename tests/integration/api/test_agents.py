"""The swarm over the API and from the shell: looked up, shown, killed, set apart."""

import pytest

from phalanx.trust import Role


@pytest.mark.requirement("AGT-2")
def test_agents_are_looked_up_by_what_is_wanted(on_node):
    async def work(api):
        async def ask(**wanted):
            return (await api.http.get("/v1/agents", params=wanted)).raise_for_status().json()["items"]

        everybody = await ask()
        analysts = await ask(role="analyst")
        assert {one["role"] for one in analysts} == {"analyst"}
        assert {one["id"] for one in analysts} <= {one["id"] for one in everybody}
        assert {one["id"] for one in await ask(skill="triage", able="true")} == {one["id"] for one in analysts}
        assert await ask(locality="elsewhere") == []
        assert all("incident-response" in one["capabilities"] for one in await ask(capability="incident-response"))
        assert (await api.http.get("/v1/agents", params={"role": "butler"})).status_code == 422
        one = (await api.http.get("/v1/agents/analyst-1.1")).raise_for_status().json()
        assert (one["role"], one["locality"]) == ("analyst", api.node.settings.node.name)
        assert (await api.http.get("/v1/agents/analyst-1.99")).status_code == 404
        skills = (await api.http.get("/v1/skills", params={"capability": "incident-response"})).json()["items"]
        assert "triage" in {skill["name"] for skill in skills}
        health = (await api.http.get("/v1/agents/health")).json()
        assert health["running"]

    on_node(work)


@pytest.mark.requirement("AGT-6")
def test_a_killed_agent_has_a_successor_with_another_key(on_node):
    async def work(api):
        before = (await api.http.get("/v1/agents/analyst-1.1")).json()
        viewer = await api.token(Role.VIEWER)
        assert (await api.http.post("/v1/agents/analyst-1.1/kill", headers=viewer)).status_code == 403
        taken = (await api.http.post("/v1/agents/analyst-1.1/kill", params={"reason": "a test"})).raise_for_status()
        assert taken.json() == {"agent": "analyst-1.1", "successor": "analyst-1.2", "reason": "a test"}
        await api.node.clock.sleep(0.5)
        after = (await api.http.get("/v1/agents/analyst-1.2")).raise_for_status().json()
        assert after["identity"] not in ("", before["identity"])
        assert (await api.http.post("/v1/agents/analyst-1.1/kill")).status_code == 404

    on_node(work)


@pytest.mark.requirement("AGT-5")
def test_an_agent_set_apart_loses_its_identity_and_is_on_record(on_node):
    async def work(api):
        before = (await api.http.get("/v1/agents/analyst-2.1")).json()
        answer = await api.http.post("/v1/agents/analyst-2.1/quarantine", params={"reason": "it lied"})
        one = answer.raise_for_status().json()
        assert (one["successor"], one["reason"], one["identity"]) == ("analyst-2.2", "it lied", before["identity"])
        assert (await api.http.get("/v1/agents/quarantined")).json()["items"] == [one]
        entries = (await api.http.get("/v1/ledger")).json()["items"]
        assert any(entry["action"] == "agent.quarantine" and entry["subject"] == "analyst-2.1" for entry in entries)
        revoked = (
            (await api.http.get("/v1/keys/identities/chain", params={"name": before["identity"]}))
            .raise_for_status()
            .json()
        )
        assert revoked["identity"]["state"] == "revoked"

    on_node(work)


@pytest.mark.requirement("AGT-3")
def test_missions_and_what_happened_to_each_are_told(on_node):
    async def work(api):
        await api.intrusion()

        async def missions(**wanted):
            return (await api.http.get("/v1/agents/missions", params=wanted)).raise_for_status().json()["items"]

        done = await missions(status="done", limit=10)
        assert "triage" in {one["skill"] for one in done}
        assert await missions(taken="true") == []
        history = (
            (await api.http.get(f"/v1/agents/missions/{done[0]['id']}/history")).raise_for_status().json()["items"]
        )
        assert [one["stage"] for one in history] == ["mission", "assigned", "mission-done"]
        assert history[-1]["detail"]["agent"] == done[0]["agent"]
        assert (await api.http.get("/v1/agents/missions/nonsense/history")).status_code == 404
        alone = await api.http.get("/v1/agents/succession")
        assert (alone.status_code, "cluster.heirs" in alone.text) == (404, True)
        assert (await api.http.post("/v1/agents/succession/lab/disown")).status_code == 404

    on_node(work)
