"""Placement over the API: the policy, a circuit explained, and what was decided for a job."""

import pytest

from phalanx.trust import Role

GHZ = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[3]; creg c[3]; h q[0]; cx q[0],q[1]; cx q[1],q[2]; measure q -> c;'


@pytest.mark.requirement("QRM-2", "QRM-5")
def test_a_circuit_is_explained_and_a_jobs_placement_found(on_node):
    async def work(api):
        policy = (await api.http.get("/v1/allocation")).raise_for_status().json()
        assert policy["policy"] == "expected_fidelity"
        assert {"composite", "least_busy", "best_error", "pareto"} <= set(policy["policies"])
        for name in policy["policies"]:
            asked = {"circuit": GHZ, "policy": name, "origin": "simulated"}
            found = (await api.http.post("/v1/allocation/explain", json=asked)).raise_for_status().json()
            assert (found["policy"], found["device"]) == (name, "local.statevector")
            assert all(one["reason"] for one in found["devices"])
        assert (await api.http.get("/v1/allocation/decisions")).json()["items"] == [], "what is asked is not kept"
        job = (await api.http.post("/v1/jobs", json={"circuit": GHZ, "shots": 10})).raise_for_status().json()
        latest = (await api.http.get("/v1/allocation/decisions")).json()["items"]
        assert [one["subject"] for one in latest] == [f"job {job['id']}"]
        whole = (await api.http.get(f"/v1/allocation/decisions/{job['id']}")).raise_for_status().json()
        assert whole["device"] == job["device"]
        assert len(whole["devices"]) == latest[0]["n_fit"] + latest[0]["n_refused"]
        stranger = await api.token(Role.OPERATOR, "somebody else")
        gone = await api.http.get(f"/v1/allocation/decisions/{job['id']}", headers=stranger)
        assert gone.status_code == 404
        for bad in ({"circuit": GHZ, "policy": "best"}, {"circuit": "x"}, {"circuit": GHZ, "origin": "magic"}):
            assert (await api.http.post("/v1/allocation/explain", json=bad)).status_code in {400, 422}, bad
        late = {"circuit": GHZ, "shots": 10, "regions": ["moon"]}
        assert (await api.http.post("/v1/jobs", json=late)).status_code == 503

    on_node(work)


@pytest.mark.requirement("LRN-2")
def test_a_policy_is_promoted_by_an_admin_with_a_reason(on_node):
    async def work(api):
        assert (await api.http.get("/v1/allocation/policies")).raise_for_status().json()["items"] == []
        promote = "/v1/allocation/policies/learned/promote"
        refused = await api.http.post(promote, json={"reason": "it learns"})
        assert refused.status_code in {400, 422}
        assert "no decision has an outcome" in refused.text
        operator = await api.token(Role.OPERATOR)
        assert (await api.http.post(promote, json={"reason": "x"}, headers=operator)).status_code == 403
        forced = await api.http.post(promote, json={"reason": "it learns", "force": True})
        assert forced.raise_for_status().json()["policy"] == "learned"
        assert (await api.http.get("/v1/allocation")).json()["policy"] == "learned"
        unknown = await api.http.post("/v1/allocation/policies/best/promote", json={"reason": "x", "force": True})
        assert unknown.status_code in {400, 422}

    on_node(work)


@pytest.mark.requirement("LRN-3")
def test_limits_of_machines_are_shown(on_node):
    async def work(api):
        found = (await api.http.get("/v1/allocation/limits")).raise_for_status().json()
        assert found["items"] == [], "this node emulates its machines"

    on_node(work)
