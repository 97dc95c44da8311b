"""How a node's work is spread, over the API; and problems that are sent to it."""

import pytest

from phalanx.trust import Role

PROBLEM = {
    "kinds": [{"name": "work", "work": {"cpu": 1.0}}],
    "resources": [{"name": "a", "kind": "cpu"}, {"name": "b", "kind": "cpu"}],
    "operations": [{"kind": "work", "count": 10}],
}


@pytest.mark.requirement("BAL-4")
def test_missions_and_circuits_go_through_pools_that_show_matrix_and_reasons(on_node):
    async def work(api):
        await api.intrusion()
        await api.node.balancing.beat()
        pools = {
            pool["name"]: pool for pool in (await api.http.get("/v1/balancing")).raise_for_status().json()["items"]
        }
        assert set(pools) == {"agents", "devices"}
        agents = pools["agents"]
        analysts = [one for one in agents["resources"] if one["kind"] == "analyst"]
        assert sum(one["done"] for one in analysts) >= 1
        assert sum(one["done"] for one in agents["resources"]) == agents["placed"]
        (triage,) = [kind for kind in agents["kinds"] if kind["name"] == "triage"]
        assert sum(triage["placed"]) == pytest.approx(1.0)
        assert sum(triage["observations"]) == 1
        circuits = (await api.http.get("/v1/balancing/devices")).raise_for_status().json()
        assert circuits["placed"] > 1
        rows = (await api.http.get("/v1/balancing/devices/placements")).json()["items"]
        assert rows[0]["resource"] == "local.statevector"
        assert "local.statevector is free in" in rows[0]["reason"]
        stranger = await api.token(Role.VIEWER, "somebody else")
        none = await api.http.get("/v1/balancing/devices/placements", headers=stranger)
        assert none.json()["items"] == []
        assert (await api.http.get("/v1/balancing/nowhere")).status_code == 404

    on_node(work, balancing={"plan_from_per_s": 0})


def test_problems_are_solved_for_operators_and_refused_when_malformed(on_node):
    async def work(api):
        solved = (await api.http.post("/v1/balancing/solve", json=PROBLEM)).raise_for_status().json()
        assert solved["makespan_s"] == 5.0
        assert solved["gap"] < 0.001
        assert len(solved["placed"]) == 10
        viewer = await api.token(Role.VIEWER)
        assert (await api.http.post("/v1/balancing/solve", json=PROBLEM, headers=viewer)).status_code == 403
        bad = await api.http.post("/v1/balancing/solve", json={**PROBLEM, "deadline": 1})
        assert (bad.status_code, bad.json()["code"]) == (422, "invalid-input")
        stranded = {**PROBLEM, "resources": [{"name": "q", "kind": "qpu"}]}
        answer = await api.http.post("/v1/balancing/solve", json=stranded)
        assert answer.json()["code"] == "no-eligible-resource"
        asked = {
            **{name: PROBLEM[name] for name in ("kinds", "resources")},
            "arrivals_per_s": {"work": 1.8},
            "offers": [{"name": "more", "resource": {"name": "c", "kind": "cpu"}, "cost_per_hour": 2.0}],
            "horizon_days": 3,
        }
        plan = (await api.http.post("/v1/balancing/capacity", json=asked)).raise_for_status().json()
        assert [one["offer"] for one in plan["additions"]] == ["more"]

    on_node(work)
