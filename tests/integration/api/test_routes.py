"""Routes over the API: where a circuit would be answered, and jobs that go there with the reason."""

import pytest

from phalanx.trust import Role

BELL = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;'


@pytest.mark.requirement("QRM-10")
def test_a_circuit_is_routed_and_submitted_once_with_its_reason(on_node):
    async def work(api):
        asked = {"circuit": BELL, "shots": 100, "aims": {"worth": 2.0}, "key": "one"}
        routed = (await api.http.post("/v1/routes", json=asked)).raise_for_status().json()
        assert routed["kind"] == "classical"
        assert any(one["way"]["name"].startswith("ibm.") for one in routed["ways"])
        assert (await api.http.get("/v1/jobs")).json()["items"] == []
        made = (await api.http.post("/v1/routes/jobs", json=asked)).raise_for_status().json()
        assert made["job"]["device"] == made["routed"]["name"] == routed["name"]
        assert made["job"]["reason"] == made["routed"]["reason"]
        again = (await api.http.post("/v1/routes/jobs", json=asked)).raise_for_status().json()
        assert again["job"]["id"] == made["job"]["id"]
        assert again["routed"] is None
        quantum = asked | {"aims": {"only": "quantum"}, "key": "two"}
        other = (await api.http.post("/v1/routes/jobs", json=quantum)).raise_for_status().json()
        assert other["routed"]["kind"] == "quantum"
        none = asked | {"aims": {"only": "quantum", "fidelity": 1.0}, "key": ""}
        refused = await api.http.post("/v1/routes/jobs", json=none)
        assert refused.status_code == 503
        viewer = await api.token(Role.VIEWER)
        assert (await api.http.post("/v1/routes/jobs", json=asked, headers=viewer)).status_code == 403
        assert (await api.http.post("/v1/routes", json={"circuit": BELL, "aims": {"fidelity": 7}})).status_code == 422

    on_node(work)
