"""The page of devices, as a browser without scripts sees it."""

import pytest

from phalanx.allocation import Ask
from phalanx.allocation.money import Period
from phalanx.core import DEFAULT_TENANT
from phalanx.devices import GpuReading, HostReading
from phalanx.quantum import Gates


@pytest.mark.requirement("QRM-4")
def test_devices_their_map_and_jobs_are_shown(on_pages):
    async def work(visit):
        await visit.sign_in()
        empty = (await visit.http.get("/devices")).text
        assert "local.statevector" in empty
        assert "None was submitted yet" in empty
        assert "Nothing is limited" in empty
        assert "10,000,000" in empty, "ten seconds, in microseconds"
        assert "e+" not in empty
        await visit.node.budgets.put(DEFAULT_TENANT, "lab", unit="shots", limit=1_000, period=Period.DAY)
        gpu = GpuReading(name="H100", busy=0.25, memory_bytes=80, memory_used_bytes=8)
        reading = HostReading(cores=8, busy=0.5, load_1m=1.25, memory_bytes=100, memory_used_bytes=25, gpus=(gpu,))
        await visit.node.workers.observe("rack7", reading)
        busy = (await visit.http.get("/devices")).text
        assert "worker.rack7" in busy
        assert "H100 25 %" in busy
        circuit = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
        await visit.node.jobs.submit(DEFAULT_TENANT, circuit, shots=25)
        page = (await visit.http.get("/devices?device=local.statevector")).text
        assert "<title>qubit 0" not in page, "all couple: there is nothing to draw"
        page = (await visit.http.get("/devices?device=ibm.fake_fez")).text
        assert page.count("<title>qubit ") == 156
        assert page.index("Two-qubit error, median") < page.index("<title>qubit 0"), "numbers first"
        assert "Legend" in page
        assert "25 shots" in page, "what was charged"
        assert "1 jobs" not in page
        assert "/v1/jobs/" in page
        assert "local.statevector is best by the fidelity that is expected under its noise" in page
        assert "by expected_fidelity, newest first" in page
        assert "less disturbed" in page, "what was ruled out is there with its reason"
        assert "975.00" in page, "what is left of the budget"
        assert (await visit.http.get("/devices?device=no.such")).status_code == 404

    on_pages(work)


@pytest.mark.requirement("QRM-3", "QRM-4")
def test_a_job_that_waits_for_a_window_says_so_here_and_over_the_api(on_pages):
    async def work(visit):
        await visit.sign_in()
        ask = Ask(demands={"local.statevector": 1}, duration_ns=3_600 * 10**9, earliest_ns=visit.node.clock.wall_ns())
        await visit.node.reservations.book("lab", ask)
        circuit = Gates(1).x(0).measure(0).circuit()
        job = await visit.node.jobs.submit(DEFAULT_TENANT, circuit, shots=25, device="local.statevector")
        assert "local.statevector is booked by lab" in (await visit.http.get("/devices")).text
        headers = {"Authorization": f"Bearer {await visit.token()}"}
        shown = (await visit.http.get(f"/v1/jobs/{job.id}", headers=headers)).raise_for_status().json()
        assert shown["waits"]["by"] == ["lab"]
        assert (shown["cost"]["state"], shown["cost"]["held"]["shots"]) == ("held", 25)
        assert "what is simulated here costs nothing" in shown["cost"]["told"]
        listed = (await visit.http.get("/v1/jobs", headers=headers)).raise_for_status().json()
        assert listed["items"][0]["waits"]["why"] == shown["waits"]["why"]
        # Ends are reckoned in seconds, so they agree to the microsecond only.
        assert abs(listed["items"][0]["waits"]["until_ns"] - shown["waits"]["until_ns"]) < 10**6

    on_pages(work)


@pytest.mark.requirement("QRM-7", "QRM-4")
def test_a_device_that_failed_is_shown_as_kept_away_from(on_pages):
    async def work(visit):
        await visit.sign_in()
        assert "paused after failures" not in (await visit.http.get("/devices")).text
        for _ in range(2):
            visit.node.placements.failed("ibm.fake_fez")
        assert "paused after failures, for 30 s" in (await visit.http.get("/devices")).text
        headers = {"Authorization": f"Bearer {await visit.token()}"}
        listed = (await visit.http.get("/v1/devices", headers=headers)).raise_for_status().json()["items"]
        assert {one["name"] for one in listed if one["kept_away"]} == {"ibm.fake_fez"}
        shown = (await visit.http.get("/v1/devices/ibm.fake_fez", headers=headers)).raise_for_status().json()
        assert shown["device"]["kept_away"].startswith("paused after failures")

    on_pages(work)
