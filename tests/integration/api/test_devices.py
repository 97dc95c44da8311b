"""Devices and jobs over the API."""

import asyncio

import pytest

from phalanx.trust import Role

BELL = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;'


@pytest.mark.requirement("QRM-4")
def test_devices_are_listed_shown_and_drawn(on_node):
    async def work(api):
        rows = {one["name"]: one for one in (await api.http.get("/v1/devices")).raise_for_status().json()["items"]}
        assert rows["local.statevector"]["origin"] == "simulated"
        for name, row in rows.items():
            assert row["provider"] == name.partition(".")[0]
        detail = (await api.http.get("/v1/devices/local.statevector")).raise_for_status().json()
        assert len(detail["qubits"]) == rows["local.statevector"]["n_qubits"]
        picture = await api.http.get("/v1/devices/local.statevector/map.svg")
        assert picture.headers["content-type"].startswith("image/svg+xml")
        assert picture.text.startswith("<svg")
        history = (await api.http.get("/v1/devices/local.statevector/history")).raise_for_status().json()
        assert history["device"] == "local.statevector"
        assert (await api.http.get("/v1/devices/local.statevector/history.svg?number=t1_ns")).text.startswith("<svg")
        beyond = await api.http.get("/v1/devices/local.statevector/history.svg?number=t1_ns&qubit=99")
        assert beyond.status_code in {400, 422}
        assert "none of the 22" in beyond.text
        assert (await api.http.get("/v1/devices/no.such")).status_code == 404

    on_node(work)


@pytest.mark.requirement("QRM-8")
def test_a_job_is_submitted_found_again_and_kept_from_others(on_node):
    async def work(api):
        asked = {"circuit": BELL, "shots": 200, "seed": 5, "key": "one"}
        job = (await api.http.post("/v1/jobs", json=asked)).raise_for_status().json()
        again = (await api.http.post("/v1/jobs", json=asked)).raise_for_status().json()
        assert job["id"] == again["id"]
        for _ in range(600):
            found = (await api.http.get(f"/v1/jobs/{job['id']}")).raise_for_status().json()
            if found["state"] in {"Completed", "Failed"}:
                break
            await asyncio.sleep(0.05)
        assert found["state"] == "Completed", found
        assert set(found["counts"]) == {"00", "11"}
        assert found["provenance"]["origin"] == "simulated"
        assert (await api.http.post(f"/v1/jobs/{job['id']}/cancel")).json()["state"] == "Completed"
        assert [one["id"] for one in (await api.http.get("/v1/jobs")).json()["items"]] == [job["id"]]
        stranger = await api.token(Role.OPERATOR, "somebody else")
        assert (await api.http.get(f"/v1/jobs/{job['id']}", headers=stranger)).status_code == 404
        viewer = await api.token(Role.VIEWER)
        assert (await api.http.post("/v1/jobs", json=asked, headers=viewer)).status_code == 403
        for bad in (
            {"circuit": "nonsense"},
            {"circuit": BELL, "shots": 0},
            {"circuit": BELL, "origin": "magic"},
            {"x": 1},
        ):
            assert (await api.http.post("/v1/jobs", json=bad)).status_code in {400, 413, 422}, bad

    on_node(work)


@pytest.mark.requirement("QRM-8")
def test_an_analog_program_is_a_job(on_node):
    program = '{"atoms_um": [[0,0],[5.5,0]], "amplitude": [[0,0],[1,12],[2,0]], "detuning": [[0,-20],[2,20]]}'

    async def work(api):
        for bad in ({"program": program, "circuit": BELL}, {"shots": 5}, {"program": "{}"}):
            assert (await api.http.post("/v1/jobs", json=bad)).status_code in {400, 422}, bad
        refused = await api.http.post("/v1/jobs", json={"program": program, "device": "local.statevector"})
        assert refused.status_code in {400, 422}
        assert "takes no analog programs" in refused.text

    on_node(work)


ISING = '{"fields": [0.5, -0.2], "couplings": [[0, 1, -1.0]]}'


@pytest.mark.requirement("QRM-8", "QRM-10")
@pytest.mark.parametrize("work", [{"circuit": BELL}, {"program": ISING}])
def test_what_nobody_can_mean_is_refused_with_the_name_of_its_field(on_node, work):
    async def main(api):
        for field, value in (
            ("within_s", -5), ("budget", -1), ("fidelity", -0.1), ("fidelity", 1.5), ("shots", 0), ("seed", -1),
            ("seed", 10**30), ("origin", "real"), ("regions", [""]), ("key", "a\u0000b"),
        ):  # fmt: skip
            answer = await api.http.post("/v1/jobs", json={**work, field: value})
            assert (answer.status_code, answer.json()["context"]["field"]) == (422, field), answer.text
        late = await api.http.post("/v1/jobs", json={**work, "within_s": 1e300})
        assert (late.status_code, "within_s" in late.text) == (413, True)
        assert (await api.http.get("/v1/jobs")).json()["items"] == []
        asked = await api.http.post("/v1/allocation/explain", json={**work, "within_s": -5})
        assert (asked.status_code, asked.json()["context"]["field"]) == (422, "within_s")

    on_node(main)


@pytest.mark.requirement("QRM-8", "QRM-10", "QRM-2")
def test_wishes_of_a_program_hold_over_http_and_its_placement_is_explained(on_node):
    async def main(api):
        async def refused(path="/v1/jobs", **asked):
            answer = await api.http.post(path, json={"program": ISING, **asked})
            assert answer.status_code in {422, 503}, answer.text
            return answer.json()["detail"]

        for device in ("", "local.annealer"):
            assert "fidelity: nobody can predict it for a program" in await refused(fidelity=0.9, device=device)
            assert "local.annealer" in (told := await refused(regions=["eu"], device=device))
            assert "in local, not in eu" in told
            assert "would be done in 1 s, and" in (told := await refused(within_s=0.001, device=device))
            assert "s are left" in told
        assert "language" in await refused(language="qir")
        assert "policy: compares circuits" in await refused("/v1/allocation/explain", policy="pareto")
        wanted = {"program": ISING, "within_s": 600, "budget": 5, "regions": ["local"], "emergency": True}
        found = (await api.http.post("/v1/allocation/explain", json=wanted)).raise_for_status().json()
        assert (found["policy"], found["device"]) == ("gateless", "local.annealer")
        assert {one["device"]: one["reason"] for one in found["devices"]}["local.statevector"] == (
            "samples no Ising problems"
        )
        job = (await api.http.post("/v1/jobs", json=wanted)).raise_for_status().json()
        assert job["device"] == "local.annealer"
        (kept,) = (await api.http.get("/v1/allocation/decisions")).json()["items"]
        assert (kept["subject"], kept["policy"]) == (f"job {job['id']}", "gateless")

    on_node(main)
