"""A decision of agents of a running node, fetched by command line and verified without the node."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading

import pytest
import uvicorn
from click.testing import CliRunner

from phalanx.api import create_app
from phalanx.cli.agents._consensus import consensus
from phalanx.core import DEFAULT_TENANT, PhalanxError
from phalanx.demo import Intrusion, address_book, deliver
from phalanx.node import Settings, build_node, open_ports
from phalanx.trust import Role


@pytest.fixture
def served(tmp_path):
    """Address and token of a node that has agreed on something."""
    ready, done = threading.Event(), threading.Event()
    told = {}

    async def serve():
        settings = Settings.model_validate({"node": {"data_dir": tmp_path}, "response": {"agreement": True}})
        async with open_ports(settings) as ports, build_node(settings, ports, host_names=address_book()) as node:
            await deliver(Intrusion(7, length_s=120.0, events_per_s=2.0), node, speed=0)
            listening = socket.create_server(("127.0.0.1", 0))
            server = uvicorn.Server(uvicorn.Config(create_app(node), log_level="error", lifespan="off"))
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            port = listening.getsockname()[1]
            token = await node.tokens.issue(DEFAULT_TENANT, "viewer", Role.VIEWER)
            told.update(url=f"http://127.0.0.1:{port}", token=token.secret)
            ready.set()
            await asyncio.to_thread(done.wait)
            server.should_exit = True
            await serving

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(60)
    yield ["--url", told["url"], "--token", told["token"]]
    done.set()
    thread.join()


@pytest.mark.requirement("CON-4")
def test_a_certificate_is_exported_and_verified_elsewhere(served, tmp_path):
    def run(*args):
        return CliRunner().invoke(consensus, args, catch_exceptions=True)

    listed = json.loads(run("list", "--json", *served).output)
    assert {one["decision"] for one in listed} == {"approve"}
    assert "approve" in run("list", *served).output
    (epoch,) = json.loads(run("epochs", "--json", *served).output)
    assert (epoch["number"], epoch["left_out"], epoch["objections"], epoch["refused"]) == (1, [], [], "")
    assert epoch["accepted"] == epoch["total"] == len(epoch["participants"])
    assert "Epochs" in run("epochs", *served).output
    file = tmp_path / "decision.json"
    shown = run("show", listed[0]["context"], "--out", str(file), *served)
    assert "verified: 'approve'" in shown.output
    checked = json.loads(run("verify", str(file), "--json").output)
    assert (checked["verified"], checked["decision"], checked["tolerated"]) == (True, "approve", 1)
    assert checked["context"] == listed[0]["context"]
    assert not checked["root_trusted"]
    plain = run("verify", str(file), "--root", checked["root"], "--context", checked["context"]).output
    assert "3 needed" in plain
    assert "compare this root" not in plain
    for args in (("--root", "0" * 64), ("--context", "0" * 64)):
        refused = run("verify", str(file), *args)
        assert isinstance(refused.exception, PhalanxError)
    # On a machine of its own: a process that knows of no node, in a folder with nothing but the file.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "carried.json").write_bytes(file.read_bytes())
    known = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    alone = subprocess.run(
        [sys.executable, "-m", "phalanx", "consensus", "verify", "carried.json", "--root", checked["root"]],
        cwd=elsewhere, env={**known, "HOME": str(elsewhere)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert alone.returncode == 0, alone.stderr
    assert "verified: 'approve' of approve, refuse about isolate-host of" in alone.stdout
    file.write_text(file.read_text().replace("approve", "condone"))
    assert isinstance(run("verify", str(file)).exception, PhalanxError)
