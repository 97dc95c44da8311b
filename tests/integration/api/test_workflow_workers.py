"""Workers of a whole node: invited over the API, at work in a process of their own, shown, and removed."""

import asyncio
import sys

import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE
from phalanx.node import WorkerPlan, WorkerToken, run_worker
from phalanx.testing import wait_until
from phalanx.trust import Role
from phalanx.workflows.analyses import response_planning

ROOT = "/v1/workflows/workers"
INPUTS = {
    "graph": {"links": [["web", "app", 0.6], ["app", "db", 0.5]], "source": "web", "goal": "db"},
    "responses": [{"name": "patch", "cost": 1.0, "guards": [["web", "app"]], "keeps_out": 0.8}],
    "budget": 1.0,
}


class JoinedLine:
    """The line of a node that uses another's server."""

    serves = False
    urls = ("tls://hq.example:4222",)


def test_a_node_without_a_server_of_its_own_has_none(on_node):
    async def work(api):
        assert (await api.http.get(ROOT)).raise_for_status().json()["items"] == []
        answer = await api.http.post(f"{ROOT}?name=w")
        assert answer.status_code == 422
        assert "cluster.serve" in answer.text
        assert "phalanx up --cluster" in answer.text
        api.node.workflow_workers.line = JoinedLine()
        answer = await api.http.post(f"{ROOT}?name=w")
        assert "workers serve the node whose server it is, and this one joined tls://hq.example:4222" in answer.text

    on_node(work)


@pytest.mark.requirement("HWF-3")
def test_a_worker_is_invited_works_is_shown_and_removed(on_node):
    pytest.importorskip("nats", reason="the extra `cluster` is not installed")

    async def work(api):
        operator = await api.token(Role.OPERATOR)
        assert (await api.http.post(f"{ROOT}?name=w", headers=operator)).status_code == 403
        made = (await api.http.post(f"{ROOT}?name=w")).raise_for_status().json()
        token = WorkerToken.from_text(made["token"])
        assert (token.name, repr(token)) == ("w", "WorkerToken(w for phalanx)")
        (shown,) = (await api.http.get(ROOT)).json()["items"]
        assert (shown["name"], shown["stage"], shown["silent_s"]) == ("w", "never heard", -1.0)
        stop, ready = asyncio.Event(), asyncio.Event()
        working = asyncio.ensure_future(
            run_worker(
                WorkerPlan(token=token, processes=1), stop=stop, on_ready=lambda *_: ready.set(),
                log_sink=lambda _: None,
            )
        )  # fmt: skip
        await ready.wait()
        crew = api.node.workflow_workers.crew
        await wait_until(lambda: any(one.stage == "here" for one in crew.workers()))
        if not any(one.name == response_planning.name for one in api.node.engine.templates):
            api.node.engine.register(response_planning)
        asked = {"workflow": response_planning.name, "inputs": INPUTS}
        run = (await api.http.post("/v1/runs", json=asked)).raise_for_status().json()["id"]
        await _ended(api, run)
        bars = (await api.http.get(f"/v1/runs/{run}/gantt")).json()["bars"]
        pieces = [piece for bar in bars for piece in bar["pieces"]]
        assert ("weigh-responses.weighed", "w", "a worker has room") in [
            (one["function"], one["place"], one["reason"]) for one in pieces
        ]
        (shown,) = (await api.http.get(ROOT)).json()["items"]
        assert (shown["stage"], shown["slots"], shown["lost"]) == ("here", 1, 0)
        assert shown["done"] >= 1
        stop.set()
        await working
        (await api.http.post(f"{ROOT}/remove?name=w")).raise_for_status()
        assert (await api.http.post(f"{ROOT}/remove?name=w")).status_code == 404
        recorded = [(one.entry.action, one.entry.subject) for one in await api.node.ledger.entries(-1, 100)]
        assert ("worker.invited", "w") in recorded
        assert ("worker.removed", "w") in recorded
        assert made["token"] not in str(api.log)

    on_node(work, cluster={"serve": True})


@pytest.mark.requirement("HWF-3")
def test_the_command_works_and_leaves_when_it_is_told_to(on_node, monkeypatch, tmp_path):
    pytest.importorskip("nats", reason="the extra `cluster` is not installed")

    async def work(api):
        assert "there are none" in await api.run(monkeypatch, "workflows", "workers")
        token = tmp_path / "w.worker"
        told = await api.run(monkeypatch, "workflows", "worker-token", "w", "--out", str(token))
        assert "phalanx worker --token w.worker" in told
        command = (sys.executable, "-m", "phalanx", "worker", "--token", token, "--processes", "1")
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        try:
            line = (await process.stderr.readline()).decode()
            assert line.startswith("worker     w works for phalanx (1 processes, ")
            crew = api.node.workflow_workers.crew
            await wait_until(lambda: any(one.stage == "here" for one in crew.workers()))
            assert "0 of 1" in await api.run(monkeypatch, "workflows", "workers")
            process.terminate()
            assert await process.wait() == 0
            await wait_until(lambda: crew.workers()[0].stage == "left")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert "w is out" in await api.run(monkeypatch, "workflows", "worker-remove", "w")

    on_node(work, cluster={"serve": True})


async def _ended(api, run):
    await api.node.engine.run(response_planning.name, run_id=run, tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs=INPUTS)
    found = (await api.http.get(f"/v1/runs/{run}")).json()
    assert found["state"]["status"] == "done", found["state"]["reason"]
