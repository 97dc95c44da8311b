"""SIGKILL of a node while circuits of a step are jobs: the next life goes on with them, and nothing is done twice."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import httpx
import pytest

READ_S = 400

FILE = """\
name: killed
steps:
  spread:
    use: spread-probability
    with: {links: [[web, app, 0.3], [app, db, 0.5]], source: web, goal: db, epsilon: 0.05}
    quantum: {device: ibm.fake_lagos}
  mean:
    use: estimate-mean
    needs: [spread]
    with:
      circuit: |
        OPENQASM 3.0; include "stdgates.inc"; qubit[5] q;
        h q[0]; cx q[0], q[1]; cx q[1], q[2]; cx q[2], q[3];
      observable: Z0 Z3
      shots: 2000
    quantum: {device: ibm.fake_lagos, mitigate: "pec:64"}
"""


class Up:
    """A `phalanx up` process on one data folder, which ends as if the machine had lost it."""

    def __init__(self, data_dir, token=""):
        # Into a file and not a pipe: the node's own processes hold it open when the node is killed.
        said = data_dir / f"said-{len(token)}.txt"
        with said.open("wb") as written:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "phalanx", "up", "--port", "0", "--data-dir", str(data_dir)], stderr=written
            )
        wanted = r"API +(\S+)/v1" + ("" if token else r"[\s\S]*PHALANX_TOKEN=(\S+)")
        found = self.until(lambda: re.search(wanted, said.read_text()))
        self.token = token or found[2]
        self.http = httpx.Client(base_url=found[1], headers={"Authorization": f"Bearer {self.token}"}, timeout=READ_S)

    def post(self, path, **body):
        return self.http.post(path, json=body).raise_for_status().json()

    def get(self, path):
        return self.http.get(path).raise_for_status().json()

    def jobs(self):
        return self.get("/v1/jobs")["items"]

    def until(self, seen):
        """What ``seen`` gives, once it gives anything."""
        asked_until = time.monotonic() + READ_S
        while not (found := seen()):
            assert time.monotonic() < asked_until
            assert self.process.poll() is None
            time.sleep(0.01)
        return found

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.http.close()


@pytest.mark.slow
@pytest.mark.requirement("HWF-4", "QRM-6")
@pytest.mark.parametrize("stage", ["Queued", "Running"])
@pytest.mark.parametrize("step", ["spread", "mean"])
def test_a_killed_node_goes_on_with_the_jobs_of_its_steps_and_pays_once(tmp_path, step, stage):
    node = Up(tmp_path)
    node.post("/v1/budgets", name="few", unit="jobs", limit=1_000, period="once")
    node.post("/v1/workflows", text=FILE)
    run = node.post("/v1/runs", workflow="killed")["id"]
    of_mean = step == "mean"

    def caught():
        """A job of the step that stands at the stage, or that has just passed it."""
        return [one for one in node.jobs() if bool(one["observable"]) == of_mean and one["state"] != "Completed"
                and (stage == "Queued" or one["state"] == stage)]  # fmt: skip

    job = node.until(caught)[0]["id"]
    before = {one["id"] for one in node.jobs()}
    node.kill()

    node = Up(tmp_path, node.token)
    try:
        state = node.until(lambda: (s := node.get(f"/v1/runs/{run}")["state"]) and s["ended_ns"] and s)
        assert (state["status"], state["fence"]) == ("done", 2), state
        jobs = node.jobs()
        assert {one["state"] for one in jobs} == {"Completed"}
        assert before <= {one["id"] for one in jobs}, "none is lost"
        assert max(Counter((one["circuit"]["qasm3"], one["seed"]) for one in jobs).values()) == 1, "none is repeated"
        (caught_one,) = [one for one in jobs if one["id"] == job]
        assert caught_one["attempts"] >= 1
        steps = node.get(f"/v1/runs/{run}")["steps"]
        assert len(steps) == len({one["step"] for one in steps}) == 2
        assert not any(one["degraded"] for one in steps)
        told = [name for one in steps for window in one["windows"] for name in window["jobs"]]
        assert sorted(told) == sorted(one["id"] for one in jobs), "each job is in the result of its step, once"
        detail = node.get("/v1/budgets/few")
        assert detail["budget"]["spent"] == len(jobs)
        assert detail["budget"]["held"] == 0
        assert {one["state"] for one in detail["charges"]} == {"settled"}
    finally:
        node.kill()
