"""Four nodes in processes of their own, over a NATS server: one epoch, decisions across them, one of them killed."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest
from click.testing import CliRunner

from phalanx.cli.agents._consensus import consensus
from phalanx.crypto.identity import Chain
from phalanx.demo import Intrusion, address_book

pytest.importorskip("nats", reason="the extra `cluster` is not installed")

NAMES = ("hq", "lab1", "lab2", "lab3")
PROCESSES = {f"{name}.org-{name}" for name in NAMES}
SHORT = Intrusion(7, length_s=120.0, events_per_s=2.0)


class Process:
    """``phalanx up`` and a client of its API."""

    def __init__(self, name, folder, *extra):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "phalanx", "up", "--port", "0", "--data-dir", str(folder / name), *extra,
             "--set", f"node.name={name}", "--set", f"identity.organisation=org-{name}", "--set", "agents.per_role=1",
             "--set", "response.agreement=true", "--set", "response.council=nodes",
             "--set", f"intake.hosts_file={folder / 'hosts'}", "--set", "log.level=error"],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.name, self.url, self.token, self.http = name, "", "", httpx.Client()

    def ready(self):
        said = ""
        while not self.url or not self.token:
            line = self.process.stderr.readline()
            assert line, f"{self.name} stopped: {said}"
            said += line
            if line.startswith("API "):
                self.url = line.split()[1].removesuffix("/v1")
            if "PHALANX_TOKEN=" in line:
                self.token = line.partition("=")[2].strip()
        self.http.base_url, self.http.timeout = self.url, 60
        self.http.headers["Authorization"] = f"Bearer {self.token}"
        return self

    def get(self, path, **params):
        return self.http.get(path, params=params).raise_for_status().json()

    def post(self, path, content=b"", **params):
        headers = {"Content-Type": "application/x-ndjson"} if path == "/v1/events" else {}
        return self.http.post(path, content=content, params=params, headers=headers).raise_for_status().json()

    def until(self, path, holds):
        """What is listed at ``path`` once it is what is waited for."""
        for _ in range(1_200):
            items = self.get(path, limit=1_000)["items"]
            if holds(items):
                return items
            time.sleep(0.1)
        pytest.fail(f"{self.name}: {path} never had that: {items}")

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def attacked(self):
        # Of now: on the evidence of old logs no host is isolated.
        for chunk in dataclasses.replace(SHORT, start_ns=time.time_ns()).chunks():
            self.post("/v1/events", chunk.data, reader=chunk.reader_hint)

    def close(self):
        self.http.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def agreed(items):
    return len([one for one in items if one["decision"] == "approve"]) >= 2


@pytest.mark.slow
@pytest.mark.requirement("CON-1", "CON-2", "CON-3", "CON-4")
def test_nodes_of_four_processes_decide_together_and_go_on_without_one(tmp_path):
    (tmp_path / "hosts").write_text("".join(f"{address} {name}\n" for address, name in address_book().items()))
    with contextlib.ExitStack() as stack:

        def start(name, *extra):
            made = Process(name, tmp_path, *extra)
            stack.callback(made.close)
            return made

        hq = start("hq", "--cluster").ready()
        labs = []
        for name in NAMES[1:]:
            token = tmp_path / f"{name}.join"
            token.touch(mode=0o600)
            token.write_text(hq.post("/v1/cluster/invitations", name=name)["token"])
            labs.append(start(name, "--join", str(token)))
        nodes = [hq, *(lab.ready() for lab in labs)]
        for lab in labs:
            text = lab.get("/v1/keys/identities/chain", name=f"organisation:org-{lab.name}")["chain"]
            for other in labs:
                if other is not lab:
                    fingerprint = Chain.from_text(text).root.key_fingerprint
                    other.post("/v1/keys/identities/trust", text.encode(), fingerprint=fingerprint)

        def whole(items):
            return any(set(epoch["participants"]) == PROCESSES for epoch in items)

        common = [{one["digest"] for one in node.until("/v1/consensus/epochs", whole)} for node in nodes]
        assert set.intersection(*common)

        hq.attacked()
        first = hq.until("/v1/consensus", agreed)
        # Who only took part knows it as well, with a certificate of its own to show.
        lab1 = nodes[1]
        lab1.until("/v1/consensus", lambda items: {one["slot"] for one in first} <= {one["slot"] for one in items})

        nodes.pop().kill()
        lab1.attacked()
        both = lab1.until("/v1/consensus", lambda items: len(items) >= len(first) + 2)
        slots = {one["slot"] for one in first}
        second = next(one for one in both if one["slot"] not in slots)
        assert second["total"] == 4
        assert "lab3.org-lab3" not in second["voters"]

        file = tmp_path / "carried.json"
        file.write_text(json.dumps(hq.get(f"/v1/consensus/{second['context']}/certificate")))
    shown = CliRunner().invoke(consensus, ["verify", str(file)])
    assert "votes of 3 of 4 participants, weight 3 of 4, 3 needed" in shown.output
    assert "fixed by   node:org-" in shown.output
